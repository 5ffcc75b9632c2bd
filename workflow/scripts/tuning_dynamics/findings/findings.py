"""findings.csv: what a study's tables say on each published finding, and on its limitations."""

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.common.formatting import (
    metric_text,
    percent,
    percent_interval,
    signed,
)
from tuning_dynamics.findings.limits import limit_rows
from tuning_dynamics.findings.words import (
    Noise,
    base_words,
    compared_words,
    ends_words,
    marked,
    no_verdict_words,
    number,
    placed_words,
    refused_words,
    shots_words,
    untrained_words,
    zero_words,
)
from tuning_dynamics.stats.compared_changes import compared_changes, on_halves
from tuning_dynamics.stats.crossed import Estimate, Pairs, crossed_mean, too_few, within
from tuning_dynamics.stats.denominators import weak_bases
from tuning_dynamics.stats.groups import LEARNED, OTHER, group_contrast, grouped_changes
from tuning_dynamics.stats.noise import UNKNOWN, noise_floor, under
from tuning_dynamics.stats.primary_cells import DEFAULT_FORMAT
from tuning_dynamics.stats.summarise import SummarySettings
from tuning_dynamics.stats.tokens import placed
from tuning_dynamics.stats.transfer import train_kinds_of, transferred
from tuning_dynamics.stats.trends import MIN_CHECKPOINTS
from tuning_dynamics.tables.columns import POOLED
from tuning_dynamics.tables.tables import from_rows

Verdict = Literal["supported", "contradicted", "cannot tell"]
Tables = Mapping[str, pd.DataFrame]

#: Each finding's number in the paper's abstract (Sun and Dredze, RepL4NLP 2025), and its title.
FINDINGS = {
    "forgetting": (1, "Tuning on classification makes generation worse"),
    "format_sensitivity": (
        2,
        "Tuned models depend less on the prompt format with more pre-training",
    ),
    "latent_gain": (
        3,
        "Sets that the base model is not shown to learn gain more from tuning with more "
        "pre-training",
    ),
    "dichotomy": (
        4,
        "Sets learned in pre-training gain less from tuning than the others",
    ),
}

NEEDED = (
    *("scores", "changes", "seed_means", "halves", "sensitivity", "unpaired", "datasets"),
    "transfer",
    *("denominators", "groups", "group_rules", "turning_points", "latent_gain", "format_trend"),
    "noise",
)


_NO_SLOPE = f"no model was tuned at the {MIN_CHECKPOINTS} checkpoints that a slope needs"


@dataclass(frozen=True)
class Context:
    """One family's tables, and the summaries' settings."""

    family: str
    tables: Tables
    asked: SummarySettings

    @property
    def declared(self) -> bool:
        """Whether the study declares the groups of sets."""
        return self.asked.groups is not None

    def slope_margin(self) -> float:
        """The slope, per tenfold tokens, that makes the smallest change that counts over the
        checkpoints that the main recipe tuned; NaN for one of them."""
        means = self.tables["seed_means"]
        x = placed(means[means["recipe"] == self.asked.recipe], means)["x"]
        span = float(x.max() - x.min())
        return self.asked.change_margin / span if span else math.nan

    def untrained_place(self) -> str:
        """Where the main recipe's slopes have an untrained checkpoint, as a sentence."""
        means = self.tables["seed_means"]
        return placed_words(means.loc[means["recipe"] == self.asked.recipe, "tokens"])

    def noise(
        self,
        recipes: Collection[str],
        eval_sets: Collection[str],
        formats: Collection[str] = (DEFAULT_FORMAT,),
        *,
        kind: str = "",
    ) -> Noise:
        """The largest noise floor of the recipes on these sets, which are of one `kind` if it is
        given, in these formats (none: all)."""
        noise, sets = self.tables["noise"], set(eval_sets)
        floors = [
            noise_floor(noise, recipe=recipe, eval_sets=sets, formats=formats) for recipe in recipes
        ]
        known = [floor for floor in floors if floor.pairs]
        floor = max(known, key=lambda floor: floor.value, default=UNKNOWN)
        return Noise(floor, len(sets), kind)


def finding_rows(tables: Tables, asked: SummarySettings) -> pd.DataFrame:
    """findings.csv: each family's findings, the four published ones first.

    `asked` must be the settings that the tables were made with. `supported` and `contradicted`
    mean that the interval excludes 0 and that the value is not under the noise floor, if that is
    known. `contradicted` is also what the interval excludes: an effect in the published direction
    as large as the study's margin. Raises StudyError if a table is missing.
    """
    missing = [name for name in NEEDED if name not in tables]
    if missing:
        raise StudyError(
            f"the findings need table '{missing[0]}'",
            key="tables",
            value=missing[0],
            fix="pass " + ", ".join(NEEDED),
        )
    rows: list[dict[str, object]] = []
    # All cells of a family may have been refused.
    for family in sorted({*tables["scores"]["family"], *tables["unpaired"]["family"]}):
        own = {
            name: table[table["family"] == family] if "family" in table.columns else table
            for name, table in tables.items()
        }
        context = Context(str(family), own, asked)
        missing_cells = refused_words(own["unpaired"])
        for slug in FINDINGS:
            row = published_row(slug, context)
            row["sentence"] = f"{row['sentence']}{missing_cells}"
            rows.append({"family": str(family), **row})
        for row in limit_rows(own, recipe=asked.recipe, level=asked.drawing.level):
            rows.append({"family": str(family), **row})
    return from_rows(rows, "findings")


def published_row(slug: str, context: Context) -> dict[str, object]:
    """The row of a published finding, by its key in FINDINGS."""
    return _ROWS[slug](context)


def _forgetting(context: Context) -> dict[str, object]:
    name = "mean change of generation sets after tuning on classification, all checkpoints"
    there = _direction(context, "classification", "generation")
    if there is None:
        return no_verdict(
            "forgetting", name, "no generation set was evaluated after tuning on classification"
        )
    text = f"Tuning on classification changed generation sets by {there.words}"
    back = _direction(context, "generation", "classification")
    if back is not None:
        text += (
            f" Tuning on generation changed classification sets by {back.words}"
            f" By the mean change, {compared_words(there.change, back.change)}."
        )
    published = Published("forgetting", name, "below", context.asked.change_margin)
    return finding(published, there.change, text, there.noise)


@dataclass(frozen=True)
class _Direction:
    """Mean change from one kind of train set to one kind of evaluation set, all checkpoints.

    `words` are its number, the same as ratios, and what limits them, the noise floor last.
    """

    change: Estimate
    noise: Noise
    words: str


def _direction(context: Context, train_kind: str, eval_kind: str) -> _Direction | None:
    """None if nothing of the two kinds was evaluated."""
    tables, asked = context.tables, context.asked
    cells = transferred(
        tables["changes"],
        train_kinds_of(tables["datasets"]),
        recipe=asked.recipe,
        train_sets=asked.train_sets,
        eval_sets=asked.eval_sets,
    )
    cells = cells[(cells["train_kind"] == train_kind) & (cells["kind"] == eval_kind)]
    rows = tables["transfer"]
    rows = rows[
        (rows["checkpoint"] == POOLED)
        & (rows["train_kind"] == train_kind)
        & (rows["eval_kind"] == eval_kind)
    ].set_index("statistic")
    if rows.empty:
        return None
    level = asked.drawing.level
    row = rows.loc["mean_change"]
    change = _estimate(row, "value", int(row["cells"]), cells)
    noise = context.noise([asked.recipe], cells["eval_set"], kind=eval_kind)
    words = [number(change, level, noise.floor)]
    for statistic, name in (
        ("ratio_of_means", "as a ratio of means"),
        ("mean_ratio", "as a mean of ratios"),
    ):
        found = rows.loc[statistic]
        if pd.notna(found["value"]):
            interval = percent_interval(found["low"], found["high"], level)
            words.append(f"{percent(found['value'])} ({interval}) {name}")
    weak = weak_bases(cells, tables["denominators"])
    untrained = untrained_words(cells, lambda own: _mean_change(own, level), "the change", level)
    limits = (
        f"{zero_words(cells)}{untrained}{shots_words(cells, level)}{base_words(weak)}"
        f"{noise.sentence}"
    )
    return _Direction(change, noise, f"{', '.join(words)}.{limits}")


def _mean_change(cells: pd.DataFrame, level: float) -> Estimate:
    """`mean_change` of transfer.csv, of these cells."""
    return within(crossed_mean(Pairs.of(cells, "change"), level), -1.0, 1.0)


def _format_sensitivity(context: Context) -> dict[str, object]:
    name = "slope of the spread over formats, per tenfold tokens"
    table = context.tables["format_trend"]
    if table.empty:
        return no_verdict("format_sensitivity", name, "no tuned model was evaluated in two formats")
    pairs, pooled = _pooled(table)
    if pd.isna(pooled["slope"]):
        return no_verdict("format_sensitivity", name, _NO_SLOPE)
    found = _mean_slope(pooled, pairs)
    noise = context.noise([context.asked.recipe], pairs["eval_set"], ()).of_slope(pooled["floor"])
    first, last = (f"{pooled[end]:.3f}" for end in ("first_spread", "last_spread"))
    ends = ends_words(
        pooled, pairs, f"it was {first} at the first checkpoint and {last} at the last"
    )
    corrected = context.tables["sensitivity"]["beyond_chance"].notna().any()
    beyond = " beyond chance" if corrected else ""
    text = (
        f"The spread of tuned scores over formats{beyond} changed by "
        f"{number(found, context.asked.drawing.level, noise.floor)} per tenfold tokens; {ends}."
    )
    if not corrected:
        text += " Chance alone makes a spread positive, and without items can't be taken off."
    text += f"{context.untrained_place()}{noise.sentence}"
    published = Published("format_sensitivity", name, "below", context.slope_margin())
    return finding(published, found, text, noise)


def _latent_gain(context: Context) -> dict[str, object]:
    name = f"slope of the change on sets {_others(context)}, per tenfold tokens"
    table = context.tables["latent_gain"]
    table = table[table["group"] == OTHER]
    if table.empty:
        return no_verdict(
            "latent_gain", name, f"no tuned evaluation set is among those {_others(context)}"
        )
    pairs, pooled = _pooled(table)
    if pd.isna(pooled["slope"]):
        return no_verdict("latent_gain", name, _NO_SLOPE)
    found = _mean_slope(pooled, pairs)
    noise = context.noise([context.asked.recipe], pairs["eval_set"]).of_slope(pooled["floor"])
    first, last = (
        marked(float(pooled[end]), noise.floor) for end in ("first_change", "last_change")
    )
    ends = ends_words(
        pooled, pairs, f"it was {first} at the first checkpoint and {last} at the last"
    )
    text = (
        f"On the {pairs['eval_set'].nunique()} sets {_others(context)}, the change of "
        f"{_group_metric(context)} by tuning moved by "
        f"{number(found, context.asked.drawing.level, noise.floor)} per tenfold tokens of "
        f"pre-training; {ends}.{context.untrained_place()}{_halves(context)}{noise.sentence}"
    )
    published = Published("latent_gain", name, "above", context.slope_margin())
    return finding(published, found, text, noise)


def _others(context: Context) -> str:
    """What is said of the sets outside of the group of learned ones."""
    declared = context.asked.groups is not None
    return "declared as not learned" if declared else "not shown to be learned in pre-training"


def _group_metric(context: Context) -> str:
    """What the groups' changes are of."""
    asked, changes = context.asked, context.tables["changes"]
    if asked.group_metric is not None:
        return metric_text(asked.group_metric)
    own = changes["recipe"].isin(asked.group_recipes) & changes["role"].isin(asked.roles)
    met = sorted(changes.loc[own, "metric"].unique())
    return f"score ({', '.join(map(metric_text, met))})"


def _dichotomy(context: Context) -> dict[str, object]:
    name = f"mean change of sets {_others(context)} minus that of learned ones, all checkpoints"
    asked, level = context.asked, context.asked.drawing.level
    changes = compared_changes(context.tables, level, declared=context.declared)
    rows = grouped_changes(
        changes,
        context.tables["groups"],
        recipes=asked.group_recipes,
        roles=asked.roles,
        metric=asked.group_metric,
    )
    sizes = {group: int((rows["group"] == group).sum()) for group in (LEARNED, OTHER)}
    empty = [group.replace("_", " ") for group, size in sizes.items() if size == 0]
    if empty:
        return no_verdict(
            "dichotomy", name, f"no tuned evaluation set is in the group '{empty[0]}'"
        )
    rows = rows[rows["group"].isin([LEARNED, OTHER])]
    found = group_contrast(rows, level)
    untrained = untrained_words(
        rows, lambda own: group_contrast(own, level), "the difference", level
    )
    noise = context.noise(asked.group_recipes, rows["eval_set"])
    by_set = rows.groupby(["group", "eval_set"])["change"].mean()
    means = by_set.groupby("group").mean()
    sets = rows.groupby("group")["eval_set"].nunique()
    new, old = (
        f"{marked(float(means[group]), noise.floor)} ({sets[group]} sets)"
        for group in (OTHER, LEARNED)
    )
    text = (
        f"Tuning changed the {_group_metric(context)} of sets {_others(context)} by {new} and of "
        f"learned ones by {old}; the difference is {number(found, level, noise.floor)}."
        f"{untrained}{_halves(context)}{noise.sentence}"
    )
    published = Published("dichotomy", name, "above", asked.change_margin)
    return finding(published, found, text, noise)


def _halves(context: Context) -> str:
    """That groups and changes are from separate items, and the sets that are in another group by
    half of them, as a sentence; empty if groups are from all items."""
    if not on_halves(context.tables, declared=context.declared):
        return ""
    groups = context.tables["groups"]
    moved = groups.loc[groups["group"] != groups["compared_group"], "eval_set"]
    names = ", ".join(sorted(moved))
    apart = f" (by that half, {names} in another than by the whole curve)" if names else ""
    return f" Groups are from one half of the items{apart}, changes from the other."


_ROWS: dict[str, Callable[[Context], dict[str, object]]] = {
    "forgetting": _forgetting,
    "format_sensitivity": _format_sensitivity,
    "latent_gain": _latent_gain,
    "dichotomy": _dichotomy,
}


@dataclass(frozen=True)
class Published:
    """A published finding: its key in FINDINGS, the statistic that it is about, on which side of 0
    it says that this lies, and how far from 0 an effect counts."""

    slug: str
    statistic: str
    side: Literal["above", "below"]
    margin: float

    @property
    def least(self) -> float:
        """The smallest effect that counts."""
        return self.margin if self.side == "above" else -self.margin

    def excluded(self, found: Estimate) -> bool:
        """Whether the interval holds no effect that counts: a one-sided equivalence test."""
        return bool(found.high < self.least if self.side == "above" else found.low > self.least)


def finding(published: Published, found: Estimate, text: str, noise: Noise) -> dict[str, object]:
    """The row of a published finding; `text` says its numbers and its noise floor."""
    clear = found.low > 0 or found.high < 0
    verdict: Verdict = "cannot tell"
    reason = ""
    if clear and not under(found.value, noise.floor):
        agrees = (found.low > 0) == (published.side == "above")
        verdict = "supported" if agrees else "contradicted"
    elif published.excluded(found):
        verdict = "contradicted"
        least = f"{signed(published.least)} or {'more' if published.side == 'above' else 'less'}"
        reason = f" The interval excludes {least}, the smallest effect that counts here."
    else:
        reason = no_verdict_words(found, clear=clear)
    place, title = FINDINGS[published.slug]
    return {
        **{"finding": published.slug, "number": place, "title": title, "verdict": verdict},
        "statistic": published.statistic,
        **{"value": found.value, "low": found.low, "high": found.high, "cells": found.cells},
        "floor": noise.floor.value,
        "sentence": text + reason,
    }


def no_verdict(slug: str, statistic: str, reason: str) -> dict[str, object]:
    """The row of a published finding for which the study has no data."""
    published, title = FINDINGS[slug]
    return {
        **{"finding": slug, "number": published, "title": title, "verdict": "cannot tell"},
        **{"statistic": statistic, "value": None, "low": None, "high": None, "cells": 0},
        "floor": None,
        "sentence": f"This study can't say: {reason}.",
    }


def _pooled(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series]:
    """The pairs that a pooled row is over, and that row."""
    pooled = table[table["eval_set"] == POOLED].iloc[0]
    return table[table["eval_set"] != POOLED], pooled


def _mean_slope(pooled: pd.Series, pairs: pd.DataFrame) -> Estimate:
    """The mean slope of the pairs that have one; its cells are all cells of those slopes."""
    sloped = pairs[pairs["slope"].notna()]
    return _estimate(pooled, "slope", int(sloped["checkpoints"].sum()), sloped)


def _estimate(row: pd.Series, value: str, cells: int, pairs: pd.DataFrame) -> Estimate:
    """An estimate over `pairs` from a table, with the reason if it has no interval."""
    reason = too_few(pairs["train_set"], pairs["eval_set"], [0] * len(pairs))
    return Estimate(float(row[value]), float(row["low"]), float(row["high"]), cells, reason)
