"""Reasons why results are not current, in words: which setting, code or file, and where it is."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tuning_dynamics.common.errors import StudyError, shorten
from tuning_dynamics.identity.records import Unit

#: How many settings, files with code, and definitions in each are named; more are only counted.
NAMED = 3

#: The reason for a file that is not what its job made.
DAMAGED = "not what was made (damaged, or changed by hand)"

#: Stands for a setting that is not given.
DEFAULT = object()


@dataclass(frozen=True)
class Reason:
    """Why something is not current: `what` is true of `file`, or is the reason alone without one.

    `absent`: it does not exist; `unrecorded`: it exists, but there is no record of it.
    """

    what: str
    file: str = ""
    absent: bool = False
    unrecorded: bool = False

    def of(self, file: str) -> "Reason":
        """The same reason for a file."""
        return replace(self, file=file)

    @property
    def text(self) -> str:
        """The reason in words."""
        return described(self.what, [self.file])


FORCED = Reason("the command asks for it (--force, --forcerun, --forceall)")
NEW, GONE = Reason("new", absent=True), Reason("gone", absent=True)
UNFINISHED = Reason("not finished")
UNRECORDED = Reason("of unknown origin", unrecorded=True)


def described(what: str, files: Sequence[str]) -> str:
    """A reason in words, for one file, for several, or for none ("")."""
    if len(files) > 1:
        return f"{len(files):,} files are {what}, such as {files[0]}"
    return f"{files[0]} is {what}" if files[0] else what


# --- settings ------------------------------------------------------------------------------------

#: The catalogue folder with a job's settings, and which of its wildcards names the file.
_CATALOGUE = {
    **dict.fromkeys(("corpus", "pretrain", "verify", "download", "revisions"), ("families", 0)),
    "tune": ("recipes", 2),
    **dict.fromkeys(("try_rate", "try_rate_at_checkpoint"), ("recipes", 1)),
    "freeze": ("datasets", 0),
}

#: Settings whose key differs from the study file's; "" for keys nested within.
_KEYS = {
    "tune": {"recipe": ""},
    "try_rate": {"recipe": ""},
    "try_rate_at_checkpoint": {"recipe": ""},
    "freeze": {
        "dataset": "",
        **{name: f"data.{name}" for name in ("train_items", "evaluation_items")},
    },
    **{
        rule: {
            "recipe": "statistics.main_recipe",
            "alpha": "statistics.learned_alpha",
            "margin": "statistics.flat_margin",
        }
        for rule in ("summaries", "findings")
    },
}

#: Settings that are not in the study's files.
_WORDS = {
    "report": {
        "shown": "a caption, a template of the pages or a table's description changed",
        "accepted": "the report must state what was accepted",
    },
    "figures": {"style": "the style of the figures changed", "figures": "other figures are listed"},
}
_STATISTICS = frozenset({"scores", "summaries", "findings"})


def settings_reason(job: str, before: Any, now: Any) -> Reason:
    """Which settings of a job changed: `key old -> new`, with the file that gives the key."""
    rule = job.partition("/")[0]
    changes = [
        (key.removeprefix("spec."), *values) for key, *values in setting_changes(before, now)
    ]
    known = _WORDS.get(rule, {})
    words = [
        known.get(key.partition(".")[0]) or f"{_place(job, key)} {_short(old)} -> {_short(new)}"
        for key, old, new in changes
    ]
    more = len(words) - NAMED
    return Reason("; ".join([*words[:NAMED], *([f"and {more} more settings"] if more > 0 else [])]))


def setting_changes(before: Any, now: Any, key: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Key, old and new value of each setting that two nested mappings or lists do not share."""
    if isinstance(before, dict) and isinstance(now, dict):
        names = [*before, *(name for name in now if name not in before)]
        pairs = [(name, before.get(name, DEFAULT), now.get(name, DEFAULT)) for name in names]
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        pairs = [
            (str(place), *values) for place, values in enumerate(zip(before, now, strict=True))
        ]
    else:
        if before != now:
            yield key, before, now
        return
    for name, old, new in pairs:
        yield from setting_changes(old, new, f"{key}.{name}" if key else name)


def _place(job: str, key: str) -> str:
    """A setting's key as in its file, with the file unless it is the study's own."""
    rule, *wildcards = job.split("/")
    if rule == "merged_config":
        return _merged(key)
    if rule in _STATISTICS:
        return _KEYS.get(rule, {}).get(key, f"statistics.{key}")
    first, _, rest = key.partition(".")
    renamed = _KEYS.get(rule, {}).get(first, first)
    if first == "world" or (rule in _CATALOGUE and renamed not in ("", first)):
        return f"{renamed}.{rest}" if rest else renamed
    within = ".".join(part for part in (renamed, rest) if part)
    if rule not in _CATALOGUE or (rule in _KEYS and renamed):
        return within
    kind, place = _CATALOGUE[rule]
    return f"{kind}/{wildcards[place]}.yaml: {within}"


def _merged(key: str) -> str:
    """A key of the merged config, as in the files that it is merged from."""
    kind, _, rest = key.partition(".")
    name, _, within = rest.partition(".")
    return rest if kind == "study" else f"{kind}/{name}.yaml: {within}"


def _short(value: Any) -> str:
    return "default" if value is DEFAULT else shorten(repr(value), 60)


# --- code and inputs -----------------------------------------------------------------------------


def code_reason(changed: Iterable[str]) -> Reason:
    """Which code changed, from `file: definition`of each change, if that is known."""
    files: dict[str, list[str]] = defaultdict(list)
    for change in changed:
        file, _, name = change.partition(": ")
        files[file].append(name)
    words = [f"{file}: {_names(names)}" for file, names in list(files.items())[:NAMED]]
    more = len(files) - NAMED
    words += [f"and {more} more files"] if more > 0 else []
    return Reason(f"the code changed ({'; '.join(words)})" if words else "the code changed")


def _names(names: Sequence[str]) -> str:
    more = len(names) - NAMED
    return ", ".join([*names[:NAMED], *([f"{more} more"] if more > 0 else [])])


def input_reason(made: Unit, now: Unit) -> Reason | None:
    """Which input of a unit has changed; None if none has.

    A missing input has not changed: if it is needed, it is made again first.
    """
    for name in sorted({*made.inputs, *now.inputs}):
        before, files = made.inputs.get(name, []), now.inputs.get(name, [])
        pairs = zip(before, files, strict=False)
        same = all(one.digest in ("", was.digest) for was, one in pairs)
        if not same or len(before) != len(files):
            return _other_input(name, {one.path: one.digest for one in before}, files)
    return None


def _other_input(name: str, before: dict[str, str], files: Sequence[Any]) -> Reason:
    digests = set(before.values())
    other = [one for one in files if one.digest and one.digest not in digests]
    for found in other:
        if found.path in before:
            return Reason("changed", found.path)
    if other:
        return Reason("read now, and was not", other[0].path)
    return Reason(f"other files are read than before ({name})")


# --- nothing known -------------------------------------------------------------------------------


def unrecorded(reasons: Iterable[tuple[str, Reason | None]]) -> list[str]:
    """The names of the jobs whose outputs have no record."""
    return [name for name, reason in reasons if reason is not None and reason.unrecorded]


def unrecorded_error(names: list[str], records: str) -> StudyError:
    """The error that ends a run where results without a record exist."""
    return StudyError(
        f"there is no record of what the results of {len(names):,} jobs were made from",
        file=records,
        value=names[:NAMED],
        fix="accept them as they are (the same command with --touch), or delete them, or make them "
        "again (--forceall)",
    )
