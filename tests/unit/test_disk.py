"""A full disk is told as one, whichever library met it."""

import errno
from pathlib import Path

import pytest
import torch

from tuning_dynamics.engine.loop import save
from tuning_dynamics.study.disk import out_of_space

#: A device that every write to fails for want of space.
FULL = Path("/dev/full")
pytestmark = pytest.mark.skipif(not FULL.exists(), reason="needs Linux's /dev/full")


def test_each_library_s_error_is_known(tmp_path: Path) -> None:
    big = torch.zeros(1 << 16)
    for write in (lambda: FULL.write_text("x" * 100_000), lambda: save({"a": big}, FULL)):
        with pytest.raises((OSError, RuntimeError)) as caught:
            write()
        told = out_of_space(caught.value, tmp_path / "not" / "there")
        assert "no space is left" in str(told)
        assert str(tmp_path) in str(told)


def test_other_errors_are_not_taken_for_it(tmp_path: Path) -> None:
    assert out_of_space(OSError(errno.EACCES, "Permission denied"), tmp_path) is None
    assert out_of_space(ValueError("1"), tmp_path) is None
