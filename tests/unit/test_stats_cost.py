"""Costs come from metrics and benchmark files; what wasn't measured stays empty."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tuning_dynamics.stats.cost import cost_rows
from tuning_dynamics.study.errors import StudyError

METRICS: dict[str, Any] = {
    "stage": "tune",
    "job": "toy/10/full",
    "planned_seconds": None,
    "seconds": 12.5,
    "gpu": None,
    "peak_memory_mb": 300,
    "tokens": 4096,
    "tokens_per_second": 327.7,
    "mfu": None,
    "loss": [3.0, 2.0],
}
BENCHMARK = (
    "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"
    "2.5\t0:00:02\t120.5\t1\t1\t1\t0\t0\t90\t2\n"
)


def metrics(path: Path, **changes: Any) -> Path:
    path.write_text(json.dumps({**METRICS, **changes}))
    return path


def benchmark(path: Path, text: str = BENCHMARK) -> Path:
    path.write_text(text)
    return path


def test_metrics_and_benchmarks_become_rows(tmp_path: Path) -> None:
    table = cost_rows(
        [metrics(tmp_path / "m.json")], {"data:nli:people": benchmark(tmp_path / "b.tsv")}
    )
    assert table["stage"].tolist() == ["data", "tune"]
    data, tune = (row for _, row in table.iterrows())
    assert (data["job"], data["seconds"], data["peak_memory_mb"]) == ("nli:people", 2.5, 120.5)
    assert data["tokens"] is pd.NA
    assert (tune["tokens"], tune["gpu"]) == (4096, "")
    assert np.isnan(tune["mfu"])
    assert np.isnan(tune["planned_seconds"])


def test_what_was_too_short_to_measure_stays_empty(tmp_path: Path) -> None:
    text = BENCHMARK.replace("120.5", "NA")
    table = cost_rows([], {"data:a": benchmark(tmp_path / "b.tsv", text)})
    assert np.isnan(table["peak_memory_mb"].iloc[0])


@pytest.mark.parametrize("changes", [{"seconds": -1}, {"mfu": "high"}, {"tokens": True}])
def test_a_value_that_is_no_measure_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(StudyError, match=next(iter(changes))):
        cost_rows([metrics(tmp_path / "m.json", **changes)], {})


def test_broken_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "m.json").write_text("{")
    with pytest.raises(StudyError, match="can't be read"):
        cost_rows([tmp_path / "m.json"], {})
    (tmp_path / "m.json").write_text("[]")
    with pytest.raises(StudyError, match="lack stage"):
        cost_rows([tmp_path / "m.json"], {})
    for text in ("", "s\tmax_rss\n", "seconds\n1\n", "s\tmax_rss\nfast\t1\n"):
        with pytest.raises(StudyError, match="benchmark file"):
            cost_rows([], {"data:a": benchmark(tmp_path / "b.tsv", text)})
    with pytest.raises(StudyError, match="stage:job"):
        cost_rows([], {"data": benchmark(tmp_path / "b.tsv")})


def test_a_job_given_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="twice"):
        cost_rows(
            [metrics(tmp_path / "m.json")],
            {"tune:toy/10/full": benchmark(tmp_path / "b.tsv")},
        )
