"""What the first row of a local file says of a dataset's settings."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tuning_dynamics.config.dataset import Dataset
from tuning_dynamics.run.first_rows import lacking_fields

ROW = {"premise": "x", "b": "y", "g": "1", "nested": {"id": 3}, "p": "7"}
SET: dict[str, Any] = {
    "task": "nli",
    "domain": "x",
    "licence": "none",
    "source": {"files": {"evaluation": "rows.jsonl"}},
    "fields": {"a": "premise", "b": "b"},
    "gold": {"field": "g", "labels": {"1": "yes", "0": "no"}},
}
JOIN = {"file": "texts.csv", "on": {"p": "id"}, "take": "text", "into": "passage"}


@pytest.fixture(autouse=True)
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("rows.jsonl").write_text(f"\n{json.dumps(ROW)}\nnot read\n", encoding="utf-8")
    Path("rows.csv").write_text("\ufeffpremise,b,g\nx,y,1\n", encoding="utf-8")
    Path("texts.csv").write_text("id,text\n7,z\n", encoding="utf-8")
    for name, text in {"empty.jsonl": "", "bad.jsonl": "{", "list.jsonl": "[1]"}.items():
        Path(name).write_text(text)
    Path("rows.parquet").write_bytes(b"PAR1")


def lacking(**change: Any) -> list[str]:
    dataset = Dataset(**{**SET, **change})
    assert dataset.source.files is not None
    paths = [path for path in vars(dataset.source.files).values() if path is not None]
    paths += [dataset.join.file] if dataset.join else []
    jobs: Any = SimpleNamespace(
        table=None,
        resolved=SimpleNamespace(datasets={"mine": dataset}),
        data=SimpleNamespace(data_files=lambda _: list(paths)),
    )
    return [str(error) for error in lacking_fields(jobs)]


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"id_field": "nested.id", "context_field": "premise"},
        {"compose": {"both": "{premise} {b}"}, "fields": {"a": "both", "b": "b"}},
        {"fields": {"a": "answer{g}", "b": "b"}},  # another field for each row
        {"join": JOIN, "fields": {"a": "passage", "b": "b"}},
        *({"source": {"files": {"evaluation": f"rows.{kind}"}}} for kind in ("csv", "parquet")),
        # The job says what is wrong with these.
        *(
            {"source": {"files": {"evaluation": f"{name}.jsonl"}}, "fields": {"a": "c", "b": "d"}}
            for name in ("empty", "bad", "list")
        ),
    ],
)
def test_fields_that_are_there(change: dict[str, Any]) -> None:
    assert lacking(**change) == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"fields": {"a": "premis", "b": "b"}}, ["fields.a", "did you mean 'premise'?"]),
        ({"fields": {"a": "one", "b": "two"}}, ["fields.a, fields.b", "'one, two'"]),
        (
            {"gold": {"field": "label", "labels": {"1": "yes", "0": "no"}}},
            ["gold.field", "'label'"],
        ),
        ({"id_field": "nest.id"}, ["id_field", "'nest.id'"]),
        ({"drop": {"kind": ["x"]}}, ["drop", "'kind'"]),
        ({"source": {"files": {"evaluation": "rows.csv"}}, "id_field": "p"}, ["id_field"]),
        ({"join": {**JOIN, "take": "txt"}}, ["join", "did you mean 'text'?"]),
        ({"join": {**JOIN, "on": {"q": "id"}}}, ["join.on", "'q'"]),
        ({"options": ["b", "c"]}, ["options", "'c'"]),
        ({"messages": "turns"}, ["messages", "'turns'"]),
    ],
)
def test_fields_that_are_not(change: dict[str, Any], says: list[str]) -> None:
    (error,) = lacking(**change)
    for part in ("datasets/mine.yaml", "the row has", *says):
        assert part in error
