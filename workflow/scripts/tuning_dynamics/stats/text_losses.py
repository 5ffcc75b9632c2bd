"""text_losses.csv: losses of tuned models on the fixed text, beside their checkpoints'."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from tuning_dynamics.common.atomic_files import read_json
from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.common.variants import parse_variant
from tuning_dynamics.tables.tables import from_rows

_ORDER = ["family", "tokens", "step", "recipe", "train_set", "seed"]


def text_loss_rows(files: Sequence[Path], checkpoints: pd.DataFrame) -> pd.DataFrame:
    """text_losses.csv from text_loss.json files and checkpoints.csv; no row for a variant whose
    train set was refused.

    StudyError for a file that lacks a key.
    """
    base = {(row["family"], row["step"]): row for row in checkpoints.to_dict("records")}
    rows = [row for path in files if (row := _row(path, base)) is not None]
    return from_rows(rows, "text_losses").sort_values(_ORDER, ignore_index=True)


def _row(path: Path, base: dict[tuple[Any, Any], dict[Any, Any]]) -> dict[str, Any] | None:
    found = read_json(path)
    if "refused" in found:
        return None
    missing = [key for key in ("variant", "text_loss") if key not in found]
    if missing:
        raise StudyError(
            f"a variant's loss on the fixed text lacks {', '.join(missing)}",
            file=path,
            key=missing[0],
            fix=f"make it again: snakemake --force {path}",
        )
    variant, tuned = parse_variant(found["variant"]), float(found["text_loss"])
    own = base[variant.family, variant.step]
    return {
        **{key: own[key] for key in ("family", "checkpoint", "step", "tokens")},
        "recipe": variant.recipe,
        "train_set": variant.train_set,
        "seed": variant.seed,
        "base_loss": own["text_loss"],
        "tuned_loss": tuned,
        "change": tuned - own["text_loss"],
    }
