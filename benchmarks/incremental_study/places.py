"""Where cases are tried: a finished study to start from, and fresh runs to compare with."""

import shutil
import threading
from pathlib import Path

from edited.sources import write_sources
from edited.world import World, restore
from hub.server import Hub
from repository import Repository

from tuning_dynamics.common.atomic_files import read_json, write_json

STUDY, SECOND = "own/study.yaml", "own/second.yaml"
Outcome = dict[str, str]


class Place:
    """A folder where one case runs at a time, from the finished study.

    The study is finished at the same path where cases continue, as a user's would be. `root` is
    the tested repository; `sources` holds what `write_sources` writes.
    """

    def __init__(self, folder: Path, root: Path, sources: Path, hub: Hub) -> None:
        self.root, self.sources, self.hub = root, sources, hub
        self.case, self.finished = folder / "case", folder / "finished"

    def prepare(self) -> Outcome:
        """Finish the study, unless it is finished; return its outcome."""
        kept = self.finished / "outcome.json"
        if not kept.is_file():
            shutil.rmtree(self.case, ignore_errors=True)
            world = self.fresh(self.case, STUDY)
            world.repository.succeed()
            restore(self.case, self.finished)
            write_json(kept, world.outcome())
        found: Outcome = read_json(kept)
        return found

    def fresh(self, folder: Path, study: str) -> World:
        """A copy of the repository with the study's files, in a new folder."""
        plain = Repository(self.root, study).copy(folder / "clone", results=False)
        shutil.copytree(self.sources / "own", folder / "clone" / "own")
        return World(Repository(plain.folder, study, self.variables(folder)))

    def variables(self, folder: Path) -> dict[str, str]:
        """The variables of the environment for runs in a folder."""
        return self.hub.environment(folder / "home")

    def begin(self) -> World:
        """The finished study, for a case."""
        restore(self.finished, self.case)
        return World(Repository(self.case / "clone", STUDY, self.variables(self.case)))


class FreshRuns:
    """Outcomes of runs of edited files in new folders, each run once."""

    def __init__(self, folder: Path, hub: Hub) -> None:
        self.folder, self.hub = folder, hub
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def outcome(self, world: World, study: str = STUDY) -> Outcome:
        """The outcome of a fresh run of a world's files. AssertionError if that fails."""
        tree = World(Repository(world.folder, study))
        digest = tree.digest()
        with self._lock:
            own = self._locks.setdefault(digest, threading.Lock())
        with own:
            kept = self.folder / f"{digest}.json"
            if not kept.is_file():
                write_json(kept, self._run(tree, digest))
            found: Outcome = read_json(kept)
        return found

    def know(self, world: World, outcome: Outcome) -> None:
        """Take a run in a new folder that was done already."""
        write_json(self.folder / f"{world.digest()}.json", outcome)

    def _run(self, tree: World, digest: str) -> Outcome:
        folder = self.folder / digest
        shutil.rmtree(folder, ignore_errors=True)
        copy = tree.repository.copy(folder / "clone", results=False)
        variables = self.hub.environment(folder / "home")
        world = World(Repository(copy.folder, copy.study, variables))
        world.repository.succeed()
        found = world.outcome()
        # The tables are kept, to look at differences.
        tables = self.folder / f"{digest}_tables"
        shutil.copytree(world.results / "tables", tables, dirs_exist_ok=True)
        shutil.rmtree(folder)
        return found


def sources(folder: Path) -> Path:
    """A folder with the study's files and the hub's repositories."""
    if not (folder / "own").is_dir():
        shutil.rmtree(folder, ignore_errors=True)
        partial = folder.with_name(f"{folder.name}.part")
        shutil.rmtree(partial, ignore_errors=True)
        write_sources(partial)
        partial.rename(folder)
    return folder
