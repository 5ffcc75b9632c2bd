"""Where a key stands: the file and line that an error about a study's settings names."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import yaml

from tuning_dynamics.common.errors import StudyError

#: The file of settings that are given on the command line.
COMMAND_LINE = "--config"


@contextmanager
def lines_named(folders: Sequence[Path], given: Collection[str]) -> Iterator[None]:
    """Make a StudyError of the block name the line of its key, if its file is YAML and has it.

    Files such as `families/x.yaml` are looked up in `folders`; keys that begin with one of `given`
    are the command line's.
    """
    try:
        yield
    except StudyError as error:
        file = _place(str(error.file), error.key or "", folders, given)
        raise type(error)(
            error.what, file=file or error.file, key=error.key, value=error.value, fix=error.fix
        ) from None


def _place(file: str, key: str, folders: Sequence[Path], given: Collection[str]) -> str | None:
    """`FILE, line N`; None where the key is in no file."""
    inner, _, member = file.partition(" (members.")
    keys = [key] if not member else [f"members.{member[:-1]}.{key}", key]
    # Of several config files, the last one counts.
    names = [inner] if member else [name.strip() for name in reversed(inner.split(", "))]
    known = [path for name in names for path in (Path(name), *(f / name for f in folders))]
    for path in filter(Path.is_file, known):
        if path.parent.name not in _PARTS and key.partition(".")[0] in given:
            return COMMAND_LINE
        for wanted in keys:
            line = line_of(path, wanted)
            if line is not None:
                return f"{path}, line {line}"
        if path.parent.name in _PARTS:
            return str(path)
    return None


#: The folders of a catalogue.
_PARTS = ("datasets", "devices", "families", "recipes", "tasks")


def line_of(path: Path, key: str) -> int | None:
    """The line of the deepest part of a dotted key that a YAML file has; None if it has none."""
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError):
        return None  # what is wrong with the file is said elsewhere
    return _line(node, key.split("."))


def _line(node: yaml.Node | None, parts: list[str]) -> int | None:
    if isinstance(node, yaml.SequenceNode) and parts and parts[0].isdigit():
        for item in node.value[int(parts[0]) :][:1]:
            return _line(item, parts[1:]) or item.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        # A key may itself hold dots.
        for length in range(len(parts), 0, -1):
            for name, value in node.value:
                if name.value == ".".join(parts[:length]):
                    return _line(value, parts[length:]) or name.start_mark.line + 1
    return None
