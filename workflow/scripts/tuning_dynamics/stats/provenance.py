"""datasets.csv: the source of each split that the study uses, and the rows left out."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tuning_dynamics.common.atomic_files import read_json
from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.common.words import spelling
from tuning_dynamics.data.items import Item, read_in_batches
from tuning_dynamics.stats.leaks import in_short
from tuning_dynamics.tables.tables import from_rows

#: Hex digits of a digest that are shown, as in the ids of items.
_SHOWN = 16

#: Items read together: a few megabytes of long dialogues.
_TOGETHER = 256


def dataset_rows(used: Sequence[Mapping[str, Any]], overlaps: pd.DataFrame) -> pd.DataFrame:
    """datasets.csv from the config's facts about each split (`grid.splits.used_splits`) and
    overlaps.csv. StudyError for a manifest that lacks a key."""
    rows = [
        {
            **_row(use),
            "overlaps": in_short(overlaps, use["dataset"]) if use["use"] == "evaluation" else "",
        }
        for use in used
    ]
    return from_rows(rows, "datasets")


def _row(use: Mapping[str, Any]) -> dict[str, object]:
    manifest, split = read_json(use["manifest"]), use["use"]
    if "refused" in manifest:
        return _refused_row(use, str(manifest["refused"]))
    origin = manifest.get("hub", {})
    missing = [key for key in ("items", "left_out", "digest") if key not in manifest]
    if str(use["source"]).startswith("hub ") and "commit" not in origin:
        missing.append("hub")
    if missing:
        raise StudyError(
            f"a dataset's manifest lacks {', '.join(missing)}",
            file=use["manifest"],
            key=missing[0],
            fix=f"make it again: snakemake --force {use['manifest']}",
        )
    known = ("dataset", "use", "task", "kind", "licence", "source", "split")
    return {
        **{name: use[name] for name in known},
        "revision": origin.get("revision") or "",
        "commit": origin.get("commit") or "",
        "items": manifest["items"][split],
        "left_out": _left_out(manifest["left_out"], split),
        "special_tokens": _special_tokens(use),
        "chance": _chance(use),
        "majority": _majority(use, manifest),
        "training_split_scored": use["training_split_scored"],
        "digest": manifest["digest"][split][:_SHOWN],
    }


def _refused_row(use: Mapping[str, Any], reason: str) -> dict[str, object]:
    """The row of a set that was refused: it has no items."""
    known = ("dataset", "use", "task", "kind", "licence", "source", "split")
    return {
        **{name: use[name] for name in known},
        **dict.fromkeys(("revision", "commit", "digest", "special_tokens"), ""),
        "items": 0,
        "left_out": f"all: {reason.splitlines()[0]}",
        "chance": float("nan"),
        "majority": float("nan"),
        "training_split_scored": use["training_split_scored"],
    }


def _left_out(counts: Mapping[str, int], split: str) -> str:
    """The counts of rows left out of a split, in words: `repeated 3; label in drop 2`."""
    source = "evaluation: " if split == "evaluation" else "train: "
    found = {key: count for key, count in counts.items() if key.startswith(source)}
    return "; ".join(f"{key.removeprefix(source)} {count}" for key, count in found.items())


def _special_tokens(use: Mapping[str, Any]) -> str:
    """The number of items that spell special tokens, by family; manifests of 0.5.0 don't name
    them."""
    named = {
        family: read_json(path).get("special_tokens") for family, path in use["models"].items()
    }
    spelled = {family: spelling(names) for family, names in named.items() if names is not None}
    patterns = {pattern: re.compile(pattern) for pattern in spelled.values()}
    counts: Counter[str] = Counter()
    for items in read_in_batches(use["items"], use["use"], _TOGETHER) if patterns else ():
        for text in map(_texts, items):
            counts.update(name for name, pattern in patterns.items() if pattern.search(text))
    found = {family: str(counts[pattern]) for family, pattern in spelled.items() if counts[pattern]}
    unknown = {family: "not counted" for family, names in named.items() if names is None}
    return "; ".join(f"{family} {count}" for family, count in sorted({**found, **unknown}.items()))


def _texts(item: Item) -> str:
    """All texts of an item that models are shown."""
    turns = (turn["content"] for turn in item.messages)
    return "\n".join([*item.fields.values(), *item.gold, *item.options, *turns])


def _chance(use: Mapping[str, Any]) -> float:
    """Accuracy of guessing: one over the number of labels, or its mean over items' options; NaN
    if the split is not evaluated, or for generation."""
    if use["use"] != "evaluation":
        return float("nan")
    if use["kind"] == "multiple_choice":
        return _chance_of_options(str(use["items"]))
    return 1 / use["labels"] if use["labels"] else float("nan")


def _chance_of_options(items: str) -> float:
    table = pq.read_table(items, columns=["split", "options"])
    options = table.filter(pc.equal(table["split"], "evaluation"))["options"]
    return float(np.mean(1 / pc.list_value_length(options).to_numpy()))


def _majority(use: Mapping[str, Any], manifest: Mapping[str, Any]) -> float:
    """Share of evaluated items with the commonest label; NaN if the split is not evaluated, or the
    set is not classification."""
    if use["use"] != "evaluation" or not use["labels"]:
        return float("nan")
    counts = manifest.get("labels", {}).get("evaluation")
    labels = Counter(counts if counts is not None else _gold_labels(str(use["items"])))
    return max(labels.values()) / labels.total()


def _gold_labels(items: str) -> list[str]:
    """The label of each evaluated item, for manifests that do not count labels."""
    table = pq.read_table(items, columns=["split", "gold"])
    gold = table.filter(pc.equal(table["split"], "evaluation"))["gold"]
    return [answers[0] for answers in gold.to_pylist()]
