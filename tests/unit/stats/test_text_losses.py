"""text_losses.csv: the loss of each tuned model on the fixed text, beside its checkpoint's."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tuning_dynamics.common.atomic_files import write_json
from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.stats.text_losses import text_loss_rows
from tuning_dynamics.tables.catalogue import columns_of
from tuning_dynamics.tables.tables import from_rows

EMPTY = {name: "" if kind == "str" else None for name, kind in columns_of("checkpoints").items()}
CHECKPOINTS = from_rows(
    [
        {
            **EMPTY,
            **{"family": "tiny", "checkpoint": str(step), "step": step},
            **{"tokens": 10 * step, "text_loss": loss},
        }
        for step, loss in ((9, 5.0), (40, 3.0))
    ],
    "checkpoints",
)


def table(folder: Path, *found: dict[str, Any]) -> pd.DataFrame:
    files = [folder / f"{number}.json" for number in range(len(found))]
    for file, content in zip(files, found, strict=True):
        write_json(file, content)
    return text_loss_rows(files, CHECKPOINTS)


def test_each_seed_has_a_row_beside_its_checkpoint_s_loss(tmp_path: Path) -> None:
    made = table(
        tmp_path,
        {"variant": "tiny/40/full/pairs/seed1", "text_loss": 3.5},
        {"variant": "tiny/40/full/pairs/seed0", "text_loss": 2.75},
        {"variant": "tiny/9/lora/pairs/seed0", "text_loss": 5.25},
    )
    assert made.values.tolist() == [
        ["tiny", "9", 9, 90, "lora", "pairs", 0, 5.0, 5.25, 0.25],
        ["tiny", "40", 40, 400, "full", "pairs", 0, 3.0, 2.75, -0.25],
        ["tiny", "40", 40, 400, "full", "pairs", 1, 3.0, 3.5, 0.5],
    ]


def test_a_refused_variant_has_no_row_and_no_files_give_no_rows(tmp_path: Path) -> None:
    made = table(tmp_path, {"variant": "tiny/9/full/pairs/seed0", "refused": "no rows"})
    assert made.empty
    assert list(made) == list(columns_of("text_losses"))
    assert list(table(tmp_path)) == list(made)


def test_a_file_without_the_loss_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="lacks text_loss"):
        table(tmp_path, {"variant": "tiny/9/full/pairs/seed0"})
