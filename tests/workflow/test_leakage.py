"""Evaluated items that a model was tuned on: their cells are refused, declared or left out."""

import csv
import json
from collections import Counter

import pyarrow.parquet as pq
import pytest
from repository import Repository

TABLES = Counter(
    overlaps=1, datasets=1, scores=1, summaries=1, cost=1, figures=1, findings=1, report=1
)
SET = """\
task: nli
domain: elsewhere
licence: made up
source: {{files: {{evaluation: {file}}}}}
fields: {{a: a, b: b}}
gold:
  field: gold
  labels: {{entailment: entailment, neutral: neutral, contradiction: contradiction}}
"""


def leak(repository: Repository) -> None:
    """Add an evaluation set, `nli_copied`, of training rows of nli_people, written otherwise."""
    results = repository.folder / "results/smoke"
    items = pq.read_table(results / "data/nli_people/items.parquet").to_pylist()
    rows = [
        {**{name: text.upper() for name, text in json.loads(item["fields"]).items()}}
        | {"gold": item["gold"][0]}
        for item in items
        if item["split"] == "train"
    ]
    file = repository.folder / "copied.jsonl"
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows[:6]), encoding="utf-8")
    folder = repository.folder / "tests/catalogue/datasets"
    folder.mkdir()
    (folder / "nli_copied.yaml").write_text(SET.format(file=file), encoding="utf-8")
    before = "eval_sets: [nli_people, nli_places, facts_qa, summary_people]\n    formats"
    after = before.replace("summary_people", "summary_people, nli_copied")
    repository.edit(repository.study, before, after)


def rows_of(repository: Repository, table: str) -> list[dict[str, str]]:
    path = repository.folder / f"results/smoke/tables/{table}.csv"
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.slow
def test_cells_of_items_that_were_tuned_on(copied: Repository) -> None:
    leak(copied)
    # Nothing is tuned again; each tuned model has new cells.
    made = Counter(freeze=1, evaluate=4, merged_config=1)
    assert copied.planned() == made + TABLES
    tables = [f"results/smoke/tables/{name}.csv" for name in ("scores", "unpaired", "datasets")]
    failed = copied.run(*tables)
    assert failed.returncode != 0
    log = (copied.folder / "results/smoke/logs/scores/all.log").read_text(encoding="utf-8")
    assert "6 of 6 evaluated items stand in training rows of nli_people" in log
    assert "known_overlaps" in log

    copied.succeed("--config", "partial=true", "--", *tables)
    lost = [row for row in rows_of(copied, "unpaired") if row["eval_set"] == "nli_copied"]
    assert {row["reason"] for row in lost if row["reason"].startswith("refused")} == {
        "refused: 6 of 6 evaluated items stand in training rows of nli_people"
    }
    assert "nli_copied" not in {row["eval_set"] for row in rows_of(copied, "scores")}

    # Declared, the cells that are there are used.
    path = copied.folder / "tests/catalogue/datasets/nli_copied.yaml"
    declared = "known_overlaps: {nli_people: this tests memory}\n"
    path.write_text(path.read_text(encoding="utf-8") + declared, encoding="utf-8")
    assert copied.planned() == TABLES + Counter(merged_config=1)
    copied.succeed(*tables)
    assert "nli_copied" in {row["eval_set"] for row in rows_of(copied, "scores")}
    (row,) = [row for row in rows_of(copied, "datasets") if row["dataset"] == "nli_copied"]
    assert row["overlaps"] == "nli_people: 6 exact"
