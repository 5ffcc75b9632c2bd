"""Audit: every file in records and manifests is read, and damaged ones are named."""

from pathlib import Path
from typing import Any

import pytest

from tuning_dynamics.common.atomic_files import file_digest, write_json
from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.common.paths import Paths
from tuning_dynamics.identity.audit import audit
from tuning_dynamics.identity.records import Record, Unit, write_record

PATHS = Paths("s")
TUNED, ADAPTED = "tiny/1/full/a/seed0", "tiny/1/lora/a/seed0"
TABLE = PATHS.table("scores")
CHECKPOINT = PATHS.checkpoint_file("tiny", 1, "manifest.json")
LOCAL = Path("elsewhere")


def written(path: str | Path, text: str = "content") -> str:
    """Write a file; its digest."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)
    return file_digest(path)


def recorded(job: str, *outputs: str) -> None:
    """A job's record of its outputs."""
    digests = {path: "" if Path(path).is_dir() else file_digest(path) for path in outputs}
    write_record(PATHS.record(job), job, Record({outputs[0]: Unit(digests, {}, "c", {})}))


def model(manifest: str, place: Path, **more: Any) -> None:
    """A model's files, and their manifest."""
    names = ("model.safetensors", "config.json")
    digests = {name: written(place / name, f"{place} {name}") for name in names}
    write_json(manifest, {"folder": str(place), "adapter": None, "digests": digests, **more})


@pytest.fixture(autouse=True)
def _study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A study with a local checkpoint, a tuned variant, an adapter, a frozen set and a table."""
    monkeypatch.chdir(tmp_path)
    written(TABLE)
    recorded("scores/all", TABLE)
    model(CHECKPOINT, LOCAL, source="local")
    recorded("verify/tiny/1", CHECKPOINT)
    for key in (TUNED, ADAPTED):
        manifest, folder = (
            PATHS.variant_file(key, "manifest.json"),
            PATHS.variant_file(key, "weights"),
        )
        own = {"folder": str(LOCAL), "adapter": folder} if key == ADAPTED else {}
        model(manifest, Path(folder), source="tune", variant=key, **own)
        recorded(f"tune/{key}", manifest, folder)
    write_json(PATHS.data_manifest("x"), {"dataset": "x", "digest": {"train": "1"}})
    recorded("freeze/x", PATHS.data_manifest("x"))
    written(PATHS.variant_file("no", "record.txt"))


def damaged() -> list[str]:
    """The files that are named as damaged."""
    with pytest.raises(StudyError, match="are not what was made") as error:
        audit("s")
    assert error.value.file == error.value.value[0]
    return list(error.value.value)


def test_what_is_as_it_was_made_is_counted() -> None:
    # A table, the set's manifest, and three models' manifests and files.
    assert audit("s") == "11 files are as they were made"
    assert audit("nothing") == "0 files are as they were made"


@pytest.mark.parametrize(
    "path",
    [
        TABLE,
        CHECKPOINT,
        PATHS.data_manifest("x"),
        str(LOCAL / "model.safetensors"),
        str(LOCAL / "config.json"),
        PATHS.variant_file(TUNED, "weights/model.safetensors"),
        PATHS.variant_file(TUNED, "weights/config.json"),
        PATHS.variant_file(ADAPTED, "weights/model.safetensors"),
        PATHS.variant_file(ADAPTED, "manifest.json"),
    ],
)
@pytest.mark.parametrize("change", [lambda text: text[:-1], lambda text: text.replace("e", "f")])
def test_damage_is_found_in_whatever_file(path: str, change: Any) -> None:
    Path(path).write_text(change(Path(path).read_text()))
    assert path in damaged()


def test_all_damage_is_named() -> None:
    for path in (TABLE, PATHS.variant_file(TUNED, "weights/config.json")):
        Path(path).write_text("other")
    assert damaged() == [TABLE, PATHS.variant_file(TUNED, "weights/config.json")]


def test_a_record_that_is_damaged_is_damage() -> None:
    Path(PATHS.record("scores/all")).write_text("{half")
    assert damaged() == [PATHS.record("scores/all")]


def test_files_that_are_gone_are_none() -> None:
    # As weights are that were dropped once all cells were there.
    for name in ("model.safetensors", "config.json"):
        Path(PATHS.variant_file(TUNED, f"weights/{name}")).unlink()
    Path(TABLE).unlink()
    assert audit("s") == "8 files are as they were made"


def test_files_that_no_record_speaks_of_are_not_looked_at() -> None:
    Path(PATHS.variant_file("no", "record.txt")).write_text("other")
    (LOCAL / "README.md").write_text("other")
    assert audit("s") == "11 files are as they were made"
