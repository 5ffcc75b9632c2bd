"""cost.csv: what each job took."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.config.load import load_study
from tuning_dynamics.plan.basis import basis_of
from tuning_dynamics.plan.recorded import planned, planned_seconds
from tuning_dynamics.run.all_jobs import Jobs
from tuning_dynamics.run.parts import settings
from tuning_dynamics.tables.catalogue import columns_of
from tuning_dynamics.tables.tables import from_rows

_TEXT = ("stage", "job", "gpu")
_UNMEASURED = ("-", "", "NA", "nan")


@dataclass(frozen=True)
class Measured:
    """A job and its files: its own metrics, and Snakemake's benchmark.

    Either may be None or a missing file: a killed job leaves no benchmark, or an empty one.
    """

    stage: str
    job: str
    planned_seconds: float | None
    metrics: Path | None
    benchmark: Path | None


def study_cost(config: Mapping[str, Any], root: Path) -> pd.DataFrame:
    """cost.csv of a study's config mapping; `root` is the repository.

    Planned times are those of the cost model now, with the present counts of the data.
    """
    file = "the study's config"
    jobs = Jobs(load_study(settings(config), root, file), file)
    return cost_rows(
        [
            Measured(
                record.stage,
                record.name,
                planned_seconds(price),
                Path(record.metrics) if record.metrics else None,
                Path(record.benchmark) if record.benchmark else None,
            )
            for record, price in planned(jobs, basis_of(jobs.resolved.study, root))
        ]
    )


def cost_rows(measured: Sequence[Measured]) -> pd.DataFrame:
    """cost.csv of jobs; one without files has no row.

    A metrics file is JSON with at least the columns of cost.csv (null if unknown); other keys are
    ignored. A job's seconds are the longer of its metrics' and its benchmark's: the first lack the
    start of the process, the second the work before a job was killed and continued.
    Raises StudyError for a broken file, a missing key, another job's metrics, or a repeated job.
    """
    rows = [row for job in measured if (row := _row(job)) is not None]
    frame = from_rows(rows, "cost")
    repeated = frame[frame.duplicated(["stage", "job"])]
    if not repeated.empty:
        first = repeated.iloc[0]
        raise StudyError(
            f"the cost of a job is given twice: {first['stage']}:{first['job']}",
            key="job",
            value=str(first["job"]),
            fix="name each job of a stage once",
        )
    return frame.sort_values(["stage", "job"], ignore_index=True)


def _row(job: Measured) -> dict[str, object] | None:
    own = _from_metrics(job) if job.metrics is not None and job.metrics.is_file() else None
    timed = _benchmark(job.benchmark) if job.benchmark and _written(job.benchmark) else None
    if own is None and timed is None:
        return None
    row = dict.fromkeys(columns_of("cost")) | {"gpu": "", "tokens": pd.NA} | (own or {})
    if timed is not None:
        seconds, memory = timed
        row["seconds"] = seconds if own is None else max(seconds, _seconds(own))
        row["peak_memory_mb"] = memory if own is None else own["peak_memory_mb"]
    planned = float("nan") if job.planned_seconds is None else job.planned_seconds
    return row | {"stage": job.stage, "job": job.job, "planned_seconds": planned}


def _written(benchmark: Path) -> bool:
    """Whether there is a benchmark; a killed Snakemake may have left an empty file."""
    return benchmark.is_file() and benchmark.stat().st_size > 0


def _seconds(row: dict[str, object]) -> float:
    seconds = row["seconds"]
    return seconds if isinstance(seconds, int | float) and seconds >= 0 else 0.0


def _from_metrics(job: Measured) -> dict[str, object]:
    assert job.metrics is not None
    path = job.metrics
    try:
        metrics = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StudyError(
            f"a job's metrics can't be read: {error}",
            file=path,
            fix="delete the job's outputs and run the workflow again",
        ) from error
    columns = columns_of("cost")
    missing = [name for name in columns if not isinstance(metrics, dict) or name not in metrics]
    if missing:
        raise StudyError(
            f"a job's metrics lack {', '.join(missing)}",
            file=path,
            key=missing[0],
            fix="delete the job's outputs and run the workflow again",
        )
    row = {name: _value(metrics[name], name, path) for name in columns}
    if (row["stage"], row["job"]) != (job.stage, job.job):
        raise StudyError(
            f"a job's metrics are of another job: {row['stage']}:{row['job']}",
            file=path,
            key="job",
            value=f"{job.stage}:{job.job}",
            fix="delete the job's outputs and run the workflow again",
        )
    return row


def _value(value: object, name: str, path: Path) -> object:
    if name in _TEXT:
        return "" if value is None else str(value)
    if value is None:
        return pd.NA if name == "tokens" else float("nan")
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        raise StudyError(
            f"a job's '{name}' is not a number of at least 0",
            file=path,
            key=name,
            value=value,
            fix="delete the job's outputs and run the workflow again",
        )
    return value


def _benchmark(path: Path) -> tuple[float, float]:
    """Seconds, summed over repeats, and peak memory in MB."""
    try:
        table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
        seconds = [_number(text) for text in table["s"]]
        memory = [_number(text) for text in table["max_rss"]]
    except (OSError, ValueError, KeyError) as error:
        raise StudyError(
            f"a benchmark file can't be read: {error}",
            file=path,
            fix="delete it and run the job again; Snakemake writes it",
        ) from error
    if not seconds:
        raise StudyError("a benchmark file has no row", file=path, fix="delete it and run again")
    return sum(seconds), max(memory)


def _number(text: str) -> float:
    # Snakemake writes these if a job ended before the first measurement.
    return float("nan") if text in _UNMEASURED else float(text)
