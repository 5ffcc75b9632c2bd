"""A study in parts: its checkpoints divided among several runs, then one run for the tables.

A part is not a setting: it is in no job's params and not in the merged config, so that the results
of one run are current for every other.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.common.variants import Variant
from tuning_dynamics.grid import compare_request, show_request
from tuning_dynamics.grid.grid import Grid


@dataclass(frozen=True)
class StudyPart:
    """One run of a study in `parts`: the cells of part `number`, or the tables (None)."""

    number: int | None
    parts: int


def parse_part(text: Any, file: str) -> StudyPart | None:
    """The part that the key `part` names, such as 3/24 or tables/24; None if it is not given.

    StudyError for anything else.
    """
    if text is None:
        return None
    match = re.fullmatch(r"(tables|[1-9]\d*)/([1-9]\d*)", str(text))
    if match is None or (match[1] != "tables" and int(match[1]) > int(match[2])):
        raise StudyError(
            "the value is not a part of a study",
            file=file,
            key="part",
            value=text,
            fix="write part=1/24 to part=24/24, then part=tables/24",
        )
    return StudyPart(None if match[1] == "tables" else int(match[1]), int(match[2]))


def settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings in a config mapping, without `part`, the sides of a comparison, and the cell to
    show."""
    others = ("part", *compare_request.KEYS, *show_request.KEYS)
    return {key: value for key, value in config.items() if key not in others}


def part_variants(grid: Grid, number: int, parts: int, file: str) -> list[Variant]:
    """The variants of a part: those of neighbouring checkpoints, so that most checkpoints are
    downloaded and loaded for only one part. StudyError for more parts than checkpoints."""
    if parts > len(grid.checkpoints):
        raise StudyError(
            "the study has fewer checkpoints than parts",
            file=file,
            key="part",
            value=f"{number}/{parts}",
            fix=f"divide it into at most {len(grid.checkpoints)} parts",
        )
    points = groupby(grid.variants, key=lambda variant: variant.checkpoint)
    return [
        variant
        for place, (_, variants) in enumerate(points)
        if place * parts // len(grid.checkpoints) == number - 1
        for variant in variants
    ]
