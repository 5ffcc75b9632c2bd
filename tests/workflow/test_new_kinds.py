"""A kind of recipe, a metric and a table are a module each: nothing else changes to use them."""

from pathlib import Path

import pandas as pd
from repository import Repository

PACKAGE = "workflow/scripts/tuning_dynamics"

EMBEDDING = '''
"""The input embedding trains."""

from typing import Any

SETTINGS = None

save_adapter = None


def begin(model: Any, settings: None, seed: int) -> Any:
    """The model with its input embedding set to train, and nothing else."""
    del settings, seed
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    for parameter in model.get_input_embeddings().parameters():
        parameter.requires_grad_(True)
    return model


def end(model: Any) -> Any:
    """The model."""
    return model


def trained_weights(size: Any, settings: None) -> float:
    """Those of the embedding."""
    del settings
    return float(size.vocab_size * size.hidden_size)
'''

METRIC = '''
"""Whether an answer begins with the first letter of a right one."""

from collections.abc import Sequence


def scores(predictions: Sequence[str], golds: Sequence[Sequence[str]]) -> list[float]:
    """1 where it does, else 0."""
    pairs = zip(predictions, golds, strict=True)
    return [float(answer[:1] in {one[:1] for one in gold}) for answer, gold in pairs]
'''

TABLE = '''
"""Cells by metric.

One row per metric.
"""

import pandas as pd

from tuning_dynamics.stats.summarise import SummarySettings, Tables
from tuning_dynamics.tables.columns import Columns


class Row(Columns):
    """A row."""

    metric: str
    """name of the metric"""
    cells: int
    """cells scored by it"""


def make(tables: Tables, asked: SummarySettings) -> pd.DataFrame:
    """The table."""
    del asked
    return tables["scores"].groupby("metric").size().rename("cells").reset_index()
'''

#: The files that are added: a module for each kind, and the recipe that names the first.
ADDED = {
    f"{PACKAGE}/recipes/trainable/embedding.py": EMBEDDING,
    f"{PACKAGE}/stats/metrics/first_letter.py": METRIC,
    f"{PACKAGE}/stats/summaries/counts.py": TABLE,
    "tests/catalogue/recipes/quick_embedding.yaml": (
        "stages:\n  - id: tune\n    train: embedding\n    optim: {lr: 1e-3, epochs: 1}\n"
    ),
}


def test_a_kind_a_metric_and_a_table_are_a_file_each(smoke: Repository, tmp_path: Path) -> None:
    repository = smoke.copy(tmp_path / "copy")
    for file, text in ADDED.items():
        assert not (repository.folder / file).exists()
        (repository.folder / file).write_text(text.lstrip(), encoding="utf-8")
    made_of_scores = ("summaries", "figures", "findings", "cost", "report")
    assert repository.planned() == dict.fromkeys(made_of_scores, 1)
    # A study uses them: the recipe, and the metric of a dataset.
    repository.edit("tests/smoke/study.yaml", "recipes: [quick_lora]", "recipes: [quick_embedding]")
    repository.edit("config/datasets/facts_qa.yaml", "task:", "metric: first_letter\ntask:")
    repository.succeed()
    tables = repository.folder / "results/smoke/tables"
    counts = pd.read_csv(tables / "counts.csv")
    scores = pd.read_csv(tables / "scores.csv")
    assert dict(zip(counts["metric"], counts["cells"], strict=True)) == dict(
        scores["metric"].value_counts()
    )
    assert set(scores[scores["eval_set"] == "facts_qa"]["metric"]) == {"first_letter"}
    assert "quick_embedding" in set(scores["recipe"])
    page = (repository.folder / "results/smoke/report.html").read_text(encoding="utf-8")
    assert "cells scored by it" in page
