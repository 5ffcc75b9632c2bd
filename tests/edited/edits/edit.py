"""An edit: how it is done, and its expected effects."""

from collections.abc import Callable
from dataclasses import dataclass

from edited.jobs import Job
from edited.world import World

#: Rules that read cells' records, directly or not.
SCORED = ("scores", "summaries", "cost", "figures", "findings", "report")
#: Rules that read the merged config, which any change of the settings makes stale.
CONFIGURED = ("datasets", *SCORED)
#: Rules that read the table of checkpoints.
CHECKPOINTS = ("checkpoints", "cost", "figures", "report")
#: Rules that follow from a train set's items, and those of variants tuned on them.
ITEMS_TUNED = ("encode", "tune", "evaluate .*/(whole|adapter)/")
TRAINED = frozenset({"pretrain", "try_rate", "tune"})

Do = Callable[[World], None]


@dataclass(frozen=True)
class Edit:
    """An edit of a finished study, with patterns of jobs (see `jobs.matching`).

    A plan must have the jobs `must` and may also have those of `may`: a job that reads a file that
    is made again is planned, though it may then be found current. `trains` are the jobs that may
    train when the command is given, by default those of `must`. `joins` are jobs that
    the study has only with the edit: they must be planned and may train. `leaves` are those that
    it has only without the edit. Edits of one `topic` are not done together. `says` is a regular
    expression that the plan's text must match.
    """

    name: str
    do: Do
    must: tuple[str, ...] = ()
    may: tuple[str, ...] = ()
    trains: tuple[str, ...] | None = None
    joins: tuple[Job, ...] = ()
    leaves: tuple[str, ...] = ()
    topic: str = ""
    says: str = ""

    @property
    def subject(self) -> str:
        """The topic, by default the name."""
        return self.topic or self.name

    @property
    def follows(self) -> tuple[str, ...]:
        """Patterns of jobs that may be planned too: the table of datasets reads a manifest of each
        family, as that of checkpoints reads all of them."""
        return CONFIGURED if "checkpoints" in (*self.must, *self.may) else ()

    @property
    def training(self) -> tuple[str, ...]:
        """Patterns of the jobs that may train."""
        expected = self.must if self.trains is None else self.trains
        return tuple(pattern for pattern in expected if pattern.split(" ")[0] in TRAINED)


def replace(file: str, old: str, new: str) -> Do:
    """Replace text that is in a file once."""
    return lambda world: world.replace(file, old, new)


def substitute(file: str, pattern: str, new: str) -> Do:
    """Replace the first match of a regular expression in a file."""
    return lambda world: world.substitute(file, pattern, new)


def in_study(pattern: str, new: str) -> Do:
    """Replace the first match of a regular expression in the study's file."""
    return lambda world: world.substitute(world.study, pattern, new)


def in_code(old: str, new: str) -> Do:
    """Replace text that is in one module once."""
    return lambda world: world.in_code(old, new)


def remove(pattern: str) -> Do:
    """Delete the one file or folder of the results that a pattern matches."""
    return lambda world: world.remove(pattern)


def all_of(*parts: Do) -> Do:
    """Several edits in order."""

    def do(world: World) -> None:
        for part in parts:
            part(world)

    return do
