"""What statistics need to know of an evaluation set besides its cells' records."""

from dataclasses import dataclass

from tuning_dynamics.common.paths import Paths
from tuning_dynamics.config.answer_pattern import AnswerPattern
from tuning_dynamics.config.dataset import Dataset
from tuning_dynamics.config.study import ResolvedStudy
from tuning_dynamics.grid.grid import Grid


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


def evaluated_sets(resolved: ResolvedStudy, grid: Grid) -> dict[str, EvaluatedSet]:
    """The evaluation sets of a study of models by name."""
    paths = Paths(resolved.study.study)
    return {
        name: EvaluatedSet(
            name=name,
            labels=_labels(resolved.datasets[name]),
            items=paths.items(name),
            answer_pattern=resolved.datasets[name].answer_pattern,
        )
        for name in grid.eval_sets
    }


def _labels(dataset: Dataset) -> tuple[tuple[str, ...], ...]:
    return tuple(map(tuple, dataset.gold.label_groups())) if dataset.gold is not None else ()
