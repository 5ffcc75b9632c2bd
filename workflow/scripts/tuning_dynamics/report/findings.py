"""What a study's tables say on each of the four published findings, computed from the tables."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from tuning_dynamics.report.caveats import base_words, floor_words, marked, under
from tuning_dynamics.report.numbers import interval_text, percent, percent_interval, signed
from tuning_dynamics.stats.bases import weak_bases
from tuning_dynamics.stats.groups import (
    LEARNED,
    NOT_LEARNED,
    OWN_TASK,
    group_contrast,
    grouped_changes,
)
from tuning_dynamics.stats.noise import UNKNOWN, Floor, noise_floor
from tuning_dynamics.stats.tokens import log_tokens, slope
from tuning_dynamics.stats.transfer import ALL, transferred
from tuning_dynamics.stats.units import (
    MIN_UNITS,
    NOTHING,
    Drawing,
    Estimate,
    estimate,
    mean_of,
    pair_units,
)
from tuning_dynamics.study.errors import StudyError

Verdict = Literal["supported", "contradicted", "cannot tell"]

# A slope over fewer checkpoints has no residual to speak of.
MIN_CHECKPOINTS = 3

TITLES = {
    1: "Tuning on one task can forget others, most from classification to generation",
    2: "Tuned models are sensitive to the prompt format, and less so with more pre-training",
    3: "Sets on which the base model never improves gain more from tuning with more pre-training",
    4: "Sets learned in pre-training gain little from tuning, the others much",
}

_NEEDED = ("scores", "changes", "transfer", "groups", "sensitivity", "noise", "datasets")


@dataclass(frozen=True)
class Finding:
    """One published finding, and what one family's tables say on it.

    `value` is `statistic`, with its interval `low` to `high` (NaN where there is none) over
    `cells` cells. `supported` and `contradicted` mean that the interval excludes 0
    and that the value is not under the noise floor, where that is known.
    """

    number: int
    family: str
    title: str
    verdict: Verdict
    sentence: str
    statistic: str
    value: float
    low: float
    high: float
    cells: int


@dataclass(frozen=True)
class _Settings:
    recipe: str
    roles: tuple[str, ...]
    drawing: Drawing
    train_kinds: Mapping[str, str]


@dataclass(frozen=True)
class _Noise:
    """The noise floor of a finding's evaluation sets, and how many sets those are."""

    floor: Floor
    eval_sets: int

    @property
    def sentence(self) -> str:
        return floor_words(self.floor, self.eval_sets)


def findings(
    tables: Mapping[str, pd.DataFrame],
    *,
    train_kinds: Mapping[str, str],
    recipe: str,
    resamples: int,
    level: float,
    seed: int,
    roles: Sequence[str] = OWN_TASK,
) -> list[Finding]:
    """The four findings of each family, in order, from the study's tables by their names.

    `train_kinds`, `recipe` and `roles` must be those that transfer.csv and group_changes.csv were
    made with. A value smaller than the noise floor of its evaluation sets supports nothing.
    Raises StudyError where a table is missing.
    """
    missing = [name for name in _NEEDED if name not in tables]
    if missing:
        raise StudyError(
            f"the findings need table '{missing[0]}'",
            key="tables",
            value=missing[0],
            fix="pass " + ", ".join(_NEEDED),
        )
    settings = _Settings(recipe, tuple(roles), Drawing(resamples, level, seed), train_kinds)
    results = []
    for family in sorted(tables["scores"]["family"].unique()):
        own = {
            name: table[table["family"] == family] if "family" in table.columns else table
            for name, table in tables.items()
        }
        results += [
            replace(finding, family=str(family))
            for finding in (
                _forgetting(own, settings),
                _format_sensitivity(own, settings),
                _latent_gain(own, settings),
                _dichotomy(own, settings),
            )
        ]
    return results


def _forgetting(tables: Mapping[str, pd.DataFrame], settings: _Settings) -> Finding:
    name = "mean change of generation sets after tuning on classification, all checkpoints"
    there = _direction(tables, settings, "classification", "generation")
    if there is None:
        return _untold(1, name, "no generation set was evaluated after tuning on classification")
    text = f"Tuning on classification changed generation sets by {there.words}"
    back = _direction(tables, settings, "generation", "classification")
    if back is not None:
        text += (
            f" The other way round it was {back.words} By the mean change, classification to "
            f"generation is {_compared(there.change, back.change)}."
        )
    return _finding(1, name, there.change, text, there.noise, supports="below")


@dataclass(frozen=True)
class _Direction:
    """Mean change from one kind of train set to one kind of evaluation set, all checkpoints.

    `words` are its number, the same as ratios, and what is wrong with their denominators.
    """

    change: Estimate
    noise: _Noise
    words: str


def _direction(
    tables: Mapping[str, pd.DataFrame], settings: _Settings, train_kind: str, eval_kind: str
) -> _Direction | None:
    """None where nothing of the two kinds was evaluated."""
    cells = transferred(tables["changes"], settings.train_kinds, recipe=settings.recipe)
    cells = cells[(cells["train_kind"] == train_kind) & (cells["kind"] == eval_kind)]
    rows = tables["transfer"]
    rows = rows[
        (rows["checkpoint"] == ALL)
        & (rows["train_kind"] == train_kind)
        & (rows["eval_kind"] == eval_kind)
    ]
    units = len(set(pair_units(cells)))
    change = _transfer(rows, "mean_change", units)
    if change is None:
        return None
    noise = _noise(tables, settings, cells["eval_set"])
    words = [_number(change, settings, noise.floor)]
    for statistic, name in (
        ("ratio_of_means", "as a ratio of means"),
        ("mean_ratio", "as a mean of ratios"),
    ):
        found = _transfer(rows, statistic, units)
        if found is not None and not np.isnan(found.value):
            interval = percent_interval(found.low, found.high, settings.drawing.level)
            words.append(f"{percent(found.value)} ({interval}) {name}")
    weak = weak_bases(cells, tables["scores"], tables["datasets"])
    return _Direction(change, noise, f"{', '.join(words)}.{base_words(weak)}")


def _compared(one: Estimate, other: Estimate) -> str:
    if one.high < other.low:
        return "the worse of the two"
    if one.low > other.high:
        return "the better of the two"
    return "not told apart from that, their intervals overlap or are missing"


def _format_sensitivity(tables: Mapping[str, pd.DataFrame], settings: _Settings) -> Finding:
    name = "slope of the spread over formats, per tenfold tokens"
    rows = tables["sensitivity"]
    rows = _with_tokens(rows[rows["recipe"] == settings.recipe], tables["scores"])
    if rows.empty:
        return _untold(2, name, "no tuned model was evaluated in two formats")
    found = _mean_slope(rows, "spread", settings)
    noise = _noise(tables, settings, rows["eval_set"])
    text = (
        f"The spread of tuned scores over formats was {_ends(rows, 'spread', UNKNOWN)}; "
        f"per tenfold tokens it changed by {_number(found, settings, noise.floor)}. "
        "A spread is never negative, and chance alone makes it positive."
    )
    return _finding(2, name, found, text, noise, supports="below")


def _latent_gain(tables: Mapping[str, pd.DataFrame], settings: _Settings) -> Finding:
    name = "slope of the change on sets not learned in pre-training, per tenfold tokens"
    rows = _grouped(tables, settings)
    rows = rows[rows["group"] == NOT_LEARNED]
    if rows.empty:
        return _untold(3, name, "no tuned evaluation set is in the group 'not learned'")
    found = _mean_slope(rows, "change", settings)
    noise = _noise(tables, settings, rows["eval_set"])
    sets = rows["eval_set"].nunique()
    text = (
        f"On the {sets} sets where the base model shows no trend, tuning changed the score by "
        f"{_ends(rows, 'change', noise.floor)}; per tenfold tokens of pre-training that moved by "
        f"{_number(found, settings, noise.floor)}."
    )
    return _finding(3, name, found, text, noise, supports="above")


def _dichotomy(tables: Mapping[str, pd.DataFrame], settings: _Settings) -> Finding:
    name = "mean change of sets not learned less that of learned ones, all checkpoints"
    rows = _grouped(tables, settings)
    sizes = {group: int((rows["group"] == group).sum()) for group in (LEARNED, NOT_LEARNED)}
    empty = [group.replace("_", " ") for group, size in sizes.items() if size == 0]
    if empty:
        return _untold(4, name, f"no tuned evaluation set is in the group '{empty[0]}'")
    rows = rows[rows["group"].isin([LEARNED, NOT_LEARNED])]
    found = group_contrast(rows, settings.drawing)
    noise = _noise(tables, settings, rows["eval_set"])
    means = rows.groupby("group")["change"].mean()
    new, old = (marked(means[group], noise.floor) for group in (NOT_LEARNED, LEARNED))
    text = (
        f"Tuning changed sets not learned in pre-training by {new} ({sizes[NOT_LEARNED]} cells) "
        f"and learned ones by {old} ({sizes[LEARNED]} cells); the difference is "
        f"{_number(found, settings, noise.floor)}."
    )
    return _finding(4, name, found, text, noise, supports="above")


def _finding(
    number: int,
    statistic: str,
    found: Estimate,
    text: str,
    noise: _Noise,
    *,
    supports: Literal["above", "below"],
) -> Finding:
    verdict: Verdict = "cannot tell"
    told = found.low > 0 or found.high < 0
    if told and not under(found.value, noise.floor):
        agrees = (found.low > 0) == (supports == "above")
        verdict = "supported" if agrees else "contradicted"
    return Finding(
        number,
        "",
        TITLES[number],
        verdict,
        text + _reason(found, told, verdict) + noise.sentence,
        statistic,
        found.value,
        found.low,
        found.high,
        found.cells,
    )


def _reason(found: Estimate, told: bool, verdict: Verdict) -> str:
    """Why there is no verdict; nothing where there is one."""
    if found.thin:
        pairs = "1 independent pair" if found.units == 1 else f"{found.units} independent pairs"
        return (
            f" No interval: {pairs} of train set and evaluation set where {MIN_UNITS} are needed."
        )
    if not told:
        return " The interval holds 0."
    return " A value under the noise floor is no finding." if verdict == "cannot tell" else ""


def _untold(number: int, statistic: str, reason: str) -> Finding:
    text = f"Cannot be told from this study: {reason}."
    nan = float("nan")
    return Finding(number, "", TITLES[number], "cannot tell", text, statistic, nan, nan, nan, 0)


def _number(found: Estimate, settings: _Settings, floor: Floor) -> str:
    cells = "1 cell" if found.cells == 1 else f"{found.cells} cells"
    interval = interval_text(found.low, found.high, settings.drawing.level)
    noise = "; under the noise floor" if under(found.value, floor) else ""
    return f"{signed(found.value)} ({interval}; {cells}{noise})"


def _transfer(transfer: pd.DataFrame, statistic: str, units: int) -> Estimate | None:
    """The row of a statistic, which `units` independent pairs made; None where there is none."""
    rows = transfer[transfer["statistic"] == statistic]
    if rows.empty:
        return None
    row = rows.iloc[0]
    return Estimate(
        float(row["value"]), float(row["low"]), float(row["high"]), int(row["cells"]), units
    )


def _noise(
    tables: Mapping[str, pd.DataFrame], settings: _Settings, eval_sets: Collection[str]
) -> _Noise:
    names = set(eval_sets)
    floor = noise_floor(tables["noise"], recipe=settings.recipe, eval_sets=names)
    return _Noise(floor, len(names))


def _grouped(tables: Mapping[str, pd.DataFrame], settings: _Settings) -> pd.DataFrame:
    return grouped_changes(
        tables["changes"], tables["groups"], recipe=settings.recipe, roles=settings.roles
    )


def _with_tokens(rows: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    steps = scores[["family", "step", "tokens"]].drop_duplicates()
    return rows.merge(steps, on=["family", "step"], how="left", validate="many_to_one")


def _mean_slope(rows: pd.DataFrame, column: str, settings: _Settings) -> Estimate:
    """Mean over (train set, evaluation set) pairs of the slope of `column` over log10 tokens.

    Seeds are averaged at each checkpoint first; pairs with fewer than 3 checkpoints have no slope.
    """
    placed = rows.assign(_x=log_tokens(rows["tokens"]))
    slopes, names, cells = [], [], 0
    for (train_set, eval_set), pair in placed.groupby(["train_set", "eval_set"], sort=True):
        curve = pair.groupby("_x")[column].mean()
        if len(curve) >= MIN_CHECKPOINTS:
            slopes.append(slope(curve.index.to_numpy(dtype=float), curve.to_numpy(dtype=float)))
            names.append(f"{train_set} on {eval_set}")
            cells += len(pair)
    if not slopes:
        return NOTHING
    found = estimate(mean_of(np.array(slopes)), names, settings.drawing)
    return replace(found, cells=cells)


def _ends(rows: pd.DataFrame, column: str, floor: Floor) -> str:
    """The mean of `column` at the first and at the last checkpoint, in words."""
    means = rows.groupby("step")[column].mean().sort_index()
    first, last = (marked(mean, floor) for mean in (means.iloc[0], means.iloc[-1]))
    if column == "spread":
        first, last = first.lstrip("+"), last.lstrip("+")
    return f"{first} at step {means.index[0]} and {last} at step {means.index[-1]}"
