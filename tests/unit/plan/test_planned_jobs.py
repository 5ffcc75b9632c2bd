"""What Snakemake has planned, as jobs with their cells, and why results are made again."""

import csv
import io
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from priced import BASE, FILES, TUNED, basis, budget_for, dataset, study

from tuning_dynamics.common.variants import Cell
from tuning_dynamics.config.device import Range
from tuning_dynamics.config.study import ResolvedStudy
from tuning_dynamics.identity.units import stage_rule
from tuning_dynamics.plan.basis import Basis
from tuning_dynamics.plan.budget import budget_of
from tuning_dynamics.plan.calibration import Calibration, Mean
from tuning_dynamics.plan.limits import guard
from tuning_dynamics.plan.planned_jobs import Planned, planned
from tuning_dynamics.plan.price import Job, Price
from tuning_dynamics.plan.render_csv import write_files
from tuning_dynamics.plan.render_text import budget_text, reason_lines
from tuning_dynamics.run.all_jobs import Jobs

VARIANT = "big/20/once/pairs/seed0"
RATE = "the learning rate of recipe once changed (0.001 -> 0.002)"
FORMAT = "the format default of pairs changed"


@pytest.fixture(autouse=True)
def _no_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Results are looked for in the working folder."""
    monkeypatch.chdir(tmp_path)


@dataclass(frozen=True)
class Waiting:
    """A job of Snakemake's."""

    name: str
    wildcards_dict: dict[str, str] = field(default_factory=dict, hash=False)
    output: tuple[str, ...] = ()
    forced: bool = False

    @property
    def wildcards(self) -> tuple[str, ...]:
        return tuple(self.wildcards_dict.values())

    @property
    def rule(self) -> SimpleNamespace:
        return SimpleNamespace(name=self.name, script=None)


def workflow(*waiting: Waiting, **after: set[Waiting]) -> Any:
    """A workflow whose dag has these jobs to run; `after` are the dependencies by rule."""
    return SimpleNamespace(
        basedir=str(Path(__file__).parents[3]),
        dag=SimpleNamespace(
            needrun_jobs=lambda **_: waiting,
            dependencies={job: after[job.name] for job in waiting if job.name in after},
            reason=lambda job: SimpleNamespace(forced=job.forced),
        ),
    )


def made(folder: Path, **keys: Any) -> ResolvedStudy:
    """A study with a tuned and an untuned variant, of two cells each."""
    both = {"eval_sets": ["pairs", "texts"]}
    return study(folder, {**TUNED, **both}, {**BASE, **both}, **keys)


def due(jobs: Jobs, *eval_sets: str) -> tuple[Cell, ...]:
    """The tuned variant's cells on some sets."""
    return tuple(cell for cell in jobs.evaluate.due_cells(VARIANT) if cell.eval_set in eval_sets)


@pytest.mark.parametrize(
    ("name", "rule"),
    [("evaluate_pairs", "evaluate"), ("evaluate_1", "evaluate"), ("tune", "tune")],
)
def test_all_rules_that_evaluate_are_one(name: str, rule: str) -> None:
    assert stage_rule(name) == rule


def test_an_evaluation_has_the_cells_that_are_due(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = Jobs(made(tmp_path), "study.yaml")
    texts = due(jobs, "texts")
    tune, elsewhere = Waiting("tune", {"variant": VARIANT}), Waiting("freeze", {"dataset": "x"})
    evaluation = Waiting("evaluate_pairs_texts", {"variant": VARIANT})
    found = planned(workflow(tune, evaluation, evaluate_pairs_texts={tune, elsewhere}), jobs)
    assert [job.rule for job in found.jobs] == ["tune", "evaluate"]
    assert found.jobs[0].cells == ()
    assert found.jobs[1] == Job("evaluate", {"variant": VARIANT}, due(jobs, "pairs", "texts"))
    # No job waits for one that does not run.
    assert found.after == [[], [0]]
    monkeypatch.setattr(jobs.evaluate, "due_cells", lambda _: list(texts))
    assert planned(workflow(evaluation), jobs).jobs[0].cells == texts


def test_a_reason_has_its_jobs_and_their_likely_hours(tmp_path: Path) -> None:
    large = dataset("summary", answer_tokens=30, evaluation=100_000)
    resolved = made(tmp_path, files={"datasets/texts": large})
    jobs, budget = Jobs(resolved, "study.yaml"), budget_for(resolved)
    tune = Job("tune", {"variant": VARIANT})
    whole, one = (
        Job("evaluate", {"variant": VARIANT}, due(jobs, *sets))
        for sets in (("pairs", "texts"), ("pairs",))
    )
    again = [(RATE, [tune, whole, Job("scores")]), (FORMAT, [one, Job("scores")])]
    prices = [budget.prices.of(job).seconds.mid for job in (tune, whole, one)]
    assert prices[2] < prices[1]
    longer, shorter = reason_lines(again, budget.prices)
    likely = (prices[0] + prices[1]) / 3600
    assert longer == f"  made again because {RATE}: 3 jobs, {likely:.1f} A100 GPU-hours"
    assert shorter == f"  made again because {FORMAT}: 2 jobs, <0.1 A100 GPU-hours"
    lines = budget_text(budget, resolved, jobs.grid, {}, again).split("\n")
    assert lines.index(longer) + 1 == lines.index(shorter)
    assert lines.index(shorter) < next(n for n, line in enumerate(lines) if " download " in line)
    assert "made again" not in budget_text(budget, resolved, jobs.grid, {})


def test_what_has_no_price_is_counted(tmp_path: Path) -> None:
    without = {key: value for key, value in FILES["datasets/pairs"].items() if key != "size"}
    resolved = study(tmp_path, TUNED, files={"datasets/pairs": without})
    prices = budget_for(resolved).prices
    groups = [(RATE, [Job("tune", {"variant": VARIANT}), Job("scores")]), (FORMAT, [Job("scores")])]
    assert reason_lines(groups, prices) == [
        f"  made again because {RATE}: 2 jobs, 1 job of unknown cost",
        f"  made again because {FORMAT}: 1 job",
    ]


def test_hours_on_cores_are_of_all_jobs(tmp_path: Path) -> None:
    resolved = study(tmp_path, TUNED, execution={"plan_for": "cpu"})
    mean = Mean(jobs=1, seconds=7200, low=0.5, high=2)
    calibration = Calibration(
        device="cpu", study="s", cells=1, jobs=1, date="d", machine="m", fits={}, rules={"f": mean}
    )
    on = Basis(basis(resolved).device, calibration)
    prices = budget_of(resolved, Jobs(resolved, "f").grid, [], on).prices
    assert prices.of(Job("f")) == Price(Job("f"), host=Range(3600, 7200, 14_400), calibrated=True)
    (line,) = reason_lines([(RATE, [Job("f")])], prices)
    assert line.endswith(": 1 job, 2.0 core-hours")


def test_a_plan_has_its_reasons_in_its_files(tmp_path: Path) -> None:
    resolved = made(tmp_path)
    jobs = Jobs(resolved, "study.yaml")
    again = [(RATE, [Job("tune", {"variant": VARIANT}), Job("scores")])]
    write_files(tmp_path / "plan", budget_for(resolved), {}, jobs, again)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "plan/budget.csv").read_text())))
    (reason,) = (row for row in rows if row["by"] == "reason")
    (tune,) = (row for row in rows if (row["by"], row["name"]) == ("stage", "tune"))
    assert (reason["name"], reason["jobs"], reason["hours"]) == (RATE, "2", tune["hours"])
    page = (tmp_path / "plan/budget.html").read_text()
    assert "<h2>Made again because</h2>" in page
    assert "0.001 -&gt; 0.002" in page


def test_a_run_that_begins_says_why_it_makes_results_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolved = made(tmp_path)
    jobs = Jobs(resolved, "study.yaml")
    tune = Waiting("tune", {"variant": VARIANT})
    assert guard(workflow(tune), jobs) == []
    plan = Planned([Job("scores")], [[]], [(FORMAT, [Job("scores")])])
    monkeypatch.setattr("tuning_dynamics.plan.limits.planned", lambda *_: plan)
    assert guard(workflow(), jobs) == [f"  made again because {FORMAT}: 1 job"]
