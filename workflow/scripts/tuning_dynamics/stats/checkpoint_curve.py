"""checkpoints.csv: the study's checkpoints, and which of them do not fit their place.

Published revisions may be mislabelled. The loss on a fixed text falls with pre-training, so weights
under a wrong label stand out from their family's curve.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tuning_dynamics.common.atomic_files import read_json, text_digest
from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.tables.tables import from_rows

Floats = NDArray[np.float64]

# Nats per token by which the loss may rise from an earlier checkpoint to a later one. In a correct
# series it moves up or down by hundredths from one checkpoint to the next; over pre-training it
# falls by several nats, so that a label that is far off exceeds this.
TOLERANCE = 0.1

_NEEDED = ("family", "step", "tokens", "source", "digests", "text_loss")

#: Where hub checkpoints come from; other sources have none of these.
_ORIGIN = ("repo", "revision", "commit")


def checkpoint_rows(
    manifests: Sequence[Path], *, holes: Mapping[str, Sequence[Sequence[int]]]
) -> pd.DataFrame:
    """checkpoints.csv from checkpoints' manifests, by family and tokens.

    `holes` gives, by family, the tokens at both ends of each hole in its published series: no
    checkpoint exists in between. StudyError for a manifest that lacks a key.
    """
    frame = pd.DataFrame([_described(path) for path in manifests])
    ordered = frame.sort_values(["family", "tokens", "step"])
    families = [own for _, own in ordered.groupby("family", sort=True)]
    return from_rows(
        [
            row
            for own in families
            for row in _placed(own, holes.get(str(own["family"].iloc[0]), []))
        ],
        "checkpoints",
    )


def _described(path: Path) -> dict[str, Any]:
    manifest = read_json(path)
    hub = manifest.get("source") == "hub"
    missing = [key for key in (*_NEEDED, *(_ORIGIN if hub else ())) if key not in manifest]
    if missing:
        raise StudyError(
            f"a checkpoint's manifest lacks {', '.join(missing)}",
            file=path,
            key=missing[0],
            fix=f"make it again: snakemake --force {path}",
        )
    return {
        **{key: manifest[key] for key in ("family", "step", "tokens", "source", "text_loss")},
        **{key: manifest[key] if hub else "" for key in _ORIGIN},
        "checkpoint": str(manifest["step"]),
        "digest": text_digest(json.dumps(_weights(manifest["digests"]), sort_keys=True)),
    }


def _weights(digests: dict[str, str]) -> dict[str, str]:
    """The digests of weight files among those of all files of a model."""
    return {name: digest for name, digest in digests.items() if name.endswith(".safetensors")}


def _placed(own: pd.DataFrame, holes: Sequence[Sequence[int]]) -> list[dict[str, Any]]:
    """One family's rows, in order of tokens, with the columns that depend on their neighbours."""
    broken = breaks(own["text_loss"].to_numpy(dtype=float))
    tokens = [int(seen) for seen in own["tokens"]]
    return [
        {
            **row,
            "breaks_curve": "yes" if broken[place] else "",
            "gap_before": gap(tokens[place - 1], tokens[place], holes) if place else pd.NA,
        }
        for place, row in enumerate(own.to_dict("records"))
    ]


def gap(before: int, after: int, holes: Sequence[Sequence[int]]) -> Any:
    """Tokens of the holes between two neighbouring checkpoints; NA if there is none."""
    between = [end - start for start, end in holes if before <= start and end <= after]
    return sum(between) if between else pd.NA


def breaks(losses: Floats) -> NDArray[np.bool_]:
    """Which of a family's losses, in order of tokens, do not fit a falling curve.

    Two checkpoints contradict one another by the amount, beyond TOLERANCE, by which the later
    one's loss exceeds the earlier one's. The one with the largest sum of contradictions is out of
    place; it is set aside and the rest are checked again, until there are no contradictions. Two
    that only contradict one another are both named, since either may be the wrong one.
    """
    excess = np.triu(losses[None, :] - losses[:, None] - TOLERANCE, 1)
    contradiction = np.maximum(excess, 0) + np.maximum(excess, 0).T
    found = np.zeros(len(losses), dtype=bool)
    while contradiction.any():
        sums = contradiction.sum(axis=1)
        worst = sums == sums.max()
        found |= worst
        contradiction[worst, :] = 0
        contradiction[:, worst] = 0
    return found
