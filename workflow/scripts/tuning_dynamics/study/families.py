"""The typed files of `families/`: hub revisions, local folders, or pre-training here."""

import json
import math
from typing import Annotated, Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, TypeAdapter, model_validator

from tuning_dynamics.study.strict import Count, Fraction, Strict


class Spacing(Strict):
    """Which points of pre-training to take; the union of all that is given."""

    steps: list[Count] = []
    """Optimiser steps; 0 is the initialisation."""
    tokens: list[PositiveFloat] = []
    """Tokens seen, taken to the nearest step."""
    log_spaced: Count = 0
    """This many steps, evenly spaced in log steps from 1 to the last."""
    uniform: Count = 0
    """This many steps, evenly spaced up to the last."""

    def resolve(self, tokens_per_step: float, last: int | None = None) -> list[int]:
        """The sorted steps; ValueError where there are none or a spacing lacks a last step."""
        steps = set(self.steps) | {round(tokens / tokens_per_step) for tokens in self.tokens}
        if (self.log_spaced or self.uniform) and last is None:
            raise ValueError("log_spaced and uniform need a known last step: list the steps")
        if last is not None:
            steps |= {round(last * (k + 1) / self.uniform) for k in range(self.uniform)}
            steps |= {
                round(math.exp(math.log(last) * k / max(1, self.log_spaced - 1)))
                for k in range(self.log_spaced)
            }
            beyond = sorted(step for step in steps if step > last)
            if beyond:
                raise ValueError(f"step {beyond[0]} lies beyond the last step, {last}")
        if not steps:
            raise ValueError("names no checkpoint")
        return sorted(steps)


class Corpus(Strict):
    """Text to pre-train on: the mini world's, or plain-text files (blank lines part documents)."""

    world: bool = False
    """True: the mini world's corpus."""
    files: list[str] = []
    """Plain UTF-8 text files; {data_root} is replaced, * and ? match names."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.world == bool(self.files):
            raise ValueError("give either world: true or files")
        return self


class Architecture(Strict):
    """An OLMo-architecture decoder (Groeneveld et al. 2024), small enough to pre-train here."""

    vocab_size: PositiveInt
    """Size of the byte-level BPE vocabulary trained on the corpus."""
    hidden_size: PositiveInt
    """Width of the residual stream."""
    intermediate_size: PositiveInt
    """Width of the SwiGLU layer."""
    layers: PositiveInt
    """Number of transformer blocks."""
    heads: PositiveInt
    """Number of attention heads."""
    context: PositiveInt
    """Longest sequence in tokens, prompts of evaluation included."""
    initialiser: PositiveFloat = 0.02
    """Standard deviation of the random weights at the start."""


class Pretraining(Strict):
    """The pre-training run. The schedule is fixed by `steps`, whatever checkpoints are kept."""

    steps: PositiveInt
    """Optimiser steps of the whole run."""
    batch_size: PositiveInt
    """Sequences in a step."""
    sequence_length: PositiveInt
    """Tokens in a sequence; documents are packed, parted by the end-of-text token."""
    lr: PositiveFloat
    """Peak learning rate of AdamW."""
    schedule: Literal["linear", "cosine", "constant"] = "cosine"
    """How the rate falls after warm-up (linear and cosine end at zero)."""
    warmup: Fraction = 0.03
    """Share of the steps over which the rate rises."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.1
    """Decoupled weight decay of matrices."""
    seed: Count = 0
    """Seed of initialisation and data order."""


class PretrainFamily(Strict):
    """A family that the workflow pre-trains itself."""

    source: Literal["pretrain"]
    corpus: Corpus
    """What to train on."""
    architecture: Architecture
    """The model."""
    training: Pretraining
    """The run."""
    checkpoints: Spacing
    """The points to keep."""
    tokenizer_text: str = ""
    """Text that the tokenizer is trained on besides the corpus, so that words of prompts become
    tokens. The model never sees it."""
    heldout: PositiveInt = 50
    """Documents kept out of training; every checkpoint's loss on them is recorded."""

    @property
    def tokens_per_step(self) -> float:
        return float(self.training.batch_size * self.training.sequence_length)

    def steps(self) -> list[int]:
        """The checkpoints' steps."""
        return self.checkpoints.resolve(self.tokens_per_step, self.training.steps)


class LocalFamily(Strict):
    """Checkpoints in local folders of the Hugging Face format (safetensors)."""

    source: Literal["local"]
    path: str
    """Folder of a checkpoint, with {step}; {data_root} is replaced."""
    tokens_per_step: PositiveFloat
    """Tokens in an optimiser step of pre-training."""
    checkpoints: Spacing
    """The points to take."""

    def steps(self) -> list[int]:
        """The checkpoints' steps."""
        return self.checkpoints.resolve(self.tokens_per_step)


class HubFamily(Strict):
    """Revisions of a hub repository."""

    source: Literal["hub"]
    repo: str
    """Repository, such as allenai/OLMo-1B-hf."""
    revision: str
    """How revisions are named, with {step} and, where they carry them, {tokens} (a * matches
    anything). Revisions are found by listing the repository's refs, never composed."""
    tokens_per_step: PositiveFloat
    """Tokens in an optimiser step of pre-training."""
    checkpoints: Spacing
    """The points to take."""

    def steps(self) -> list[int]:
        """The checkpoints' steps."""
        return self.checkpoints.resolve(self.tokens_per_step)


Family = Annotated[PretrainFamily | LocalFamily | HubFamily, Field(discriminator="source")]


def family_of(spec: str, step: int) -> Family:
    """The family of a job's spec (canonical JSON, in which the points to keep are left out)."""
    family: Family = TypeAdapter(Family).validate_python(
        {**json.loads(spec), "checkpoints": {"steps": [step]}}
    )
    return family
