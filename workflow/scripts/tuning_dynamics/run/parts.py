"""A study in parts: its checkpoints shared out over several runs, then one run for the tables.

A part is no setting: it enters no job's params and not the merged config, so that what one run
made is current for every other.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.common.variants import Variant
from tuning_dynamics.grid.compare_request import KEYS
from tuning_dynamics.grid.grid import Grid


@dataclass(frozen=True)
class StudyPart:
    """One run of a study in `parts`: the cells of part `number`, or the tables (None)."""

    number: int | None
    parts: int


def parse_part(text: Any, file: str) -> StudyPart | None:
    """The part that the key `part` names, such as 3/24 or tables/24; None where it is not given.

    StudyError for anything else.
    """
    if text is None:
        return None
    match = re.fullmatch(r"(tables|[1-9]\d*)/([1-9]\d*)", str(text))
    if match is None or (match[1] != "tables" and int(match[1]) > int(match[2])):
        raise StudyError(
            "the value names no part of a study",
            file=file,
            key="part",
            value=text,
            fix="write part=1/24 to part=24/24, then part=tables/24",
        )
    return StudyPart(None if match[1] == "tables" else int(match[1]), int(match[2]))


def settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a config mapping, of which `part` and the sides of a comparison are none."""
    return {key: value for key, value in config.items() if key not in ("part", *KEYS)}


def part_variants(grid: Grid, number: int, parts: int, file: str) -> list[Variant]:
    """The variants of a part: those of a run of neighbouring checkpoints, so that most are
    downloaded and loaded for one part only. StudyError for more parts than checkpoints."""
    if parts > len(grid.checkpoints):
        raise StudyError(
            "the study has fewer checkpoints than parts",
            file=file,
            key="part",
            value=f"{number}/{parts}",
            fix=f"share it out over {len(grid.checkpoints)} parts at most",
        )
    points = groupby(grid.variants, key=lambda variant: variant.checkpoint)
    return [
        variant
        for place, (_, variants) in enumerate(points)
        if place * parts // len(grid.checkpoints) == number - 1
        for variant in variants
    ]
