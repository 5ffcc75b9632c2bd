"""Errors of the system, a full disk or a failing one, in words."""

import errno
import os
import re
import shutil
import traceback
from collections.abc import Iterator
from pathlib import Path

from tuning_dynamics.common.errors import StudyError

_FULL = (errno.ENOSPC, errno.EDQUOT)
_FAILED = (errno.EIO, errno.ESTALE, errno.ENXIO, errno.ENODEV)
_REFUSED = (errno.EPERM, errno.EACCES, errno.EROFS)

#: Error numbers that are never a program's own mistake, so that they count as the cause of an error
#: that was raised while one of them was handled.
_SURE = (*_FULL, *_FAILED, *_REFUSED, errno.EMFILE, errno.ENFILE)

#: Messages of libraries that keep no number, such as NumPy and torch; Rust's include the number.
_WORDS = (*_FULL, *_REFUSED, errno.EIO, errno.ESTALE)
_RUST = re.compile(r"os error (\d+)|Os \{ code: (\d+)")

#: What the user should do about it.
_FIXES = {
    **dict.fromkeys(_FAILED, "have the disk, or the server that it lies on, looked at"),
    **dict.fromkeys(_REFUSED, "see who may write there (owner, mode, mount options)"),
    **dict.fromkeys((errno.EMFILE, errno.ENFILE), "raise the limit on open files (ulimit -n)"),
}
_OTHER = "look at what lies at that path"


def system_error(error: BaseException, folder: Path) -> StudyError | None:
    """What the system refused to do with a file, in words; None for any other error.

    Any OSError counts, and the errors that libraries raise in its place. `folder` lies on the file
    system that is written to.
    """
    for cause in _causes(error):
        number = _number(cause)
        if number in _FULL:
            return _no_space(folder)
        if number in _SURE or (cause is error and (number or isinstance(error, OSError))):
            return _refusal(cause, number, error)
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and its causes."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)


def _number(error: BaseException) -> int | None:
    """The system's error number, parsed from the text if the error does not carry it."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    if isinstance(error, StudyError):
        return None
    if found := _RUST.search(str(error)):
        return int(found[1] or found[2])
    return next((number for number in _WORDS if os.strerror(number) in str(error)), None)


def _no_space(folder: Path) -> StudyError:
    there = next(path for path in (folder, *folder.resolve().parents) if path.exists())
    usage = shutil.disk_usage(there)
    return StudyError(
        "no space is left for results: the file system, or your quota on it, is full",
        file=there,
        value=f"{usage.free / 1e6:,.0f} of {usage.total / 1e6:,.0f} MB free now",
        fix="free some, and run the same command again: it goes on from what is saved",
    )


def _refusal(cause: BaseException, number: int | None, error: BaseException) -> StudyError:
    words = os.strerror(number) if number else " ".join(str(cause).split())
    file = cause.filename if isinstance(cause, OSError) else None
    notes = [note for one in _causes(error) for note in vars(one).get("__notes__", ())]
    return StudyError(
        f"the system reported an error: {words}",
        file=file if isinstance(file, str | Path) else None,
        value=", ".join([*dict.fromkeys(notes), *_place(error)]) or None,
        fix=f"{_FIXES.get(number or 0, _OTHER)}, and run the same command again: it goes on from "
        "what is saved",
    )


def _place(error: BaseException) -> list[str]:
    """The last line of the project that an error passed through."""
    frames = traceback.extract_tb(error.__traceback__)
    parts = [frame.filename.rpartition("tuning_dynamics/") for frame in frames]
    own = [
        f"in {name}, line {frame.lineno}"
        for frame, (_, found, name) in zip(frames, parts, strict=True)
        if found
    ]
    return own[-1:]
