"""Which splits of which datasets a study uses, and where they come from."""

from collections import defaultdict
from dataclasses import dataclass
from itertools import product
from typing import Any

from tuning_dynamics.common.paths import Paths, without_folders
from tuning_dynamics.config.dataset import Dataset, HubDataset
from tuning_dynamics.config.study import ResolvedStudy
from tuning_dynamics.grid.grid import Grid


@dataclass(frozen=True, order=True)
class Use:
    """A split of a dataset, frozen as `train`, `evaluation` or `demonstration`."""

    dataset: str
    split: str


def uses(resolved: ResolvedStudy, grid: Grid) -> list[Use]:
    """The splits that a study tunes on, evaluates, or takes demonstrations from."""
    found = {Use(name, "evaluation") for name in grid.eval_sets}
    found |= {
        Use(resolved.demonstrations(eval_set), "demonstration")
        for block in grid.blocks
        for eval_set, _, shots, _, _ in block.settings
        if shots
    }
    for _, recipe, train_set in grid.trainings:
        found |= {Use(name, "train") for name in tuned_on(resolved, recipe, train_set)}
    return sorted(found)


def draws(resolved: ResolvedStudy, grid: Grid) -> list[tuple[str, int]]:
    """The sets whose demonstrations are drawn anew, with each draw after the first."""
    return sorted(
        {
            (resolved.demonstrations(setting.eval_set), setting.draw)
            for block in grid.blocks
            for setting in block.settings
            if setting.draw
        }
    )


def tuned_on(resolved: ResolvedStudy, recipe: str, train_set: str) -> set[str]:
    """The sets whose training rows a variant sees; none for an untuned one."""
    if recipe == "base":
        return set()
    mixed = {name for stage in resolved.recipes[recipe].stages for name in stage.data.mix}
    return {train_set if name == "$target" else name for name in mixed}


def seen(
    resolved: ResolvedStudy, recipe: str, train_set: str, eval_set: str, shots: int
) -> list[Use]:
    """What a cell's model sees, and may hold the cell's items: training rows, demonstrations."""
    tuned = {Use(name, "train") for name in tuned_on(resolved, recipe, train_set)}
    shown = {Use(resolved.demonstrations(eval_set), "demonstration")} if shots else set()
    return sorted(tuned | shown)


def comparisons(resolved: ResolvedStudy, grid: Grid) -> list[dict[str, Any]]:
    """Each evaluation set with each set that its models see (`seen`): `eval_set`, `dataset`, `use`;
    the most demonstrations shown, `shots`, and their `draws`, unless it is the first alone; the
    reason, if an overlap is `known`."""
    shown: dict[tuple[str, Use], set[tuple[int, int]]] = defaultdict(set)
    for block in grid.blocks:
        # Untuned models have no train set.
        trained = [*product(block.recipes - {"base"}, block.train_sets), ("base", "")]
        settings = {(eval_set, shots, draw) for eval_set, _, shots, draw, _ in block.settings}
        for (recipe, train_set), (eval_set, shots, draw) in product(trained, settings):
            for use in seen(resolved, recipe, train_set, eval_set, shots):
                shown[eval_set, use].add((shots, draw))
    return [_comparison(resolved, *key, shown[key]) for key in sorted(shown)]


def _comparison(
    resolved: ResolvedStudy, eval_set: str, use: Use, shown: set[tuple[int, int]]
) -> dict[str, Any]:
    shots, draws = max(shots for shots, _ in shown), sorted({draw for _, draw in shown})
    known = resolved.datasets[eval_set].known_overlaps.get(use.dataset)
    return {
        **{"eval_set": eval_set, "dataset": use.dataset, "use": use.split},
        **({"shots": shots} if use.split == "demonstration" else {}),
        **({"draws": draws} if use.split == "demonstration" and draws != [0] else {}),
        **({"known": known} if known else {}),
    }


def used_splits(resolved: ResolvedStudy, grid: Grid) -> list[dict[str, Any]]:
    """`use_row` of each split that a study uses, with its dataset's `manifest` and `items`, and the
    manifest of each family's first checkpoint as `models`."""
    paths = Paths(resolved.study.study)
    last_first = sorted(grid.checkpoints, key=lambda point: point.step, reverse=True)
    models = {point.family: paths.checkpoint(point) for point in last_first}
    return [
        {
            **use_row(resolved, use),
            "manifest": paths.data_manifest(use.dataset),
            "items": paths.items(use.dataset),
            "models": dict(sorted(models.items())),
        }
        for use in uses(resolved, grid)
    ]


def use_row(resolved: ResolvedStudy, use: Use) -> dict[str, Any]:
    """The config's facts about a split, by columns of datasets.csv; `labels` is the number of
    candidate labels, 0 if the set is not classification."""
    dataset = resolved.datasets[use.dataset]
    evaluated = use.split == "evaluation"
    kind = resolved.kind(use.dataset)
    gold = dataset.gold if kind == "classification" else None
    return {
        "dataset": use.dataset,
        "use": use.split,
        "task": dataset.task,
        "kind": kind,
        "licence": dataset.licence,
        "source": source_text(dataset),
        "split": source_split(dataset, "evaluation" if evaluated else "train"),
        "labels": len(gold.label_groups()) if gold is not None else 0,
        "training_split_scored": (dataset.only_training_split or "") if evaluated else "",
    }


def source_text(dataset: Dataset) -> str:
    """Where rows come from: `hub REPOSITORY CONFIG`, `files` or `world SET`, and any join."""
    source = dataset.source
    if source.hub is not None:
        text = " ".join(["hub", *_hub_names(source.hub)])
    else:
        text = "files" if source.files is not None else f"world {source.world}"
    return (
        text
        if dataset.join is None
        else f"{text}, joined with {without_folders(dataset.join.file)}"
    )


def _hub_names(hub: HubDataset) -> list[str]:
    return [name for name in (hub.id, hub.config, hub.data_dir) if name is not None]


def source_split(dataset: Dataset, role: str) -> str:
    """The source's own name of the split for `train` or `evaluation`: a hub's split or a file,
    without the folders of this machine."""
    source = dataset.source
    splits = source.hub.splits if source.hub is not None else source.files
    if splits is None:
        return role
    found = (splits.evaluation if role == "evaluation" else splits.train) or ""
    return without_folders(found) if source.files is not None else found
