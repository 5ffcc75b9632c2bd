"""Synthetic tables of every name, from arithmetic alone, to draw figures from in tests.

No statistic is computed, so that the figures' references depend on no other part's code.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import log10, sin
from typing import Any

import pandas as pd

from tuning_dynamics.tables.catalogue import columns_of
from tuning_dynamics.tables.tables import from_rows

#: Kind, prediction method and metric of each task.
TASKS = {
    "nli": ("classification", "token_prob", "accuracy"),
    "summary": ("generation", "greedy", "rouge_l"),
    "facts": ("multiple_choice", "likelihood", "accuracy"),
}
DOMAINS = ("people", "places")
FORMATS = ("default", "io", "instruct")
STATISTICS = ("mean_ratio", "ratio_of_means", "median_ratio", "mean_change", "normalised_change")


@dataclass(frozen=True)
class Made:
    """Axes of the tables. `tuned` steps are a part of `steps`; with `seeds` of tuning."""

    families: Sequence[str] = ("toy",)
    steps: Sequence[int] = (0, 100, 300, 1000, 3000)
    tuned: Sequence[int] = (0, 300, 1000, 3000)
    recipes: Sequence[str] = ("full", "lora")
    seeds: int = 2
    hole_before: int = 1000
    domains: Sequence[str] = DOMAINS

    @property
    def sets(self) -> list[tuple[str, str]]:
        """Evaluation sets and their tasks."""
        return [(f"{task}_{domain}", task) for task, domain in product(TASKS, self.domains)]

    @property
    def train_sets(self) -> list[tuple[str, str]]:
        return [(f"{task}_people", task) for task in TASKS]


def made_tables(made: Made = Made()) -> dict[str, pd.DataFrame]:
    """Every table that a figure is drawn from, by name."""
    makers = {
        "seed_means": _seed_means,
        "groups": _groups,
        "group_changes": _group_changes,
        "transfer": _transfer,
        "denominators": _denominators,
        "group_rules": _group_rules,
        "turning_points": _turning_points,
        "latent_gain": _latent_gain,
        "sensitivity": _sensitivity,
        "format_trend": _format_trend,
        "forgetting": _forgetting,
        "noise": _noise,
        "checkpoints": _checkpoints,
        "text_losses": _text_losses,
    }
    tables = {
        name: from_rows([row for family in made.families for row in make(made, family)], name)
        for name, make in makers.items()
    }
    return {**tables, "datasets": from_rows(list(_datasets(made)), "datasets")}


def _wave(*key: object) -> float:
    """A number between -1 and 1 that looks random, the same for the same key."""
    return sin(sum(ord(letter) * (place + 1) for place, letter in enumerate(str(key))))


def _depth(step: int) -> float:
    return log10(max(step, 33) / 33)


def _rise(task: str, step: int) -> float:
    """A base model's score; the sets of `facts` do not rise."""
    return 0.3 + (0.0 if task == "facts" else 0.12 * min(_depth(step), 1.5))


def _around(value: float, reach: float, names: tuple[str, str, str]) -> dict[str, float]:
    return dict(zip(names, (value, value - reach, value + reach), strict=True))


def _point(family: str, step: int) -> dict[str, Any]:
    return {"family": family, "checkpoint": str(step), "step": step}


def _seed_means(made: Made, family: str) -> Iterator[dict[str, Any]]:
    for step, (eval_set, task) in product(made.steps, made.sets):
        kind, prediction, metric = TASKS[task]
        key = {
            **_point(family, step),
            **{"tokens": step * 2_000_000, "recipe": "base", "train_set": ""},
            **{"eval_set": eval_set, "task": task, "kind": kind, "role": "", "format": "default"},
            **{"shots": 4, "prediction": prediction, "metric": metric, "seeds": None, "n": 200},
        }
        base = _rise(task, step) + 0.02 * _wave(family, step, eval_set)
        yield {
            **_empty("seed_means"),
            **key,
            **_around(base, 0.04, ("score", "ci_low", "ci_high")),
            **_probability(task, base, 0.01),
            "base_score": base,
        }
        if step in made.tuned:
            yield from _tuned(made, key, base)


def _tuned(made: Made, key: dict[str, Any], base: float) -> Iterator[dict[str, Any]]:
    for recipe, (train_set, train_task) in product(made.recipes, made.train_sets):
        own = train_task == key["task"]
        role = "cross" if not own else "id" if key["eval_set"] == train_set else "ood"
        gain = 0.05 * _depth(key["step"]) if own else -0.06
        for place, name in enumerate(FORMATS if own else FORMATS[:1]):
            shaken = 0.02 * _wave(recipe, train_set, name, key["eval_set"], key["step"])
            change = gain + shaken - 0.05 * place
            yield {
                **key,
                **{"recipe": recipe, "train_set": train_set, "role": role, "format": name},
                **{"shots": 0, "seeds": made.seeds if key["step"] else 1, "base_score": base},
                **_around(base + change, 0.05, ("score", "ci_low", "ci_high")),
                **_probability(key["task"], base + change, 0.015),
                **_around(change, 0.05, ("change", "change_low", "change_high")),
            }


def _probability(task: str, score: float, reach: float) -> dict[str, float]:
    """Of `facts`, the sets that turning points are of the probability for."""
    names = ("probability", "probability_low", "probability_high")
    return _around(1 / 3 + (score - 1 / 3) / 2, reach, names) if task == "facts" else {}


def _groups(made: Made, family: str) -> Iterator[dict[str, Any]]:
    for eval_set, task in made.sets:
        learned = task != "facts"
        yield {
            **{"family": family, "eval_set": eval_set, "trend": 0.1 if learned else 0.0},
            **{"group": "learned" if learned else "other"},
            **{"compared_group": "learned" if learned else "other"},
            **{"shape": "still_rising" if learned else "not_shown", "trend_low": None},
            **{"trend_high": None, "trend_p": 0.004 if learned else 0.6},
        }


def _group_changes(made: Made, family: str) -> Iterator[dict[str, Any]]:
    for step, (group, gain) in product([*made.tuned, None], [("learned", 0.02), ("other", 0.15)]):
        point = {"family": family, "checkpoint": "all", "step": None}
        yield {
            **(point if step is None else _point(family, step)),
            **_around(gain + 0.02 * _wave(group, step), 0.03, ("mean_change", "low", "high")),
            **{"group": group, "cells": 4 if step is not None else 4 * len(made.tuned)},
        }


def _transfer(made: Made, family: str) -> Iterator[dict[str, Any]]:
    kinds = [kind for kind, *_ in TASKS.values()]
    for step, train, evaluated, name in product([*made.tuned, None], kinds, kinds, STATISTICS):
        point = {"family": family, "checkpoint": "all", "step": None}
        yield {
            **(point if step is None else _point(family, step)),
            **{"train_kind": train, "eval_kind": evaluated, "statistic": name, "cells": 6},
            **_around(0.2 * _wave(train, evaluated, name, step), 0.1, ("value", "low", "high")),
        }


def _denominators(made: Made, family: str) -> Iterator[dict[str, Any]]:
    flags = ("zero", "near_zero", "at_chance", "")
    for step, (number, (eval_set, task)) in product(made.tuned, enumerate(made.sets)):
        _, prediction, metric = TASKS[task]
        yield {
            **_point(family, step),
            **{"eval_set": eval_set, "prediction": prediction, "metric": metric},
            **{
                "base_score": 0.1 * number,
                "ci_low": 0.0,
                "chance": 0.33,
                "flag": flags[number % 4],
            },
        }


def _group_rules(_made: Made, family: str) -> Iterator[dict[str, Any]]:
    for number, (rule, alpha) in enumerate(
        [("kendall", 0.05), ("kendall", 0.1), ("declared", None)]
    ):
        yield {
            **{"family": family, "rule": rule, "alpha": alpha, "learned": 4, "other": 2},
            **{"undecided": number, "cells": 24},
            **_around(0.12 - 0.03 * number, 0.05, ("difference", "low", "high")),
        }
    yield {
        **{"family": family, "rule": "last_above_first", "alpha": None, "learned": 6},
        **{"other": 0, "undecided": 0, "difference": None, "low": None, "high": None},
        "cells": 0,
    }


def _turning_points(made: Made, family: str) -> Iterator[dict[str, Any]]:
    shapes = ("stops", "still_rising", "flat", "too_few")
    for number, (eval_set, task) in enumerate(made.sets):
        shape = shapes[number % 4]
        there = shape == "stops"
        row = {
            **{"family": family, "recipe": "base", "train_set": "", "eval_set": eval_set},
            **{"metric": TASKS[task][2], "checkpoints": len(made.steps), "shape": shape},
            **{"measure": "probability" if task == "facts" else "score", "margin": 0.01},
            **{"tokens": 7e8 if there else None, "low": 4e8 if there else None},
            **{"high": 1.2e9 if there else None, "gap_low": 6e8 if there else None},
            **{"gap_high": 2e9 if there else None, "reason": "" if there else shape},
            **dict.fromkeys(("rise_p", "slope", "slope_low", "slope_high", "fit_p")),
            **dict.fromkeys(("late_slope", "late_low", "late_high")),
            "slower": "",
        }
        yield row
        if eval_set == f"{task}_people":
            yield {**row, "recipe": made.recipes[0], "train_set": eval_set, "tokens": None} | (
                {"shape": "flat", "low": None, "high": None, "gap_low": None, "gap_high": None}
            )


def _latent_gain(made: Made, family: str) -> Iterator[dict[str, Any]]:
    shared = {
        **{"family": family, "recipe": made.recipes[0], "checkpoints": len(made.tuned)},
        **{"first_change": 0.0, "last_change": 0.1, "floor": 0.02},
    }
    for train_set, task in made.train_sets:
        for eval_set, other in made.sets:
            if other == task:
                slope = 0.05 + 0.03 * _wave(eval_set)
                yield {
                    **shared,
                    **{"train_set": train_set, "eval_set": eval_set},
                    "group": "other" if task == "facts" else "learned",
                    **_around(slope, 0.02, ("slope", "low", "high")),
                    "under_floor": "yes" if slope < 0.02 else "",
                }
    for group in ("learned", "other"):
        yield {
            **shared,
            **{"train_set": "", "eval_set": "all", "group": group, "under_floor": ""},
            **_around(0.05, 0.01, ("slope", "low", "high")),
        }


def _sensitivity(made: Made, family: str) -> Iterator[dict[str, Any]]:
    for step, recipe, (train_set, task), domain in product(
        made.tuned, made.recipes, made.train_sets, DOMAINS
    ):
        eval_set = f"{task}_{domain}"
        for seed in range(made.seeds if step else 1):
            spread = 0.2 - 0.04 * _depth(step) + 0.02 * _wave(eval_set, step, seed)
            yield {
                **_point(family, step),
                **{"recipe": recipe, "train_set": train_set, "seed": seed, "eval_set": eval_set},
                **{"best": "default", "worst": "instruct"},
                **_around(spread, 0.04, ("spread", "low", "high")),
            }


def _format_trend(made: Made, family: str) -> Iterator[dict[str, Any]]:
    shared = {
        **{"family": family, "recipe": made.recipes[0], "checkpoints": len(made.tuned)},
        **{"first_spread": 0.2, "last_spread": 0.1, "floor": 0.02},
    }
    pairs = [(name, f"{task}_{domain}") for name, task in made.train_sets for domain in DOMAINS]
    for train_set, eval_set in [*pairs, ("", "all")]:
        slope = -0.04 + 0.03 * _wave(train_set, eval_set)
        yield {
            **shared,
            **{"train_set": train_set, "eval_set": eval_set},
            **_around(slope, 0.02, ("slope", "low", "high")),
            "under_floor": "yes" if abs(slope) < 0.02 else "",
        }


def _forgetting(made: Made, family: str) -> Iterator[dict[str, Any]]:
    for step, train, evaluated in product([*made.tuned, None], TASKS, TASKS):
        if (train, evaluated) == ("summary", "facts"):
            continue  # not evaluated
        change = 0.1 * _wave(step, train, evaluated)
        point = {"family": family, "checkpoint": "all", "step": None}
        yield {
            **(point if step is None else _point(family, step)),
            **{"train_task": train, "eval_task": evaluated, "cells": 2, "floor": 0.03},
            **_around(change, 0.03, ("change", "low", "high")),
            "under_floor": "yes" if abs(change) < 0.03 else "",
        }


def _noise(made: Made, family: str) -> Iterator[dict[str, Any]]:
    for step, (eval_set, task) in product([*made.tuned, None], made.sets):
        point = {"family": family, "checkpoint": "all", "step": None}
        difference = 0.02 + 0.01 * _wave(eval_set, step)
        yield {
            **_empty("noise"),
            **(point if step is None else _point(family, step)),
            **{"kind": "seeds", "recipe": made.recipes[0], "eval_set": eval_set},
            **{"metric": TASKS[task][2], "n": made.seeds, "pairs": 1},
            **{"sd": difference / 2**0.5, "range": difference, "difference": difference},
        }


def _checkpoints(made: Made, family: str) -> Iterator[dict[str, Any]]:
    before = 0
    for step in made.steps:
        tokens = step * 2_000_000
        yield {
            **_empty("checkpoints"),
            **_point(family, step),
            **{"tokens": tokens, "source": "local", "text_loss": 9 - 0.6 * log10(tokens + 1)},
            "gap_before": tokens - before if step == made.hole_before else None,
        }
        before = tokens


def _text_losses(made: Made, family: str) -> Iterator[dict[str, Any]]:
    base = {row["checkpoint"]: row for row in _checkpoints(made, family)}
    for step, recipe, (train_set, _) in product(made.tuned, made.recipes, made.train_sets):
        own = base[str(step)]
        for seed in range(made.seeds if step else 1):
            change = 0.4 + 0.2 * _wave(recipe, train_set) + 0.05 * _wave(step, train_set, seed)
            yield {
                **{key: own[key] for key in ("family", "checkpoint", "step", "tokens")},
                **{"recipe": recipe, "train_set": train_set, "seed": seed, "change": change},
                **{"base_loss": own["text_loss"], "tuned_loss": own["text_loss"] + change},
            }


def _datasets(made: Made) -> Iterator[dict[str, Any]]:
    for eval_set, task in made.sets:
        yield {
            **_empty("datasets"),
            **{"dataset": eval_set, "use": "evaluation", "task": task, "kind": TASKS[task][0]},
            **{"items": 200, "chance": None if task == "summary" else 1 / 3},
            "majority": 0.42 if task == "nli" else None,
        }


def _empty(table: str) -> dict[str, Any]:
    return {name: "" if kind == "str" else None for name, kind in columns_of(table).items()}
