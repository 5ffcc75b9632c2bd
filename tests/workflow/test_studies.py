"""Shipped studies: what their files state, and the budget at the end of a dry run."""

import re
from collections import Counter
from pathlib import Path

import pytest
from repository import ROOT, Repository, clone

from tuning_dynamics.config.load import load_study, read_yaml
from tuning_dynamics.config.study import ResolvedStudy
from tuning_dynamics.grid.grid import expand
from tuning_dynamics.plan.all_jobs import all_jobs
from tuning_dynamics.plan.basis import basis_of
from tuning_dynamics.plan.budget import budget_of
from tuning_dynamics.plan.header import planned
from tuning_dynamics.plan.render_text import hours

#: Studies of files in a folder of the user's, with their measured cost.
MEASURED = {"real_text", "pythia_published", "olmo_ladder", "peft_methods"}
STUDIES = sorted(path.stem for path in (ROOT / "config/studies").glob("*.yaml"))


def load(name: str) -> ResolvedStudy:
    """A shipped study."""
    file = ROOT / f"config/studies/{name}.yaml"
    return load_study(read_yaml(file), ROOT, file)


@pytest.mark.parametrize("name", sorted(set(STUDIES) - MEASURED))
def test_a_study_states_its_cells_and_cost(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # away from results, which would make the cost more exact
    text = (ROOT / f"config/studies/{name}.yaml").read_text(encoding="utf-8")
    stated = re.search(r"^# Planned:.*$", text, re.M)
    assert stated is not None
    assert stated[0] == planned(load(name), f"config/studies/{name}.yaml", ROOT)


@pytest.mark.parametrize("name", sorted(set(STUDIES) - MEASURED))
def test_a_study_is_named_as_its_file_and_says_how_to_run_it(name: str) -> None:
    assert load(name).study.study == name
    text = (ROOT / f"config/studies/{name}.yaml").read_text(encoding="utf-8")
    assert f"--configfile config/studies/{name}.yaml" in text


def test_the_study_of_the_paper_covers_it() -> None:
    resolved = load("olmo_1b")
    grid = expand(resolved, "olmo_1b.yaml")
    assert len(grid.eval_sets) == 19  # the paper's 18, SciQ once to generate and once to answer
    assert {variant.train_set for variant in grid.tuned} == {
        "xsum",
        "socialiqa",
        "mnli",
        "paws",
        "tulu_v2",
    }
    seeds = Counter(v.step for v in grid.tuned if v.recipe == "full" and v.train_set == "mnli")
    assert sorted(seeds.values()) == [1] * 6 + [3] * 6
    assert seeds[738000] == seeds[738020] == 3
    assert {cell.format for cell in grid.cells} == {"default", "io", "instruct"}
    shots = {(cell.variant.recipe == "base", cell.shots) for cell in grid.cells}
    assert shots == {(True, 0), (True, 4), (False, 0)}


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> tuple[Repository, str]:
    """A clone without results whose study is olmo_1b, and what its dry run says."""
    study = "config/studies/olmo_1b.yaml"
    repository = clone(tmp_path_factory.mktemp("large"), study)
    return repository, repository.succeed("-n")


def budget(text: str) -> str:
    """The budget in a dry run's output."""
    return text[text.index("\nBudget of what would run") :]


def test_a_dry_run_ends_with_the_budget_of_the_whole_study(
    large: tuple[Repository, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    resolved = load("olmo_1b")
    grid = expand(resolved, "olmo_1b.yaml")
    expected = budget_of(resolved, grid, all_jobs(resolved, grid), basis_of(resolved.study, ROOT))
    shown = budget(large[1])
    assert f"{len(grid.cells):,} cells of {len(grid.tuned):,} tuned models" in shown
    for stage in expected.stages:
        assert re.search(rf"^  {stage.name} +{stage.jobs:,} jobs", shown, re.M)
    assert re.search(rf"jobs  {re.escape(hours(expected.whole.hours))} GPU-hours$", shown, re.M)
    assert "at most 56 GB to download" in shown
    assert "no checkpoint exists between step 117,850 and 330,000" in shown
    assert re.search(r"^  power .*\n +tuned - base on one set: 0\.0\d+-0\.\d+ \(", shown, re.M)
    assert shown.count("\n") < 28


def test_a_dry_run_of_one_target_has_the_budget_of_that_alone(
    large: tuple[Repository, str],
) -> None:
    repository, _ = large
    base = "results/olmo_1b/olmo_1b/1000/base/cells"
    shown = budget(repository.succeed("-n", "--", f"{base}/rte/default/4shot/token_prob.parquet"))
    assert re.search(r"^  evaluate +1 jobs", shown, re.M)
    assert "tune " not in shown
    assert "at most 4.7 GB to download" in shown


def test_quiet_dry_runs_print_the_budget_too(fresh: Repository) -> None:
    shown = budget(fresh.succeed("-n", "--quiet"))
    assert re.search(r"^  pretrain +4 jobs", shown, re.M)
    assert "tiny: 3 at 0 to 10.2k tokens" in shown


def test_what_is_not_known_is_reported(fresh: Repository) -> None:
    path = fresh.folder / "config/datasets/facts_qa.yaml"
    text = re.sub(r"^size:.*\n", "", path.read_text(encoding="utf-8"), flags=re.M)
    path.write_text(text, encoding="utf-8")
    assert "datasets/facts_qa.yaml gives no size" in budget(fresh.succeed("-n"))


def test_the_budget_shrinks_to_what_is_missing(smoke: Repository, copied: Repository) -> None:
    assert "Budget" not in smoke.succeed("-n")
    folder = "results/smoke/tiny/40/quick/nli_people/seed0/cells/nli_places/io/0shot"
    (copied.folder / folder / "token_prob.parquet").unlink()
    shown = budget(copied.succeed("-n"))
    assert re.search(r"^  evaluate +1 jobs", shown, re.M)
    assert "tune " not in shown
    assert "pretrain" not in shown


def test_half_a_plan_has_no_budget(fresh: Repository) -> None:
    done = fresh.run("-n", "results/smoke/nothing.txt")
    assert done.returncode != 0
    assert "Budget" not in done.stdout
