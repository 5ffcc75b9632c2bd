"""Checks that each dataset of a study fits its task, and what the study does with it."""

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.config.dataset import Dataset
from tuning_dynamics.config.study import ResolvedStudy
from tuning_dynamics.grid.grid import Grid

#: The keys by which a row's right answer is read, by kind: those that a set needs, and those that
#: it may have besides.
_NEEDS = {
    "classification": ({"gold"}, {"labels", "threshold"}),
    "generation": ({"gold"}, set()),
    "multiple_choice": ({"gold", "options"}, {"positions", "positions_field"}),
    "instruction": ({"messages"}, set()),
}


def require_fitting(resolved: ResolvedStudy, grid: Grid) -> None:
    """StudyError for a dataset that lacks what its task's kind needs, or has what it has no use
    for; for demonstrations of another task; and for a format that a train set lacks."""
    for name, dataset in resolved.datasets.items():
        _require_kind(name, dataset, resolved.kind(name))
        _require_lender(resolved, name)
    for _, recipe, train_set in grid.trainings:
        _require_formats(resolved, recipe, train_set)


def _require_kind(name: str, dataset: Dataset, kind: str) -> None:
    needs, may = _NEEDS[kind]
    keys = ("gold", "options", "messages", "answer_pattern")
    given = {key for key in keys if getattr(dataset, key) is not None}
    optional = {"answer_pattern"} if kind == "generation" else set()
    for key in sorted(needs - given):
        raise _unfit(name, f"a {kind} set needs the key {key}", key, None, f"add {key}")
    for key in sorted(given - needs - optional):
        value = getattr(dataset, key)
        raise _unfit(name, f"a {kind} set has no use for {key}", key, value, "remove it")
    told = dataset.gold.model_dump(exclude_none=True) if dataset.gold is not None else {}
    for key in sorted(set(told) - {"field"} - may):
        what = f"a {kind} set has no use for gold.{key}"
        raise _unfit(name, what, f"gold.{key}", told[key], "remove it")
    if kind == "classification" and not may & set(told):
        fix = "add gold.labels (raw value: label word), or gold.threshold"
        raise _unfit(name, "gold names no labels", "gold.labels", None, fix)


def _require_lender(resolved: ResolvedStudy, name: str) -> None:
    lender = resolved.demonstrations(name)
    task, other = resolved.datasets[name].task, resolved.datasets[lender].task
    if task != other:
        what = f"the demonstrations are of task {other}, and the set of task {task}"
        fix = f"name a set of task {task}"
        raise _unfit(name, what, "demonstrations", lender, fix)


def _require_formats(resolved: ResolvedStudy, recipe: str, train_set: str) -> None:
    for number, stage in enumerate(resolved.recipes[recipe].stages):
        for name in stage.data.mix:
            dataset = train_set if name == "$target" else name
            known = resolved.formats(dataset)
            if resolved.kind(dataset) != "instruction" and stage.data.format not in known:
                raise StudyError(
                    f"train set {dataset!r} has no format {stage.data.format!r}",
                    file=f"recipes/{recipe}.yaml",
                    key=f"stages.{number}.data.format",
                    value=stage.data.format,
                    fix=f"known: {', '.join(known)}; or add it to the dataset or its task",
                )


def _unfit(name: str, what: str, key: str, value: object, fix: str) -> StudyError:
    shown = "(missing)" if value is None else value
    return StudyError(what, file=f"datasets/{name}.yaml", key=key, value=shown, fix=fix)
