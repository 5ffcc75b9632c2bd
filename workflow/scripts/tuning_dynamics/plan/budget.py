"""A budget: what priced jobs come to by stage, what is downloaded, kept and not known."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from tuning_dynamics.plan.basis import Basis
from tuning_dynamics.plan.devices import Device, Range, total
from tuning_dynamics.plan.equations import BYTES, adapter_weights
from tuning_dynamics.plan.known import Known, NotKnown
from tuning_dynamics.plan.price import Job, Price, Prices
from tuning_dynamics.study.grid import Grid, Variant
from tuning_dynamics.study.models import ResolvedStudy
from tuning_dynamics.study.paths import parse_variant
from tuning_dynamics.study.recipes import LoraTrain

#: In the order in which a study goes through them.
ORDER = ("download", "pre-train", "verify", "tune", "evaluate", "other")


@dataclass(frozen=True)
class StageBudget:
    """A stage's jobs, and their time on one device; `unpriced` of them are not in it.

    `host` are the core-hours of its jobs that use no device; none of them are known without a
    calibration.
    """

    name: str
    jobs: int
    unpriced: int
    hours: Range
    host: Range


@dataclass(frozen=True)
class Bytes:
    """Bytes, and whether they are an upper bound (4 bytes a weight) or what the hub says."""

    number: float
    at_most: bool


@dataclass(frozen=True)
class Budget:
    """What jobs that would run come to; `unknown` says which files lack what.

    `calibrated` of the jobs are priced from past runs of the device, the others from equations.
    """

    basis: Basis
    calibrated: int
    stages: tuple[StageBudget, ...]
    download: Bytes
    disk: float
    memory: float
    least: float
    unknown: tuple[str, ...]

    @property
    def device(self) -> Device:
        """The device that is planned for."""
        return self.basis.device

    @property
    def hours(self) -> Range:
        """Hours of all stages."""
        return total(stage.hours for stage in self.stages)

    @property
    def host(self) -> Range:
        """Core-hours of all jobs that use no device, as far as they are known."""
        return total(stage.host for stage in self.stages)

    @property
    def unpriced(self) -> int:
        """Jobs whose time is not known."""
        return sum(stage.unpriced for stage in self.stages)


def budget_of(resolved: ResolvedStudy, grid: Grid, jobs: Iterable[Job], basis: Basis) -> Budget:
    """The budget of exactly these jobs, of a study with that grid."""
    prices = Prices(resolved, jobs, basis, cells=len(grid.cells))
    priced = prices.each
    download, not_sized = _downloads(prices.known, prices.jobs)
    kept, not_kept = _kept_bytes(prices.known, prices.jobs)
    reasons = Counter(price.unknown for price in priced if price.unknown)
    reasons.update(not_sized | not_kept)
    return Budget(
        basis=basis,
        calibrated=sum(price.calibrated for price in priced),
        stages=tuple(_stage(name, priced) for name in ORDER if _any(name, priced)),
        download=download,
        disk=download.number + kept,
        memory=max((price.memory for price in priced), default=0.0),
        least=max((price.least for price in priced), default=0.0),
        unknown=tuple(sorted(reasons)),
    )


def _any(name: str, priced: list[Price]) -> bool:
    return any(price.job.stage == name for price in priced)


def _stage(name: str, priced: list[Price]) -> StageBudget:
    own = [price for price in priced if price.job.stage == name]
    seconds = total(price.seconds for price in own)
    host = total(price.host for price in own)
    unpriced = sum(bool(price.unknown) for price in own)
    return StageBudget(name, len(own), unpriced, seconds / 3600, host / 3600)


def _downloads(known: Known, jobs: list[Job]) -> tuple[Bytes, set[str]]:
    """Bytes of the downloads among the jobs, and what is not known of them."""
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
    return Bytes(number, at_most), unknown


def _kept_bytes(known: Known, jobs: list[Job]) -> tuple[float, set[str]]:
    """Bytes that the jobs leave besides downloads, and what is not known of them.

    Weights and state of every pre-trained checkpoint; tuned weights, or with keep_weights: none
    the largest variant's (each goes once its cells are evaluated); a training state.
    """
    pretrained, tuned, states, unknown = 0.0, [0.0], [0.0], set()
    for job in jobs:
        try:
            if job.rule == "pretrain":
                pretrained += 4 * BYTES * known.size(job.wildcards["family"]).parameters
            elif job.rule == "tune":
                weights, state = _tuned_bytes(known, parse_variant(job.wildcards["variant"]))
                tuned.append(weights)
                states.append(state)
        except NotKnown as lacking:
            unknown.add(str(lacking))
    keep_all = known.resolved.study.keep_weights == "all"
    return pretrained + (sum(tuned) if keep_all else max(tuned)) + max(states), unknown


def _tuned_bytes(known: Known, variant: Variant) -> tuple[float, float]:
    """Bytes of a tuned variant's weights, and of the largest resumable state on the way."""
    size = known.size(variant.family)
    stages = known.resolved.recipes[variant.recipe].stages
    trained = [
        adapter_weights(size, stage.train.lora.r)
        if isinstance(stage.train, LoraTrain)
        else size.parameters
        for stage in stages
    ]
    weights = trained[0] if len(stages) == 1 else size.parameters
    return BYTES * weights, 3 * BYTES * max(trained)
