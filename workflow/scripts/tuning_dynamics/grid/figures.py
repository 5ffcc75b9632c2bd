"""Which figures a study has: known from its config, before anything runs.

`KINDS` is the catalogue. A kind is drawn for each family, or for each set that a family was
tuned on, if the study has cells that it can show.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise, product
from typing import Any

from tuning_dynamics.common.constants import LEAST_FOR_A_TURN
from tuning_dynamics.common.paths import SCRIPTS
from tuning_dynamics.common.variants import NEAR_SHARE, Setting, Variant
from tuning_dynamics.config.study import ResolvedStudy
from tuning_dynamics.grid.grid import Axes, Grid, role

#: The style of all figures.
STYLE_FILE = SCRIPTS / "tuning_dynamics" / "report" / "figures" / "figures.mplstyle"

#: Themes, in the order in which the report shows them.
THEMES = (
    "Base models",
    "Tuned models",
    "Transfer and forgetting",
    "Learned in pre-training or not",
    "Prompt formats",
    "Noise and checks",
)
BASE, TUNED, TRANSFER, LEARNED, FORMATS, CHECKS = THEMES

#: The tables that figures of scores are drawn from.
SCORES = ("seed_means", "datasets")


#: More recipes are points of one plot, not a line each.
MOST_RECIPES = 12


@dataclass(frozen=True)
class Piece:
    """Cells that differ only in checkpoint, seed, shots, draw or prediction method.

    `points` are its checkpoints, each by its tokens and its label; `seeds` those of tuning.
    """

    family: str
    recipe: str
    train_set: str
    eval_set: str
    kind: str
    role: str
    format: str
    points: frozenset[tuple[int, str]]
    seeds: frozenset[int] = frozenset()


@dataclass(frozen=True)
class StudyPieces:
    """The cells of a study for one family, or for the models tuned on one set.

    `measured` is False for published scores, where no model was read.
    """

    pieces: tuple[Piece, ...]
    main_recipe: str
    measured: bool

    @property
    def base(self) -> list[Piece]:
        return [piece for piece in self.pieces if piece.recipe == "base"]

    @property
    def tuned(self) -> list[Piece]:
        return [piece for piece in self.pieces if piece.recipe != "base"]

    @property
    def recipes(self) -> set[str]:
        """The recipes that tune."""
        return {piece.recipe for piece in self.tuned}

    @property
    def own(self) -> list[Piece]:
        """Tuned pieces on sets of the task tuned on."""
        return [piece for piece in self.tuned if piece.role in ("id", "ood")]

    @property
    def others(self) -> list[Piece]:
        """Tuned pieces on other sets."""
        return [piece for piece in self.tuned if piece.role not in ("id", "ood")]

    def main(self, *roles: str) -> list[Piece]:
        """Pieces of the main recipe, of some roles or of all."""
        own = [piece for piece in self.pieces if piece.recipe == self.main_recipe]
        return [piece for piece in own if not roles or piece.role in roles]

    @property
    def transferred(self) -> list[Piece]:
        """Pieces of the main recipe on sets other than those tuned on."""
        return [piece for piece in self.main() if piece.eval_set != piece.train_set]

    @property
    def reformatted(self) -> list[Piece]:
        """Tuned pieces on sets that are evaluated in several formats."""
        formats = defaultdict(set)
        for piece in self.tuned:
            formats[piece.recipe, piece.train_set, piece.eval_set].add(piece.format)
        several = {key for key, names in formats.items() if len(names) > 1}
        return [
            piece
            for piece in self.tuned
            if (piece.recipe, piece.train_set, piece.eval_set) in several
        ]

    @property
    def noisy(self) -> bool:
        """Whether anything is measured twice: at several seeds or near-identical checkpoints."""
        if any(len(piece.seeds) > 1 for piece in self.pieces):
            return True
        tokens = [place for place, _ in sorted(set().union(*(p.points for p in self.pieces)))]
        return any(later - sooner < NEAR_SHARE * later for sooner, later in pairwise(tokens))


@dataclass(frozen=True)
class FigureKind:
    """A kind of figure: its theme, title, the corresponding figures of the paper, the tables that
    it is drawn from (as well as checkpoints.csv), and when a study has it."""

    name: str
    theme: str
    title: str
    paper: tuple[int, ...]
    tables: tuple[str, ...]
    when: Callable[[StudyPieces], object]
    by_train_set: bool = False


def _several(pieces: Sequence[Piece], least: int = 2) -> bool:
    """Whether any piece has at least this many checkpoints."""
    return any(len(piece.points) >= least for piece in pieces)


def _cross(kind: str) -> FigureKind:
    """The kind of figure for scores on sets of one kind by models tuned on other tasks."""
    words = kind.replace("_", " ")
    return FigureKind(
        f"cross_{kind}",
        TRANSFER,
        f"Tuned on another task: scores on {words} sets",
        {"classification": (12,), "generation": (13,)}.get(kind, ()),
        SCORES,
        lambda asked: any(piece.kind == kind for piece in asked.main("cross")),
    )


KINDS = (
    FigureKind(
        "base_by_checkpoint",
        BASE,
        "Scores of base models by checkpoint",
        (6,),
        (*SCORES, "groups"),
        lambda asked: asked.base,
    ),
    FigureKind(
        "turning_points",
        BASE,
        "Where scores stop rising",
        (),
        (*SCORES, "turning_points"),
        lambda asked: _several(asked.base, LEAST_FOR_A_TURN),
    ),
    FigureKind(
        "in_domain",
        TUNED,
        "Tuned against base in domain",
        (7, 10),
        SCORES,
        lambda asked: asked.main("id"),
    ),
    FigureKind(
        "ood",
        TUNED,
        "Tuned against base out of domain",
        (4, 11, 15),
        SCORES,
        lambda asked: asked.main("ood"),
    ),
    FigureKind(
        "ood_change",
        TUNED,
        "Change out of domain by task",
        (5,),
        ("seed_means",),
        lambda asked: asked.main("ood"),
    ),
    FigureKind(
        "score_by_checkpoint",
        TUNED,
        "Scores of tuned and base models by checkpoint",
        (7, 9, 10),
        SCORES,
        lambda asked: 0 < len(asked.recipes) <= MOST_RECIPES,
        by_train_set=True,
    ),
    FigureKind(
        "score_by_recipe",
        TUNED,
        "Own task against others by recipe",
        (),
        SCORES,
        lambda asked: len(asked.recipes) > MOST_RECIPES and asked.own and asked.others,
        by_train_set=True,
    ),
    FigureKind(
        "forgetting",
        TRANSFER,
        "Change by task tuned on and task evaluated",
        (),
        ("forgetting", "seed_means"),
        lambda asked: asked.main("id", "ood", "cross"),
    ),
    FigureKind(
        "transfer_heat_map",
        TRANSFER,
        "Change by train set and evaluation set",
        (),
        ("seed_means",),
        lambda asked: asked.main(),
    ),
    FigureKind(
        "transfer_by_checkpoint",
        TRANSFER,
        "Change of other sets by checkpoint",
        (),
        ("transfer", "seed_means"),
        lambda asked: _several(asked.transferred),
    ),
    FigureKind(
        "transfer_statistics",
        TRANSFER,
        "Mean ratio of change and robust alternatives",
        (),
        ("transfer", "seed_means"),
        lambda asked: asked.transferred,
    ),
    FigureKind(
        "denominators",
        TRANSFER,
        "Base scores that a ratio divides by",
        (),
        ("denominators", "seed_means"),
        lambda asked: asked.transferred,
    ),
    *map(_cross, ("classification", "generation", "multiple_choice")),
    FigureKind(
        "change_by_group",
        LEARNED,
        "Change by group",
        (8,),
        ("group_changes", "seed_means"),
        lambda asked: asked.tuned,
    ),
    FigureKind(
        "group_rules",
        LEARNED,
        "How the groups' difference depends on the rule",
        (),
        ("group_rules", "seed_means"),
        lambda asked: asked.tuned,
    ),
    FigureKind(
        "latent_gain",
        LEARNED,
        "Gain by tuning along pre-training",
        (),
        ("seed_means", "latent_gain"),
        lambda asked: _several(asked.main("id", "ood")),
    ),
    FigureKind(
        "score_by_format",
        FORMATS,
        "Scores by prompt format",
        (2, 3, 14),
        SCORES,
        lambda asked: asked.reformatted,
        by_train_set=True,
    ),
    FigureKind(
        "sensitivity",
        FORMATS,
        "Spread over prompt formats",
        (),
        ("sensitivity",),
        lambda asked: asked.reformatted,
    ),
    FigureKind(
        "format_trend",
        FORMATS,
        "Spread over formats along pre-training",
        (),
        ("sensitivity", "format_trend"),
        lambda asked: _several(asked.reformatted),
    ),
    FigureKind("noise", CHECKS, "The noise floor", (), ("noise",), lambda asked: asked.noisy),
    FigureKind(
        "text_loss",
        CHECKS,
        "Loss on a fixed text by checkpoint",
        (),
        ("text_losses",),
        lambda asked: asked.measured,
    ),
)


@dataclass(frozen=True)
class StudyFigure:
    """One figure of a study. `name` is its file's name without suffix, below figures/{family}/;
    `train_set` is empty unless its kind is drawn by train set."""

    family: str
    kind: str
    train_set: str
    name: str
    theme: str
    title: str
    paper: tuple[int, ...]

    @property
    def caption(self) -> str:
        """File in workflow/report/ with its caption."""
        return f"figure_{self.kind}.rst"


def figure_list(
    pieces: Iterable[Piece], main_recipe: str, *, measured: bool = True
) -> list[StudyFigure]:
    """The figures of a study by family, in the catalogue's order."""
    own: dict[str, list[Piece]] = defaultdict(list)
    for piece in _joined(pieces):
        own[piece.family].append(piece)
    return [
        figure
        for family in sorted(own)
        for kind in KINDS
        for figure in _figures(family, kind, StudyPieces(tuple(own[family]), main_recipe, measured))
    ]


def _joined(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """Pieces of the same kind of cells joined: blocks may split its checkpoints or seeds."""
    same: dict[Piece, list[Piece]] = defaultdict(list)
    for piece in pieces:
        same[replace(piece, points=frozenset(), seeds=frozenset())].append(piece)
    for key, parts in same.items():
        points = frozenset[tuple[int, str]]().union(*(part.points for part in parts))
        seeds = frozenset[int]().union(*(part.seeds for part in parts))
        yield replace(key, points=points, seeds=seeds)


def _figures(family: str, kind: FigureKind, asked: StudyPieces) -> Iterator[StudyFigure]:
    names = sorted({piece.train_set for piece in asked.tuned}) if kind.by_train_set else [""]
    for train_set in names:
        part = asked
        if train_set:
            pieces = tuple(piece for piece in asked.pieces if piece.train_set == train_set)
            part = StudyPieces(pieces, asked.main_recipe, asked.measured)
        if kind.when(part):
            yield StudyFigure(
                family=family,
                kind=kind.name,
                train_set=train_set,
                name=f"{kind.name}.{train_set}" if train_set else kind.name,
                theme=kind.theme,
                title=f"{kind.title}, tuned on {train_set}" if train_set else kind.title,
                paper=kind.paper,
            )


def figure_tables(figures: Iterable[StudyFigure]) -> list[str]:
    """Names of the tables that figures are drawn from, in order."""
    kinds = {figure.kind for figure in figures}
    drawn = (kind.tables for kind in KINDS if kind.name in kinds)
    return sorted({"checkpoints"}.union(*drawn))


def figure_rows(figures: Iterable[StudyFigure]) -> list[dict[str, Any]]:
    """The figures as plain JSON values, with their captions' files."""
    return [{**asdict(figure), "caption": figure.caption} for figure in figures]


def grid_pieces(resolved: ResolvedStudy, grid: Grid) -> Iterator[Piece]:
    """The pieces of a study's blocks. Cells are not enumerated: there may be a million."""
    for block in grid.blocks:
        trained = {
            recipe: [""] if recipe == "base" else sorted(block.train_sets)
            for recipe in sorted(block.recipes)
        }
        for family, steps in block.steps.items():
            model = resolved.families[family]
            points = frozenset((model.tokens(step), str(step)) for step in steps)
            for recipe, train_sets in trained.items():
                for train_set, setting in product(train_sets, sorted(block.settings)):
                    yield _piece(resolved, block, family, points, recipe, train_set, setting)


def _piece(
    resolved: ResolvedStudy,
    block: Axes,
    family: str,
    points: frozenset[tuple[int, str]],
    recipe: str,
    train_set: str,
    setting: Setting,
) -> Piece:
    eval_set, name = setting[:2]
    return Piece(
        family=family,
        recipe=recipe,
        train_set=train_set,
        eval_set=eval_set,
        kind=resolved.kind(eval_set),
        role=role(resolved, Variant(family, 0, recipe, train_set, None), eval_set),
        format=name,
        points=points,
        seeds=frozenset() if recipe == "base" else block.seeds,
    )
