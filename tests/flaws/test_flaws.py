"""Twelve flaws of a published release: each impossible here, or detected, and by which guard.

A flaw has a check, which fails if the flaw is back, and a guard, which some line of the project
is. Every check is run twice: as the project is, where it passes, and with its guard taken out,
where it must fail.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from flaws import data, evaluation, statistics

Check = Callable[[Path], None]
Removal = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True)
class Flaw:
    """What was wrong, the check that it is not so here, and how its guard is taken out."""

    what: str
    check: Check
    without_guard: Removal


FLAWS = {
    "1 unlabelled": Flaw(
        "unlabelled test splits, every gold label the same",
        data.an_unlabelled_split_is_refused,
        data.labels_of_any_kind,
    ),
    "2 ratios": Flaw(
        "a mean of ratios without an interval, over denominators near zero",
        statistics.ratios_have_intervals_and_robust_sisters,
        statistics.ratios_over_anything,
    ),
    "3 counted twice": Flaw(
        "one set counted twice, two ways of tuning compared as one",
        statistics.a_set_counts_once_and_like_meets_like,
        statistics.cells_as_they_come,
    ),
    "4 uneven checkpoints": Flaw(
        "every 70th row of a list with a hole taken for uniform",
        data.checkpoints_are_even_in_tokens_and_gaps_show,
        data.every_so_many_rows,
    ),
    "5 noise": Flaw(
        "differences between near-identical checkpoints read as effects",
        statistics.differences_between_equals_are_a_floor,
        statistics.no_noise_floor,
    ),
    "6 demonstrations": Flaw(
        "few-shot examples out of the evaluated rows, scored with their answers shown",
        evaluation.demonstrations_are_never_evaluated,
        evaluation.demonstrations_from_anywhere,
    ),
    "7 label tokens": Flaw(
        "the best of all sub-tokens of all labels, after a prompt that ends in a space",
        evaluation.labels_are_told_apart_at_a_token_boundary,
        evaluation.any_sub_token,
    ),
    "8 label sets and splits": Flaw(
        "two-way sets scored three-way, training splits scored",
        data.a_set_keeps_its_labels_and_its_splits,
        data.training_splits_as_they_come,
    ),
    "9 option order": Flaw(
        "the right option first, all options shown to question generation",
        data.right_options_are_anywhere,
        data.options_in_the_rows_order,
    ),
    "10 overflow": Flaw(
        "prompts over the context cut in silence",
        evaluation.overlong_prompts_are_refused_or_counted,
        evaluation.cut_in_silence,
    ),
    "11 midpoints": Flaw(
        "the middle of an interval given as the score, no uncertainty",
        statistics.a_score_is_the_mean_with_its_interval,
        statistics.scores_from_intervals,
    ),
    "12 missing cells": Flaw(
        "missing cells dropped, optimiser states downloaded",
        statistics.a_missing_cell_stops_the_tables,
        statistics.missing_cells_are_skipped,
    ),
    "12 downloads": Flaw(
        "model downloads that include optimiser states",
        data.downloads_are_what_a_run_needs,
        data.download_everything,
    ),
}


@pytest.mark.parametrize("name", FLAWS)
def test_the_flaw_is_impossible_or_detected(name: str, tmp_path: Path) -> None:
    FLAWS[name].check(tmp_path)


@pytest.mark.parametrize("name", FLAWS)
def test_without_its_guard_the_flaw_is_back(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    FLAWS[name].without_guard(monkeypatch)
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        FLAWS[name].check(tmp_path)
