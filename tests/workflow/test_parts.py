"""A study in parts: disjoint, together the whole, and no tables over less than all of it."""

import re
from collections import Counter
from pathlib import Path

import pytest
from repository import Repository, clone

#: Rules whose jobs belong to a variant, so that they run in one part alone.
OF_VARIANTS = ("tune", "serve", "cell")
#: Rules that only the whole study and the run for the tables have.
AFTER_CELLS = {
    *("merged_config", "checkpoints", "datasets", "scores"),
    *("summaries", "cost", "figures"),
    *("findings", "report"),
}


#: A job as a dry run prints it; those of a group are indented.
PRINTED = re.compile(
    r"^ *(?:local)?rule (\w+):\n(?:(?! *(?:local)?rule ).+\n)*? *output: ([^\s,]+)", re.M
)


def jobs(repository: Repository, *arguments: str) -> Counter[tuple[str, str]]:
    """The jobs of a dry run, each as its rule and its first output."""
    return Counter(PRINTED.findall(repository.succeed("-n", *arguments)))


@pytest.mark.parametrize(("study", "parts"), [("study", 3), ("short", 1)])
def test_parts_are_disjoint_and_together_the_whole(tmp_path: Path, study: str, parts: int) -> None:
    repository = clone(tmp_path / "clone", f"tests/smoke/{study}.yaml")
    whole = jobs(repository)
    found = [
        jobs(repository, "--config", f"part={number}/{parts}") for number in range(1, parts + 1)
    ]
    assert all(any(rule == "cell" for rule, _ in part) for part in found)
    together = sum(found, Counter())
    for (rule, output), times in together.items():
        assert times == 1 or rule not in OF_VARIANTS, output
    expected = {job for job in whole if job[0] not in AFTER_CELLS}
    assert {job for job in together if job[0] != "part"} == expected
    assert sum(rule == "part" for rule, _ in together) == parts


def test_a_made_study_is_current_for_its_parts(copied: Repository) -> None:
    assert "part 1 of 2 was not made" in copied.run("-n", "--config", "part=tables/2").stdout
    for part in ("part=1/2", "part=2/2"):
        assert copied.planned("--config", part) == {"part": 1}
        copied.succeed("--config", part)
        assert copied.planned("--config", part) == {}
    assert copied.planned("--config", "part=tables/2") == {}
    assert copied.planned() == {}

    tables = copied.folder / "results/smoke/tables/scores.csv"
    before = tables.read_bytes()
    tables.unlink()
    (copied.folder / "results/smoke/report.html").unlink()
    copied.succeed("--config", "part=tables/2")
    assert tables.read_bytes() == before
    assert copied.planned() == {}

    cell = "results/smoke/tiny/40/quick/nli_people/seed0/cells/nli_places/io/0shot"
    (copied.folder / cell / "token_prob.parquet").unlink()
    refused = copied.run("--config", "part=tables/2")
    assert refused.returncode != 0
    assert "1 of 47 cells are missing" in refused.stdout
    assert f"{cell}/token_prob.parquet" in refused.stdout
    assert copied.planned("--config", "part=2/2") == {"serve": 1, "cell": 1, "part": 1}


def test_parts_of_other_settings_or_code_are_refused(copied: Repository) -> None:
    copied.succeed("--config", "part=1/1")
    copied.edit(copied.study, "resamples: 200", "resamples: 300")
    assert "scores" in copied.planned("--config", "part=tables/1")
    copied.edit("tests/catalogue/recipes/quick_lora.yaml", "lr: 1e-3", "lr: 2e-3")
    refused = copied.run("-n", "--config", "part=tables/1")
    assert "part 1 of 1 was made from other settings or code" in refused.stdout
    assert copied.planned("--config", "part=1/1")["tune"] == 1


def test_what_is_no_part_is_refused(fresh: Repository) -> None:
    refused = fresh.run("-n", "--config", "part=4/3")
    assert refused.returncode != 0
    assert "the value names no part of a study" in refused.stdout
