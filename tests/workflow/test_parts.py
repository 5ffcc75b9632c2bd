"""A study in parts: disjoint, together the whole, and no tables over less than all of it."""

import re
from collections import Counter

from repository import Repository

#: Rules whose jobs belong to a variant, so that they run in one part alone.
OF_VARIANTS = ("tune", "evaluate", "text_loss")
#: Rules that only the whole study and the run for the tables have.
AFTER_CELLS = {
    *("merged_config", "checkpoints", "overlaps", "datasets", "scores"),
    *("summaries", "cost", "figures"),
    *("findings", "report"),
}


#: A job as a dry run prints it; those of a group are indented.
PRINTED = re.compile(
    r"^ *(?:local)?rule (\w+):\n(?:(?! *(?:local)?rule ).+\n)*? *output: ([^\s,]+)", re.M
)
CELL = "results/smoke/tiny/40/quick/nli_people/seed0/cells/nli_places/io/0shot/token_prob.parquet"


def jobs(repository: Repository, *arguments: str) -> Counter[tuple[str, str]]:
    """The jobs of a dry run, each as its stage and its first output."""
    found = PRINTED.findall(repository.succeed("-n", *arguments))
    return Counter(
        ("evaluate" if rule.startswith("evaluate_") else rule, output) for rule, output in found
    )


def test_parts_are_disjoint_and_together_the_whole(fresh: Repository) -> None:
    whole = jobs(fresh)
    found = [jobs(fresh, "--config", f"part={number}/3") for number in (1, 2, 3)]
    assert all(any(rule == "evaluate" for rule, _ in part) for part in found)
    together = sum(found, Counter())
    for (rule, output), times in together.items():
        assert times == 1 or rule not in OF_VARIANTS, output
    assert set(together) == {job for job in whole if job[0] not in AFTER_CELLS}


def test_a_made_study_is_current_for_its_parts(copied: Repository) -> None:
    for part in ("1/2", "2/2", "tables/2"):
        assert copied.planned("--config", f"part={part}") == {}
    table = copied.folder / "results/smoke/tables/findings.csv"
    before = table.read_bytes()
    table.unlink()
    (copied.folder / "results/smoke/report.html").unlink()
    copied.succeed("--config", "part=tables/2")
    assert table.read_bytes() == before
    assert copied.planned() == {}


def test_tables_are_refused_over_cells_that_are_not_current(copied: Repository) -> None:
    (copied.folder / CELL).unlink()
    refused = copied.run("--config", "part=tables/2")
    assert refused.returncode != 0
    assert "1 of 47 cells are missing or not current" in refused.stdout
    assert f"file:  {CELL}" in refused.stdout
    assert copied.planned("--config", "part=1/2") == {}
    assert copied.planned("--config", "part=2/2") == {"evaluate": 1}


def test_tables_are_refused_over_cells_of_other_settings_or_code(copied: Repository) -> None:
    copied.edit(copied.study, "resamples: 200", "resamples: 300")
    assert copied.planned("--config", "part=tables/2")["scores"] == 1
    copied.edit("tests/catalogue/recipes/quick_lora.yaml", "lr: 1e-3", "lr: 2e-3")
    change = "recipes/quick_lora.yaml: stages.0.optim.lr 0.001 -> 0.002"
    refused = copied.run("--config", "part=tables/2")
    assert refused.returncode != 0
    assert "1 jobs that make inputs of cells are not done" in refused.stdout
    assert change in refused.stdout
    printed = copied.succeed("-n", "--config", "part=tables/2")
    assert "A run of this would be refused:\n  1 jobs that make inputs of cells" in printed
    assert copied.planned("--config", "part=1/2") == {}
    assert copied.planned("--config", "part=2/2") == {"tune": 1, "evaluate": 1}


def test_what_is_no_part_is_refused(fresh: Repository) -> None:
    refused = fresh.run("-n", "--config", "part=4/3")
    assert refused.returncode != 0
    assert "the value is not a part of a study" in refused.stdout
