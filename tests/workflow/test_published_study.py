"""Published scores as a study, and a comparison of two studies, as a user runs them."""

import csv
import shutil
from collections import defaultdict
from pathlib import Path

import pytest
from published import CHECKPOINTS, LEARNED, LEFT, NOT_LEARNED, SETS, paper_rows, write_rows
from repository import Repository, clone

GENERATION = sorted(name for name, (_, kind, *_) in SETS.items() if kind == "generation")
STUDY = f"""
study: mine
scores: mine.csv
published: {{chance: {{mnli: 0.333}}, train_kinds: {{tulu: instruction}}}}
statistics:
  resamples: 200
  main_recipe: sft
  groups:
    learned: [{", ".join(LEARNED)}]
    not_learned: [{", ".join(NOT_LEARNED)}]
  group_recipes: [sft, instruct]
  group_roles: [id, ood, bench]
  transfer: {{train_sets: [mnli, paws], eval_sets: [{", ".join(GENERATION)}]}}
"""


def table(repository: Repository, name: str, study: str = "mine") -> list[dict[str, str]]:
    path = repository.folder / f"results/{study}/tables/{name}.csv"
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """A repository in which a published table was analysed from start to report."""
    repository = clone(tmp_path_factory.mktemp("published") / "clone", "mine.yaml")
    (repository.folder / "mine.yaml").write_text(STUDY, encoding="utf-8")
    rows = paper_rows()
    sciq = next(row for row in rows if row["eval_set"] == "sciq" and row["recipe"] == "instruct")
    path = write_rows(repository.folder / "mine.csv", [*rows, sciq])
    done = repository.run("-n")
    assert done.returncode != 0
    assert "are the same cell, which would count twice" in done.stdout
    assert "mine.csv" in done.stdout
    assert f"line {len(rows) + 2}" in done.stdout
    assert "Traceback" not in done.stdout
    write_rows(path, rows)
    repository.succeed()
    return repository


def test_the_groups_change_as_planted(published: Repository) -> None:
    found = defaultdict(dict)
    for row in table(published, "group_changes"):
        found[row["group"]][row["checkpoint"]] = float(row["mean_change"])
    for group, place in (("learned", 2), ("other", 3)):
        planted = {label: values[place] for label, values in CHECKPOINTS.items()}
        assert {name: found[group][name] for name in planted} == pytest.approx(planted)
        assert found[group]["all"] == pytest.approx(sum(planted.values()) / len(planted))


def test_the_mean_ratio_of_change_is_that_of_the_named_sets(published: Repository) -> None:
    rows = [row for row in table(published, "transfer") if row["statistic"] == "mean_ratio"]
    key = ("classification", "generation")
    of_kinds = {
        row["checkpoint"]: row for row in rows if (row["train_kind"], row["eval_kind"]) == key
    }
    assert set(of_kinds) == {*CHECKPOINTS, "all"}
    for row in of_kinds.values():
        assert float(row["value"]) == pytest.approx(LEFT - 1, abs=1e-5)
    assert int(of_kinds["all"]["cells"]) == 2 * len(GENERATION) * len(CHECKPOINTS)


def test_what_needs_items_is_empty_and_what_does_not_is_there(published: Repository) -> None:
    changes = table(published, "changes")
    for name in ("change_low", "change_high", "p_value", "q_value"):
        assert {row[name] for row in changes} == {""}
    assert len(table(published, "scores")) == len(paper_rows())
    assert {row["source"] for row in table(published, "checkpoints")} == {"published"}
    whole = [row for row in table(published, "group_changes") if row["checkpoint"] == "all"]
    # The learned sets are benchmarks, of one instruction-tuned model.
    assert {row["group"]: bool(row["low"] and row["high"]) for row in whole} == {
        "learned": False,
        "other": True,
    }
    assert (published.folder / "results/mine/report.html").stat().st_size > 10_000
    assert {row["stage"] for row in table(published, "cost")} == {"statistics", "report"}


def test_the_content_of_the_file_decides_what_runs_again(
    published: Repository, tmp_path: Path
) -> None:
    copied = published.copy(tmp_path / "clone")
    for name in ("mine.csv", "mine.yaml"):
        shutil.copyfile(published.folder / name, copied.folder / name)
    assert copied.planned() == {}
    rows = paper_rows()
    rows[0]["score"] += 0.001
    write_rows(copied.folder / "mine.csv", rows)
    copied.succeed("plan")
    budget = (copied.folder / "results/mine/plan/budget.csv").read_text(encoding="utf-8")
    # Scores, summaries, findings, figures, costs, report and `all`.
    assert "stage,other,7," in budget


def test_two_studies_are_compared_without_a_third(copied: Repository, tmp_path: Path) -> None:
    # Elsewhere, as if from another machine.
    other = tmp_path / "again"
    shutil.copytree(copied.folder / "results/smoke", other)
    shutil.rmtree(copied.folder / "results/smoke/logs")
    printed = copied.succeed("compare", "--config", "side_a=results/smoke", f"side_b={other}")
    scores = table(copied, "scores", "smoke")
    assert f"compared over items {len(scores):,}, by standard errors 0" in printed
    rows = table(copied, "comparison", "compare/smoke_vs_again")
    assert {(row["difference"], row["p_value"], row["paired"]) for row in rows} == {
        ("0", "1", "items")
    }
    assert table(copied, "unshared", "compare/smoke_vs_again") == []
    assert not (copied.folder / "results/smoke/logs").exists()
    done = copied.run("compare", "--config", "side_a=results/smoke", "side_b=results/none")
    assert done.returncode != 0
    assert "there are no scores to compare" in done.stdout
    assert "Traceback" not in done.stdout


def test_a_cell_of_scores_csv_is_shown_without_its_study(copied: Repository) -> None:
    row = next(row for row in table(copied, "scores", "smoke") if row["shots"] == "2")
    shown = copied.succeed("show", "--config", f"cell={row['records']}")
    assert f"{row['records']}: {row['eval_set']}" in shown
    assert "--- prompt" in shown
    assert "(unknown" not in shown
    item = shown.partition("=== item ")[2].partition(":")[0]
    one = copied.succeed("show", "--config", f"cell={row['records']}", f"item={item}")
    assert one.count("=== item") == 1
    assert copied.planned() == {}
