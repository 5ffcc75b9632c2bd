"""The spread over formats is held against the spread that chance alone makes."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from synthetic import DRAWING
from unit.stats.test_scores import cell

from tuning_dynamics.stats.cell_tables import cell_tables
from tuning_dynamics.stats.sensitivity import ROTATIONS, rotated_spreads
from tuning_dynamics.tables.catalogue import columns_of

FORMATS = ("default", "instruct", "io")


def answers(generator: np.random.Generator, items: int, shares: Any) -> Any:
    """Right and wrong answers (items, formats) of one model: items differ in ease."""
    ease = generator.normal(size=(items, 1))
    own = generator.normal(size=(items, len(shares)))
    return (stats.norm.ppf(shares) * np.sqrt(2) + ease + own > 0).astype(float)


def sensitivity(folder: Path, *scores: Any) -> pd.DataFrame:
    """sensitivity.csv of one model's scores (items, formats) at each of several checkpoints."""
    cells = [
        cell(folder / f"{name}{step}", own, format=name, step=step, checkpoint=str(step))
        for step, of_formats in enumerate(scores)
        for name, own in zip(FORMATS, of_formats.T, strict=True)
    ]
    return cell_tables(cells, **{**DRAWING, "resamples": 2})["sensitivity"]


def test_formats_that_are_equal_have_no_spread_beyond_chance(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    table = sensitivity(tmp_path, *(answers(generator, 50, [0.6] * 3) for _ in range(100)))
    assert list(table.columns) == list(columns_of("sensitivity"))
    spread, beyond = table["spread"].mean(), table["beyond_chance"]
    # A spread is never 0 by chance; what is beyond chance is 0 in the mean.
    assert spread > 0.08
    assert abs(beyond.mean()) < 3 * beyond.sem()
    assert np.allclose(beyond, table["spread"] - table["chance"])
    # p-values of discrete spreads are a little above the uniform.
    p_values = table["p_value"]
    assert (p_values <= 0.05).mean() <= 0.11
    assert 0.4 < p_values.mean() < 0.65
    assert p_values.min() >= 1 / (ROTATIONS + 1)


def test_a_planted_spread_is_found(tmp_path: Path) -> None:
    scores = answers(np.random.default_rng(1), 400, [0.7, 0.5, 0.6])
    row = sensitivity(tmp_path, scores).iloc[0]
    assert (row["best"], row["worst"]) == ("default", "instruct")
    assert row["spread"] == pytest.approx(np.ptp(scores.mean(axis=0)))
    assert row["beyond_chance"] == pytest.approx(0.2, abs=0.06)
    assert row["p_value"] == pytest.approx(1 / (ROTATIONS + 1))


def test_chance_is_the_mean_spread_of_rotated_items() -> None:
    """Against every rotation of four items in two formats."""
    sums = np.array([[0.0, 1.0], [0.2, 0.7], [0.5, 0.4], [1.0, 0.0]])
    every = [
        np.ptp([own[np.arange(4), turns].mean(), own[np.arange(4), 1 - turns].mean()])
        for own in [sums]
        for turns in (np.arange(16)[:, None] >> np.arange(4) & 1)
    ]
    found = rotated_spreads(sums, np.ones(4), 0)
    assert found.shape == (ROTATIONS,)
    assert set(found.round(9)) == set(np.round(every, 9))
    error = np.std(every) / np.sqrt(ROTATIONS)
    assert found.mean() == pytest.approx(np.mean(every), abs=3 * error)


def test_contexts_are_rotated_whole() -> None:
    """Ten stories of 8 questions that are answered alike have the chance of ten items."""
    each = np.random.default_rng(2).integers(0, 2, size=(10, 3)).astype(float)
    stories = rotated_spreads(each * 8, np.full(10, 8.0), 0)
    assert stories.tolist() == pytest.approx(rotated_spreads(each, np.ones(10), 0).tolist())
    apart = rotated_spreads(np.repeat(each, 8, axis=0), np.ones(80), 0)
    assert stories.mean() > 2 * apart.mean()


def test_scores_that_agree_have_no_spread_and_a_p_value_of_1(tmp_path: Path) -> None:
    row = sensitivity(tmp_path, np.repeat(np.linspace(0, 1, 12)[:, None], 3, axis=1)).iloc[0]
    assert [row[name] for name in ("spread", "chance", "beyond_chance")] == pytest.approx([0] * 3)
    assert row["p_value"] == 1
