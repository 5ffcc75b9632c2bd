"""Digests of files: taken again where a file may have changed, and what a manifest says."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tuning_dynamics.common.atomic_files import file_digest
from tuning_dynamics.identity import file_digests as digests
from tuning_dynamics.identity.file_digests import Digests, meaning


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture(autouse=True)
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files count as written long ago."""
    monkeypatch.setattr(digests, "SETTLED", -(10**12))


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files whose bytes were read."""
    read: list[str] = []

    def counted(path: str) -> str:
        read.append(Path(path).name)
        return file_digest(path)

    monkeypatch.setattr(digests, "file_digest", counted)
    return read


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.txt"
    path.write_text("one")
    return path


def test_a_file_is_read_once_while_it_stays(file: Path, taken: list[str]) -> None:
    seen = Digests()
    assert seen.of(file) == seen.of(str(file)) == sha("one")
    assert taken == ["a.txt"]


def test_a_file_that_is_not_there_has_none(tmp_path: Path, file: Path) -> None:
    seen = Digests()
    assert seen.of(tmp_path / "none") is None
    assert seen.of(file / "below") is None
    seen.of(file)
    file.unlink()
    assert seen.of(file) is None


def test_other_content_is_seen(file: Path) -> None:
    seen = Digests()
    seen.of(file)
    file.write_text("other")
    assert seen.of(file) == sha("other")


def test_an_edit_that_puts_the_time_back_is_seen(file: Path) -> None:
    seen = Digests()
    seen.of(file)
    before = file.stat()
    file.write_text("two")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = file.stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert seen.of(file) == sha("two")


def test_another_file_in_its_place_is_seen(file: Path, tmp_path: Path) -> None:
    seen = Digests()
    seen.of(file)
    (tmp_path / "b.txt").write_text("two")
    before = file.stat()
    os.utime(tmp_path / "b.txt", ns=(before.st_atime_ns, before.st_mtime_ns))
    (tmp_path / "b.txt").replace(file)
    assert seen.of(file) == sha("two")


def test_a_later_process_reads_only_what_changed(
    file: Path, tmp_path: Path, taken: list[str]
) -> None:
    (tmp_path / "b.txt").write_text("b")
    kept = tmp_path / "kept" / "seen.json"
    first = Digests(kept)
    first.of(file)
    first.of(tmp_path / "b.txt")
    first.keep()
    file.write_text("changed")
    later = Digests(kept)
    assert later.of(file) == sha("changed")
    assert later.of(tmp_path / "b.txt") == sha("b")
    assert taken == ["a.txt", "b.txt", "a.txt"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: "",
        lambda text: text[: len(text) // 2],
        lambda text: json.dumps([json.loads(text)]),
        lambda text: json.dumps({name: entry[:3] for name, entry in json.loads(text).items()}),
        lambda text: json.dumps(dict.fromkeys(json.loads(text), 1)),
    ],
)
def test_what_was_kept_and_is_damaged_costs_time_alone(
    file: Path, tmp_path: Path, taken: list[str], damage: Any
) -> None:
    kept = tmp_path / "seen.json"
    first = Digests(kept)
    first.of(file)
    first.keep()
    kept.write_text(damage(kept.read_text()))
    assert Digests(kept).of(file) == sha("one")
    assert taken == ["a.txt", "a.txt"]


def test_without_a_place_nothing_is_kept(file: Path, tmp_path: Path) -> None:
    seen = Digests()
    seen.of(file)
    seen.keep()
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_that_has_just_been_written_is_not_kept(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digests, "SETTLED", 2_000_000_000)
    seen = Digests(tmp_path / "seen.json")
    seen.of(file)
    seen.keep()
    assert json.loads((tmp_path / "seen.json").read_text()) == {}


# --- what a manifest says ----------------------------------------------------------------------


def said(path: Path, document: Any, rule: str = "tune") -> str:
    path.parent.mkdir(exist_ok=True)
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return meaning(str(path), file_digest(path), rule)


MANIFEST = {"folder": "/a", "adapter": None, "step": 1, "digests": {"x": "1"}}


def test_where_a_models_files_lie_is_not_what_its_manifest_says(tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    plain = said(path, MANIFEST)
    assert said(path, {**MANIFEST, "folder": "/b"}) == plain
    assert said(path, {**MANIFEST, "adapter": "/b/weights"}) == plain
    assert said(path, dict(reversed(MANIFEST.items()))) == plain
    for change in ({"step": 2}, {"digests": {"x": "2"}}, {"more": 1}):
        assert said(path, {**MANIFEST, **change}) != plain


def test_the_origin_of_a_model_counts_for_the_table_of_checkpoints_alone(tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    for key in ("commit", "tokens", "text_loss"):
        found = {rule: said(path, MANIFEST, rule) for rule in ("tune", "checkpoints")}
        changed = {rule: said(path, {**MANIFEST, key: 1}, rule) for rule in found}
        assert (
            changed["tune"] == found["tune"],
            changed["checkpoints"] == found["checkpoints"],
        ) == (
            True,
            False,
        )


def test_of_a_tokenizers_note_the_files_count_alone(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    note = {"folder": "/a", "commit": "c1", "files": {"tokenizer.json": "1"}}
    plain = said(path, note)
    assert said(path, {**note, "folder": "/b", "commit": "c2"}) == plain
    assert said(path, {**note, "files": {"tokenizer.json": "2"}}) != plain


@pytest.mark.parametrize(
    ("name", "document"),
    [
        ("scores.json", MANIFEST),
        ("manifest.json", "{half"),
        ("manifest.json", [1]),
        ("manifest.json", {"dataset": "x", "items": {"train": 1}}),
        ("tokenizer.json", {"model": {"vocab": {}}}),
    ],
)
def test_of_any_other_file_every_byte_counts(tmp_path: Path, name: str, document: Any) -> None:
    path = tmp_path / name
    assert said(path, document) == file_digest(path)
    text = path.read_text()
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert said(path, text + "\n") != meaning(str(path), digest, "tune")
