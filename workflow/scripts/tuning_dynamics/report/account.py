"""Requested and existing cells of a study, its cost, and what it was made from."""

import platform
import subprocess
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path

import pandas as pd

from tuning_dynamics.common.rules import STAGES
from tuning_dynamics.tables.columns import IDENTITY

#: Stands for the seed of base cells.
_NO_SEED = -1


@dataclass(frozen=True)
class Square:
    """Cells of a row of the grid on one evaluation set: requested, and scored."""

    asked: int
    there: int


@dataclass(frozen=True)
class GridRow:
    """A row of the grid: a family's recipe and train set, and its squares by evaluation set."""

    family: str
    recipe: str
    train_set: str
    squares: Mapping[str, Square]


def grid_rows(asked: pd.DataFrame, scores: pd.DataFrame) -> list[GridRow]:
    """The grid by family, recipe and train set.

    `asked` has the key columns of scores.csv for each cell of the study.
    """
    wanted, scored = _counted(asked), _counted(scores[scores["score"].notna()])
    rows: dict[tuple[str, str, str], dict[str, Square]] = {}
    for key, cells in sorted(wanted.items()):
        family, recipe, train_set, eval_set = key
        square = Square(len(cells), len(cells & scored.get(key, set())))
        rows.setdefault((family, recipe, train_set), {})[eval_set] = square
    return [GridRow(*key, squares) for key, squares in rows.items()]


def _counted(cells: pd.DataFrame) -> dict[tuple[str, ...], set[tuple[object, ...]]]:
    """The identities of cells by family, recipe, train set and evaluation set."""
    found: dict[tuple[str, ...], set[tuple[object, ...]]] = defaultdict(set)
    # A seed is an integer in one table, and a float in another that also has empty seeds.
    seeds = cells["seed"].astype("Int64")
    named = cells[list(IDENTITY)].assign(seed=seeds.fillna(_NO_SEED).astype(int))
    squares = (cells[name] for name in ("family", "recipe", "train_set", "eval_set"))
    for square, cell in zip(zip(*squares, strict=True), named.itertuples(index=False), strict=True):
        found[square].add(tuple(cell))
    return found


@dataclass(frozen=True)
class StageCost:
    """The cost of a stage. Times in seconds, NaN if nothing was measured or priced.

    `priced` of its `jobs` had a planned time: `planned` in total, and `took` when they ran.
    """

    stage: str
    jobs: int
    seconds: float
    priced: int
    planned: float
    took: float
    longest: float
    memory_gb: float
    tokens: int
    gpus: str


def stage_costs(cost: pd.DataFrame) -> list[StageCost]:
    """cost.csv by stage, and in total."""
    order = {stage: place for place, stage in enumerate(STAGES)}
    stages = sorted(cost["stage"].unique(), key=lambda stage: (order.get(stage, 99), stage))
    found = [_stage_cost(stage, cost[cost["stage"] == stage]) for stage in stages]
    return [*found, _stage_cost("all", cost)] if found else []


def _stage_cost(stage: str, jobs: pd.DataFrame) -> StageCost:
    priced = jobs[jobs["planned_seconds"].notna() & jobs["seconds"].notna()]
    return StageCost(
        stage=stage,
        jobs=len(jobs),
        seconds=float(jobs["seconds"].sum(min_count=1)),
        priced=len(priced),
        planned=float(priced["planned_seconds"].sum(min_count=1)),
        took=float(priced["seconds"].sum(min_count=1)),
        longest=float(jobs["seconds"].max()),
        memory_gb=float(jobs["peak_memory_mb"].max()) / 1000,
        tokens=int(jobs["tokens"].sum()),
        gpus=", ".join(sorted(set(jobs["gpu"]) - {""})),
    )


def commit(root: Path) -> str:
    """The git commit of the repository at `root`, and whether files differ from it."""
    top = _git(root, "rev-parse", "--show-toplevel")
    found = _git(root, "rev-parse", "HEAD")
    if top is None or found is None or Path(top).resolve() != root.resolve():
        return "unknown: the workflow is not in a git repository"
    changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    return found + (", with changes that are not committed" if changed else "")


def _git(root: Path, *arguments: str) -> str | None:
    """git's output; None if it fails."""
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def versions() -> dict[str, str]:
    """Versions of Python and of the packages of this process's environment."""
    packages = {found.metadata["Name"]: found.version for found in distributions()}
    ordered = sorted(packages.items(), key=lambda package: package[0].lower())
    return {"Python": platform.python_version(), **dict(ordered)}


def reasons(unpaired: pd.DataFrame) -> Sequence[tuple[str, int]]:
    """Reasons why cells were refused or have no base, with counts, most first."""
    return [(str(why), int(count)) for why, count in unpaired["reason"].value_counts().items()]
