"""docs/cost.md sets the paper's hours beside what the cost model says, line by line."""

import re
from collections import defaultdict
from pathlib import Path

import pytest
from priced import ROOT

from tuning_dynamics.plan.basis import Basis
from tuning_dynamics.plan.devices import Range, device_of, total
from tuning_dynamics.plan.price import Job, Prices
from tuning_dynamics.plan.tell import hours
from tuning_dynamics.plan.whole import all_jobs
from tuning_dynamics.study.grid import role
from tuning_dynamics.study.jobs import Jobs
from tuning_dynamics.study.load import load_study, read_yaml
from tuning_dynamics.study.paths import parse_variant

SETS = {"xsum": "XSum", "socialiqa": "SocialIQA", "mnli": "MNLI", "paws": "PAWS"}
ROLES = {"id": "in-domain evaluation", "ood": "out-of-domain evaluation", "cross": "cross-task"}


def line(jobs: Jobs, job: Job) -> str:
    """The line of docs/cost.md that a job is in."""
    if "variant" not in job.wildcards or job.rule == "serve":
        return "loading and checking"
    train_set = parse_variant(job.wildcards["variant"]).train_set
    name = "instruction tuning" if train_set == "tulu_v2" else SETS.get(train_set, "untuned")
    if job.rule == "tune":
        return f"{name}: training"
    cell = job.cell()
    placed = role(jobs.resolved, cell.variant, cell.eval_set)
    if name in ("instruction tuning", "untuned"):
        return f"{name}: {'tasks' if placed != 'bench' else 'benchmarks'}"
    if cell.format != "default":
        return f"{name}: formats"
    return "SFT: benchmarks" if placed == "bench" else f"{name}: {ROLES[placed]}"


def planned(name: str) -> dict[str, Range]:
    """A100 hours of each line of a study, and of all."""
    file = ROOT / f"config/studies/{name}.yaml"
    jobs = Jobs(load_study(read_yaml(file), ROOT, file), str(file))
    basis = Basis(device_of(jobs.resolved.study, ROOT))
    lines: dict[str, list[Range]] = defaultdict(list)
    for price in Prices(jobs.resolved, all_jobs(jobs.resolved, jobs.grid), basis).each:
        lines[line(jobs, price.job)].append(price.seconds)
    sums = {label: total(own) / 3600 for label, own in lines.items()}
    return {**sums, "all": total(sums.values())}


@pytest.fixture
def stated() -> dict[str, tuple[str, str, str]]:
    """The rows of the document's table: the paper's hours, as released, mended."""
    text = (ROOT / "docs/cost.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([^|]+?) \| ([^|]*?) \| ([^|]*?) \| ([^|]*?) \|$", text, re.M)
    return {label: (paper, released, mended) for label, paper, released, mended in rows[1:]}


def test_the_papers_lines_add_up_to_its_total(stated: dict[str, tuple[str, str, str]]) -> None:
    paper = {label: float(row[0].replace(",", "")) for label, row in stated.items() if row[0]}
    assert paper.pop("all") == 1067
    assert sum(paper.values()) == pytest.approx(1067, abs=0.5)


@pytest.mark.parametrize(("name", "column"), [("olmo_1b_release", 1), ("olmo_1b", 2)])
def test_the_planned_lines_are_those_of_the_cost_model(
    name: str,
    column: int,
    stated: dict[str, tuple[str, str, str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)  # away from results, which would make the cost more exact
    lines = {label: hours(span) for label, span in planned(name).items()}
    assert {label: row[column] for label, row in stated.items() if row[column]} == lines
