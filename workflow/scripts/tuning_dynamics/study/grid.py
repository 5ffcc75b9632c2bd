"""The grid: the unique cells, variants and checkpoints that a study's blocks expand to."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import product

from tuning_dynamics.study.errors import StudyError
from tuning_dynamics.study.models import Block, ResolvedStudy


@dataclass(frozen=True, order=True)
class Checkpoint:
    """One point of a family's pre-training."""

    family: str
    step: int


@dataclass(frozen=True)
class Variant:
    """Checkpoint x recipe x train set x seed: one set of weights to evaluate."""

    family: str
    step: int
    recipe: str
    train_set: str
    seed: int | None

    @property
    def checkpoint(self) -> Checkpoint:
        return Checkpoint(self.family, self.step)

    def order(self) -> tuple[str, int, str, str, int]:
        """Sort key; base comes with seed -1."""
        seed = -1 if self.seed is None else self.seed
        return (self.family, self.step, self.recipe, self.train_set, seed)


@dataclass(frozen=True)
class Cell:
    """Variant x evaluation set x format x shots x prediction method."""

    variant: Variant
    eval_set: str
    format: str
    shots: int
    prediction: str

    def order(self) -> tuple[tuple[str, int, str, str, int], str, str, int, str]:
        """Sort key."""
        return (self.variant.order(), self.eval_set, self.format, self.shots, self.prediction)


@dataclass(frozen=True)
class Grid:
    """The unique cells of a study and what they need."""

    cells: tuple[Cell, ...]

    @cached_property
    def variants(self) -> list[Variant]:
        return sorted({cell.variant for cell in self.cells}, key=Variant.order)

    @cached_property
    def tuned(self) -> list[Variant]:
        return [variant for variant in self.variants if variant.recipe != "base"]

    @cached_property
    def checkpoints(self) -> list[Checkpoint]:
        return sorted({variant.checkpoint for variant in self.variants})

    @cached_property
    def eval_sets(self) -> list[str]:
        return sorted({cell.eval_set for cell in self.cells})


def expand(resolved: ResolvedStudy, file: str) -> Grid:
    """The grid of a study; StudyError for a block that asks for what is not there."""
    for name in resolved.datasets:
        _check_splits(resolved, name)
    cells = {
        cell
        for number, block in enumerate(resolved.study.blocks)
        for cell in _cells(resolved, block, f"blocks.{number}", file)
    }
    return Grid(tuple(sorted(cells, key=Cell.order)))


def require_base(grid: Grid, file: str) -> None:
    """StudyError for a tuned cell that no base cell can be compared with.

    Told before anything runs, as changes.csv could not be made in the end.
    """
    compared = {
        (cell.variant.checkpoint, cell.eval_set, cell.prediction, cell.format)
        for cell in grid.cells
        if cell.variant.recipe == "base"
    }
    for cell in grid.cells:
        key = (cell.variant.checkpoint, cell.eval_set, cell.prediction)
        if not any((*key, name) in compared for name in (cell.format, "default")):
            raise StudyError(
                "a tuned model is evaluated where its untuned checkpoint is not",
                file=file,
                key="blocks",
                value=f"{cell.eval_set}, {cell.prediction}, step {cell.variant.step}",
                fix=f"add a block of recipe base for {cell.variant.family} at this step with the "
                f"evaluation set {cell.eval_set} and the prediction {cell.prediction}",
            )


def _cells(resolved: ResolvedStudy, block: Block, key: str, file: str) -> Iterator[Cell]:
    _check_block(resolved, block, key, file)
    points = [
        Checkpoint(family, step)
        for family in block.families
        for step in _steps(resolved, block, family, key, file)
    ]
    for point, recipe in product(points, block.recipes):
        for variant in _variants(block, point, recipe):
            for eval_set, prompt_format, shots in product(
                block.eval_sets, block.formats, block.shots
            ):
                kind = resolved.kind(eval_set)
                for prediction in getattr(block.predictions, kind):
                    yield Cell(variant, eval_set, prompt_format, shots, prediction)


def _variants(block: Block, point: Checkpoint, recipe: str) -> Iterator[Variant]:
    if recipe == "base":
        yield Variant(point.family, point.step, "base", "", None)
        return
    for train_set, seed in product(block.train_sets, block.seeds):
        yield Variant(point.family, point.step, recipe, train_set, seed)


def _steps(resolved: ResolvedStudy, block: Block, name: str, key: str, file: str) -> list[int]:
    family = resolved.families[name]
    try:
        known = family.steps()
    except ValueError as error:
        raise StudyError(
            f"the family's checkpoints cannot be resolved: {error}",
            file=f"families/{name}.yaml",
            key="checkpoints",
            value=family.checkpoints.model_dump(exclude_defaults=True),
            fix="correct the key checkpoints",
        ) from None
    if block.checkpoints == "all":
        return known
    if block.checkpoints == "last":
        return known[-1:]
    missing = sorted(set(block.checkpoints) - set(known))
    if missing:
        raise StudyError(
            f"family {name!r} has no such checkpoint",
            file=file,
            key=f"{key}.checkpoints",
            value=missing,
            fix=f"choose from {known}, or add the step to families/{name}.yaml",
        )
    return sorted(block.checkpoints)


def _check_block(resolved: ResolvedStudy, block: Block, key: str, file: str) -> None:
    tuned = [recipe for recipe in block.recipes if recipe != "base"]
    if tuned and not block.train_sets:
        raise StudyError(
            "recipes that tune need train sets",
            file=file,
            key=f"{key}.train_sets",
            value=block.train_sets,
            fix=f"list train sets for {', '.join(tuned)}",
        )
    if block.train_sets and not tuned:
        raise StudyError(
            "train sets are given, but no recipe of the block tunes",
            file=file,
            key=f"{key}.recipes",
            value=block.recipes,
            fix="add a recipe such as full, or remove train_sets",
        )
    for name in block.train_sets:
        _check_train_set(resolved, name, f"{key}.train_sets", file)
    for recipe in tuned:
        _check_recipe(resolved, recipe, block)
    for name in block.eval_sets:
        _check_eval_set(resolved, name, block, key, file)


def has_split(resolved: ResolvedStudy, name: str, split: str) -> bool | None:
    """Whether a dataset has a `train` or `evaluation` split; None where only its source knows."""
    source = resolved.datasets[name].source
    if source.world is not None:
        return None
    splits = source.files or (source.hub.splits if source.hub else None)
    return splits is not None and getattr(splits, split) is not None


def _check_splits(resolved: ResolvedStudy, name: str) -> None:
    """StudyError for a hub dataset that evaluates what it trains on, or a training split.

    Split names may be joined by + and cut by [ ], as `datasets` reads them.
    """
    dataset = resolved.datasets[name]
    if dataset.source.hub is None:
        return
    splits = dataset.source.hub.splits
    evaluated = _split_parts(splits.evaluation)
    shared = evaluated & _split_parts(splits.train)
    if shared:
        raise StudyError(
            "the train and the evaluation split are the same split",
            file=f"datasets/{name}.yaml",
            key="source.hub.splits",
            value=sorted(shared),
            fix="evaluate another split, or leave `train` out",
        )
    if any(part.startswith("train") for part in evaluated) and not dataset.only_training_split:
        raise StudyError(
            "a training split is evaluated",
            file=f"datasets/{name}.yaml",
            key="source.hub.splits.evaluation",
            value=splits.evaluation,
            fix="use another split that has labels; where the set has none, say so in the key "
            "only_training_split",
        )


def _split_parts(split: str | None) -> set[str]:
    return {part.strip().lower() for part in (split or "").split("+")} - {""}


def _check_train_set(resolved: ResolvedStudy, name: str, key: str, file: str) -> None:
    if has_split(resolved, name, "train") is False:
        raise StudyError(
            f"dataset {name!r} has no training split",
            file=file,
            key=key,
            value=name,
            fix=f"name a train split in datasets/{name}.yaml, or choose another set",
        )


def _check_recipe(resolved: ResolvedStudy, name: str, block: Block) -> None:
    file = f"recipes/{name}.yaml"
    for number, stage in enumerate(resolved.recipes[name].stages):
        if isinstance(stage.optim.lr, dict) and "default" not in stage.optim.lr:
            missing = [train for train in block.train_sets if train not in stage.optim.lr]
            if missing:
                raise StudyError(
                    "no learning rate for a train set",
                    file=file,
                    key=f"stages.{number}.optim.lr",
                    value=missing,
                    fix="add the set, or `default`",
                )
        for source in stage.data.mix:
            if source != "$target":
                _check_train_set(resolved, source, f"stages.{number}.data.mix", file)


def _check_eval_set(resolved: ResolvedStudy, name: str, block: Block, key: str, file: str) -> None:
    if resolved.kind(name) == "instruction" or has_split(resolved, name, "evaluation") is False:
        raise StudyError(
            f"dataset {name!r} has nothing to evaluate",
            file=file,
            key=f"{key}.eval_sets",
            value=name,
            fix=f"name an evaluation split in datasets/{name}.yaml, or remove the set",
        )
    known = resolved.formats(name)
    for prompt_format in block.formats:
        if prompt_format not in known:
            raise StudyError(
                f"dataset {name!r} has no format {prompt_format!r}",
                file=file,
                key=f"{key}.formats",
                value=prompt_format,
                fix=f"known: {', '.join(known)}; or add it to the dataset or its task",
            )
    lender = resolved.demonstrations(name)
    if max(block.shots) and has_split(resolved, lender, "train") is False:
        raise StudyError(
            f"dataset {name!r} has no training split to take demonstrations from",
            file=file,
            key=f"{key}.shots",
            value=block.shots,
            fix=f"name a set with one as `demonstrations` in datasets/{name}.yaml, or use 0 shots",
        )


def role(resolved: ResolvedStudy, variant: Variant, eval_set: str) -> str:
    """Role of an evaluation set to a variant: id, ood, cross, bench, or empty for base."""
    target = resolved.datasets[eval_set]
    if target.benchmark:
        return "bench"
    if variant.recipe == "base":
        return ""
    source = resolved.datasets[variant.train_set]
    if source.task != target.task:
        return "cross"
    return "id" if source.domain == target.domain else "ood"
