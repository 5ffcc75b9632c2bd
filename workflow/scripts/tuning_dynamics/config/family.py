"""The typed files of `families/`: hub revisions, local folders, or pre-training here."""

import json
import math
import re
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, PositiveFloat, PositiveInt, TypeAdapter, model_validator

from tuning_dynamics.config.base import (
    Count,
    Fraction,
    MisfitError,
    Name,
    Repository,
    Seed,
    Strict,
    Unique,
)

#: The token that separates documents of a corpus, in models pre-trained here.
END_OF_TEXT = "<|endoftext|>"

#: No family has as many checkpoints; a range with more is a slip of the pen.
MOST_STEPS = 1_000_000


@dataclass(frozen=True)
class Steps:
    """Steps at which a family may have checkpoints: the `available` ones, else any to `last`."""

    tokens_per_step: float
    available: tuple[int, ...] = ()
    end: int | None = None

    @property
    def last(self) -> int | None:
        """The last step, if known."""
        return self.available[-1] if self.available else self.end

    @property
    def first(self) -> int:
        """The first step after initialisation."""
        return next((step for step in self.available if step > 0), 1)

    def nearest(self, step: float) -> int:
        """The step nearest to a real number; the earlier of two."""
        if not self.available:
            return round(step)
        return min(self.available, key=lambda known: abs(known - step))

    def gaps(self) -> list[tuple[int, int]]:
        """Neighbouring steps with checkpoints missing between them: more than ten times as far
        apart as the median of their ten neighbours on either side."""
        distances = [b - a for a, b in pairwise(self.available)]
        found = []
        for place, (start, end) in enumerate(pairwise(self.available)):
            near = distances[max(0, place - 10) : place] + distances[place + 1 : place + 11]
            if near and end - start > 10 * median(near):
                found.append((start, end))
        return found


def parse_steps(listed: list[int | str]) -> tuple[int, ...]:
    """Sorted steps of a list of steps and ranges such as `1000..143000 by 1000`.

    ValueError for text that is not a range.
    """
    steps: set[int] = set()
    for entry in listed:
        found = {entry} if isinstance(entry, int) else set(_parsed_range(entry))
        if found & steps:
            raise ValueError(f"{entry!r} lists step {min(found & steps)} again")
        steps |= found
    return tuple(sorted(steps))


def _readable(listed: list[int | str]) -> list[int | str]:
    parse_steps(listed)
    return listed


def _parsed_range(text: str) -> range:
    """The steps of `FIRST..LAST by EVERY`; ValueError for other text."""
    match = re.fullmatch(r"(\d{1,18})\.\.(\d{1,18}) by (\d{1,18})", text)
    if match is None or not int(match[3]) or int(match[1]) > int(match[2]):
        raise ValueError(f"{text!r} is neither a step nor a range like '1000..143000 by 1000'")
    found = range(int(match[1]), int(match[2]) + 1, int(match[3]))
    if len(found) > MOST_STEPS:
        raise ValueError(f"{text!r} has {len(found):,} steps")
    return found


class Spacing(Strict):
    """Which points of pre-training to take: the union of all given keys."""

    steps: Annotated[list[Count], Unique] = []
    """Optimiser steps; 0 is the initialisation."""
    tokens: Annotated[list[PositiveFloat], Unique] = []
    """Tokens seen; each is moved to the nearest existing step."""
    log_spaced: Count = 0
    """This many points, evenly spaced in log tokens from the first step after 0 to the last."""
    uniform: Count = 0
    """This many points, evenly spaced in tokens up to the last."""
    all: bool = False
    """Every existing step."""

    def resolve(self, steps: Steps) -> list[int]:
        """The sorted steps; ValueError if there are none, or some are not among `steps`."""
        chosen = {self._known(step, steps) for step in self.steps}
        chosen |= {steps.nearest(tokens / steps.tokens_per_step) for tokens in self.tokens}
        if (self.log_spaced or self.uniform) and steps.last is None:
            raise ValueError("log_spaced and uniform need a known last step: list the steps")
        if steps.last is not None:
            first, last = math.log(steps.first), math.log(steps.last)
            chosen |= {steps.nearest(steps.last * k / self.uniform) for k in _up_to(self.uniform)}
            chosen |= {
                steps.nearest(math.exp(first + (last - first) * (k - 1) / (self.log_spaced - 1)))
                for k in _up_to(self.log_spaced)
                if self.log_spaced > 1
            }
            if self.log_spaced == 1:
                chosen.add(steps.last)
        if self.all:
            if not steps.available:
                raise ValueError("all needs the key available: the existing steps")
            chosen |= set(steps.available)
        if not chosen:
            raise ValueError("names no checkpoint")
        return sorted(chosen)

    def _known(self, step: int, steps: Steps) -> int:
        if steps.available and step not in steps.available:
            near = steps.nearest(step)
            raise ValueError(f"there is no step {step}; the nearest is {near}")
        if steps.last is not None and step > steps.last:
            raise ValueError(f"step {step} lies beyond the last step, {steps.last}")
        return step


def _up_to(number: int) -> range:
    return range(1, number + 1)


class ModelSize(Strict):
    """What the cost model needs to know about a model before its weights are downloaded."""

    parameters: PositiveFloat
    """Weights, embeddings included."""
    layers: PositiveInt
    """Transformer blocks."""
    hidden_size: PositiveInt
    """Width of the residual stream."""
    vocab_size: PositiveInt
    """Rows of the output head."""
    context: PositiveInt
    """Longest sequence in tokens."""


class Corpus(Strict):
    """Text to pre-train on: the mini world's, or plain-text files (blank lines end documents)."""

    world: bool = False
    """True: the mini world's corpus."""
    files: list[str] = []
    """Plain UTF-8 text files; {data_root} is replaced, * and ? match names."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.world == bool(self.files):
            raise MisfitError("files", "give either world: true or files", "remove one of the two")
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

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        if self.hidden_size % (2 * self.heads):
            raise MisfitError(
                "heads",
                f"{self.hidden_size} dimensions are not {self.heads} heads of an even size",
                "choose hidden_size as a multiple of twice the heads",
            )
        return self


class Pretraining(Strict):
    """The pre-training run. `steps` fixes the schedule, whichever checkpoints are kept."""

    steps: PositiveInt
    """Optimiser steps of the whole run."""
    batch_size: PositiveInt
    """Sequences in a step."""
    sequence_length: PositiveInt
    """Tokens in a sequence; documents are packed, separated by the end-of-text token."""
    lr: PositiveFloat
    """Peak learning rate of AdamW."""
    schedule: Literal["linear", "cosine", "constant"] = "cosine"
    """How the rate falls after warm-up (linear and cosine end at zero)."""
    warmup: Fraction = 0.03
    """Share of the steps over which the rate rises."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.1
    """Decoupled weight decay of matrices."""
    seed: Seed = 0
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
    """Text that the tokenizer is trained on in addition to the corpus, so that words of prompts
    become tokens. The model never sees it."""
    heldout: PositiveInt = 50
    """Documents kept out of training; every checkpoint's loss on them is recorded."""

    @property
    def tokens_per_step(self) -> float:
        return float(self.training.batch_size * self.training.sequence_length)

    def steps(self) -> list[int]:
        """The checkpoints' steps."""
        return self.checkpoints.resolve(Steps(self.tokens_per_step, end=self.training.steps))

    def tokens(self, step: int) -> int:
        """Tokens seen at a step."""
        return int(step * self.tokens_per_step)


class LocalFamily(Strict):
    """Checkpoints in local folders of the Hugging Face format (safetensors)."""

    source: Literal["local"]
    path: str
    """Folder of a checkpoint, with {step}; {data_root} is replaced."""
    tokens_per_step: PositiveFloat
    """Tokens in an optimiser step of pre-training."""
    checkpoints: Spacing
    """The points to take."""
    size: ModelSize | None = None
    """For the budget; by default from the first checkpoint's config.json."""

    @model_validator(mode="after")
    def _a_folder_each(self) -> Self:
        points = self.checkpoints
        if "{step}" not in self.path and len({*points.steps, *points.tokens}) > 1:
            raise MisfitError(
                "path", "one folder would be several checkpoints", "put {step} into the path"
            )
        return self

    def steps(self) -> list[int]:
        """The checkpoints' steps."""
        return self.checkpoints.resolve(Steps(self.tokens_per_step))

    def tokens(self, step: int) -> int:
        """Tokens seen at a step."""
        return int(step * self.tokens_per_step)


class HubFamily(Strict):
    """Revisions of a hub repository, or one repository per checkpoint."""

    source: Literal["hub"]
    repo: Repository | None = None
    """Repository, such as allenai/OLMo-1B-hf, with a revision per checkpoint."""
    revision: str = "main"
    """How revisions are named, with {step} and, if the names have them, {tokens} (a * matches
    anything). Revisions are found by listing the repository's refs, never composed."""
    repositories: dict[Annotated[Count, Field(strict=False)], Repository] = {}
    """Step -> repository, if each checkpoint has a repository of its own."""
    available: Annotated[list[Count | str], AfterValidator(_readable)] = []
    """Existing steps, single or as `FIRST..LAST by EVERY`: planning needs no network, and gaps
    are shown. The hub's actual revisions are listed and compared before a download."""
    tokens_per_step: PositiveFloat
    """Tokens in an optimiser step of pre-training."""
    tokens_before: Annotated[float, Field(ge=0)] = 0
    """Tokens seen before step 0, if the series continues another (a later stage)."""
    checkpoints: Spacing
    """The points to take."""
    equal_weights: list[list[Count]] = []
    """Groups of steps known to share weight files; any others that do are refused."""
    pickles: bool = False
    """True: a repository without safetensors is read from its .bin files (weights only)."""
    size: ModelSize | None = None
    """For the budget."""
    members: dict[Name, dict[str, Any]] = {}
    """Further families, by name, that differ from this one in the given keys, such as seeds or
    variants of one architecture. Their names begin with this file's name."""

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.repo is None) == (not self.repositories):
            raise MisfitError("repo", "give either repo or repositories", "keep one of the two")
        if self.repo is not None and "{step}" not in self.revision:
            raise MisfitError(
                "revision",
                "revision needs {step}, or give repositories",
                "put {step} into it: it names one revision for all steps",
            )
        return self

    @property
    def known(self) -> Steps:
        """The existing steps, as far as the file lists them."""
        listed = tuple(sorted(self.repositories)) or parse_steps(self.available)
        return Steps(self.tokens_per_step, listed)

    def steps(self) -> list[int]:
        """The checkpoints' steps."""
        return self.checkpoints.resolve(self.known)

    def tokens(self, step: int) -> int:
        """Tokens seen at a step."""
        return int(self.tokens_before + step * self.tokens_per_step)


Family = Annotated[PretrainFamily | LocalFamily | HubFamily, Field(discriminator="source")]


def family_of(spec: str, step: int) -> Family:
    """The family of a job's spec (canonical JSON without the points to keep)."""
    family: Family = TypeAdapter(Family).validate_python(
        {**json.loads(spec), "checkpoints": {"steps": [step]}}
    )
    return family
