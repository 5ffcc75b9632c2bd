"""A study in parts: its checkpoints shared out over several runs, then one run for the tables.

A part is no setting: it enters no job's params and not the merged config, so that what one run
made is current for every other.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from tuning_dynamics.study.errors import StudyError
from tuning_dynamics.study.files import read_json
from tuning_dynamics.study.grid import Grid, Variant
from tuning_dynamics.study.identity import SCRIPTS, canonical
from tuning_dynamics.study.models import ResolvedStudy
from tuning_dynamics.study.paths import Paths
from tuning_dynamics.study.sides import KEYS

#: What begins the names of the stubs that cells come from.
_MAKING = ("checkpoints", "data", "tune", "evaluate")

#: What a study's cells do not depend on.
_NOT_MAKING = {"study": {"title", "execution", "statistics", "data_root"}}


@dataclass(frozen=True)
class Part:
    """One run of a study in `parts`: the cells of part `number`, or the tables (None)."""

    number: int | None
    parts: int


def parse_part(text: Any, file: str) -> Part | None:
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
    return Part(None if match[1] == "tables" else int(match[1]), int(match[2]))


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


def making_stubs() -> list[str]:
    """The stubs whose code a study's cells depend on."""
    return sorted(path.name for path in SCRIPTS.glob("*.py") if path.name.startswith(_MAKING))


def making_spec(resolved: ResolvedStudy) -> str:
    """What a study's cells depend on besides code: more than each of them does alone."""
    return canonical(resolved.model_dump(mode="json", exclude=_NOT_MAKING))


def require_parts(paths: Paths, parts: int, spec: str, code: str) -> None:
    """StudyError unless every part was made, from these settings and this code."""
    for number in range(1, parts + 1):
        path = paths.part(number, parts)
        made = read_json(path) if os.path.exists(path) else None
        if made != {"spec": spec, "code": code}:
            what = "was not made" if made is None else "was made from other settings or code"
            raise StudyError(
                f"part {number} of {parts} {what}",
                file=path,
                key="part",
                value=f"tables/{parts}",
                fix=f"run snakemake with --config part={number}/{parts} first; it makes only what "
                "is not current",
            )


def require_cells(cells: list[str], parts: int) -> None:
    """StudyError for cells that are not there."""
    missing = [cell for cell in cells if not os.path.exists(cell)]
    if missing:
        raise StudyError(
            f"{len(missing):,} of {len(cells):,} cells are missing",
            file=missing[0],
            key="part",
            value=missing[:10],
            fix=f"run the parts again, 1/{parts} to {parts}/{parts}; each makes only what is "
            "missing",
        )
