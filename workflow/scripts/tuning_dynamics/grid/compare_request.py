"""The two sides of `snakemake compare --config side_a=… side_b=…`: studies or tables of scores."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuning_dynamics.common.errors import StudyError

#: The folder of comparisons among those of studies.
COMPARISONS = "compare"

#: The config keys that name the sides; they are not settings of a study. Snakemake 9.27 refuses
#: keys of one letter on its command line, so the short ones can only be used in a file.
KEYS = ("side_a", "side_b", "a", "b")


@dataclass(frozen=True)
class Sides:
    """Two folders of results, or CSV files with rows as in scores.csv; None for a missing one."""

    a: str | None
    b: str | None

    @property
    def asked(self) -> bool:
        """Whether a comparison is requested; the study is then ignored."""
        return (self.a, self.b) != (None, None)

    @property
    def root(self) -> str:
        """The folder of the comparison."""
        names = (_name(side) if side else "none" for side in (self.a, self.b))
        return f"results/{COMPARISONS}/{'_vs_'.join(names)}"

    @property
    def log(self) -> str:
        """Log of the comparison's job."""
        return f"{self.root}/compare.log"

    @property
    def summary(self) -> str:
        """The comparison in words and numbers."""
        return f"{self.root}/summary.txt"

    def files(self) -> list[str]:
        """The scores of both sides; StudyError as for `check_sides`."""
        check_sides(self)
        return [scores_file(side) for side in (self.a, self.b) if side is not None]

    def closing_text(self) -> str:
        """The text at the end of a run: the summary, and where the tables are."""
        text = Path(self.summary).read_text(encoding="utf-8")
        return f"\n{text}\nThe tables: {self.root}/tables/"


def sides_of(config: Mapping[str, Any]) -> Sides:
    """The sides that a config mapping names."""
    named = (config.get(f"side_{key}", config.get(key)) for key in ("a", "b"))
    a, b = (None if side is None else str(side) for side in named)
    return Sides(a, b)


def check_sides(sides: Sides) -> None:
    """StudyError for a side that is missing, does not exist, or is given twice."""
    for key, side in (("side_a", sides.a), ("side_b", sides.b)):
        if side is None:
            raise StudyError(
                "a comparison has two sides",
                file="--config",
                key=key,
                fix="snakemake compare --config side_a=results/ONE side_b=results/OTHER",
            )
        if not Path(scores_file(side)).is_file():
            raise StudyError(
                "there are no scores to compare",
                file=scores_file(side),
                key=key,
                value=side,
                fix="name a folder of results that has tables/scores.csv (run its study first), "
                "or a CSV file with rows as in scores.csv",
            )
    assert sides.a is not None
    assert sides.b is not None
    if os.path.realpath(scores_file(sides.a)) == os.path.realpath(scores_file(sides.b)):
        raise StudyError(
            "both sides are the same scores",
            file="--config",
            key="side_b",
            value=sides.b,
            fix="name another folder or file as side_b",
        )


def scores_file(side: str) -> str:
    """A side's table of scores: in its folder of results, or the file itself."""
    return f"{side}/tables/scores.csv" if Path(side).is_dir() else side


def _name(side: str) -> str:
    """The name of a side's folder or file as part of a folder's name."""
    path = Path(side.rstrip("/"))
    stem = path.stem if path.suffix == ".csv" else path.name
    return re.sub(r"[^A-Za-z0-9_.-]", "_", stem) or "results"
