"""Findings that limit the published ones: turning points, rules, denominators, noise, gaps."""

import math
from collections.abc import Callable, Iterator, Mapping

import pandas as pd

from tuning_dynamics.common.constants import LEAST_FOR_A_TURN
from tuning_dynamics.common.formatting import (
    interval_text,
    metric_text,
    plural,
    short_count,
    signed,
)
from tuning_dynamics.stats.changes import RATIO_FLOOR
from tuning_dynamics.stats.curve_measure import PROBABILITY
from tuning_dynamics.stats.curve_shape import (
    END_OPEN,
    FALLS,
    FLAT,
    NOT_SHOWN,
    STILL_RISING,
    STOPS,
    TOO_FEW,
)
from tuning_dynamics.stats.denominators import weak_denominators
from tuning_dynamics.stats.noise import NEAR, SEEDS, root_mean_square
from tuning_dynamics.stats.primary_cells import DEFAULT_FORMAT
from tuning_dynamics.stats.refusals import REFUSED, are_refused
from tuning_dynamics.tables.columns import POOLED

Row = dict[str, object]
Tables = Mapping[str, pd.DataFrame]


def limit_rows(tables: Tables, *, recipe: str, level: float) -> Iterator[Row]:
    """The further findings of one family, from its tables."""
    yield turning_row(tables["turning_points"], recipe)
    yield rules_row(tables["group_rules"], level)
    yield denominators_row(tables["denominators"], tables["changes"])
    yield noise_row(tables["noise"], tables["scores"], recipe)
    lost = tables["unpaired"]
    refused = are_refused(lost)
    if refused.any():
        yield refused_row(lost[refused])
    if not refused.all():
        yield unpaired_row(lost[~refused])


def turning_row(points: pd.DataFrame, recipe: str) -> Row:
    """Where the base model's mean score stops improving, and the curves of its sets and tuned
    models.

    Supported if the mean curve stops or falls at its end, contradicted if it still rises there.
    """
    name = "tokens at which the mean score of base over its sets stops rising"
    title = "The base model's improvement with pre-training stops before the last checkpoint"
    pooled = points[points["eval_set"] == POOLED].set_index("recipe")
    if "base" not in pooled.index:
        text = "This study can't say: base was not evaluated."
        return _row("turning_point", title, "cannot tell", name, text, value=math.nan, cells=0)
    base = pooled.loc["base"]
    sets = points[(points["recipe"] == "base") & (points["eval_set"] != POOLED)]
    # The sets of the mean curve.
    alike = sets["metric"] == base["metric"]
    whole = int((alike & (sets["checkpoints"] == base["checkpoints"])).sum())
    some = f" over {whole} of {len(sets)} sets" if 0 < whole < len(sets) else ""
    texts = [_turning(base, f"base{some}")]
    counts = sets["shape"].value_counts()
    listed = "; ".join(f"{_SHAPES[shape]}: {counts[shape]}" for shape in _SHAPES if shape in counts)
    texts.append(f"Of base's {plural(len(sets), 'set')}, {listed}.")
    if number := int((sets["measure"] == PROBABILITY).sum()):
        judged = f"judged by the {metric_text(PROBABILITY)}, not by accuracy"
        texts.append(f"{number} of these sets {'is' if number == 1 else 'are'} {judged}.")
    if recipe in pooled.index:
        texts.append(_turning(pooled.loc[recipe], f"models tuned by {recipe} on the task"))
    return _row(
        "turning_point",
        title,
        _VERDICTS.get(base["shape"], "cannot tell"),
        name,
        " ".join(texts),
        value=float(base["tokens"]),
        low=float(base["low"]),
        high=float(base["high"]),
        cells=int(base["checkpoints"]) * whole,
    )


_VERDICTS = {STOPS: "supported", FALLS: "supported", STILL_RISING: "contradicted"}

_SHAPES = {
    STILL_RISING: "still rising at the end",
    STOPS: "rising, then level",
    FALLS: "rising, then falling",
    END_OPEN: "rising, where the checkpoints can't tell whether to the end",
    FLAT: "flat within the study's margin",
    NOT_SHOWN: "not shown to rise",
    TOO_FEW: f"with fewer than {LEAST_FOR_A_TURN} checkpoints",
}


def _turning(pooled: pd.Series, whose: str) -> str:
    """The shape of a mean curve, as a sentence."""
    measure = f"mean {pooled['metric'].replace('_', ' ')}"
    what = f"The {measure} of {whose}"
    if pooled["shape"] not in _VERDICTS:
        return f"No turning point of the {measure} of {whose}: {pooled['reason']}."
    if pooled["shape"] == STILL_RISING:
        slower = ", slower than before" if pooled["slower"] else ""
        reason = str(pooled["reason"]).removeprefix("it rises ")
        return f"{what} still rises at the end{slower}: {reason}."
    ends = "stops rising" if pooled["shape"] == STOPS else "stops rising, and then falls,"
    if pd.isna(pooled["tokens"]):
        return f"{what} {ends} before the last checkpoint; the place is open: {pooled['reason']}."
    places = ("tokens", "low", "high", "gap_low", "gap_high")
    tokens, low, high, *gap = (short_count(float(pooled[name])) for name in places)
    return (
        f"{what} {ends} at about {tokens} tokens (interval {low} to {high}, the checkpoints around "
        f"it being {gap[0]} and {gap[1]})."
    )


def rules_row(rules: pd.DataFrame, level: float) -> Row:
    """Whether the difference of the groups depends on the rule that makes them."""
    title = "The groups' difference does not depend on the rule that makes the groups"
    name = "mean change of other sets minus that of learned ones, by the study's rule"
    if rules.empty:
        text = "This study can't say: base was not evaluated."
        return _row("group_rules", title, "cannot tell", name, text, value=math.nan, cells=0)
    own = rules[rules["rule"] == "study"].iloc[0]
    known = rules[rules["difference"].notna()]
    certain = known[known["low"].notna()]
    above = int((certain["low"] > 0).sum())
    below = int((certain["high"] < 0).sum())
    verdict = "cannot tell"
    if not math.isnan(own["low"]) and max(above, below) == len(certain):
        verdict = "supported"
    elif above and below:
        verdict = "contradicted"
    if known.empty:
        text = "No rule puts tuned sets into both groups."
    else:
        text = (
            f"Under {len(rules)} rules {_span(rules['learned'], str)} sets count as learned; under "
            f"the {len(known)} that put tuned sets into both groups, their difference is "
            f"{_span(known['difference'], signed)}. Its interval "
            f"lies above 0 under {above or 'none'} of them and below 0 under {below or 'none'}; "
            f"under {len(rules) - above - below} it includes 0 or is missing. By the study's rule "
            f"it is {signed(float(own['difference']))} "
            f"({interval_text(float(own['low']), float(own['high']), level)})."
        )
    return _row(
        "group_rules",
        title,
        verdict,
        name,
        text,
        value=float(own["difference"]),
        low=float(own["low"]),
        high=float(own["high"]),
        cells=int(own["cells"]),
    )


def _span(values: pd.Series, text: Callable[[float], str]) -> str:
    """`lowest to highest`, or the one value if all are equal."""
    ends = [text(values.min()), text(values.max())]
    return " to ".join(dict.fromkeys(ends))


def denominators_row(denominators: pd.DataFrame, changes: pd.DataFrame) -> Row:
    """How many base scores that changes in format `default` are compared with are weak
    denominators."""
    title = "Ratios of change rest on base scores above chance"
    name = "share of base scores that are weak denominators"
    found = weak_denominators(changes, denominators)
    if not found.cells:
        text = (
            "This study can't say: nothing tuned was compared with base in format "
            f"{DEFAULT_FORMAT}."
        )
        return _row("denominators", title, "cannot tell", name, text, value=math.nan, cells=0)
    counts = {
        "at 0": found.zero,
        f"below {RATIO_FLOOR:g}": found.near_zero,
        "not shown to be above chance": found.at_chance,
    }
    weak = sum(counts.values())
    listed = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    over = f"that ratios divide by in format {DEFAULT_FORMAT}"
    text = (
        f"{weak} of the {found.cells} base scores {over} are weak: {listed}. Ratios with these as "
        "denominators are unreliable."
        if weak
        else f"All {found.cells} base scores {over} are above {RATIO_FLOOR:g} and, where chance is "
        "known, above chance."
    )
    verdict = "contradicted" if weak else "supported"
    share = weak / found.cells
    return _row("denominators", title, verdict, name, text, value=share, cells=found.cells)


def noise_row(noise: pd.DataFrame, scores: pd.DataFrame, recipe: str) -> Row:
    """How far scores differ that should be equal: those of the main recipe, or of untuned models
    if it has none. `scores` say on how many sets these were evaluated."""
    pooled = noise[noise["checkpoint"] == POOLED]
    tuned = pooled[pooled["recipe"] == recipe]
    untuned = pooled[pooled["recipe"] == "base"]
    pooled, whose = (tuned, "") if len(tuned) else (untuned, "untuned models at ")
    evaluated = scores[scores["recipe"] == (recipe if len(tuned) else "base")]
    all_sets = plural(evaluated["eval_set"].nunique(), "set")
    found = [
        (
            *(root_mean_square(rows), int(rows["pairs"].sum()), rows["eval_set"].nunique()),
            whose + what,
        )
        for kind, what in ((SEEDS, "two seeds"), (NEAR, "two nearly identical checkpoints"))
        if not (rows := pooled[pooled["kind"] == kind]).empty
    ]
    largest = max(found, default=(math.nan, 0, 0, ""))
    text = "; ".join(
        f"scores of {what} differ by {value:.3f} (root mean square of {plural(pairs, 'pair')}, "
        f"on {sets} of {all_sets})"
        for value, pairs, sets, what in found
    )
    unknown = (
        "The noise floor is unknown: no model was tuned at two seeds, and no two checkpoints are "
        "nearly identical. No finding can be held against it"
    )
    return _row(
        "noise_floor",
        "Differences between models that should be equal are known",
        "supported" if found else "cannot tell",
        "root mean square difference of two scores that should be equal",
        f"{text[:1].upper()}{text[1:] or unknown}.".replace("..", "."),
        value=largest[0],
        cells=largest[1],
        floor=largest[0],
    )


def refused_row(refused: pd.DataFrame) -> Row:
    """How many cells of the study are missing because they were refused."""
    cells = len(refused)
    reasons = _reasons(refused["reason"].str.removeprefix(REFUSED))
    return _row(
        "refused",
        "Every cell that the study asks for could be evaluated",
        "contradicted",
        "cells that were refused for what their input holds",
        f"{cells} {'cell is' if cells == 1 else 'cells are'} missing: {reasons}.",
        value=float(cells),
        cells=cells,
    )


def unpaired_row(unpaired: pd.DataFrame) -> Row:
    """How many tuned cells have no base cell to be compared with."""
    listed = _reasons(unpaired["reason"])
    cells = len(unpaired)
    return _row(
        "unpaired",
        "Every tuned cell has a base cell to be compared with",
        "contradicted",
        "tuned cells without a base cell",
        f"{cells} tuned {'cell is' if cells == 1 else 'cells are'} in no change: {listed}.",
        value=float(cells),
        cells=cells,
    )


def _reasons(reasons: pd.Series) -> str:
    """Each reason with its cells, most first."""
    counts = reasons.value_counts()
    return "; ".join(f"{count}: {reason}" for reason, count in counts.items())


def _row(
    slug: str,
    title: str,
    verdict: str,
    statistic: str,
    sentence: str,
    *,
    value: float,
    cells: int,
    low: float = math.nan,
    high: float = math.nan,
    floor: float = math.nan,
) -> Row:
    return {
        **{"finding": slug, "number": None, "title": title, "verdict": verdict},
        **{"statistic": statistic, "value": value, "low": low, "high": high, "cells": cells},
        **{"floor": floor, "sentence": sentence},
    }
