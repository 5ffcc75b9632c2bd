"""Damaged files of a finished study: noticed, never used, and made again.

A sample; benchmarks/damage.py has every kind of file, damaged in four ways.
"""

import re
from pathlib import Path

import pytest
from injection.damage import Subject, inflict, says_why
from injection.faults import RAW, Scene, differing, standing
from repository import Repository

CELL = "cells/facts_qa/default/0shot/likelihood.parquet"
FIRST, SECOND = "tiny/40/quick/nli_people/seed0", "tiny/40/quick/nli_people/seed1"

#: Small files, each with a kind of damage and the rule that makes it.
SMALL = [
    (Subject("manifest", f"{FIRST}/manifest.json", f"{SECOND}/manifest.json", "tune"), "flipped"),
    (Subject("cell", f"{FIRST}/{CELL}", f"{SECOND}/{CELL}", "evaluate"), "swapped"),
    (
        Subject("items", "data/facts_qa/items.parquet", "data/nli_people/items.parquet", "freeze"),
        "truncated",
    ),
    (Subject("table", "tables/scores.csv", "tables/changes.csv", "scores"), "flipped"),
    (
        Subject("record", f"records/tune/{FIRST}.json", f"records/tune/{SECOND}.json", "tune"),
        "truncated",
    ),
    (Subject("config", "config.yaml", "tables/scores.csv", "merged_config"), "replaced"),
]

#: Weights, which are verified when they are read, here by a missing cell.
WEIGHTS = Subject(
    "weights", f"{FIRST}/weights/model.safetensors", f"{SECOND}/weights/model.safetensors", "tune"
)


@pytest.mark.parametrize(("subject", "how"), SMALL, ids=[one.name for one, _ in SMALL])
def test_a_damaged_file_is_the_reason_of_its_job(
    subject: Subject, how: str, copied: Repository
) -> None:
    assert inflict(Scene(copied, "smoke", Path()), subject, how)
    said = copied.succeed("-n")
    assert says_why(said, subject.path), said
    assert re.search(rf"^ *(?:local)?rule {subject.rule}", said, re.M), said


def test_damage_is_never_used(copied: Repository, smoke: Repository) -> None:
    clean = standing(Scene(smoke, "smoke", Path()))
    scene = Scene(copied, "smoke", Path())
    for subject, how in (*SMALL, (WEIGHTS, "flipped")):
        inflict(scene, subject, how)
    (scene.results / FIRST / "cells/nli_people/default/0shot/token_prob.parquet").unlink()
    done = copied.run()
    assert RAW not in done.stdout
    if done.returncode:
        assert "fix:" in done.stdout
        copied.succeed()
    found = scene.contents()
    assert differing(sorted({*found, *clean.files}), found, clean) == []
    assert copied.planned() == {}
