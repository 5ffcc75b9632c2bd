"""The code that computes what a job writes: every definition that its stub reaches, by digest.

A job's code consists of definitions, not of modules: a stub in `workflow/scripts/` uses names of
functions, classes and constants of the project, and these use others. Where it is unclear what a
name refers to, more is included, never less. `code_nodes` says which parts of a definition count.

Only those methods and field defaults of a config model (a subclass of pydantic's BaseModel) count
that are used by name. The values that a field accepts are a declaration, and change no number.
"""

import hashlib
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from tuning_dynamics.common.atomic_files import file_digest, whole_file
from tuning_dynamics.common.paths import SCRIPTS
from tuning_dynamics.identity import code_definitions, code_nodes, code_reading, code_words
from tuning_dynamics.identity.code_reach import CodePart as Part
from tuning_dynamics.identity.code_reach import Reach, Reached
from tuning_dynamics.identity.code_tree import Tree

#: The cache of parsed modules, for the processes of single jobs.
KNOWN = Path(".snakemake", "code.json")

#: Modules that run a job, or only stop it, but compute nothing that it writes.
AROUND = frozenset(
    {
        "tuning_dynamics.identity.job",
        "tuning_dynamics.common.job_log",
        "tuning_dynamics.preflight.trial",
    }
)


def code_parts(stub: str, words: frozenset[str] | None = None) -> tuple[Part, ...]:
    """The parts that a stub of `workflow/scripts/` reaches.

    `words` are those of the job's spec (see `spec_words`): in a registry (see `Kinds`) only the
    kinds among them are reached; None: all kinds. A process reads each file once.
    """
    return own_code().parts(stub, words)


def code_digest(stub: str, words: frozenset[str] | None = None) -> str:
    """16 hex digits of all parts that a stub reaches, wherever they lie.

    Equal digests mean equal code. If two digests differ, `code_changes` says whether anything
    relevant changed.
    """
    return own_code().digest(stub, words)


def reached_modules(stub: str, words: frozenset[str] | None = None) -> list[str]:
    """Names of the project's modules that a stub may import, lazily too; not the stub's own."""
    return own_code().modules(stub, words)


def recall() -> None:
    """Load from KNOWN the modules as an earlier process parsed them, which saves reading them.

    A file that is missing, damaged, or of another version is ignored.
    """
    own_code().recall(KNOWN)


def remember() -> None:
    """Save for `recall` the modules that this process has parsed."""
    own_code().remember(KNOWN)


@cache
def own_code() -> "Code":
    """The code of this project."""
    return Code(SCRIPTS, AROUND)


def spec_words(spec_json: str) -> frozenset[str]:
    """All keys and all texts of a JSON text."""
    return frozenset(_words(json.loads(spec_json)))


def _words(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
        if value.startswith(("{", "[")):
            yield from _words_within(value)
    elif isinstance(value, dict):
        yield from value
        for inner in value.values():
            yield from _words(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _words(inner)


def _words_within(text: str) -> Iterator[str]:
    """The words of a text that is itself JSON, as a param may be; none of any other text."""
    try:
        inner = json.loads(text)
    except json.JSONDecodeError:
        return
    yield from _words(inner)


def code_changes(before: Iterable[Part], now: Iterable[Part]) -> list[str]:
    """What changed, as `file: name`; nothing where only places, or new or gone keys, differ."""
    changed: set[str] = set()
    old, new = _by_key(before), _by_key(now)
    for key in {*old, *new}:
        gone, come = _left(old[key], new[key]), _left(new[key], old[key])
        _, declared = key
        if (gone and come) if declared else (gone or come):
            changed |= {f"{part.file}: {part.name}" for part in come or gone}
    return sorted(changed)


def _by_key(parts: Iterable[Part]) -> "defaultdict[tuple[str, bool], list[Part]]":
    """Parts by the key under which two sides are compared: a name, or a model's field alone.

    By the field alone, so that a default that moves to a base class, say, is still compared.
    """
    found: defaultdict[tuple[str, bool], list[Part]] = defaultdict(list)
    for part in parts:
        name = part.name.rpartition(".")[2] if part.declared else part.name
        found[name, part.declared].append(part)
    return found


def _left(parts: list[Part], others: list[Part]) -> list[Part]:
    """The parts whose hash is not among those of `others` (as multisets)."""
    there = Counter(part.hash for part in others)
    left = []
    for part in parts:
        there[part.hash] -= 1
        if there[part.hash] < 0:
            left.append(part)
    return left


def parts_to_json(parts: Iterable[Part]) -> list[list[Any]]:
    """Parts as a JSON value."""
    return [[part.name, part.file, part.hash, part.declared] for part in parts]


def parts_from_json(value: list[list[Any]]) -> list[Part]:
    """The parts of a value of `parts_to_json`."""
    return [Part(*entry) for entry in value]


class Code:
    """The code in a folder of stubs and packages; modules `around` jobs do not count."""

    def __init__(self, root: Path, around: frozenset[str] = frozenset()) -> None:
        self.tree = Tree(root, around)
        self._reached: dict[tuple[str, frozenset[str] | None], Reached] = {}

    def parts(self, stub: str, words: frozenset[str] | None = None) -> tuple[Part, ...]:
        """See `code_parts`."""
        return self._of(stub, words).parts

    def modules(self, stub: str, words: frozenset[str] | None = None) -> list[str]:
        """See `reached_modules`."""
        return self._of(stub, words).modules

    def digest(self, stub: str, words: frozenset[str] | None = None) -> str:
        """See `code_digest`."""
        return self._of(stub, words).digest

    def _of(self, stub: str, words: frozenset[str] | None) -> "Reached":
        """What a stub reaches; once for all words that name the same kinds."""
        whole = self._known(stub, None)
        return whole if words is None else self._known(stub, words & whole.kinds)

    def _known(self, stub: str, words: frozenset[str] | None) -> "Reached":
        if (stub, words) not in self._reached:
            self._reached[stub, words] = Reach(self.tree, words).of(stub)
        return self._reached[stub, words]

    def recall(self, path: Path) -> None:
        """See `recall`."""
        if path.is_file():
            digest, _, text = path.read_text(encoding="utf-8", errors="replace").partition("\n")
            if digest == _sealed(text):
                self.tree.kept.update(json.loads(text))

    def remember(self, path: Path) -> None:
        """See `remember`."""
        text = json.dumps(self.tree.used(), ensure_ascii=False, separators=(",", ":"))
        with whole_file(path) as temporary:
            temporary.write_text(f"{_sealed(text)}\n{text}", encoding="utf-8")


def _sealed(text: str) -> str:
    """The digest of a file of modules, read by this version of the code and of Python."""
    return hashlib.sha256(f"{_reader()}\n{text}".encode()).hexdigest()


@cache
def _reader() -> str:
    readers = (code_definitions, code_nodes, code_reading, code_words)
    digests = [file_digest(str(module.__file__)) for module in readers]
    return f"{digests} {sys.version_info[:2]}"
