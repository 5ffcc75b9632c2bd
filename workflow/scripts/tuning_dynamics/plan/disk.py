"""Disk space of a study's jobs."""

from collections.abc import Iterable
from dataclasses import dataclass

from tuning_dynamics.common.variants import Variant, parse_variant
from tuning_dynamics.plan.equations import BYTES, trained_weights
from tuning_dynamics.plan.price import Job
from tuning_dynamics.plan.sizes import Known, NotKnown


@dataclass(frozen=True)
class Download:
    """Bytes, and whether they are an upper bound (4 bytes a weight) or the hub's figure."""

    number: float
    at_most: bool


@dataclass(frozen=True)
class Disk:
    """Bytes that jobs write: downloads and pre-trained checkpoints, which stay; tuned weights by
    variant, and the resumable states of each run while it trains, the largest first."""

    downloads: float
    pretrained: float
    tuned: tuple[float, ...]
    states: tuple[float, ...]
    keep_all: bool

    def peak(self, gpus: int) -> float:
        """Peak bytes while this many variants are in progress at a time.

        With keep_weights: none, a variant's weights are deleted once no job needs them.
        """
        kept = self.tuned if self.keep_all else self.tuned[:gpus]
        return self.downloads + self.pretrained + sum(kept) + sum(self.states[:gpus])


def disk_of(known: Known, jobs: Iterable[Job], download: Download) -> tuple[Disk, set[str]]:
    """The disk space of jobs, and the unknown figures."""
    pretrained = 0.0
    tuned: list[float] = []
    states: dict[str, float] = {}
    unknown: set[str] = set()
    for job in jobs:
        try:
            if job.rule == "pretrain":
                weights = BYTES * known.size(job.family).parameters
                # And the state that the next segment continues from: three times as much.
                pretrained += 4 * weights
                # Segments run in sequence; a new state is written before the old is deleted.
                states[job.family] = 2 * 3 * weights
            elif job.rule == "tune":
                weights, state = _tuned_bytes(known, parse_variant(job.wildcards["variant"]))
                tuned.append(weights)
                states[job.wildcards["variant"]] = state
        except NotKnown as lacking:
            unknown.add(str(lacking))
    keep_all = known.resolved.study.keep_weights == "all"
    largest = _largest_first(tuned), _largest_first(states.values())
    return Disk(download.number, pretrained, *largest, keep_all), unknown


def _largest_first(numbers: Iterable[float]) -> tuple[float, ...]:
    return tuple(sorted(numbers, reverse=True))


def downloads_of(known: Known, jobs: Iterable[Job]) -> tuple[Download, set[str]]:
    """Bytes of the downloads among the jobs, and the unknown figures."""
    number, at_most, unknown = 0.0, False, set()
    for job in jobs:
        if job.rule != "download":
            continue
        family = job.wildcards["family"]
        exact = known.download_bytes(family, int(job.wildcards["step"]))
        try:
            number += exact if exact is not None else BYTES * known.size(family).parameters
        except NotKnown as lacking:
            unknown.add(str(lacking))
        at_most = at_most or exact is None
    return Download(number, at_most), unknown


def _tuned_bytes(known: Known, variant: Variant) -> tuple[float, float]:
    """Bytes of a tuned variant's weights, and of its resumable states during training.

    A stage's state is kept to the end of the job; a new one is written before the old is deleted.
    """
    size = known.size(variant.family)
    stages = known.resolved.recipes[variant.recipe].stages
    trained = [trained_weights(stage, size) for stage in stages]
    weights = trained[0] if len(stages) == 1 else size.parameters
    return BYTES * weights, 3 * BYTES * (sum(trained) + max(trained))
