"""Jobs with system errors, or that are killed: the same command ends as without faults.

A sample; benchmarks/faults.py tests every point of every job.
"""

from pathlib import Path

import pytest
from injection.faults import Fault, Kind, Scene, compiled, standing, strike, variables
from repository import Repository

TUNED = "tiny/40/quick/nli_people"
TUNE = Kind(
    "tune",
    "tune_variant.py",
    (f"{TUNED}/seed1",),
    ("{key}/weights", "{key}/manifest.json", "{key}/metrics.json"),
    ("results/smoke/{key}/manifest.json",),
)
EVALUATE = Kind(
    "evaluate",
    "evaluate_variant.py",
    (f"{TUNED}/seed0",),
    ("{key}/cells",),
    ("results/smoke/{key}/cells/facts_qa/default/0shot/likelihood.parquet",),
)
FREEZE = Kind(
    "freeze",
    "data_freeze.py",
    ("/facts_qa", "/nli_places"),
    ("data{key}/items.parquet", "data{key}/manifest.json"),
    ("results/smoke/data{key}/items.parquet",),
)
PRETRAIN = Kind(
    "pretrain",
    "checkpoints_pretrain.py",
    ("tiny/40",),
    ("{key}/checkpoint/weights", "{key}/checkpoint/state.pt", "{key}/checkpoint/manifest.json"),
    ("results/smoke/{key}/checkpoint/manifest.json",),
)
SCORES = Kind(
    "scores",
    "stats_scores.py",
    ("results/smoke/",),
    tuple(f"tables/{name}.csv" for name in ("scores", "changes", "sensitivity")),
    ("results/smoke/tables/scores.csv",),
)

#: Faults of one run: no job's inputs are another's outputs.
RUNS = {
    "models": [
        Fault(TUNE, TUNE.keys[0], 44, "EIO"),
        Fault(EVALUATE, EVALUATE.keys[0], 21, "before"),
    ],
    "data": [
        Fault(FREEZE, FREEZE.keys[0], 42, "EIO"),
        Fault(FREEZE, FREEZE.keys[1], 11, "ENOSPC"),
        Fault(PRETRAIN, PRETRAIN.keys[0], 20, "EIO"),
    ],
    "tables": [Fault(SCORES, SCORES.keys[0], 25, "before")],
}


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library that makes requests fail."""
    found = compiled(tmp_path_factory.mktemp("shim"))
    if found is None:
        pytest.skip("needs Linux and a C compiler")
    return found


@pytest.mark.parametrize("name", list(RUNS))
def test_the_same_command_ends_as_without_faults(
    name: str, smoke: Repository, shim: Path, tmp_path: Path
) -> None:
    repository = Repository(smoke.folder, smoke.study, {**smoke.variables, **variables()})
    scene = Scene(repository, "smoke", shim)
    outcomes = strike(scene, RUNS[name], standing(scene), tmp_path)
    assert [outcome.as_json() for outcome in outcomes if outcome.wrong] == []
    assert all(outcome.request is not None for outcome in outcomes), "a fault was not reached"
