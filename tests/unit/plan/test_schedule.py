"""Wall time by list scheduling, and the budget as a table and a page."""

import csv
import io
import re
from pathlib import Path
from typing import Any

import pytest
from priced import BASE, FILES, TUNED, basis, budget_for, study

from tuning_dynamics.config.device import Range
from tuning_dynamics.plan.all_jobs import all_jobs
from tuning_dynamics.plan.budget import budget_of
from tuning_dynamics.plan.planned_jobs import Planned
from tuning_dynamics.plan.price import Job, Price
from tuning_dynamics.plan.render_csv import COLUMNS, write_files
from tuning_dynamics.plan.render_text import budget_text
from tuning_dynamics.plan.schedule import GPUS, ScheduledJob, tasks_of, wall_seconds, wall_times
from tuning_dynamics.run.all_jobs import Jobs

BLOCKS: tuple[dict[str, Any], ...] = (
    {**TUNED, "seeds": [0, 1, 2], "checkpoints": "all"},
    {**BASE, "checkpoints": "all", "eval_sets": ["pairs", "texts"]},
)


@pytest.fixture(autouse=True)
def _no_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Results are looked for in the working folder."""
    monkeypatch.chdir(tmp_path)


def graph(*tasks: tuple[float, int, set[int]]) -> list[ScheduledJob]:
    """Tasks of (seconds, on so many GPUs, those before)."""
    made = [ScheduledJob(seconds, gpus, set(before)) for seconds, gpus, before in tasks]
    for place, task in enumerate(made):
        for earlier in task.before:
            made[earlier].after.add(place)
    return made


def test_independent_tasks_share_the_gpus() -> None:
    tasks = graph(*[(10.0, 1, set())] * 6)
    assert [wall_seconds(tasks, gpus) for gpus in (1, 2, 4, 6, 32)] == [60, 30, 20, 10, 10]


def test_a_chain_gains_nothing_and_the_longest_goes_first() -> None:
    chain = graph((10, 1, set()), (10, 1, {0}), (10, 1, {1}))
    assert wall_seconds(chain, 8) == 30
    # The task that 20 seconds wait for starts before the two that nothing waits for.
    tasks = graph((10, 1, set()), (10, 1, set()), (10, 1, set()), (20, 1, {2}))
    assert wall_seconds(tasks, 2) == 30


def test_a_task_of_several_gpus_waits_for_all_of_them() -> None:
    # The one of 10 seconds goes first, and both of the others wait for its two GPUs.
    tasks = graph((10, 2, set()), (6, 1, set()), (6, 1, set()))
    assert [wall_seconds(tasks, gpus) for gpus in (2, 3, 4)] == [16, 12, 10]


def test_tasks_without_a_gpu_wait_for_none() -> None:
    tasks = graph((10, 1, set()), (5, 0, set()), (5, 0, {1}), (10, 1, {2}))
    assert wall_seconds(tasks, 1) == 20
    assert wall_seconds(graph((5, 0, set()), (5, 0, set())), 1) == 5


def test_a_variant_is_one_task_on_one_gpu() -> None:
    variant = {"variant": "big/20/once/pairs/seed0"}
    jobs = [Job("verify", {"family": "big", "step": "20"}), Job("tune", variant)]
    jobs += [Job("evaluate", variant), Job("scores")]
    plan = Planned(jobs, [[], [0], [1], [2]])
    with_loss = [*jobs[:2], Job("text_loss", variant), *jobs[2:]]
    once = tasks_of(
        Planned(with_loss, [[], [0], [1], [1, 2], [3]]), [Price(job) for job in with_loss]
    )
    assert [task.before for task in once] == [set(), {0}, {1}]
    prices = [Price(job, Range(1, 2, 3)) for job in jobs]
    tasks = tasks_of(plan, prices)
    assert [(task.seconds, task.before) for task in tasks] == [(2, set()), (4, {0}), (2, {1})]
    assert wall_times(plan, prices) == dict.fromkeys(GPUS, 8.0)
    assert wall_times(plan, [Price(job) for job in jobs]) == {}


def written(folder: Path, **keys: Any) -> tuple[list[dict[str, str]], str]:
    """The rows of budget.csv and the page of a whole study."""
    resolved = study(folder, *BLOCKS, **keys)
    jobs = Jobs(resolved, "study.yaml")
    every = all_jobs(resolved, jobs.grid)
    budget = budget_of(resolved, jobs.grid, every, basis(resolved))
    walls = wall_times(Planned(every, [[] for _ in every]), budget.priced)
    write_files(folder / "plan", budget, walls, jobs)
    text = (folder / "plan/budget.csv").read_text()
    return list(csv.DictReader(io.StringIO(text))), (folder / "plan/budget.html").read_text()


def hours(rows: list[dict[str, str]], by: str) -> float:
    """Likely hours of all rows of a kind."""
    return sum(float(row["hours"]) for row in rows if row["by"] == by)


def test_the_parts_of_a_budget_add_up(tmp_path: Path) -> None:
    rows, _ = written(tmp_path)
    assert tuple(rows[0]) == COLUMNS
    assert hours(rows, "stage") == pytest.approx(hours(rows, "total"), rel=1e-4)
    # Verifying belongs to no train set.
    assert hours(rows, "checkpoint") == pytest.approx(hours(rows, "total"), rel=1e-4)
    assert hours(rows, "train_set") < hours(rows, "total")
    names = [row["name"] for row in rows if row["by"] == "checkpoint"]
    assert names == ["big/10", "big/20"]
    sets = {row["name"] for row in rows if row["by"] == "train_set"}
    assert sets == {"pairs", "(untuned)"}


def test_wall_time_and_disk_are_shown_by_number_of_gpus(tmp_path: Path) -> None:
    rows, _ = written(tmp_path, keep_weights="none")
    by_gpus = [row for row in rows if row["by"] == "gpus"]
    assert [int(row["name"]) for row in by_gpus] == list(GPUS)
    walls = [float(row["wall_hours"]) for row in by_gpus]
    disks = [float(row["disk_gb"]) for row in by_gpus]
    assert walls == sorted(walls, reverse=True)
    # Weights of 4 GB and two states of 12 GB, the second written before the first is removed, for
    # each of the six variants in progress.
    assert disks[1] - disks[0] == pytest.approx(28)
    assert disks[4] == disks[5]


def test_price_and_energy_are_shown_if_known(tmp_path: Path) -> None:
    rows, page = written(tmp_path, execution={"price_per_hour": 2.5})
    (whole,) = (row for row in rows if row["by"] == "total")
    assert float(whole["price"]) == pytest.approx(2.5 * float(whole["hours"]), rel=1e-4)
    assert float(whole["energy_kwh"]) == pytest.approx(0.4 * float(whole["hours"]), rel=1e-4)
    assert "<dt>Price</dt>" in page
    rows, page = written(tmp_path, execution={"plan_for": "cpu"})
    assert {row["price"] + row["energy_kwh"] for row in rows} == {""}
    assert {row["unit"] for row in rows if row["by"] == "stage"} == {"core-hours"}
    assert "<dt>Price</dt>" not in page


def test_the_page_stands_alone_and_escapes(tmp_path: Path) -> None:
    _, page = written(tmp_path, title="<b>Mine</b>")
    assert "&lt;b&gt;Mine&lt;/b&gt;" in page
    assert not re.search(r"(?:src|href)=|https?:", page)
    assert "prefers-color-scheme: dark" in page
    for title in ("By stage", "By train set", "By checkpoint", "Wall time"):
        assert f"<h2>{title}</h2>" in page


def test_the_page_says_what_is_not_known(tmp_path: Path) -> None:
    without = {key: value for key, value in FILES["datasets/pairs"].items() if key != "size"}
    rows, page = written(tmp_path, files={"datasets/pairs": without})
    assert "datasets/pairs.yaml gives no size" in page
    tune = next(row for row in rows if (row["by"], row["name"]) == ("stage", "tune"))
    assert tune["unknown_jobs"] == tune["jobs"] == "6"


def test_nothing_left_is_a_budget_too(tmp_path: Path) -> None:
    resolved = study(tmp_path, *BLOCKS)
    write_files(tmp_path, budget_for(resolved, []), {}, Jobs(resolved, "study.yaml"))
    rows = list(csv.DictReader(io.StringIO((tmp_path / "budget.csv").read_text())))
    assert [(row["by"], row["jobs"]) for row in rows] == [("total", "0")]
    assert "By stage" not in (tmp_path / "budget.html").read_text()


def test_wall_time_is_shown_up_to_where_gpus_gain_nothing(tmp_path: Path) -> None:
    resolved = study(tmp_path, *BLOCKS)
    grid = Jobs(resolved, "study.yaml").grid
    walls = {1: 36_000.0, 2: 18_000.0, 4: 9000.0, 8: 9000.0}
    shown = budget_text(budget_for(resolved), resolved, grid, walls)
    assert re.search(r"^  wall time  10 h on 1, 5\.0 h on 2, 2\.5 h on 4 GPUs$", shown, re.M)
    short = budget_text(budget_for(resolved), resolved, grid, {1: 1170.0, 2: 590.0, 4: 20.0})
    assert re.search(r"^  wall time  20 min on 1, 10 min on 2, 1 min on 4 GPUs$", short, re.M)
    assert "wall time" not in budget_text(budget_for(resolved, []), resolved, grid, {})


def test_cells_without_a_base_are_reported(tmp_path: Path) -> None:
    for blocks, unpaired in ((BLOCKS, False), (BLOCKS[:1], True)):
        resolved = study(tmp_path, *blocks)
        grid = Jobs(resolved, "study.yaml").grid
        text = budget_text(budget_for(resolved), resolved, grid, {})
        assert ("tuned cells have no base cell" in text) == unpaired
