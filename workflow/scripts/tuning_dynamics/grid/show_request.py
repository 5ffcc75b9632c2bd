"""The cell of `snakemake show --config cell=PATH item=ID`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.common.paths import Paths

#: The config keys that name the cell and the item; they are not settings of a study.
KEYS = ("cell", "item")


@dataclass(frozen=True)
class ShownCell:
    """A file of records, and the item to show: as the command line gave it, so that it may be a
    number; None for some right and some wrong ones."""

    path: str | None
    item: str | int | float | None = None

    @property
    def asked(self) -> bool:
        """Whether a cell is named; the study is then ignored."""
        return self.path is not None

    @property
    def log(self) -> str:
        """Log of the job: in the folder of the cell's study; "" if no cell, or none of a study, is
        named."""
        parts = Path(self.path or "").parts
        return (
            Paths(parts[1]).log("show", "all") if len(parts) > 2 and parts[0] == "results" else ""
        )

    def is_item(self, name: str) -> bool:
        """Whether an item's id is the one asked for. Snakemake reads ids of digits as numbers."""
        if name == str(self.item):
            return True
        if not isinstance(self.item, int | float) or isinstance(self.item, bool):
            return False
        try:
            return type(self.item)(name) == self.item
        except ValueError:
            return False


def shown_cell(config: Mapping[str, Any]) -> ShownCell:
    """The cell and item that a config mapping names."""
    path = config.get("cell")
    return ShownCell(None if path is None else str(path), config.get("item"))


def check_shown(cell: ShownCell) -> None:
    """StudyError if no cell is named, or there is no such file."""
    if cell.path is None:
        raise StudyError(
            "no cell is named",
            file="--config",
            key="cell",
            fix="snakemake show --config cell=PATH, with a path from column records of scores.csv",
        )
    if not Path(cell.path).is_file():
        raise StudyError(
            "there are no such records",
            file="--config",
            key="cell",
            value=cell.path,
            fix="take a path from column records of results/STUDY/tables/scores.csv",
        )
