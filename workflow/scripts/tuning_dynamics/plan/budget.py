"""A budget: totals of priced jobs by stage, downloads, disk, and unknown costs."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tuning_dynamics.config.device import Device, Range, total
from tuning_dynamics.config.study import ResolvedStudy
from tuning_dynamics.grid.grid import Grid
from tuning_dynamics.plan.basis import Basis
from tuning_dynamics.plan.disk import Disk, Download, disk_of, downloads_of
from tuning_dynamics.plan.price import PRICED, Job, Price, Prices


@dataclass(frozen=True)
class BudgetPart:
    """Some of the jobs, and their time on one device, without the `unpriced` ones.

    `host` are the core-hours of jobs that use no device; they are only known from a calibration.
    """

    name: str
    jobs: int
    unpriced: int
    hours: Range
    host: Range


@dataclass(frozen=True)
class Budget:
    """Totals of the jobs that would run; `unknown` lists which files lack which figures.

    `prices` has the jobs.
    """

    basis: Basis
    prices: Prices
    download: Download
    disk: Disk
    unknown: tuple[str, ...]

    @property
    def priced(self) -> list[Price]:
        """The jobs' prices in their order."""
        return self.prices.each

    @property
    def device(self) -> Device:
        """The device that is planned for."""
        return self.basis.device

    @property
    def whole(self) -> BudgetPart:
        """All jobs."""
        return _part("all", self.priced)

    @property
    def stages(self) -> list[BudgetPart]:
        """The jobs of each stage, in the order of a study."""
        found = {part.name: part for part in self.parts(lambda job: job.stage)}
        return [found[name] for name in (*PRICED, "other") if name in found]

    def parts(self, named: Callable[[Job], str]) -> list[BudgetPart]:
        """The jobs grouped by the names that `named` gives them; "" leaves a job out."""
        by_name: dict[str, list[Price]] = defaultdict(list)
        for price in self.priced:
            by_name[named(price.job)].append(price)
        return [_part(name, own) for name, own in by_name.items() if name]

    @property
    def calibrated(self) -> int:
        """Jobs whose price comes from past runs of the device, not from equations alone."""
        return sum(price.calibrated for price in self.priced)

    @property
    def memory(self) -> float:
        """Upper bound on the device memory, in bytes, of the largest job."""
        return max((price.memory for price in self.priced), default=0.0)

    @property
    def least(self) -> float:
        """Bytes that it needs for texts of mean length."""
        return max((price.least for price in self.priced), default=0.0)


def budget_of(resolved: ResolvedStudy, grid: Grid, jobs: Iterable[Job], basis: Basis) -> Budget:
    """The budget of exactly these jobs, in a study with that grid.

    Counts of data that one of the jobs would make again are not used.
    """
    jobs = list(jobs)
    renewed = frozenset(job.wildcards["dataset"] for job in jobs if job.rule == "freeze")
    prices = Prices(resolved, jobs, basis, cells=len(grid.cells), renewed=renewed)
    download, not_sized = downloads_of(prices.known, prices.jobs)
    disk, not_kept = disk_of(prices.known, prices.jobs, download)
    unknown = {price.unknown for price in prices.each if price.unknown}
    unknown |= not_sized | not_kept
    return Budget(basis, prices, download, disk, tuple(sorted(unknown)))


def reasons_of(groups: Iterable[tuple[str, list[Job]]], prices: Prices) -> list[BudgetPart]:
    """The cost of each reason to make finished results again, in the reasons' order.

    A job with two reasons counts under both.
    """
    return [_part(reason, [prices.of(job) for job in jobs]) for reason, jobs in groups]


def _part(name: str, own: list[Price]) -> BudgetPart:
    seconds = total(price.spent for price in own)
    host = total(price.host for price in own)
    unpriced = sum(bool(price.unknown) for price in own)
    return BudgetPart(name, len(own), unpriced, seconds / 3600, host / 3600)
