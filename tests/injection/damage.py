"""Damaged files of a finished study, and the next run's reaction."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from injection.faults import RAW, Reference, Scene, differing

#: A plan's text on a file that has changed.
REASON = "is not what was made"
RECORD = "is damaged"
UNFINISHED = "is not finished"


@dataclass(frozen=True)
class Subject:
    """A kind of file: two such files below a study's results, and the rule that makes the first.

    `read_by` are outputs whose job reads the file: for weights, which plans do not read, these are
    deleted, so that the file is read.
    """

    name: str
    path: str
    other: str
    rule: str
    read_by: tuple[str, ...] = ()

    @property
    def small(self) -> bool:
        """Whether the next plan must notice."""
        return not self.read_by


def flipped(path: Path, other: Path) -> None:
    """One bit in the middle of the file is flipped."""
    del other
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncated(path: Path, other: Path) -> None:
    """The second half of the file is gone."""
    del other
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def swapped(path: Path, other: Path) -> None:
    """Two files of a kind are swapped."""
    first, second = path.read_bytes(), other.read_bytes()
    path.write_bytes(second)
    other.write_bytes(first)


def replaced(path: Path, other: Path) -> None:
    """The file holds something else, which can be parsed if its kind is text."""
    del other
    text = "{}\n" if path.suffix in (".json", ".html") else "something else\n"
    path.write_text(text, encoding="utf-8")


HOWS: dict[str, Callable[[Path, Path], None]] = {
    "flipped": flipped,
    "truncated": truncated,
    "swapped": swapped,
    "replaced": replaced,
}


@dataclass
class Finding:
    """The outcome of a damage: the plan, how the runs ended, and what is wrong."""

    subject: Subject
    how: str
    planned: list[str] = field(default_factory=list)
    ended: str = ""
    wrong: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, object]:
        """For a file of results."""
        row: dict[str, object] = {"file": self.subject.name, "how": self.how, "ended": self.ended}
        row["planned"] = self.planned
        return {**row, "wrong": self.wrong} if self.wrong else row


def inflict(scene: Scene, subject: Subject, how: str) -> bool:
    """Damage a file, with its old times; return whether it has changed."""
    path, other = scene.results / subject.path, scene.results / subject.other
    before, whole = path.read_bytes(), other.read_bytes()
    times = {file: file.stat() for file in (path, other)}
    HOWS[how](path, other)
    if subject.read_by:  # the other one is verified when it is read itself
        other.write_bytes(whole)
    for file, stat in times.items():
        os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    return path.read_bytes() != before


def check(scene: Scene, subject: Subject, how: str, clean: Reference) -> Finding | None:
    """Damage a file of a scene, plan, run and compare; None if the file would not change."""
    finding = Finding(subject, how)
    if not inflict(scene, subject, how):
        return None
    if subject.small:
        _plan(scene, finding)
    for path in subject.read_by:
        scene.remove(scene.results / path)
    done = scene.repository.run()
    finding.ended = "made again"
    if done.returncode:
        finding.ended = "in words, then made again"
        advised = re.search(r"fix: .*snakemake --force (\S+)", done.stdout)
        if "fix:" not in done.stdout:
            finding.wrong.append(f"no words: {done.stdout[-1000:]}")
        for arguments in ([["--force", advised[1]]] if advised else []) + [[]]:
            again = scene.repository.run(*arguments)
            if again.returncode:
                finding.wrong.append(f"it fails again {arguments}: {again.stdout[-1500:]}")
    if RAW in done.stdout or scene.raw():
        finding.wrong.append("a raw traceback")
    found = scene.contents()
    finding.wrong += differing(sorted({*found, *clean.files}), found, clean)
    left = scene.repository.planned()
    if left:
        finding.wrong.append(f"still planned: {left}")
    return finding


def _plan(scene: Scene, finding: Finding) -> None:
    """Require that the next start notices a small file, and says why."""
    said = scene.repository.run("-n").stdout
    rules = re.findall(r"^ *(?:local)?rule (\w+):$", said, re.M)
    finding.planned = sorted({rule for rule in rules if rule != "all"})
    if not any(rule.startswith(finding.subject.rule) for rule in finding.planned):
        finding.wrong.append(f"{finding.subject.rule} is not planned: {finding.planned}")
    # A record of another job says nothing of this one's outputs.
    strange = finding.how == "swapped" and finding.subject.path.startswith("records/")
    if not says_why(said, finding.subject.path) and not (strange and UNFINISHED in said):
        finding.wrong.append("the plan does not say why")


def says_why(said: str, path: str) -> bool:
    """Whether a plan gives the file as the reason of a job."""
    lines = [line for line in said.splitlines() if path in line]
    return any(REASON in line or RECORD in line for line in lines)
