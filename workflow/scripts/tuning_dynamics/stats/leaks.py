"""Cells whose model saw their items, and what is said about overlaps of sets."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from tuning_dynamics.common.errors import StudyError

#: The counts of overlaps.csv, and what each says of its items.
COUNTS = {
    "exact": "in full",
    "near": "with 13 words in a row",
    "part": "with a whole text such as a premise, but not the rest",
}


def leaked_cells(cells: Sequence[Mapping[str, Any]], overlaps: pd.DataFrame) -> dict[str, str]:
    """Why cells are refused whose model saw evaluated items in full, and no reason is declared, by
    the `path` of their records.

    `cells` are `grid.merged_config.cell_rows`, `overlaps` is overlaps.csv.
    """
    refused = overlaps[(overlaps["exact"].fillna(0) > 0) & (overlaps["known"] == "")]
    reasons = {
        (row["eval_set"], row["dataset"], row["use"]): _refusal(row)
        for row in refused.to_dict("records")
    }
    found = {
        cell["path"]: [
            reasons[key] for use in cell["seen"] if (key := (cell["eval_set"], *use)) in reasons
        ]
        for cell in cells
    }
    return {path: texts[0] for path, texts in found.items() if texts}


def _refusal(row: Mapping[str, Any]) -> str:
    eval_set, dataset = row["eval_set"], row["dataset"]
    return str(
        StudyError(
            f"{row['exact']:,} of {row['items']:,} evaluated items stand in {_place(row)}",
            file=f"datasets/{eval_set}.yaml",
            key="known_overlaps",
            value={"item": row["example"]},
            fix=f"take them out of one of the two sets, or leave {eval_set} out where a model "
            f"sees {dataset}; if the overlap is meant, say why: "
            f"known_overlaps: {{{dataset}: REASON}}",
        )
    )


def _place(row: Mapping[str, Any]) -> str:
    rows = "training rows" if row["use"] == "train" else "demonstrations"
    return f"{rows} of {row['dataset']}"


def overlapping(overlaps: pd.DataFrame) -> pd.DataFrame:
    """The rows of overlaps.csv with a count above 0."""
    return overlaps[(overlaps[list(COUNTS)].fillna(0) > 0).any(axis=1)]


def in_short(overlaps: pd.DataFrame, eval_set: str) -> str:
    """What of a set's evaluated items its models see: `snli_6k: 2 exact, 31 near`; "" if none."""
    found = overlapping(overlaps[overlaps["eval_set"] == eval_set])
    return "; ".join(
        f"{row['dataset']}{'' if row['use'] == 'train' else ' (demonstrations)'}: "
        + ", ".join(f"{row[name]} {name}" for name in COUNTS if row[name])
        for row in found.to_dict("records")
    )


def overlap_sentences(overlaps: pd.DataFrame) -> list[str]:
    """What was found, a sentence for each pair of sets that overlap; or that nothing was."""
    compared = int(overlaps["items"].notna().sum())
    refused = len(overlaps) - compared
    found = [_sentence(row) for row in overlapping(overlaps).to_dict("records")]
    none = f"None was found: {_pairs(compared)} compared."
    left = f"{_pairs(refused)} not compared, as a set was refused."
    return [*(found or [none] * (compared > 0)), *[left] * (refused > 0)]


def _pairs(count: int) -> str:
    return "1 pair of sets was" if count == 1 else f"{count:,} pairs of sets were"


def _sentence(row: Mapping[str, Any]) -> str:
    counts = [f"{row[name]:,} {words}" for name, words in COUNTS.items() if row[name]]
    known = f" This is known: {row['known']}" if row["known"] else ""
    return (
        f"Of the {row['items']:,} evaluated items of {row['eval_set']}, found in {_place(row)}: "
        f"{'; '.join(counts)}.{known}"
    )
