"""Twelve flaws of a published release: each impossible here, or detected, and by which guard.

A flaw has a check, which fails if the flaw is back, and a guard, a line of the project. Every check
runs twice: with the project as it is, where it passes, and with its guard removed, where it must
fail.
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
    """What was wrong, the check that it is not so here, and how its guard is removed."""

    what: str
    check: Check
    without_guard: Removal


FLAWS = {
    "1 withheld labels": Flaw(
        "unlabelled test splits scored",
        data.a_withheld_label_is_refused,
        data.withheld_labels_read_as_no,
    ),
    "1 one gold value": Flaw(
        "every gold label the same",
        data.one_label_for_all_is_refused,
        data.one_label_is_fine,
    ),
    "2 ratios": Flaw(
        "a mean of ratios without an interval, over denominators near zero",
        statistics.ratios_have_intervals_and_robust_alternatives,
        statistics.ratios_over_anything,
    ),
    "3 counted twice": Flaw(
        "one set counted twice",
        statistics.a_set_counts_once,
        statistics.cells_as_they_come,
    ),
    "3 unlike compared": Flaw(
        "groups that differ in how they were tuned",
        statistics.like_meets_like,
        statistics.recipes_as_one,
    ),
    "4 uneven checkpoints": Flaw(
        "every 70th row of a list with a hole taken for uniform",
        data.checkpoints_are_even_in_tokens,
        data.every_so_many_rows,
    ),
    "4 hidden gaps": Flaw(
        "a turning point at the first checkpoint after a hole",
        data.gaps_show,
        data.gaps_are_not_looked_for,
    ),
    "5 noise": Flaw(
        "differences between near-identical checkpoints read as effects",
        statistics.differences_between_equals_are_a_floor,
        statistics.no_noise_floor,
    ),
    "6 demonstrations": Flaw(
        "few-shot examples out of the evaluated rows, their answers shown",
        evaluation.demonstrations_are_never_evaluated,
        evaluation.demonstrations_from_anywhere,
    ),
    "7 label tokens": Flaw(
        "the best of all sub-tokens of all labels",
        evaluation.labels_are_distinguished_by_their_first_token,
        evaluation.any_sub_token,
    ),
    "7 token boundary": Flaw(
        "a prompt that ends in a space, labels that begin with one",
        evaluation.labels_begin_at_a_token_boundary,
        evaluation.boundaries_unchecked,
    ),
    "8 label sets": Flaw(
        "a two-way set scored three-way",
        evaluation.a_set_keeps_its_own_labels,
        evaluation.every_word_is_a_label,
    ),
    "8 training splits": Flaw(
        "training splits scored",
        data.a_training_split_needs_a_reason,
        data.any_split_will_do,
    ),
    "9 option order": Flaw(
        "the right option always first",
        data.right_options_are_anywhere,
        data.options_in_the_rows_order,
    ),
    "9 options shown": Flaw(
        "all options shown to question generation",
        data.a_question_is_asked_for_by_its_answer_alone,
        data.all_options_are_shown,
    ),
    "10 overflow": Flaw(
        "prompts over the context cut in silence",
        evaluation.overlong_prompts_are_refused_or_counted,
        evaluation.cut_in_silence,
    ),
    "11 midpoints": Flaw(
        "the middle of an interval given as the score",
        statistics.a_score_is_the_mean_with_its_interval,
        statistics.scores_from_intervals,
    ),
    "12 missing cells": Flaw(
        "missing cells dropped with a print",
        statistics.a_missing_cell_stops_the_tables,
        statistics.missing_cells_are_skipped,
    ),
    "12 downloads": Flaw(
        "downloads that include optimiser states",
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
