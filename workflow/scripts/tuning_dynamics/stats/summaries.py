"""Every summary of a study: tables made of scores.csv and what follows from it, no records."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from tuning_dynamics.common.errors import require_known
from tuning_dynamics.stats.cell_bootstrap import Drawing
from tuning_dynamics.stats.denominators import denominator_rows
from tuning_dynamics.stats.forgetting import forgetting_rows
from tuning_dynamics.stats.group_rules import group_rule_rows
from tuning_dynamics.stats.groups import group_change_rows, group_rows
from tuning_dynamics.stats.noise import noise_rows
from tuning_dynamics.stats.primary_cells import primary_cells, require_recipe
from tuning_dynamics.stats.transfer import chance_of, train_kinds_of, train_tasks_of, transfer_rows
from tuning_dynamics.stats.trends import format_trend_rows, latent_gain_rows
from tuning_dynamics.stats.turning_points import turning_rows


@dataclass(frozen=True)
class Asked:
    """What a study's `statistics` ask of the summaries.

    `recipe`: of transfer, latent gain, format trend and forgetting; `train_sets` and `eval_sets`
    restrict transfer (None: all); `groups` are declared ones (None: by the trend under `alpha`),
    of the cells of `group_recipes` in `roles`.
    """

    drawing: Drawing
    recipe: str
    alpha: float
    train_sets: tuple[str, ...] | None
    eval_sets: tuple[str, ...] | None
    groups: Mapping[str, list[str]] | None
    group_recipes: tuple[str, ...]
    roles: tuple[str, ...]

    @staticmethod
    def of(spec: str) -> "Asked":
        """From `Jobs.summaries_spec`."""
        found = json.loads(spec)
        train_sets, eval_sets = found["transfer"]["train_sets"], found["transfer"]["eval_sets"]
        return Asked(
            drawing=Drawing(found["resamples"], found["level"], found["seed"]),
            recipe=found["recipe"],
            alpha=found["alpha"],
            train_sets=None if train_sets is None else tuple(train_sets),
            eval_sets=None if eval_sets is None else tuple(eval_sets),
            groups=found["groups"],
            group_recipes=tuple(found["group_recipes"] or [found["recipe"]]),
            roles=tuple(found["group_roles"]),
        )


def summary_tables(tables: Mapping[str, pd.DataFrame], asked: Asked) -> dict[str, pd.DataFrame]:
    """The summaries by name, from scores, changes, unpaired, seed_means, sensitivity and datasets.

    Raises StudyError for a repeated cell, and as `require_asked`.
    """
    require_asked(asked, tables)
    scores, changes, seed_means = (tables[name] for name in ("scores", "changes", "seed_means"))
    drawing, recipe = asked.drawing, asked.recipe
    chance = chance_of(tables["datasets"])
    noise = noise_rows(scores)
    groups = group_rows(scores, alpha=asked.alpha, declared=asked.groups)
    recipes, roles = asked.group_recipes, asked.roles
    return {
        "noise": noise,
        "denominators": denominator_rows(scores, chance),
        "transfer": transfer_rows(
            changes,
            train_kinds_of(tables["datasets"]),
            chance,
            drawing=drawing,
            recipe=recipe,
            train_sets=asked.train_sets,
            eval_sets=asked.eval_sets,
        ),
        "groups": groups,
        "group_changes": group_change_rows(
            changes, groups, drawing=drawing, recipes=recipes, roles=roles
        ),
        "group_rules": group_rule_rows(
            scores, changes, groups, drawing=drawing, recipes=recipes, roles=roles
        ),
        "latent_gain": latent_gain_rows(
            seed_means, groups, noise, drawing=drawing, recipe=recipe, roles=roles
        ),
        "format_trend": format_trend_rows(
            tables["sensitivity"], scores, noise, drawing=drawing, recipe=recipe
        ),
        "forgetting": forgetting_rows(
            seed_means,
            train_tasks_of(tables["datasets"]),
            noise,
            level=drawing.level,
            recipe=recipe,
        ),
        "turning_points": turning_rows(seed_means, drawing=drawing, roles=roles),
    }


def require_asked(asked: Asked, tables: Mapping[str, pd.DataFrame]) -> None:
    """StudyError where `asked` names a recipe or a set of which the tables have nothing.

    Cells of unpaired.csv count: that they were refused, or can't be compared, is told there.
    """
    changes, scores, unpaired = (tables[name] for name in ("changes", "scores", "unpaired"))
    lost = unpaired[unpaired["recipe"] != "base"]
    for recipe in (asked.recipe, *asked.group_recipes):
        require_recipe(pd.concat([changes, lost]), recipe)
    own = pd.concat([primary_cells(changes), lost]).query("recipe == @asked.recipe")
    for key, sets in (("train_set", asked.train_sets), ("eval_set", asked.eval_sets)):
        require_known(sets or (), own[key], f"statistics.transfer.{key}s")
    base = pd.concat([primary_cells(scores), unpaired]).query("recipe == 'base'")
    for group, names in (asked.groups or {}).items():
        require_known(names, base["eval_set"], f"statistics.groups.{group}")
