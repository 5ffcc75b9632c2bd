"""Runs a case: errors as lines of text, none if all is correct."""

import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from edited.edits import EDITS, Edit
from edited.expected import STUDY as JOBS
from edited.expected import wrongly_planned, wrongly_trained
from edited.world import World, differing, now, wait
from repository import Repository

from incremental_study.cases import Case
from incremental_study.places import SECOND, STUDY, FreshRuns, Outcome, Place

#: Names of what differs that one line shows.
SHOWN = 6


def trial(case: Case, place: Place, fresh: FreshRuns, output: Path) -> list[str]:
    """What is wrong in a case; what its commands said is written to `output`."""
    said: list[str] = []
    try:
        found = TRIALS[case.kind](case, place, fresh, said)
    except (AssertionError, subprocess.TimeoutExpired) as error:
        found = [f"failed: {_last_line(str(error))}"]
        said.append(str(error))
    output.write_text("\n\n".join([*said, *found]), encoding="utf-8")
    return found


def _edited(case: Case, place: Place) -> tuple[World, list[Edit]]:
    """The finished study with a case's edits, the last of them left out if it has a stage."""
    world, edits = place.begin(), [EDITS[name] for name in case.edits]
    for edit in edits[:-1] if case.stage else edits:
        edit.do(world)
    return world, edits


def _planned(case: Case, place: Place, _: FreshRuns, said: list[str]) -> list[str]:
    world, edits = _edited(case, place)
    planned, text = world.plan()
    said.append(text)
    found = wrongly_planned(planned, edits, JOBS)
    silent = [edit.name for edit in edits if edit.says and not re.search(edit.says, text)]
    return [*found, *(f"not reported: {name}" for name in silent)]


def _real(case: Case, place: Place, fresh: FreshRuns, said: list[str]) -> list[str]:
    world, edits = _edited(case, place)
    since = now()
    done = _given(world, said)
    if done.returncode:
        return [f"failed: {_last_line(done.stdout)}"]
    trained = wrongly_trained(world.trained(since), edits)
    return [*_stale(world.outcome(), fresh.outcome(world)), *trained]


def _during(case: Case, place: Place, fresh: FreshRuns, said: list[str]) -> list[str]:
    """An edit in the middle of a run ends it with an error, or with the tables of the edited files;
    one more command ends with these in any case."""
    world, edits = _edited(case, place)
    done = world.run_and(case.stage, edits[-1].do)
    said.append(done.stdout)
    expected = fresh.outcome(world)
    if done.returncode == 0:
        return _stale(world.outcome(), expected)
    wordless = ["failed with a traceback"] if "Traceback (most" in done.stdout else []
    again = _given(world, said)
    if again.returncode:
        return [*wordless, f"failed twice: {_last_line(again.stdout)}"]
    return [*wordless, *_stale(world.outcome(), expected)]


def _studies(case: Case, place: Place, fresh: FreshRuns, said: list[str]) -> list[str]:
    """A second study next to the first, run after it or with it, changes neither."""
    together = case.edits == ("at the same time",)
    first = place.begin()
    if together:
        first = place.fresh(place.case / "both", STUDY)
    second = World(Repository(first.folder, SECOND, first.repository.variables))
    codes = _both(first, second, said) if together else [_given(second, said).returncode]
    if any(codes):
        return [f"failed: exit {codes}"]
    found = []
    for world in (first, second):
        found += _stale(world.outcome(), fresh.outcome(world, world.study))
        planned, text = world.plan()
        said.append(text)
        found += [f"needless: {job}" for job in sorted(planned)]
    return found


def _both(first: World, second: World, said: list[str]) -> list[int]:
    outputs = [world.folder / f"{world.results.name}.txt" for world in (first, second)]
    streams = [path.open("w", encoding="utf-8") for path in outputs]
    running = [world.start(s) for world, s in zip((first, second), streams, strict=True)]
    codes = [wait(process) for process in running]
    for stream, path in zip(streams, outputs, strict=True):
        stream.close()
        said.append(path.read_text(encoding="utf-8"))
    return codes


def _given(world: World, said: list[str]) -> "subprocess.CompletedProcess[str]":
    done = world.run()
    said.append(done.stdout)
    return done


def _stale(found: Outcome, fresh: Outcome) -> list[str]:
    """One line on differences from a fresh run: tables first."""
    names = sorted(differing(found, fresh), key=lambda name: (not name.startswith("tables"), name))
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return [f"stale: {', '.join(names[:SHOWN])}{more}"] if names else []


def _last_line(text: str) -> str:
    """The line of a text that says what went wrong: the first of an error, else the last."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    named = [line for line in lines if re.search(r"Error|Exception|cannot|refuse", line)]
    return (named or lines or ["(nothing was said)"])[0][:200]


TRIALS: dict[str, Callable[[Case, Place, FreshRuns, list[str]], Sequence[str]]] = {
    "planned": _planned,
    "real": _real,
    "during": _during,
    "studies": _studies,
}
