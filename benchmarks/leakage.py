"""Evaluated items planted in training data: are all found, and is anything else? And the cost.

    python benchmarks/leakage.py [--seeds 5] [--rows 500000] [--data FOLDER]
        [--out benchmarks/results/leakage.json]

Items of five kinds (tests/helpers/leakage.py), made up in four scripts, are planted in other
training rows: as fields, among other fields, in dialogues, with and without answers; verbatim, in
other case, punctuation, white space, forms of Unicode, with zero-width characters; and by 13 words
in a row. All planted ones must be found, and no other. The sets of the mini world are compared with
one another, each item with each training row; so are those of config/datasets that lie in FOLDER
(`data_root`). Then `rows` dialogues of 100 words are compared with 20 sets of 10,000 items.
"""

import argparse
import json
import os
import platform
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "workflow/scripts"), str(ROOT / "tests/helpers")]

from leakage import (  # noqa: E402
    KINDS,
    PLACES,
    SCRIPTS,
    WAYS,
    Writer,
    items,
    planted,
    tells_itself,
    with_ngram,
)

from tuning_dynamics.config.dataset import Dataset, Task  # noqa: E402
from tuning_dynamics.config.load import read_yaml  # noqa: E402
from tuning_dynamics.data.freeze import freeze_from_spec  # noqa: E402
from tuning_dynamics.data.items import Item, write_items  # noqa: E402
from tuning_dynamics.data.overlap import Index, Overlap  # noqa: E402
from tuning_dynamics.data.overlap_rows import overlap_rows  # noqa: E402

#: Evaluated items of a trial, how many of them are planted, and other training rows.
ITEMS, PLANTED, OTHERS = 40, 10, 200

Row = dict[str, Any]


def trials(seeds: int) -> Iterator[tuple[str, str, Overlap]]:
    """What is planted, what is to be counted, and what was found."""
    for seed in range(seeds):
        for script in SCRIPTS:
            writer = Writer(script, seed)
            for kind in KINDS:
                evaluated = items(kind, writer, ITEMS)
                others = items(kind, writer, OTHERS, "train")
                yield from of_kind(kind, writer, evaluated, others)


def of_kind(
    kind: str, writer: Writer, evaluated: list[Item], others: list[Item]
) -> Iterator[tuple[str, str, Overlap]]:
    """The trials of one kind of item."""
    index, chosen = Index({"own": evaluated}), evaluated[:PLANTED]

    def found(rows: list[Item]) -> Overlap:
        return index.overlaps([*others, *rows], ["own"])["own"]

    yield "nothing", "", found([])
    for place in PLACES:
        counted = "exact" if PLACES[place].answer or tells_itself(kind) else ""
        for way in WAYS:
            yield way, counted, found([planted(item, place, way, writer) for item in chosen])
    if kind in ("pair", "text", "reading"):
        yield "13 words", "near", found([with_ngram(item, writer) for item in chosen])
        yield "12 words", "", found([with_ngram(item, writer, 12) for item in chosen])


def planted_rows(seeds: int) -> list[Row]:
    """By way: items planted, found of those, and others that were counted."""
    sums: dict[str, Counter[str]] = {}
    for way, counted, overlap in trials(seeds):
        counts = {name: getattr(overlap, name) for name in ("exact", "near", "part")}
        right = counts.pop(counted) if counted else 0
        own = sums.setdefault(way, Counter())
        own["trials"] += 1
        own["planted"] += PLANTED if counted else 0
        own["found"] += right
        own["false"] += sum(counts.values())
    return [{"way": way, **own} for way, own in sums.items()]


def overlaps_among(sets: Mapping[str, Path], folder: Path, data_root: str | None) -> Row:
    """Each set's evaluated items in each set's training rows, all of both: what is found."""
    files, uses = {}, {}
    for name, path in sets.items():
        dataset = Dataset.model_validate(read_yaml(path))
        kind = Task.model_validate(read_yaml(ROOT / f"config/tasks/{dataset.task}.yaml")).kind
        spec = {
            "dataset": dataset.model_dump(mode="json", exclude_defaults=True),
            **{"kind": kind, "seed": 0, "train_items": "all", "evaluation_items": None},
        }
        files[name] = str(folder / f"{name}.parquet")
        freeze_from_spec(name, spec, data_root, files[name], folder / f"{name}.json")
        uses[name] = json.loads((folder / f"{name}.json").read_text())["items"]
    pairs = [
        {"eval_set": evaluated, "dataset": trained, "use": "train"}
        for evaluated in sets
        for trained in sets
        if uses[evaluated]["evaluation"] and uses[trained]["train"]
    ]
    rows = [row for row in overlap_rows(pairs, files) if row["exact"] or row["near"] or row["part"]]
    shown = ("eval_set", "dataset", "items", "rows", "exact", "near", "part")
    return {"pairs": len(pairs), "found": [{name: row[name] for name in shown} for row in rows]}


def shipped(source: str) -> dict[str, Path]:
    """The sets of config/datasets with a source of a kind."""
    paths = sorted((ROOT / "config/datasets").glob("*.yaml"))
    return {path.stem: path for path in paths if source in read_yaml(path)["source"]}


def cost(rows: int, folder: Path, sets: int = 20, evaluated: int = 10_000) -> Row:
    """Seconds of one core and memory, with frozen files as a study has them."""
    writer, files = Writer("latin", 0, 30_000), {}
    for number in range(sets):
        made = (
            Item(
                f"{place}", "evaluation", "", {"a": writer.text(36), "b": writer.sentence(9)}, ["x"]
            )
            for place in range(evaluated)
        )
        files[f"set{number}"] = str(folder / f"set{number}.parquet")
        write_items(files[f"set{number}"], made)
    # Made once and told apart by a first word: writing random words takes longer than finding them.
    texts = [(writer.text(48), writer.text(48)) for _ in range(5000)]
    files["train"] = str(folder / "train.parquet")
    write_items(files["train"], (_said(place, *texts[place % 5000]) for place in range(rows)))
    pairs = [{"eval_set": name, "dataset": "train", "use": "train"} for name in files][:-1]
    begun = time.process_time()
    overlap_rows(pairs, files)
    return {
        **{"rows": rows, "sets": sets, "items": evaluated},
        "cpu_seconds": round(time.process_time() - begun),
        "memory_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
    }


def _said(place: int, asked: str, answered: str) -> Item:
    turns = [{"role": "user", "content": f"{place} {asked}"}]
    return Item(
        f"{place}", "train", "", {}, [], [], [*turns, {"role": "assistant", "content": answered}]
    )


def main() -> None:
    """Run all parts, and write what they found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--data", help="folder of real sets, data_root of config/datasets")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/leakage.json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        found: Row = {
            "date": datetime.now(UTC).strftime("%Y-%m-%d"),
            "machine": platform.machine(),
            "planted": planted_rows(options.seeds),
            "mini_world": overlaps_among(shipped("world"), folder, None),
        }
        if options.data:
            found["files"] = overlaps_among(shipped("files"), folder, options.data)
        found["cost"] = cost(options.rows, folder)
    options.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
