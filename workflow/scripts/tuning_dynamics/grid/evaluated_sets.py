"""What statistics need to know of an evaluation set besides its cells' records."""

from dataclasses import dataclass

from tuning_dynamics.common.paths import Paths
from tuning_dynamics.config.answer_pattern import AnswerPattern
from tuning_dynamics.config.dataset import Dataset
from tuning_dynamics.grid.merged_config import Merged


@dataclass(frozen=True)
class EvaluatedSet:
    """An evaluation set.

    `labels` are the words of each candidate label, in order (none unless it is classification);
    `items` the path of its frozen items, which hold the options of a multiple-choice item;
    `answer_pattern` says how an answer is taken out of a generated text (None: it is all of it).
    """

    name: str
    labels: tuple[tuple[str, ...], ...]
    items: str
    answer_pattern: AnswerPattern | None = None


def evaluated_sets(merged: Merged) -> dict[str, EvaluatedSet]:
    """The evaluation sets of a study by name; none for published scores."""
    if merged.table is not None:
        return {}
    paths = Paths(merged.resolved.study.study)
    return {
        name: EvaluatedSet(
            name=name,
            labels=_labels(merged.resolved.datasets[name]),
            items=paths.items(name),
            answer_pattern=merged.resolved.datasets[name].answer_pattern,
        )
        for name in merged.grid.eval_sets
    }


def _labels(dataset: Dataset) -> tuple[tuple[str, ...], ...]:
    return tuple(map(tuple, dataset.gold.label_groups())) if dataset.gold is not None else ()
