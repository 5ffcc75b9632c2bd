"""The grid: the unique cells, variants and checkpoints that a study's blocks expand to."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import product

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.common.templates import names
from tuning_dynamics.common.variants import Cell, Checkpoint, Setting, Variant
from tuning_dynamics.config.study import Block, ResolvedStudy


@dataclass(frozen=True)
class Axes:
    """One block, with its checkpoints resolved and its settings enumerated."""

    steps: dict[str, frozenset[int]]
    recipes: frozenset[str]
    train_sets: frozenset[str]
    seeds: frozenset[int]
    settings: frozenset[Setting]

    def variants(self) -> Iterator[Variant]:
        """Every variant of the block, in arbitrary order."""
        for family, steps in self.steps.items():
            for step, recipe in product(steps, self.recipes):
                if recipe == "base":
                    yield Variant(family, step, recipe, "", None)
                else:
                    for train_set, seed in product(self.train_sets, self.seeds):
                        yield Variant(family, step, recipe, train_set, seed)

    def has(self, variant: Variant) -> bool:
        """Whether the block has a variant."""
        if variant.recipe == "base":
            trained = (variant.train_set, variant.seed) == ("", None)
        else:
            trained = variant.train_set in self.train_sets and variant.seed in self.seeds
        known = variant.step in self.steps.get(variant.family, ())
        return trained and known and variant.recipe in self.recipes


@dataclass(frozen=True)
class Grid:
    """The unique cells of a study and what they need.

    Blocks are products, so most questions are answered from their axes. Cells are enumerated only
    if all of them are requested: a job on a cluster node requests only its own.
    """

    blocks: tuple[Axes, ...]

    def has_variant(self, variant: Variant) -> bool:
        """Whether the grid has a variant."""
        return any(block.has(variant) for block in self.blocks)

    def has_cell(self, cell: Cell) -> bool:
        """Whether the grid has a cell."""
        return any(
            cell.setting in block.settings and block.has(cell.variant) for block in self.blocks
        )

    def steps(self, family: str) -> list[int]:
        """The steps of a family's checkpoints."""
        return sorted({step for block in self.blocks for step in block.steps.get(family, ())})

    def settings_of(self, family: str) -> set[Setting]:
        """The settings that any variant of a family is evaluated in."""
        found = (block.settings for block in self.blocks if family in block.steps)
        return set().union(*found)

    @cached_property
    def trainings(self) -> list[tuple[str, str, str]]:
        """Family, recipe and train set of every tuned variant."""
        return sorted(
            {
                key
                for block in self.blocks
                for key in product(block.steps, block.recipes - {"base"}, block.train_sets)
            }
        )

    @cached_property
    def settings(self) -> dict[Variant, tuple[Setting, ...]]:
        """The sorted settings that each variant is evaluated in, variants sorted."""
        places: dict[Variant, tuple[int, ...]] = {}
        for place, block in enumerate(self.blocks):
            for variant in block.variants():
                places[variant] = (*places.get(variant, ()), place)
        # Variants of the same blocks share one tuple.
        merged = {
            found: tuple(sorted(set().union(*(self.blocks[place].settings for place in found))))
            for found in set(places.values())
        }
        return {variant: merged[places[variant]] for variant in sorted(places, key=Variant.order)}

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        return tuple(
            Cell(variant, *setting)
            for variant, settings in self.settings.items()
            for setting in settings
        )

    @cached_property
    def variants(self) -> list[Variant]:
        return list(self.settings)

    @cached_property
    def tuned(self) -> list[Variant]:
        return [variant for variant in self.variants if variant.recipe != "base"]

    @cached_property
    def checkpoints(self) -> list[Checkpoint]:
        families = sorted({family for block in self.blocks for family in block.steps})
        return [Checkpoint(family, step) for family in families for step in self.steps(family)]

    @cached_property
    def eval_sets(self) -> list[str]:
        return sorted({setting[0] for block in self.blocks for setting in block.settings})


def expand(resolved: ResolvedStudy, file: str) -> Grid:
    """The grid of a study; StudyError for a block that asks for something that does not exist."""
    for name in resolved.datasets:
        _check_splits(resolved, name)
    blocks = resolved.study.blocks
    return Grid(
        tuple(_axes(resolved, block, f"blocks.{n}", file) for n, block in enumerate(blocks))
    )


def _axes(resolved: ResolvedStudy, block: Block, key: str, file: str) -> Axes:
    _check_block(resolved, block, key, file)
    settings = {
        Setting(eval_set, prompt_format, shots, draw, prediction)
        for eval_set, prompt_format, shots in product(block.eval_sets, block.formats, block.shots)
        for draw in (block.draws if shots else [0])
        for prediction in getattr(block.predictions, resolved.kind(eval_set))
    }
    return Axes(
        {name: frozenset(_steps(resolved, block, name, key, file)) for name in block.families},
        frozenset(block.recipes),
        frozenset(block.train_sets),
        frozenset(block.seeds),
        frozenset(settings),
    )


def unpaired_cells(grid: Grid) -> list[Cell]:
    """The tuned cells that no base cell can be compared with: the rows of unpaired.csv."""
    alone = cache(_not_compared)
    return [
        Cell(variant, *setting)
        for variant in grid.tuned
        for setting in alone(
            grid.settings[variant],
            grid.settings.get(Variant(variant.family, variant.step, "base", "", None), ()),
        )
    ]


def _not_compared(tuned: tuple[Setting, ...], base: tuple[Setting, ...]) -> tuple[Setting, ...]:
    """The settings of a tuned model that its base has neither in the same nor in the default
    format; the number of shots and the draw may differ."""
    compared = {(one.eval_set, one.format, one.prediction) for one in base}
    return tuple(
        one
        for one in tuned
        if not any(
            (one.eval_set, given, one.prediction) in compared for given in (one.format, "default")
        )
    )


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
    """Whether a dataset has a `train` or `evaluation` split; None if only its source can say."""
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
    _check_template_fields(resolved, name, block.formats)
    lender = resolved.demonstrations(name)
    if max(block.shots) and has_split(resolved, lender, "train") is False:
        raise StudyError(
            f"dataset {name!r} has no training split to take demonstrations from",
            file=file,
            key=f"{key}.shots",
            value=block.shots,
            fix=f"name a set with one as `demonstrations` in datasets/{name}.yaml, or use 0 shots",
        )


def _check_template_fields(resolved: ResolvedStudy, name: str, formats: Iterable[str]) -> None:
    """StudyError for a format whose {fields} the set does not give."""
    given, templates = resolved.datasets[name].fields, resolved.formats(name)
    for prompt_format in formats:
        lacking = sorted({*names(templates[prompt_format])} - {*given})
        if lacking:
            raise StudyError(
                f"the format uses fields that the set does not give: {', '.join(lacking)}",
                file=f"datasets/{name}.yaml or tasks/{resolved.datasets[name].task}.yaml",
                key=f"formats.{prompt_format}",
                value=templates[prompt_format],
                fix=f"the set gives {', '.join(given) or 'none'} (its key fields): add the field "
                "there, or correct the format",
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
