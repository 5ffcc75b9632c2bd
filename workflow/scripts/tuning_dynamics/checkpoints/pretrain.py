"""Pre-train a small OLMo-architecture model, one segment of the run per checkpoint."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tuning_dynamics.checkpoints.manifest import model_digests, text_loss
from tuning_dynamics.common.atomic_files import (
    file_digest,
    read_json,
    whole_file,
    whole_folder,
    write_json,
)
from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.config.execution import Execution
from tuning_dynamics.config.family import (
    END_OF_TEXT,
    Architecture,
    PretrainFamily,
    Pretraining,
    family_of,
)
from tuning_dynamics.data.tokenizer import load_encoder
from tuning_dynamics.engine.hardware import prepare_device
from tuning_dynamics.engine.loop import (
    Batch,
    Progress,
    Schedule,
    Scratch,
    Settings,
    Training,
    resume,
    save,
    saved_state,
    scratch,
)


def pretrain_segment(
    name: str,
    spec: str,
    step: int,
    *,
    code: str,
    execution: Execution,
    inputs: dict[str, Any],
    outputs: dict[str, str],
) -> None:
    """Train from the previous checkpoint to `step`, and write the checkpoint there.

    `inputs`: tokenizer, tokens, heldout (see `prepare_corpus`) and previous (a list: the state
    to continue from, or nothing at initialisation). `outputs`: weights (a folder), state (for the
    next segment to continue from), metrics, manifest. `code` is the digest of the code, so that a
    half-done segment of other code is not resumed.
    """
    family = family_of(spec, step)
    assert isinstance(family, PretrainFamily), name
    before = [file_digest(path) for path in [inputs["tokens"], *inputs["previous"]]]
    identity = "\n".join([code, spec, str(step), *before])
    folder = scratch(outputs["manifest"])
    device = prepare_device(execution.device)
    model = build_model(family.architecture, Path(inputs["tokenizer"]), family.training.seed)
    training = Training(
        model.to(device),
        _settings(family.training, execution),
        device,
        what=f"{name} to {step}",
        file=f"families/{name}.yaml",
    )
    for previous in inputs["previous"]:
        training.restore(saved_state(Path(previous), device))
        # The cost of this segment is counted from here.
        training.progress = Progress(step=training.progress.step)
    kept = Scratch(folder, identity)
    resume(training, kept)
    batches = PackedBatches(name, np.load(inputs["tokens"], mmap_mode="r"), family.training)
    training.run(batches.batch, step, kept)
    _write_checkpoint(model, Path(inputs["tokenizer"]), Path(outputs["weights"]))
    write_json(outputs["metrics"], training.metrics("pretrain", f"{name}/{step}"))
    # Without seconds: if this segment is made again, later ones must not become stale.
    training.progress = Progress(step=training.progress.step)
    with whole_file(outputs["state"]) as temporary:
        save(training.state(), temporary)
    _write_manifest(name, family, step, model.eval(), inputs["heldout"], outputs, device)
    kept.remove()


def _write_manifest(
    name: str,
    family: PretrainFamily,
    step: int,
    model: Any,
    heldout: str,
    outputs: dict[str, str],
    device: torch.device,
) -> None:
    folder = Path(outputs["weights"])
    encoder = load_encoder(folder)
    write_json(
        outputs["manifest"],
        {
            "family": name,
            "step": step,
            "tokens": family.tokens(step),
            "source": "pretrain",
            "folder": str(folder),
            "adapter": None,
            "digests": model_digests(folder),
            "special_tokens": encoder.special.names,
            "text_loss": text_loss(
                model,
                encoder,
                read_json(heldout),
                family.training.sequence_length,
                device,
            ),
        },
    )


def build_model(architecture: Architecture, tokenizer: Path, seed: int) -> Any:
    """An OLMo model with seeded random weights and the tokenizer's end-of-text."""
    from transformers import OlmoConfig, OlmoForCausalLM

    vocabulary = json.loads(tokenizer.read_text(encoding="utf-8"))["model"]["vocab"]
    end = vocabulary[END_OF_TEXT]
    torch.manual_seed(seed)
    return OlmoForCausalLM(
        OlmoConfig(
            vocab_size=architecture.vocab_size,
            hidden_size=architecture.hidden_size,
            intermediate_size=architecture.intermediate_size,
            num_hidden_layers=architecture.layers,
            num_attention_heads=architecture.heads,
            max_position_embeddings=architecture.context,
            eos_token_id=end,
            pad_token_id=end,
            bos_token_id=None,
            initializer_range=architecture.initialiser,
            tie_word_embeddings=True,
        )
    )


def _settings(run: Pretraining, execution: Execution) -> Settings:
    return Settings(
        schedule=Schedule(run.lr, run.steps, run.warmup, run.schedule),
        weight_decay=run.weight_decay,
        clip_norm=1.0,
        betas=(0.9, 0.95),
        seed=run.seed,
        micro_batch=run.batch_size,
        save_seconds=execution.save_seconds,
    )


class PackedBatches:
    """Sequences of packed documents: a new seeded order and offset in each pass over the ids."""

    def __init__(self, name: str, tokens: "np.ndarray[Any, Any]", run: Pretraining) -> None:
        if len(tokens) <= run.sequence_length:
            raise StudyError(
                f"the corpus has {len(tokens)} tokens, fewer than one sequence",
                file=f"families/{name}.yaml",
                key="training.sequence_length",
                value=run.sequence_length,
                fix="shorten the sequence, or give more text",
            )
        self.tokens, self.run = tokens, run
        # One token less, as targets are the inputs shifted by one; one sequence less, so that every
        # pass can start at another offset.
        self.sequences = max(1, (len(tokens) - 1) // run.sequence_length - 1)
        self.order: tuple[int, int, list[int]] = (-1, 0, [])

    def batch(self, step: int) -> Batch:
        """The sequences of a step."""
        first = step * self.run.batch_size
        rows = [self._sequence(first + k) for k in range(self.run.batch_size)]
        return Batch([row[:-1] for row in rows], [row[1:] for row in rows])

    def _sequence(self, number: int) -> list[int]:
        epoch, place = divmod(number, self.sequences)
        if self.order[0] != epoch:
            generator = np.random.default_rng([self.run.seed, epoch])
            rest = len(self.tokens) - 1 - self.sequences * self.run.sequence_length
            offset = int(generator.integers(rest + 1))
            self.order = (epoch, offset, generator.permutation(self.sequences).tolist())
        _, offset, order = self.order
        start = offset + order[place] * self.run.sequence_length
        found: list[int] = self.tokens[start : start + self.run.sequence_length + 1].tolist()
        return found


def _write_checkpoint(model: Any, tokenizer: Path, target: Path) -> None:
    """Write a Hugging Face folder: weights, config, and a tokenizer that any library can load."""
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": END_OF_TEXT,
        "pad_token": END_OF_TEXT,
        "model_max_length": model.config.max_position_embeddings,
    }
    with whole_folder(target) as folder:
        model.save_pretrained(str(folder))
        shutil.copyfile(tokenizer, folder / "tokenizer.json")
        write_json(folder / "tokenizer_config.json", settings)
