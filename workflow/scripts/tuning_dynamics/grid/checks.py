"""Checks the names in a study's `statistics` against the study."""

from collections.abc import Collection, Iterable

from tuning_dynamics.common.errors import StudyError, require_known
from tuning_dynamics.config.statistics import StatisticsSettings


def require_named(
    settings: StatisticsSettings,
    *,
    recipes: Collection[str],
    train_sets: Collection[str],
    eval_sets: Collection[str],
    metrics: Iterable[str] | None,
    file: str,
) -> None:
    """StudyError if `statistics` name something that the study lacks, or a set in two groups.

    `train_sets` are those of the main recipe, `metrics` those of the evaluation sets (None:
    unknown).
    """
    asked = {
        "transfer.train_sets": (settings.transfer.train_sets, train_sets),
        "transfer.eval_sets": (settings.transfer.eval_sets, eval_sets),
        "group_recipes": (settings.group_recipes, recipes),
    }
    if settings.group_metric is not None and metrics is not None:
        require_known([settings.group_metric], metrics, "statistics.group_metric", file)
    if settings.groups is not None:
        asked["groups.learned"] = (settings.groups.learned, eval_sets)
        asked["groups.not_learned"] = (settings.groups.not_learned, eval_sets)
        for name in set(settings.groups.learned) & set(settings.groups.not_learned):
            raise StudyError(
                "an evaluation set is in both groups",
                file=file,
                key="statistics.groups",
                value=name,
                fix="leave it out of learned or of not_learned",
            )
    for key, (names, known) in asked.items():
        require_known(names or (), known, f"statistics.{key}", file)
