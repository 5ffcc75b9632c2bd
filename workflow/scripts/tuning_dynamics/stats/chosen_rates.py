"""rates.csv: candidate learning rates, their held-out losses, and which was chosen."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from tuning_dynamics.common.atomic_files import read_json
from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.tables.tables import from_rows

_KEYS = ("family", "recipe", "train_set", "checkpoint", "tried_on")


def rate_rows(files: Sequence[Path], choices: Sequence[Sequence[str]]) -> pd.DataFrame:
    """rates.csv from rate.json files; `choices` are the first five columns of each, in their order.

    StudyError for a file that lacks a key, or that chose a rate that is not among its candidates.
    """
    pairs = zip(files, choices, strict=True)
    return from_rows([row for file, choice in pairs for row in _candidates(file, choice)], "rates")


def _candidates(file: Path, choice: Sequence[str]) -> list[dict[str, Any]]:
    """A row for each candidate of a choice, by rate; none if its train set was refused."""
    found = read_json(file)
    if "refused" in found:
        return []
    chosen, losses = _choice(file, found)
    ends = (min(losses), max(losses))
    return [
        {
            **dict(zip(_KEYS, choice, strict=True)),
            "rate": rate,
            "loss": losses[rate],
            "chosen": "yes" if rate == chosen else "",
            "edge": "yes" if rate == chosen and rate in ends else "",
        }
        for rate in sorted(losses)
    ]


def _choice(file: Path, found: dict[str, Any]) -> tuple[float, dict[float, float | None]]:
    """The chosen rate, and the candidates' losses by rate."""
    losses = {float(rate): loss for rate, loss in found.get("losses", {}).items()}
    chosen = found.get("rate")
    if chosen not in losses:
        raise StudyError(
            "the chosen learning rate is not among its candidates",
            file=file,
            key="rate",
            value=chosen,
            fix=f"make it again: snakemake --force {file}",
        )
    return float(chosen), losses
