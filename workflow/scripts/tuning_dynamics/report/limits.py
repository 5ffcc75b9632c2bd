"""Findings on what the published ones rest on: turning points, rules, denominators, noise, gaps."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import pandas as pd

from tuning_dynamics.report.numbers import interval_text, short_count, signed
from tuning_dynamics.stats.bases import AT_CHANCE, NEAR_ZERO, ZERO
from tuning_dynamics.stats.changes import RATIO_FLOOR
from tuning_dynamics.stats.noise import NEAR, SEEDS, root_mean_square
from tuning_dynamics.stats.transfer import ALL
from tuning_dynamics.stats.turning import FLAT, MIN_CHECKPOINTS, STILL_RISING, TOO_FEW, TURNS

Row = dict[str, object]
Tables = Mapping[str, pd.DataFrame]


def limit_rows(tables: Tables, *, recipe: str, level: float) -> Iterator[Row]:
    """The further findings of one family, from its tables."""
    yield turning_row(tables["turning_points"], tables["scores"])
    yield rules_row(tables["group_rules"], level)
    yield denominators_row(tables["denominators"])
    yield noise_row(tables["noise"], recipe)
    if not tables["unpaired"].empty:
        yield unpaired_row(tables["unpaired"])


def turning_row(points: pd.DataFrame, scores: pd.DataFrame) -> Row:
    """Where the base model's mean score stops to improve, and what its sets do.

    Supported where the mean curve turns; contradicted where it still rises and the interval says
    that it does so up to the last but one checkpoint.
    """
    name = "tokens at which the mean score of base over its sets stops to rise"
    title = "The base model's improvement with pre-training stops before the last checkpoint"
    base = points[points["recipe"] == "base"]
    if base.empty:
        text = "Cannot be told from this study: base was not evaluated."
        return _row("turning_point", title, "cannot tell", name, text, value=float("nan"), cells=0)
    sets, pooled = base[base["eval_set"] != ALL], base[base["eval_set"] == ALL].iloc[0]
    counts = {shape: int((sets["shape"] == shape).sum()) for shape in _SHAPES}
    tokens = sorted(set(scores[scores["recipe"] == "base"]["tokens"]))
    verdict, text = _turning(pooled, tokens)
    listed = ", ".join(f"{count} {_SHAPES[shape]}" for shape, count in counts.items() if count)
    return _row(
        "turning_point",
        title,
        verdict,
        name,
        f"{text} Of its {len(sets)} sets: {listed}.",
        value=float(pooled["tokens"]),
        low=float(pooled["low"]),
        high=float(pooled["high"]),
        cells=int(pooled["checkpoints"]) * len(sets),
    )


_SHAPES = {
    TURNS: "rise and stop",
    STILL_RISING: "still rise",
    FLAT: "never rise",
    TOO_FEW: f"have fewer than {MIN_CHECKPOINTS} checkpoints",
}


def _turning(pooled: pd.Series, checkpoints: Sequence[int]) -> tuple[str, str]:
    if pooled["shape"] == TURNS:
        tokens, low, high, *gap = (
            short_count(float(pooled[name]))
            for name in ("tokens", "low", "high", "gap_low", "gap_high")
        )
        return "supported", (
            f"The mean score of base stops to rise at about {tokens} tokens (interval {low} to "
            f"{high}, the checkpoints around it being {gap[0]} and {gap[1]})."
        )
    if pooled["shape"] == STILL_RISING:
        lowest = short_count(float(pooled["low"]))
        to_the_end = len(checkpoints) > 1 and pooled["low"] >= checkpoints[-2]
        return "contradicted" if to_the_end else "cannot tell", (
            f"The mean score of base is not seen to stop: {pooled['reason']}; it rises at least up "
            f"to {lowest} tokens."
        )
    return "cannot tell", f"No turning point of the mean score of base: {pooled['reason']}."


def rules_row(rules: pd.DataFrame, level: float) -> Row:
    """Whether the difference of the groups depends on the rule that makes them."""
    own = rules[rules["rule"] == "study"].iloc[0]
    known = rules[rules["difference"].notna()]
    told = known[known["low"].notna()]
    above = int((told["low"] > 0).sum())
    below = int((told["high"] < 0).sum())
    verdict = "cannot tell"
    if len(told) and max(above, below) == len(told):
        verdict = "supported"
    elif above and below:
        verdict = "contradicted"
    if known.empty:
        text = "No rule puts tuned sets into both groups."
    else:
        text = (
            f"By {len(rules)} rules {_span(rules['learned'], str)} sets count as learned, and the "
            f"difference of the groups is {_span(known['difference'], signed)}; its interval lies "
            f"above 0 by {above} rules, below by {below}, and holds 0 or is missing by "
            f"{len(rules) - above - below}. By the study's rule it is "
            f"{signed(float(own['difference']))} "
            f"({interval_text(float(own['low']), float(own['high']), level)})."
        )
    return _row(
        "group_rules",
        "The groups' difference does not depend on the rule that makes the groups",
        verdict,
        "mean change of sets not learned less that of learned ones, by the study's rule",
        text,
        value=float(own["difference"]),
        low=float(own["low"]),
        high=float(own["high"]),
        cells=int(own["cells"]),
    )


def _span(values: pd.Series, text: Callable[[float], str]) -> str:
    """`lowest to highest`, or the one that all are."""
    ends = [text(values.min()), text(values.max())]
    return " to ".join(dict.fromkeys(ends))


def denominators_row(denominators: pd.DataFrame) -> Row:
    """How many base scores are no good denominators."""
    counts = {flag: int((denominators["flag"] == flag).sum()) for flag in _FLAGS}
    weak, cells = sum(counts.values()), len(denominators)
    listed = ", ".join(f"{count} {_FLAGS[flag]}" for flag, count in counts.items() if count)
    text = (
        f"{weak} of {cells} base scores are weak denominators: {listed}. A ratio over these says "
        "more about the base than about tuning."
        if weak
        else f"All {cells} base scores are above {RATIO_FLOOR:g} and above chance."
    )
    return _row(
        "denominators",
        "Ratios of change rest on base scores above chance",
        "contradicted" if weak else "supported",
        "share of base scores that are weak denominators",
        text,
        value=weak / cells if cells else float("nan"),
        cells=cells,
    )


_FLAGS = {ZERO: "at 0", NEAR_ZERO: f"below {RATIO_FLOOR:g}", AT_CHANCE: "at chance or below"}


def noise_row(noise: pd.DataFrame, recipe: str) -> Row:
    """How far scores differ that should be equal."""
    pooled = noise[(noise["checkpoint"] == ALL) & (noise["recipe"] == recipe)]
    found = [
        (root_mean_square(rows), int(rows["pairs"].sum()), rows["eval_set"].nunique(), what)
        for kind, what in ((SEEDS, "two seeds"), (NEAR, "two nearly identical checkpoints"))
        if not (rows := pooled[pooled["kind"] == kind]).empty
    ]
    largest = max(found, default=(float("nan"), 0, 0, ""))
    text = "; ".join(
        f"scores of {what} differ by {value:.3f} (root mean square of {pairs} pairs, {sets} sets)"
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


def unpaired_row(unpaired: pd.DataFrame) -> Row:
    """How many tuned cells have nothing to be compared with."""
    reasons = unpaired["reason"].value_counts()
    listed = "; ".join(f"{count}: {reason}" for reason, count in reasons.items())
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


def _row(
    slug: str,
    title: str,
    verdict: str,
    statistic: str,
    sentence: str,
    *,
    value: float,
    cells: int,
    low: float = float("nan"),
    high: float = float("nan"),
    floor: float = float("nan"),
) -> Row:
    return {
        **{"finding": slug, "number": None, "title": title, "verdict": verdict},
        **{"statistic": statistic, "value": value, "low": low, "high": high, "cells": cells},
        **{"floor": floor, "sentence": sentence},
    }
