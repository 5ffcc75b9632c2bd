"""Files and folders appear atomically, and what a killed writer leaves is removed."""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tuning_dynamics.common.atomic_files import sweep, whole_file, whole_folder, write_json

KILLED = """
import os, sys
from tuning_dynamics.common.atomic_files import whole_file, whole_folder
with whole_folder(sys.argv[1] + "/weights") as folder, whole_file(sys.argv[1] + "/a.csv") as file:
    (folder / "model").write_text("half")
    file.write_text("half")
    os.kill(os.getpid(), 9)
"""


def names(folder: Path) -> set[str]:
    """All files and folders below a folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_a_file_is_replaced_only_by_a_whole_one(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.json"
    write_json(path, [1])
    with suppress(ZeroDivisionError), whole_file(path) as temporary:
        temporary.write_text("half")
        temporary.write_text(f"{1 / 0}")
    assert path.read_text() == "[\n 1\n]\n"
    assert names(path.parent) == {"a.json"}


def test_a_folder_is_replaced_only_by_a_whole_one(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    for content in "one", "two":
        with whole_folder(path) as temporary:
            assert not names(temporary)
            (temporary / content).write_text(content)
            (temporary / "sub").mkdir()
            (temporary / "sub" / "file").write_text(content)
        assert names(path) == {content, "sub", "sub/file"}
    with suppress(ZeroDivisionError), whole_folder(path) as temporary:
        (temporary / "half").write_text("half")
        (temporary / "other").write_text(f"{1 / 0}")
    assert names(tmp_path) == {"weights", "weights/two", "weights/sub", "weights/sub/file"}


def test_what_lies_there_of_a_killed_process_of_the_same_number_is_no_obstacle(
    tmp_path: Path,
) -> None:
    (tmp_path / "weights").mkdir()
    for name in "weights", "weights.former":
        (tmp_path / f".{name}.{os.getpid()}.part" / "old").mkdir(parents=True)
    with whole_folder(tmp_path / "weights") as temporary:
        (temporary / "new").touch()
    assert names(tmp_path) == {"weights", "weights/new"}


def test_both_are_on_the_disk_before_they_have_their_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    sync, rename = os.fsync, Path.replace

    def synced(opened: int) -> None:
        done.append(f"sync {Path(f'/proc/self/fd/{opened}').readlink().name}")
        sync(opened)

    def renamed(self: Path, target: Path) -> Path:
        done.append(f"rename to {target.name}")
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", renamed)
    with whole_file(tmp_path / "a") as temporary:
        temporary.touch()
    assert done == [f"sync {temporary.name}", "rename to a", f"sync {tmp_path.name}"]
    done.clear()
    with whole_folder(tmp_path / "b") as temporary:
        (temporary / "c").touch()
    last = ["rename to b", f"sync {tmp_path.name}"]
    assert done == ["sync c", f"sync {temporary.name}", *last]


def test_an_error_says_what_was_being_written(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with pytest.raises(OSError, match="x") as caught, whole_file(path):
        raise OSError("x")
    assert caught.value.__notes__ == [f"while writing {path}"]


def test_leftovers_of_a_killed_process_are_swept_and_nothing_else(tmp_path: Path) -> None:
    kept = ("a.part", ".hidden", ".name.part", "sub/.x.json", "weights.12.part")
    for name in kept:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    before = names(tmp_path)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", KILLED, str(tmp_path / "sub")]
    assert subprocess.run(command, env=environment, check=False).returncode == -9
    left = sorted(path.name.rpartition(".")[0].rpartition(".")[0] for path in sweep(tmp_path))
    assert left == [".a.csv", ".weights"]
    assert names(tmp_path) == before
    assert sweep(tmp_path) == sweep(tmp_path / "not there") == []
