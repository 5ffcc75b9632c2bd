"""The one error that people see: what is wrong, where, and what to do."""

import difflib
import functools
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

#: Key of a file's metadata that holds, as UTF-8 text, why the content of the file's input was
#: refused: the file then has no rows.
REFUSED_KEY = "tuning_dynamics.refused"


# Among them are those that move a terminal's cursor or change its colours.
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if code != 10}


class StudyError(Exception):
    """Something the user can fix, described in one screen.

    `what` says what is wrong, `file`, `key` and `value` say where, `fix` says what to do.
    """

    def __init__(
        self,
        what: str,
        *,
        file: str | Path | None = None,
        key: str | None = None,
        value: object = None,
        fix: str,
    ) -> None:
        self.what, self.file, self.key, self.value, self.fix = what, file, key, value, fix
        super().__init__(self._text())

    def __reduce__(self) -> tuple[Any, ...]:
        """How to pickle it, to pass it between processes."""
        again = functools.partial(
            type(self), file=self.file, key=self.key, value=self.value, fix=self.fix
        )
        return again, (self.what,)

    def _text(self) -> str:
        lines = [_readable(self.what)]
        if self.file is not None:
            lines.append(f"  file:  {self.file}")
        if self.key is not None:
            lines.append(f"  key:   {_readable(self.key)}")
        if self.value is not None:
            lines.append(f"  value: {shorten(repr(self.value))}")
        lines.append(f"  fix:   {_readable(self.fix)}")
        return "\n".join(lines)


class UnavailableError(StudyError):
    """A source that can't be read now: another try may find it."""


def study_error_type(error: Exception) -> type[StudyError]:
    """The class for an error that a reader caught from a library: a system error says nothing
    about the file's content."""
    return UnavailableError if isinstance(error, OSError) else StudyError


class RefusedError(StudyError):
    """An input that an earlier job refused for its content, in that job's words."""

    def __init__(self, text: str) -> None:
        Exception.__init__(self, text)

    def __reduce__(self) -> tuple[Any, ...]:
        return RefusedError, (str(self),)


def refused_reason(metadata: Mapping[bytes, bytes] | None) -> str | None:
    """Why an input was refused, from an Arrow schema's metadata; None where it was not."""
    found = (metadata or {}).get(REFUSED_KEY.encode())
    return None if found is None else found.decode("utf-8")


def require_accepted(metadata: Mapping[bytes, bytes] | None) -> None:
    """RefusedError where a file's metadata says that its input was refused."""
    reason = refused_reason(metadata)
    if reason is not None:
        raise RefusedError(reason)


def _readable(text: str) -> str:
    """A text that may quote a file's content, as a terminal and a UTF-8 file can hold it."""
    shown = text.translate(_CONTROLS).encode("utf-8", "backslashreplace").decode("utf-8")
    return shorten(shown, 3000)


def shorten(text: str, limit: int = 300) -> str:
    """`text` cut to `limit` characters, so that an error stays on one screen."""
    return text if len(text) <= limit else f"{text[:limit]} … ({len(text)} characters)"


def nearest(name: str, known: Iterable[str]) -> str:
    """`did you mean 'x'? `, with the entry of `known` that is most like a name; "" if none is."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"did you mean {found[0]!r}? " if found else ""


def require_known(
    names: Collection[str], known: Iterable[str], key: str, file: str | Path | None = None
) -> None:
    """StudyError for the first of `names` that is not in `known`; it names the nearest one."""
    listed = sorted({str(name) for name in known})
    for name in names:
        if name not in listed:
            raise StudyError(
                f"the study has no '{name}'",
                file=file,
                key=key,
                value=name,
                fix=f"{nearest(name, listed)}known: {', '.join(listed) or 'none'}",
            )
