"""Where a study's jobs record their cost, and their planned cost."""

from dataclasses import dataclass

from tuning_dynamics.common.paths import Paths
from tuning_dynamics.common.rules import RULES, TRIALS
from tuning_dynamics.plan.all_jobs import all_jobs
from tuning_dynamics.plan.basis import Basis
from tuning_dynamics.plan.price import Job, Price, Prices
from tuning_dynamics.run.all_jobs import Jobs


@dataclass(frozen=True)
class Record:
    """A job, its row's key in cost.csv, and its files: its own metrics, if its rule writes any, and
    Snakemake's benchmark."""

    job: Job
    stage: str
    name: str
    metrics: str | None
    benchmark: str


def _record(jobs: Jobs, job: Job) -> Record:
    values = tuple(job.wildcards.values()) or ("all",)
    return Record(
        job=job,
        stage=RULES[job.rule].stage,
        name=_name(jobs, job),
        metrics=_metrics(jobs.paths, job),
        benchmark=jobs.paths.benchmark(job.rule, *values),
    )


def _name(jobs: Jobs, job: Job) -> str:
    """The job's name in its metrics; jobs without metrics are named after their rule."""
    values = tuple(job.wildcards.values())
    if job.rule in ("pretrain", "tune", "evaluate", "freeze"):
        return "/".join(values)
    if job.rule == "corpus":
        return f"{values[0]}/corpus"
    if job.rule in TRIALS:
        return jobs.tune.trial_key(*values)
    return "/".join((job.rule, *values))


def _metrics(paths: Paths, job: Job) -> str | None:
    w = job.wildcards
    if job.rule == "pretrain":
        return paths.checkpoint_file(w["family"], w["step"], "metrics.json")
    if job.rule in TRIALS:
        return paths.trial(w["family"], w["recipe"], w["train_set"], w["rate"], w.get("step"))
    files = {"tune": "metrics.json", "evaluate": "evaluation.json"}
    return paths.variant_file(w["variant"], files[job.rule]) if job.rule in files else None


def planned(jobs: Jobs, basis: Basis) -> list[tuple[Record, Price]]:
    """Each record with its job's price; an evaluation's has all cells of its variant."""
    every = all_jobs(jobs.resolved, jobs.grid)
    prices = Prices(jobs.resolved, every, basis, cells=len(jobs.grid.cells)).each
    return [(_record(jobs, price.job), price) for price in prices if RULES[price.job.rule].measured]


def planned_seconds(price: Price) -> float | None:
    """A job's likely seconds; None if unknown."""
    likely = price.seconds.mid + price.host.mid
    return likely if likely and not price.unknown else None
