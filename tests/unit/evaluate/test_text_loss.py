"""The loss of a tuned model on the text on which its checkpoint's is known."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from as_jobs import tuned, verified
from tiny import CONTEXT, pair, save_checkpoint, tiny_encoder

from tuning_dynamics.checkpoints.load import load_model
from tuning_dynamics.checkpoints.manifest import weights_of
from tuning_dynamics.checkpoints.verify import FIXED_TEXT
from tuning_dynamics.common.atomic_files import read_json, write_json
from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.evaluate import text_loss
from tuning_dynamics.evaluate.text_loss import measure_text_loss

KEY = "x/7/quick/t/seed0"
LORA = {"lora": {"r": 2, "alpha": 4}}


@pytest.fixture
def checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkpoint's manifest, by the job that checks it."""
    monkeypatch.chdir(tmp_path)
    save_checkpoint(Path("model"))
    return verified(Path("model"), Path("out"))


def measured(manifest: Path, spec: str = "{}", heldout: str | None = None) -> Any:
    """What the job writes."""
    out = Path("out/text_loss.json")
    measure_text_loss(KEY, spec, manifest=manifest, heldout=heldout, out=out)
    return read_json(out)


def direct(manifest: Path, texts: list[str], context: int) -> float:
    """The mean loss per token, a token at a time, by the model's own logits."""
    weights = weights_of(manifest)
    model: Any = load_model(weights.folder, weights.adapter, torch.device("cpu"))
    encoder, losses = tiny_encoder(), []
    for text in texts:
        ids = [*encoder.prompt(text), encoder.eos]
        for place in range(1, len(ids)):
            first = (place - 1) // context * context
            with torch.inference_mode():
                logits = model(input_ids=torch.tensor([ids[first:place]])).logits[0, -1]
            losses.append(-float(torch.log_softmax(logits, -1)[ids[place]]))
    return sum(losses) / len(losses)


def test_an_untuned_model_has_its_checkpoint_s_own_loss(checkpoint: Path) -> None:
    assert measured(checkpoint) == {
        "variant": KEY,
        "text_loss": read_json(checkpoint)["text_loss"],
    }


@pytest.mark.parametrize("train", ["full", LORA], ids=["full", "adapter"])
def test_a_tuned_model_has_the_loss_of_its_weights(checkpoint: Path, train: Any) -> None:
    items = [pair(number, "train") for number in range(4)]
    manifest, _ = tuned(checkpoint, Path("model"), items, Path("out/job"), train)
    assert bool(read_json(manifest)["adapter"]) == (train == LORA)
    found = measured(manifest)["text_loss"]
    texts = FIXED_TEXT.read_text(encoding="utf-8").strip().split("\n\n")
    assert found == pytest.approx(direct(manifest, texts, CONTEXT), rel=1e-5)
    assert found != read_json(checkpoint)["text_loss"]


def test_a_family_that_is_pretrained_here_has_its_own_text_and_windows(checkpoint: Path) -> None:
    texts = ["Ada Moss was born in Redhill.", "It rained, and the market was closed."]
    write_json(Path("heldout.json"), texts)
    found = measured(checkpoint, json.dumps({"context": 5}), "heldout.json")["text_loss"]
    assert found == pytest.approx(direct(checkpoint, texts, 5), rel=1e-5)


def test_a_variant_whose_train_set_was_refused_has_the_reason(checkpoint: Path) -> None:
    refused = Path("out/refused.json")
    write_json(refused, {**read_json(checkpoint), "refused": "no rows"})
    assert measured(refused) == {"variant": KEY, "refused": "no rows"}


def test_a_loss_that_is_not_a_number_is_an_error(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_loss, "text_loss", lambda *_: float("nan"))
    with pytest.raises(StudyError, match="not a number"):
        measured(checkpoint)
