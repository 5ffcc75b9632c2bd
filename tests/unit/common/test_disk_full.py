"""Errors of the system are reported in words, whichever library raised them."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import save_file
from tiny import tiny_encoder

from tuning_dynamics.common.atomic_files import write_json
from tuning_dynamics.common.disk_full import system_error
from tuning_dynamics.engine.loop import save

#: A device that every write to fails for want of space.
FULL = Path("/dev/full")
BIG = torch.zeros(1 << 16)
needs_full = pytest.mark.skipif(not FULL.exists(), reason="needs Linux's /dev/full")

#: Writers of a path, by what they are made with.
WRITERS: dict[str, Callable[[Path], object]] = {
    "Python": lambda path: path.write_text("x" * 100_000),
    "torch": lambda path: save({"a": BIG}, path),
    "safetensors": lambda path: save_file({"a": BIG}, path),
    "tokenizers": lambda path: tiny_encoder().tokenizer.save(str(path)),
    "pyarrow": lambda path: pq.write_table(pa.table({"a": [1]}), path),
}


def raised(write: Callable[[], object]) -> Exception:
    """What a writer raises."""
    try:
        write()
    except Exception as error:  # each library has its own
        return error
    raise AssertionError("nothing was raised")


# Not the others: one that renames a file of its own into place would replace the device.
@needs_full
@pytest.mark.parametrize("library", ["Python", "torch"])
def test_a_full_disk_is_known_by_each_library_s_error(library: str, tmp_path: Path) -> None:
    found = system_error(raised(lambda: WRITERS[library](FULL)), tmp_path / "not" / "there")
    assert "no space is left" in str(found)
    assert str(tmp_path) in str(found)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("I/O error: No space left on device (os error 28)", "no space is left"),
        ('IoError(Os { code: 122, kind: QuotaExceeded, message: "" })', "no space is left"),
        ("I/O error: Input/output error (os error 5)", "Input/output error"),
        ("write failed: Read-only file system", "Read-only file system"),
    ],
)
def test_an_error_without_a_number_is_known_by_its_words(
    text: str, words: str, tmp_path: Path
) -> None:
    assert words in str(system_error(RuntimeError(text), tmp_path))


@pytest.mark.parametrize("library", list(WRITERS))
def test_a_folder_that_is_none_is_known_by_each_library_s_error(
    library: str, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    found = system_error(raised(lambda: WRITERS[library](tmp_path / "file" / "a")), tmp_path)
    assert "Not a directory" in str(found)


@pytest.mark.parametrize(
    "number", [errno.EIO, errno.EPERM, errno.EROFS, errno.ESTALE, errno.ENOTDIR, errno.ENOENT]
)
def test_an_error_says_what_where_and_what_to_do(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_file: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    path = tmp_path / "a.json"
    text = str(system_error(raised(lambda: write_json(path, 1)), tmp_path))
    assert os.strerror(number) in text
    assert f"while writing {path}, in common/atomic_files.py, line" in text
    assert "run the same command again" in text


def test_the_file_is_named_where_the_system_names_it(tmp_path: Path) -> None:
    missing = tmp_path / "none"
    assert f"file:  {missing}\n" in str(system_error(raised(missing.read_text), tmp_path))


def test_a_device_s_error_counts_where_another_was_raised_for_it(tmp_path: Path) -> None:
    def write(number: int) -> None:
        try:
            raise OSError(number, os.strerror(number))
        except OSError:
            raise RuntimeError("not written")  # noqa: B904 - as libraries do

    assert "Input/output" in str(system_error(raised(lambda: write(errno.EIO)), tmp_path))
    # A program's mistake in a place that handles a missing file stays one.
    assert system_error(raised(lambda: write(errno.ENOENT)), tmp_path) is None


def test_other_errors_are_not_taken_for_one(tmp_path: Path) -> None:
    assert system_error(ValueError("1"), tmp_path) is None
    assert system_error(KeyError("no such file"), tmp_path) is None


JOB = """
import sys
from tuning_dynamics.common.job_log import logged
with logged(sys.argv[1]):
    {}
"""


def job(log: Path, line: str) -> tuple[int, str]:
    """A job that does one thing; its exit status, and what it says outside its log."""
    done = subprocess.run(
        [sys.executable, "-c", JOB.format(line), str(log)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


def test_a_job_ends_with_the_words_in_its_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert job(log, "raise OSError(5, 'Input/output error', '/a/b')") == (1, "")
    assert "Input/output error" in log.read_text()
    assert "Traceback" not in log.read_text()


def test_a_mistake_of_the_program_keeps_its_traceback(tmp_path: Path) -> None:
    assert job(tmp_path / "log", "{}['a']") == (1, "")
    assert "KeyError: 'a'" in (tmp_path / "log").read_text()


@needs_full
def test_words_go_elsewhere_where_the_log_takes_none(tmp_path: Path) -> None:
    for log in FULL, tmp_path / "none" / "log":
        status, said = job(log, "print('x' * 10_000, flush=True)")
        assert status == 1
        assert "run the same command again" in said
        assert "Traceback" not in said
