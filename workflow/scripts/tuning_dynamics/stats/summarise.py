"""Every summary of a study: tables made from scores.csv and tables derived from it, not records."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pandas as pd

from tuning_dynamics.common.errors import require_known
from tuning_dynamics.stats.drawing import Drawing
from tuning_dynamics.stats.primary_cells import primary_cells, require_recipe
from tuning_dynamics.tables.catalogue import SUMMARIES

Tables = Mapping[str, pd.DataFrame]


@dataclass(frozen=True)
class SummarySettings:
    """Settings of the summaries, from a study's `statistics`.

    `recipe`: for transfer, latent gain, format trend and forgetting; `train_sets` and `eval_sets`
    restrict transfer (None: all); `groups` are declared ones (None: by the curve's shape), for the
    cells of `group_recipes` in `roles` by `group_metric` (None: by any). A rise is shown at a
    p-value below `alpha`; `margin` is a slope per tenfold tokens that counts as none;
    `change_margin` is the smallest change that counts. Noise is over `last_checkpoints`; `reruns`
    are families by the family that they repeat.
    """

    drawing: Drawing
    recipe: str
    alpha: float
    margin: float
    change_margin: float
    train_sets: tuple[str, ...] | None
    eval_sets: tuple[str, ...] | None
    groups: Mapping[str, list[str]] | None
    group_recipes: tuple[str, ...]
    roles: tuple[str, ...]
    group_metric: str | None
    last_checkpoints: int
    reruns: Mapping[str, str]

    @staticmethod
    def of(spec: str) -> "SummarySettings":
        """From `Jobs.summaries_spec`."""
        found = json.loads(spec)
        train_sets, eval_sets = found["transfer"]["train_sets"], found["transfer"]["eval_sets"]
        return SummarySettings(
            drawing=Drawing(found["resamples"], found["level"], found["seed"]),
            recipe=found["recipe"],
            alpha=found["alpha"],
            margin=found["margin"],
            change_margin=found["change_margin"],
            train_sets=None if train_sets is None else tuple(train_sets),
            eval_sets=None if eval_sets is None else tuple(eval_sets),
            groups=found["groups"],
            group_recipes=tuple(found["group_recipes"] or [found["recipe"]]),
            roles=tuple(found["group_roles"]),
            group_metric=found["group_metric"],
            last_checkpoints=found["last_checkpoints"],
            reruns=found["reruns"],
        )


def summary_tables(
    tables: Tables, asked: SummarySettings, names: Iterable[str] | None = None
) -> dict[str, pd.DataFrame]:
    """The summaries by name (None: all), from scores, changes, unpaired, seed_means, sensitivity
    and datasets.

    Raises StudyError for a repeated cell, and as for `require_asked`.
    """
    require_asked(asked, tables)
    found = _Found(tables, asked)
    return {name: found[name] for name in (SUMMARIES if names is None else names)}


class _Found(dict[str, pd.DataFrame]):
    """Tables by name; a summary is made on first access, by another one or by the study."""

    def __init__(self, tables: Tables, asked: SummarySettings) -> None:
        super().__init__({name: tables[name] for name in tables if name not in SUMMARIES})
        self.asked = asked

    def __missing__(self, name: str) -> pd.DataFrame:
        self[name] = SUMMARIES[name].make(self, self.asked)
        return self[name]


def require_asked(asked: SummarySettings, tables: Tables) -> None:
    """StudyError if `asked` names a recipe or a set that the tables lack.

    Cells of unpaired.csv count: that table says why they were refused, or can't be compared.
    """
    changes, scores, unpaired = (tables[name] for name in ("changes", "scores", "unpaired"))
    lost = unpaired[unpaired["recipe"] != "base"]
    for recipe in (asked.recipe, *asked.group_recipes):
        require_recipe(pd.concat([changes, lost]), recipe)
    own = pd.concat([primary_cells(changes), lost]).query("recipe == @asked.recipe")
    for key, sets in (("train_set", asked.train_sets), ("eval_set", asked.eval_sets)):
        require_known(sets or (), own[key], f"statistics.transfer.{key}s")
    if asked.group_metric is not None:
        require_known([asked.group_metric], scores["metric"], "statistics.group_metric")
    families = [*scores["family"], *unpaired["family"]]
    require_known([*asked.reruns, *asked.reruns.values()], families, "statistics.reruns")
    base = pd.concat([primary_cells(scores), unpaired]).query("recipe == 'base'")
    for group, names in (asked.groups or {}).items():
        require_known(names, base["eval_set"], f"statistics.groups.{group}")
