"""A study's own grid with planted scores in place of models': what the findings should recover.

Every cell is there; only items' scores are made up. Items differ in ease, which all cells share;
train sets, pairs of sets, models and demonstrations differ at random.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtri
from synthetic import dataset_table

from tuning_dynamics.config.load import load_study, read_yaml
from tuning_dynamics.findings.findings import FINDINGS, Context, finding_rows, published_row
from tuning_dynamics.grid.merged_config import cell_row
from tuning_dynamics.run.all_jobs import Jobs
from tuning_dynamics.stats.cell_tables import Tables, block_tables
from tuning_dynamics.stats.cells import cell_frame
from tuning_dynamics.stats.item_blocks import ItemBlock, Resampling, block_of
from tuning_dynamics.stats.summarise import SummarySettings, summary_tables
from tuning_dynamics.tables.columns import KEY_COLUMNS
from tuning_dynamics.tables.tables import from_rows

ROOT = Path(__file__).parents[2]

LEARNED = ("nli", "summary")
FORMATS = ("default", "io", "instruct")

#: Share of the variance of an answer that is the item's ease, and of a text's score.
EASE, TEXT_EASE, TEXT_OWN = 0.6, 0.15, 0.1


@dataclass(frozen=True)
class Planted:
    """Expected effects; slopes are per tenfold tokens, from the middle of the pre-training.

    Standard deviations: `between` of what tuning changes from one pair of sets to the next,
    `between_train_sets` from one train set to the next, `between_cells` between models that should
    be equal, `between_draws` between demonstrations. `seed` draws them and the items.
    """

    trend: float = 0.1
    forgetting: float = -0.12
    gain_new: float = 0.14
    gain_learned: float = 0.02
    gain_slope: float = 0.05
    spread: float = 0.2
    spread_slope: float = -0.06
    between: float = 0.02
    between_train_sets: float = 0.01
    between_cells: float = 0.01
    between_draws: float = 0.02
    items: int = 120
    seed: int = 0

    def truth(self, jobs: "PlantedJobs") -> dict[str, float]:
        """The value that each published finding estimates, by slug."""
        steps = {v.step for v in jobs.grid.tuned if v.recipe == jobs.asked.recipe}
        depths = [depth for step, depth in jobs.depths.items() if step in steps]
        return {
            "forgetting": self.forgetting,
            "format_sensitivity": self.spread_slope,
            "latent_gain": self.gain_slope,
            "dichotomy": self.gain_new
            + self.gain_slope * float(np.mean(depths))
            - self.gain_learned,
        }


NOTHING = Planted(
    forgetting=0.0, gain_new=0.0, gain_learned=0.0, gain_slope=0.0, spread=0.0, spread_slope=0.0
)


class PlantedJobs(Jobs):
    """A study's jobs, the settings of its summaries, and its cells."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        rows = [{**cell_row(self.resolved, cell), "path": ""} for cell in self.grid.cells]
        self.cells = cell_frame(rows)
        points = self.cells[["step", "tokens"]].drop_duplicates()
        least = points["tokens"][points["tokens"] > 0].min() / 3
        places = np.log10(np.maximum(points["tokens"].to_numpy(dtype=float), least))
        middle = (places.min() + places.max()) / 2
        #: Tenfold tokens from the middle of the pre-training, by step.
        self.depths = {
            int(step): float(place - middle)
            for step, place in zip(points["step"], places, strict=True)
        }

    @property
    def asked(self) -> SummarySettings:
        return SummarySettings.of(self.stats.summaries_spec())


def demo(**blocks: Any) -> PlantedJobs:
    """The demo; `blocks` restrict the axes of every block."""
    return planted_jobs("config/config.yaml", **blocks)


def planted_jobs(file: str, **blocks: Any) -> PlantedJobs:
    """The jobs of a study's file, with 400 resamples; `blocks` restrict the axes of every block."""
    config = read_yaml(ROOT / file)
    for block in config["blocks"]:
        for axis, kept in blocks.items():
            if isinstance(block.get(axis), list):
                block[axis] = [name for name in block[axis] if name in kept]
            elif axis == "checkpoints" and block.get(axis) == "all":
                block[axis] = list(kept)
    config["blocks"] = [block for block in config["blocks"] if all(_whole(block))]
    config.setdefault("statistics", {})["resamples"] = 400
    return PlantedJobs(load_study(config, ROOT, file), file)


def _whole(block: dict[str, Any]) -> Iterator[bool]:
    for axis in ("checkpoints", "recipes", "eval_sets", "train_sets"):
        yield block.get(axis) != []


def planted_findings(jobs: PlantedJobs, planted: Planted) -> pd.DataFrame:
    """findings.csv of the study with these effects, by slug."""
    made = planted_tables(jobs, [planted])
    tables = {**made, **summary_tables(made, jobs.asked)}
    return finding_rows(tables, jobs.asked).set_index("finding")


def published_findings(jobs: PlantedJobs, studies: Sequence[Planted]) -> list[pd.DataFrame]:
    """The published findings alone, by slug, from the tables that they read; of each of several
    studies, which are families of one."""
    made, asked = planted_tables(jobs, studies), jobs.asked
    # Their groups are those of the base model's curves, and transfer counts two kinds.
    base = made["seed_means"].query("recipe == 'base'")
    curves = summary_tables({**made, "seed_means": base}, asked, ["turning_points"])
    kinds = ("classification", "generation")
    changes = made["changes"][made["changes"]["kind"].isin(kinds)]
    changes = changes[changes["recipe"] == asked.recipe]
    pooled = changes.assign(checkpoint="any", step=0, seed=range(len(changes)))
    shared = {**made, **curves}
    transfer = summary_tables({**shared, "changes": pooled}, asked, ["transfer"])
    names = ["groups", "latent_gain", "format_trend", "noise", "denominators"]
    tables = {**shared, **transfer, **summary_tables(shared, asked, names)}
    found = []
    for family in sorted(made["scores"]["family"].unique()):
        own = {
            name: table[table["family"] == family] if "family" in table else table
            for name, table in tables.items()
        }
        context = Context(str(family), own, asked)
        rows = pd.DataFrame([published_row(slug, context) for slug in FINDINGS])
        found.append(rows.set_index("finding"))
    return found


def planted_tables(jobs: PlantedJobs, studies: Sequence[Planted]) -> Tables:
    """The tables of cells, and datasets.csv, each study a family: `0000`, `0001`, …"""
    made = block_tables(_blocks(jobs, studies), 99, ["recipe"])
    made["datasets"] = dataset_table(made["scores"])
    return {**made, "unpaired": from_rows([], "unpaired")}


def _blocks(jobs: PlantedJobs, studies: Sequence[Planted]) -> Iterator[ItemBlock]:
    asked = jobs.asked.drawing
    resampling = Resampling(asked.resamples, asked.level, asked.seed)
    metrics = jobs.cells["eval_set"].map(jobs.resolved.metric)
    generators = [np.random.default_rng(planted.seed) for planted in studies]
    expected = [_expected(jobs, *study) for study in zip(studies, generators, strict=True)]
    for _, places in jobs.cells.groupby("eval_set").indices.items():
        own = jobs.cells.assign(metric=metrics).iloc[places]
        binary = own["kind"].iloc[0] != "generation"
        cells = [own.assign(family=f"{number:04}") for number in range(len(studies))]
        scores = [
            _scores(values[places], planted.items, binary, generator)
            for values, planted, generator in zip(expected, studies, generators, strict=True)
        ]
        every = pd.concat(cells, ignore_index=True)
        yield block_of(
            every,
            every.iloc[:0][list(KEY_COLUMNS)],
            np.hstack(scores),
            np.arange(studies[0].items),
            resampling,
            truncated=[0] * len(every),
            commonest=[0.5] * len(every),
        )


def _scores(
    expected: np.ndarray, items: int, binary: bool, generator: np.random.Generator
) -> np.ndarray:
    """Scores (items, cells) with these expectations; all cells share the items' ease."""
    ease = generator.standard_normal((items, 1))
    own = generator.standard_normal((items, len(expected)))
    if not binary:
        return np.clip(expected + TEXT_EASE * ease + TEXT_OWN * own, 0.0, 1.0)
    ability = ndtri(np.clip(expected, 0.01, 0.99))
    return (ability + EASE**0.5 * ease + (1 - EASE) ** 0.5 * own > 0).astype(float)


def _expected(jobs: PlantedJobs, planted: Planted, generator: np.random.Generator) -> np.ndarray:
    """The expected score of each of the study's cells, random differences included."""
    cells = jobs.cells
    depth = cells["step"].astype(int).map(jobs.depths).to_numpy(dtype=float)
    sets = jobs.resolved.datasets
    train_task = cells["train_set"].map(lambda name: sets[name].task if name else "").to_numpy()
    train_kind = cells["train_set"].map(lambda name: jobs.resolved.kind(name) if name else "")
    tuned = (cells["recipe"] != "base").to_numpy()
    own = tuned & (train_task == cells["task"].to_numpy())
    learned = cells["task"].isin(LEARNED).to_numpy()
    level = 0.45 + np.where(learned, planted.trend * depth, 0.0)
    gain = np.where(learned, planted.gain_learned, planted.gain_new + planted.gain_slope * depth)
    place = cells["format"].map(lambda name: FORMATS.index(name) / (len(FORMATS) - 1))
    spread = (planted.spread + planted.spread_slope * depth) * place.to_numpy()
    forgets = (cells["kind"] == "generation") & (train_kind == "classification")
    level = level + np.where(own, gain - spread, 0.0)
    level = level + np.where(forgets & ~own, planted.forgetting, 0.0)

    def varied(columns: list[str], deviation: float, where: np.ndarray) -> np.ndarray:
        groups = cells.groupby(columns, dropna=False, sort=False).ngroup().to_numpy()
        return np.where(where, generator.normal(0, deviation, groups.max() + 1)[groups], 0.0)

    level = level + varied(["train_set", "eval_set"], planted.between, tuned)
    level = level + varied(["train_set"], planted.between_train_sets, tuned)
    # Formats and draws of one model share its noise, so that it does not become a spread.
    model = ["step", "recipe", "train_set", "seed", "eval_set"]
    level = level + varied(model, planted.between_cells, np.full(len(cells), True))
    shown = (cells["shots"] > 0).to_numpy()
    return np.asarray(level + varied(["eval_set", "draw"], planted.between_draws, shown))
