"""The demo's own grid with planted scores in place of models': what the findings should recover.

Every cell of config/config.yaml is there; only its records are synthetic. Pairs of train set and
evaluation set differ randomly in their change by tuning; seeds and items add noise.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
from synthetic import PLANTED, dataset_table, records

from tuning_dynamics.config.load import load_study, read_yaml
from tuning_dynamics.findings.findings import finding_rows
from tuning_dynamics.grid.merged_config import cell_row
from tuning_dynamics.run.all_jobs import Jobs
from tuning_dynamics.stats.cell_tables import cell_tables
from tuning_dynamics.stats.summarise import SummarySettings, summary_tables

ROOT = Path(__file__).parents[2]

LEARNED = ("nli", "summary")
GENERATION = ("summary", "question_generation")
FORMATS = ("default", "io", "instruct")

#: Steps at the middle of the slopes' axis, and steps that count as almost no pre-training.
MIDDLE, LEAST = 400, 40


@dataclass(frozen=True)
class Planted:
    """Expected effects; slopes are per tenfold tokens.

    `between` is the standard deviation between pairs of train set and evaluation set, `between
    cells` that between models that should be equal; `seed` draws them and the items.
    """

    trend: float = 0.1
    forgetting: float = -0.12
    gain_new: float = 0.14
    gain_learned: float = 0.02
    gain_slope: float = 0.05
    spread: float = 0.2
    spread_slope: float = -0.06
    between: float = 0.02
    between_cells: float = 0.01
    items: int = 120
    seed: int = 0

    def truth(self, jobs: Jobs) -> dict[str, float]:
        """The value that each published finding estimates, by slug."""
        steps = sorted({v.step for v in jobs.grid.tuned if v.recipe == jobs.asked.recipe})
        depth = float(np.mean([_depth(step) for step in steps]))
        return {
            "forgetting": self.forgetting,
            "format_sensitivity": self.spread_slope,
            "latent_gain": self.gain_slope,
            "dichotomy": self.gain_new + self.gain_slope * depth - self.gain_learned,
        }


NOTHING = Planted(
    forgetting=0.0, gain_new=0.0, gain_learned=0.0, gain_slope=0.0, spread=0.2, spread_slope=0.0
)


class DemoJobs(Jobs):
    """The demo's jobs, and their settings of the summaries."""

    @property
    def asked(self) -> SummarySettings:
        return SummarySettings.of(self.stats.summaries_spec())


def demo(**blocks: Any) -> DemoJobs:
    """The demo; `blocks` restrict the axes of every block."""
    config = read_yaml(ROOT / "config" / "config.yaml")
    for block in config["blocks"]:
        for axis, kept in blocks.items():
            if isinstance(block.get(axis), list):
                block[axis] = [name for name in block[axis] if name in kept]
            elif axis == "checkpoints" and block.get(axis) == "all":
                block[axis] = list(kept)
    config["blocks"] = [block for block in config["blocks"] if all(_whole(block))]
    config["statistics"]["resamples"] = 400
    return DemoJobs(load_study(config, ROOT, "config/config.yaml"), "config/config.yaml")


def _whole(block: dict[str, Any]) -> Iterator[bool]:
    for axis in ("checkpoints", "recipes", "eval_sets", "train_sets"):
        yield block.get(axis) != []


def planted_findings(jobs: DemoJobs, planted: Planted) -> pd.DataFrame:
    """findings.csv of the study with these effects, by slug."""
    with TemporaryDirectory() as folder:
        cells = list(_written(Path(folder), jobs, planted))
        drawing = jobs.asked.drawing
        made = cell_tables(
            cells,
            resamples=drawing.resamples,
            level=drawing.level,
            seed=drawing.seed,
            permutations=99,
        )
    made["datasets"] = dataset_table(made["scores"])
    tables = {**made, **summary_tables(made, jobs.asked)}
    return finding_rows(tables, jobs.asked).set_index("finding")


def _written(folder: Path, jobs: DemoJobs, planted: Planted) -> Iterator[dict[str, Any]]:
    generator = np.random.default_rng(planted.seed)
    pairs: dict[tuple[str, str], float] = {}
    models: dict[tuple[Any, ...], float] = {}
    tasks = {name: dataset.task for name, dataset in jobs.resolved.datasets.items()}
    for number, cell in enumerate(jobs.grid.cells):
        row = cell_row(jobs.resolved, cell)
        pair = pairs.setdefault(
            (row["train_set"], row["eval_set"]), generator.normal(0, planted.between)
        )
        # Formats of one model share its noise, so that it does not become a spread.
        model = tuple(row[name] for name in ("step", "recipe", "train_set", "seed", "eval_set"))
        shaken = models.setdefault(model, generator.normal(0, planted.between_cells))
        if row["recipe"] == "base":
            pair = 0.0
        expected = _expected(planted, row, tasks.get(row["train_set"], "")) + pair + shaken
        names = sorted(tasks)
        seed = 1000 * planted.seed + names.index(row["eval_set"])
        path = folder / f"{number}.parquet"
        records(planted.items, expected, row["kind"], seed).to_parquet(path, index=False)
        yield {**row, "metric": PLANTED, "path": path}


def _depth(step: int) -> float:
    return float(np.log10(max(step, LEAST) / MIDDLE))


def _expected(planted: Planted, row: dict[str, Any], train_task: str) -> float:
    """The expected score of a cell, without random differences."""
    depth, task = _depth(row["step"]), row["task"]
    level = 0.45 + (planted.trend * depth if task in LEARNED else 0.0)
    if row["recipe"] == "base":
        return level
    if train_task == task:
        new = planted.gain_new + planted.gain_slope * depth
        spread = planted.spread + planted.spread_slope * depth
        place = FORMATS.index(row["format"]) / (len(FORMATS) - 1)
        return level + (planted.gain_learned if task in LEARNED else new) - spread * place
    forgets = task in GENERATION and train_task in ("nli", "paraphrase")
    return level + (planted.forgetting if forgets else 0.0)
