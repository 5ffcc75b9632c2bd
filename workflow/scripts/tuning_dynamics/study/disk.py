"""A full disk, told as what it is."""

import errno
import shutil
from pathlib import Path

from tuning_dynamics.study.errors import StudyError

#: What libraries say that keep no error number: safetensors and others of Rust's, NumPy.
_WORDS = ("os error 28)", "os error 122)", "No space left", "requested and")


def out_of_space(error: BaseException, folder: Path) -> StudyError | None:
    """An error of a file system that is full or of a quota, in words; None for any other error.

    `folder` lies on the file system that was written to.
    """
    cause: BaseException | None = error
    while cause is not None:
        if _says_full(cause):
            return _error(folder)
        cause = cause.__cause__ or cause.__context__
    return None


def _says_full(error: BaseException) -> bool:
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return not isinstance(error, StudyError) and any(word in str(error) for word in _WORDS)


def _error(folder: Path) -> StudyError:
    there = next(path for path in (folder, *folder.resolve().parents) if path.exists())
    usage = shutil.disk_usage(there)
    return StudyError(
        "no space is left for results: the file system, or your quota on it, is full",
        file=there,
        value=f"{usage.free / 1e6:,.0f} of {usage.total / 1e6:,.0f} MB free now",
        fix="free some, and run the same command again: it goes on from what is saved",
    )
