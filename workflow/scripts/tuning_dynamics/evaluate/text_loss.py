"""The loss of a tuned variant on the text on which its checkpoint's is known.

It rises as tuning forgets the distribution of pre-training.
"""

import json
import math
from pathlib import Path

from tuning_dynamics.checkpoints.manifest import text_loss
from tuning_dynamics.checkpoints.verify import FIXED_TEXT
from tuning_dynamics.common.atomic_files import read_json, write_json
from tuning_dynamics.engine.hardware import prepare_device
from tuning_dynamics.evaluate.model import load_for_evaluation, not_a_number


def measure_text_loss(
    variant: str, spec: str, *, manifest: Path, heldout: str | None, out: Path
) -> None:
    """Write `text_loss`, nats per token, of the variant of a manifest; or, if its train set was
    refused, why.

    The text, its windows and fp32 are those of the checkpoint's own loss (`checkpoints.verify`,
    `checkpoints.pretrain`): of a family that is pre-trained here the documents in `heldout`, in
    windows of the spec's `context` tokens; else the fixed text, in windows of the model's context.
    StudyError for weights that can't be loaded, or logits that are not a number.
    """
    described = read_json(manifest)
    if "refused" in described:
        write_json(out, {"variant": variant, "refused": described["refused"]})
        return
    # A few hundred tokens, as for a checkpoint's own loss: a GPU would mostly be held for the start
    # of the job.
    model = load_for_evaluation(manifest, prepare_device("cpu"))
    texts = read_json(heldout) if heldout else _fixed_texts()
    context = json.loads(spec).get("context", model.context)
    loss = text_loss(model.model, model.encoder, texts, context, model.device)
    if not math.isfinite(loss):
        raise not_a_number()
    write_json(out, {"variant": variant, "text_loss": loss})


def _fixed_texts() -> list[str]:
    """The texts, as `checkpoints.verify` reads them."""
    return FIXED_TEXT.read_text(encoding="utf-8").strip().split("\n\n")
