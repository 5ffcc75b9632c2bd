"""Costs come from metrics and benchmark files; what wasn't measured stays empty."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from priced import BASE, ROOT, TUNED, study

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.plan.cost_table import Measured, cost_rows, study_cost

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


def tuned(folder: Path, benchmark: str | None = None, **changes: Any) -> Measured:
    """A tuning job with metrics, and with a benchmark where one is given."""
    (folder / "m.json").write_text(json.dumps({**METRICS, **changes}))
    timed = read(folder, benchmark).benchmark if benchmark else None
    return Measured("tune", "toy/10/full", 20.0, folder / "m.json", timed)


def read(folder: Path, text: str = BENCHMARK, job: str = "nli:people") -> Measured:
    """A data job that left a benchmark alone."""
    (folder / "b.tsv").write_text(text)
    return Measured("data", job, None, None, folder / "b.tsv")


def test_metrics_and_benchmarks_become_rows(tmp_path: Path) -> None:
    table = cost_rows([tuned(tmp_path), read(tmp_path)])
    assert table["stage"].tolist() == ["data", "tune"]
    data, tune = (row for _, row in table.iterrows())
    assert (data["job"], data["seconds"], data["peak_memory_mb"]) == ("nli:people", 2.5, 120.5)
    assert data["tokens"] is pd.NA
    assert np.isnan(data["planned_seconds"])
    assert (tune["tokens"], tune["gpu"], tune["planned_seconds"]) == (4096, "", 20)
    assert np.isnan(tune["mfu"])


@pytest.mark.parametrize(("timed", "seconds"), [("17.5", 17.5), ("3.5", 12.5)])
def test_a_job_takes_the_longer_of_both(tmp_path: Path, timed: str, seconds: float) -> None:
    # Metrics lack the start of the process; a benchmark lacks what was done before a kill.
    row = cost_rows([tuned(tmp_path, BENCHMARK.replace("2.5", timed, 1))]).iloc[0]
    assert row["seconds"] == seconds
    assert row["peak_memory_mb"] == 300


def test_a_job_that_left_nothing_has_no_row(tmp_path: Path) -> None:
    gone = Measured("evaluate", "toy/10/base", 1.0, tmp_path / "evaluation.json", None)
    assert len(cost_rows([gone, tuned(tmp_path)])) == 1


def test_a_benchmark_that_was_never_written_is_as_none(tmp_path: Path) -> None:
    assert len(cost_rows([read(tmp_path, ""), tuned(tmp_path)])) == 1


def test_what_was_too_short_to_measure_stays_empty(tmp_path: Path) -> None:
    table = cost_rows([read(tmp_path, BENCHMARK.replace("120.5", "NA"))])
    assert np.isnan(table["peak_memory_mb"].iloc[0])


@pytest.mark.parametrize("changes", [{"seconds": -1}, {"mfu": "high"}, {"tokens": True}])
def test_a_value_that_is_no_measure_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(StudyError, match=next(iter(changes))):
        cost_rows([tuned(tmp_path, **changes)])


def test_broken_files_are_refused(tmp_path: Path) -> None:
    job = tuned(tmp_path)
    (tmp_path / "m.json").write_text("{")
    with pytest.raises(StudyError, match="can't be read"):
        cost_rows([job])
    (tmp_path / "m.json").write_text("[]")
    with pytest.raises(StudyError, match="lack stage"):
        cost_rows([job])
    for text in ("s\tmax_rss\n", "seconds\n1\n", "s\tmax_rss\nfast\t1\n"):
        with pytest.raises(StudyError, match="benchmark file"):
            cost_rows([read(tmp_path, text)])


def test_another_jobs_metrics_and_a_job_given_twice_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="of another job: tune:toy/20/full"):
        cost_rows([tuned(tmp_path, job="toy/20/full")])
    with pytest.raises(StudyError, match="twice"):
        cost_rows([read(tmp_path), read(tmp_path)])


def test_a_studys_rows_have_what_was_planned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    resolved = study(tmp_path, TUNED, {**BASE, "eval_sets": ["pairs"]})
    results, variant = Path("results/priced"), "big/20/once/pairs/seed0"
    timed = (("tune", variant), ("evaluate", variant), ("verify", "big/20"), ("freeze", "pairs"))
    for rule, name in timed:
        path = results / f"benchmarks/{rule}/{name}.tsv"
        path.parent.mkdir(parents=True)
        path.write_text(BENCHMARK)
    for stage, file in (("tune", "metrics"), ("evaluate", "evaluation")):
        path = results / variant / f"{file}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({**METRICS, "stage": stage, "job": variant}))
    table = study_cost(resolved.study.model_dump(), ROOT).set_index(["stage", "job"])
    assert set(table.index) == {
        ("tune", variant),
        ("evaluate", variant),
        ("verify", "verify/big/20"),
        ("data", "pairs"),
    }
    planned = table["planned_seconds"]
    assert planned["tune", variant] > planned["evaluate", variant] > 0
    assert np.isnan(planned[["verify", "data"]]).all()
    counts = results / "data/pairs/manifest.json"
    counts.parent.mkdir(parents=True)
    counts.write_text(json.dumps({"items": {"train": 100, "evaluation": 50}}))
    counted = study_cost(resolved.study.model_dump(), ROOT).set_index(["stage", "job"])
    for key in (("tune", variant), ("evaluate", variant)):
        assert counted["planned_seconds"][key] < planned[key]
