"""cost.csv: what each job took."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from tuning_dynamics.stats.tables import TABLES, from_rows
from tuning_dynamics.study.errors import StudyError

_TEXT = ("stage", "job", "gpu")
_UNMEASURED = ("-", "", "NA", "nan")


def cost_rows(metrics: Sequence[Path], benchmarks: Mapping[str, Path]) -> pd.DataFrame:
    """cost.csv from jobs' metrics, and from Snakemake's benchmark files of stages without any.

    A metrics file is JSON with at least the columns of cost.csv (null where unknown); what else
    it holds is left there. A benchmark's key is `stage:job`; of several repeats the seconds are
    summed. Raises StudyError for a broken file, a missing key, or a job named twice.
    """
    rows = [_from_metrics(path) for path in metrics]
    rows += [_from_benchmark(key, path) for key, path in benchmarks.items()]
    frame = from_rows(rows, "cost")
    repeated = frame[frame.duplicated(["stage", "job"])]
    if not repeated.empty:
        first = repeated.iloc[0]
        raise StudyError(
            f"the cost of a job is given twice: {first['stage']}:{first['job']}",
            key="job",
            value=str(first["job"]),
            fix="give a stage's metrics or its benchmark files, not both",
        )
    return frame.sort_values(["stage", "job"], ignore_index=True)


def _from_metrics(path: Path) -> dict[str, object]:
    try:
        metrics = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StudyError(
            f"a job's metrics can't be read: {error}",
            file=path,
            fix="delete the job's outputs and run the workflow again",
        ) from error
    columns = TABLES["cost"]
    missing = [name for name in columns if not isinstance(metrics, dict) or name not in metrics]
    if missing:
        raise StudyError(
            f"a job's metrics lack {', '.join(missing)}",
            file=path,
            key=missing[0],
            fix="delete the job's outputs and run the workflow again",
        )
    return {name: _value(metrics[name], name, path) for name in columns}


def _value(value: object, name: str, path: Path) -> object:
    if name in _TEXT:
        return "" if value is None else str(value)
    if value is None:
        return pd.NA if name == "tokens" else float("nan")
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        raise StudyError(
            f"a job's '{name}' is no number of at least 0",
            file=path,
            key=name,
            value=value,
            fix="delete the job's outputs and run the workflow again",
        )
    return value


def _from_benchmark(key: str, path: Path) -> dict[str, object]:
    stage, _, job = key.partition(":")
    if not stage or not job:
        raise StudyError(
            "a benchmark's key is not 'stage:job'",
            file=path,
            key=key,
            fix="name it, as in 'data:nli_people'",
        )
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
    return {
        "stage": stage,
        "job": job,
        "planned_seconds": float("nan"),
        "seconds": sum(seconds),
        "gpu": "",
        "peak_memory_mb": max(memory),
        "tokens": pd.NA,
        "tokens_per_second": float("nan"),
        "mfu": float("nan"),
    }


def _number(text: str) -> float:
    # Snakemake writes these where a job ended before the first measurement.
    return float("nan") if text in _UNMEASURED else float(text)
