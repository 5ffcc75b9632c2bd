"""A synthetic study with planted effects: records of every cell, written in seconds."""

from collections import ChainMap
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from tuning_dynamics.common.atomic_files import write_json
from tuning_dynamics.common.errors import REFUSED_KEY
from tuning_dynamics.plan.cost_table import cost_rows
from tuning_dynamics.stats import item_scores, metrics
from tuning_dynamics.stats.cell_tables import cell_tables
from tuning_dynamics.stats.checkpoint_curve import checkpoint_rows
from tuning_dynamics.stats.drawing import Drawing
from tuning_dynamics.stats.summarise import SummarySettings, summary_tables
from tuning_dynamics.tables.catalogue import columns_of
from tuning_dynamics.tables.tables import from_rows

#: A metric for tests only, where an answer is its own score.
PLANTED = "planted"
_planted: Any = SimpleNamespace(scores=lambda answers, _: [float(answer) for answer in answers])
metrics.METRICS = ChainMap({PLANTED: _planted}, metrics.METRICS)  # type: ignore[arg-type]
item_scores.METRICS = metrics.METRICS

TASKS = {
    "nli": ("classification", "token_prob", "accuracy"),
    "paraphrase": ("classification", "token_prob", "accuracy"),
    "summary": ("generation", "greedy", PLANTED),
    "question_generation": ("generation", "greedy", PLANTED),
}
DOMAINS = ("people", "places", "events")
LEARNED_TASKS = ("nli", "summary")
DRAWING: dict[str, Any] = {"resamples": 400, "level": 0.95, "seed": 0}


@dataclass(frozen=True)
class Truth:
    """Planted effects; scores are expected values, slopes are per tenfold tokens."""

    learned_trend: float = 0.12
    forgetting: float = -0.12
    gain_new: float = 0.12
    gain_learned: float = 0.01
    gain_slope: float = 0.05
    spread: float = 0.3
    spread_slope: float = -0.06
    families: tuple[str, ...] = ("toy",)
    steps: tuple[int, ...] = (0, 100, 300, 1000, 3000, 10000)
    seeds: tuple[int, ...] = (1,)
    recipes: tuple[str, ...] = ("full",)
    tasks: tuple[str, ...] = tuple(TASKS)
    domains: tuple[str, ...] = DOMAINS
    trained: tuple[str, ...] = DOMAINS
    formats: tuple[str, ...] = ("default", "io", "instruct")
    items: int = 120
    base: dict[str, float] = field(
        default_factory=lambda: {"classification": 0.4, "generation": 0.3}
    )


# The study as published.
PUBLISHED = Truth()


def study_cells(truth: Truth) -> Iterator[tuple[dict[str, Any], float]]:
    """Each cell's key columns and the expected score of its items."""
    for family in truth.families:
        for step in truth.steps:
            for eval_task in truth.tasks:
                for domain in truth.domains:
                    yield from _set_cells(truth, family, step, eval_task, domain)


def _set_cells(
    truth: Truth, family: str, step: int, eval_task: str, domain: str
) -> Iterator[tuple[dict[str, Any], float]]:
    kind, prediction, metric = TASKS[eval_task]
    depth = np.log10(max(step, 33) / 100)
    level = truth.base[kind]
    if eval_task in LEARNED_TASKS:
        level += truth.learned_trend * depth
    key = {
        "family": family,
        "checkpoint": str(step),
        "step": step,
        "tokens": step * 1024,
        "recipe": "base",
        "train_set": "",
        "seed": None,
        "eval_set": f"{eval_task}_{domain}",
        "task": eval_task,
        "kind": kind,
        "role": "",
        "format": "default",
        "shots": 4,
        "draw": 0,
        "prediction": prediction,
        "metric": metric,
    }
    yield key, level
    for recipe in truth.recipes:
        for train_task, train_domain in product(truth.tasks, truth.trained):
            for seed in truth.seeds:
                own = train_task == eval_task
                role = "cross" if not own else ("id" if domain == train_domain else "ood")
                change = _change(truth, train_task, eval_task, depth)
                spread = max(0.0, truth.spread + truth.spread_slope * depth) if own else 0.0
                formats = truth.formats if own else truth.formats[:1]
                for place, name in enumerate(formats):
                    tuned = {
                        **key,
                        "recipe": recipe,
                        "train_set": f"{train_task}_{train_domain}",
                        "seed": seed,
                        "role": role,
                        "format": name,
                        "shots": 0,
                        "draw": 0,
                    }
                    yield tuned, level + change - spread * place / max(1, len(formats) - 1)


def _change(truth: Truth, train_task: str, eval_task: str, depth: float) -> float:
    if train_task == eval_task:
        if eval_task in LEARNED_TASKS:
            return truth.gain_learned
        return truth.gain_new + truth.gain_slope * depth
    to_generation = (TASKS[train_task][0], TASKS[eval_task][0])
    return truth.forgetting if to_generation == ("classification", "generation") else 0.0


def records(items: int, expected: float, kind: str, seed: int) -> pd.DataFrame:
    """One cell's records; cells of one seed share their items' difficulty, as real ones do."""
    difficulty = np.random.default_rng(seed).uniform(size=items)
    if kind == "generation":
        score = np.clip(expected + 0.4 * (difficulty - 0.5), 0, 1)
    else:
        score = (difficulty < expected).astype(float)
    return records_of(score)


def records_of(score: Any) -> pd.DataFrame:
    """Records with these scores by the metric PLANTED; by accuracy where all are 0 or 1."""
    score = np.asarray(score, dtype=float)
    names = [f"item-{index:05d}" for index in range(len(score))]
    return pd.DataFrame(
        {
            "item": names,
            "context": names,
            "prompt_digest": "0" * 16,
            "truncated": False,
            "prediction": [repr(float(value)) for value in score],
            "gold": [["1.0"] for _ in names],
            "option_scores": [[0.1, 0.2] for _ in names],
        }
    )


def refuse(path: Path, reason: str) -> None:
    """Turn a cell into a refused one."""
    schema = pq.read_schema(path).with_metadata({REFUSED_KEY: reason})
    pq.write_table(schema.empty_table(), path)


def write_cells(folder: Path, truth: Truth) -> list[dict[str, Any]]:
    """Write every cell's records below `folder`; the cells' dicts with `path`."""
    folder.mkdir(parents=True, exist_ok=True)
    cells = []
    seeds: dict[str, int] = {}
    noise = np.random.default_rng(7)
    for number, (key, expected) in enumerate(study_cells(truth)):
        seed = seeds.setdefault(key["eval_set"], len(seeds))
        path = folder / f"{number}.parquet"
        shaken = expected + noise.normal(0, 0.01)
        records(truth.items, shaken, key["kind"], seed).to_parquet(path, index=False)
        cells.append({**key, "path": path})
    return cells


def asked(**changes: Any) -> SummarySettings:
    """The study's settings of summaries."""
    plain = SummarySettings(
        drawing=Drawing(**DRAWING),
        recipe="full",
        alpha=0.05,
        margin=0.01,
        change_margin=0.02,
        train_sets=None,
        eval_sets=None,
        groups=None,
        group_recipes=("full",),
        roles=("id", "ood"),
        group_metric=None,
        last_checkpoints=10,
        reruns={},
    )
    return replace(plain, **changes)


def study_tables(cells: list[dict[str, Any]]) -> dict[str, pd.DataFrame]:
    """Every table of the study."""
    return finished(cell_tables(cells, **DRAWING, permutations=999))


def finished(made: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The tables of cells with all tables made from them."""
    scores = made["scores"]
    made = {**made, "datasets": dataset_table(scores), "checkpoints": checkpoint_table(scores)}
    return {**made, **summary_tables(made, asked()), "cost": cost_rows([])}


def checkpoint_table(scores: pd.DataFrame) -> pd.DataFrame:
    """The checkpoints of scores.csv, with losses that fall with log tokens."""
    points = scores[["family", "step", "tokens"]].drop_duplicates()
    with TemporaryDirectory() as folder:
        paths = []
        for number, (family, step, tokens) in enumerate(points.itertuples(index=False)):
            loss = 9.0 - 0.6 * float(np.log10(tokens + 1))
            paths.append(Path(folder) / f"{number}.json")
            write_json(
                paths[-1],
                {
                    **{"family": family, "step": int(step), "tokens": int(tokens)},
                    **{"source": "pretrain", "digests": {"a": str(step)}, "text_loss": loss},
                },
            )
        return checkpoint_rows(paths, holes={})


def dataset_table(scores: pd.DataFrame) -> pd.DataFrame:
    """The evaluation sets of scores.csv, of which those with labels have two, and train sets."""
    sets = scores[["eval_set", "task", "kind"]].drop_duplicates("eval_set")
    tuned_on = set(scores["train_set"]) - {""}
    empty = {name: "" if kind == "str" else None for name, kind in columns_of("datasets").items()}
    rows = []
    for _, row in sets.iterrows():
        own = {"dataset": row["eval_set"], "task": row["task"], "kind": row["kind"], "items": 1}
        chance = 0.5 if row["kind"] == "classification" else None
        rows.append({**empty, **own, "use": "evaluation", "chance": chance})
        if row["eval_set"] in tuned_on:
            rows.append({**empty, **own, "use": "train"})
    return from_rows(rows, "datasets")


@cache
def published_tables() -> dict[str, pd.DataFrame]:
    """The tables of PUBLISHED, made once for all tests, which must leave them as they are."""
    with TemporaryDirectory() as folder:
        return study_tables(write_cells(Path(folder), PUBLISHED))
