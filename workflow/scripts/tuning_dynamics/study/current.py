"""What is current: each job's record beside what it would be made from now, and why it is not."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tuning_dynamics.study.code import code_changes, parts_from_json, parts_to_json
from tuning_dynamics.study.digests import Digests, meaning
from tuning_dynamics.study.errors import StudyError, shorten
from tuning_dynamics.study.files import read_json, write_json
from tuning_dynamics.study.paths import Paths
from tuning_dynamics.study.records import Record, Unit, all_records, read_record, write_record
from tuning_dynamics.study.units import JobView, known_parts

#: Definitions that are named where code changed.
NAMED = 3

#: Stands for a setting that is not given.
DEFAULT = object()


@dataclass(frozen=True)
class Reason:
    """Why what a job made is not current, in words; `unrecorded` where nothing says what it is."""

    text: str
    unrecorded: bool = False


class Current:
    """Compares the jobs of a study with their records; each is read and compared once.

    Producers must be asked about before what is made from them.
    """

    def __init__(self, paths: Paths, digests: Digests | None = None) -> None:
        self.paths = paths
        self.digests = digests or Digests()
        self.reasons: dict[str, Reason | None] = {}
        self.due: dict[str, list[Unit]] = {}
        self.records: dict[str, Record] = {}
        self.versions: dict[tuple[str, str, str], set[str]] = defaultdict(set)
        self.asked: set[str] = set()
        self.remade: set[str] | None = None
        self.forced: set[str] = set()

    def ask(self, view: JobView) -> Reason | None:
        """`reason`, for Snakemake, which asks of no job that waits for one that runs."""
        self.asked.add(view.name)
        return self.reason(view)

    def compare_versions(self, name: str, asked: Mapping[str, str]) -> None:
        """Note where current results were made with other versions than are asked for now."""
        if self.reasons.get(name) is not None or not self.finished(name):
            return
        for unit in self.records[name].units.values():
            for package, version in unit.versions.items():
                if asked.get(package, version) != version:
                    self.versions[package, version, asked[package]].add(name)

    def version_lines(self) -> list[str]:
        """What was made with other versions than the environments have now, in words."""
        return [
            f"{len(names):,} jobs ran with {package} {version}, and their environment now has "
            f"{now}: kept (make again: --forcerun {rule}; accept: --touch --forcerun {rule})"
            for (package, version, now), names in sorted(self.versions.items())
            for rule in [sorted(names)[0].partition("/")[0]]
        ]

    def accepted(self) -> list[dict[str, str]]:
        """What was accepted as current by hand: by stage and day, how many outputs, and the
        identities of the first before and after, and which other versions."""
        found: dict[tuple[str, str], list[dict[str, str]]] = defaultdict(list)
        for name, record in all_records(self.paths.records):
            for entry in record.accepted:
                found[name.partition("/")[0], entry["date"][:10]].append(entry)
        return [
            {
                "stage": stage,
                "date": date,
                "outputs": str(len(entries)),
                "before": entries[0]["before"] or "unknown",
                "now": entries[0]["now"],
                "versions": ", ".join(sorted({entry["versions"] for entry in entries} - {""})),
            }
            for (stage, date), entries in sorted(found.items())
        ]

    def planned(self, outputs: Iterable[str], forced: set[str]) -> None:
        """Take what a run would make, and the names of the jobs that are forced."""
        self.remade, self.forced = set(outputs), forced

    def why(self, name: str) -> str:
        """Why a planned job's finished results are made again; "" where only as others are."""
        if name in self.forced:
            return "it is forced"
        reason = self.reasons.get(name)
        if reason is not None:
            return reason.text
        gone = [unit.name for unit in self.due.get(name, ())]
        return f"{gone[0]} is gone" if gone and self.finished(name) else ""

    def finished(self, name: str) -> bool:
        """Whether a job's record says that it made something."""
        if name not in self.records:
            try:
                self.records[name] = read_record(self.paths.record(name)) or Record()
            except StudyError:
                self.records[name] = Record()
        return bool(self.records[name].units)

    def reason(self, view: JobView) -> Reason | None:
        """Why the job's outputs are not current; None where they are, or are not there."""
        if view.name not in self.reasons:
            self.reasons[view.name] = self._reason(view)
        return self.reasons[view.name]

    def _reason(self, view: JobView) -> Reason | None:
        try:
            record = read_record(self.paths.record(view.name))
        except StudyError as error:
            self.due[view.name] = view.units(self.digest)
            return Reason(f"its record is damaged: {error.file}")
        units = view.units(self.digest)
        if record is None:
            self.due[view.name] = units
            there = [path for path in view.outputs if Path(path).exists()]
            return Reason(f"nothing says what {there[0]} was made from", True) if there else None
        self.records[view.name] = record
        found = {unit.name: self.unit_reason(unit, record.units.get(unit.name)) for unit in units}
        self.due[view.name] = [unit for unit in units if found[unit.name] is not None]
        told = [text for text in found.values() if text]
        return Reason(told[0]) if told else None

    def stale_cells(self, view: JobView) -> list[tuple[Unit, str]]:
        """The units of an evaluation that are missing or not current, each with the reason."""
        self.reason(view)
        record = self.records.get(view.name, Record())
        texts = (
            (unit, self.unit_reason(unit, record.units.get(unit.name)))
            for unit in self.due[view.name]
        )
        return [(unit, text or "") for unit, text in texts if unit.settings]

    def due_outputs(self, view: JobView) -> set[str]:
        """The first outputs of the units of an evaluation that a run would make.

        Of one that Snakemake did not ask about, as jobs before it run, these are all until the
        plan is known (`planned`).
        """
        units = view.units(self.digest)
        if self.remade is None and view.name not in self.asked:
            return {unit.name for unit in units}
        if view.name in self.forced:
            return {unit.name for unit in units}
        self.reason(view)
        due = {unit.name for unit in self.due[view.name]}
        remade = self.remade or set()
        return due | {unit.name for unit in units if not remade.isdisjoint(unit.paths)}

    def accept(self, view: JobView, asked: Mapping[str, str]) -> None:
        """Take what is there for what would be made now, with the versions that are asked for, and
        record that it was accepted."""
        path = self.paths.record(view.name)
        try:
            record = read_record(path) or Record()
        except StudyError:
            record = Record()
        for unit in view.units(self.digest):
            if all(Path(file).exists() for file in unit.outputs):
                self._take(unit, record, asked)
        write_record(path, record)
        self.keep_code(unit.code for unit in record.units.values())

    def _take(self, now: Unit, record: Record, asked: Mapping[str, str]) -> None:
        """Take a unit's outputs as they are; nothing to do where its record says so already."""
        now.outputs = {file: self._raw(file) for file in now.outputs}
        now.date = datetime.now(UTC).isoformat(timespec="seconds")
        made = record.units.get(now.name)
        if made is not None:
            now.run = made.run
            now.versions = {name: asked.get(name, own) for name, own in made.versions.items()}
            same = (made.outputs, made.versions) == (now.outputs, now.versions)
            if same and self.changes(made, now) is None:
                return
        record.units[now.name] = now
        record.accepted.append(_acceptance(made, now))

    def _raw(self, path: str) -> str:
        return "" if Path(path).is_dir() else self.digests.of(path) or ""

    def made_at(self, name: str) -> float | None:
        """When a job's outputs were made, in seconds since 1970; None without a record."""
        record = self.records.get(name) or read_record(self.paths.record(name))
        dates = [unit.date for unit in record.units.values()] if record else []
        return datetime.fromisoformat(max(dates)).timestamp() if dates else None

    def note(self, view: JobView) -> None:
        """Take from a job's record the digests of its outputs, which Snakemake has touched."""
        record = read_record(self.paths.record(view.name)) or Record()
        for path, digest in record.digests.items():
            if digest and Path(path).is_file():
                self.digests.note(path, digest)

    def unit_reason(self, now: Unit, made: Unit | None) -> str | None:
        """Why a unit is not current, None where it is; "" where it is only not there."""
        if made is None:
            there = any(Path(path).exists() for path in now.outputs)
            return "it was not finished" if there else ""
        changed = self.changes(made, now)
        if changed is not None:
            return changed
        missing = False
        for path, digest in made.outputs.items():
            found = self.digests.of(path) if digest else ""
            if found is None:
                missing = True
            elif found != digest:
                return f"{path} is not what was made (damaged, or changed by hand)"
        return "" if missing else None

    def changes(self, made: Unit, now: Unit) -> str | None:
        """What a unit was made from that is otherwise now, in words; None where nothing is."""
        if set(made.outputs) != set(now.outputs):
            return "it has other outputs"
        if made.settings != now.settings:
            words = setting_words(made.settings, now.settings)
            return "; ".join(word.removeprefix("spec.") for word in words) or "a setting changed"
        return self._code_words(made.code, now.code) or _input_words(made, now)

    def _code_words(self, before: str, now: str) -> str | None:
        """Which code changed, by the parts that were kept when it ran; None where none did."""
        if before == now:
            return None
        try:
            parts = parts_from_json(read_json(self.paths.code(before)))
        except (StudyError, KeyError, TypeError, ValueError):
            return "the code changed"
        changed = code_changes(parts, known_parts(now))
        return f"the code changed ({', '.join(changed[:NAMED])})" if changed else None

    def keep_code(self, codes: Iterable[str]) -> None:
        """Keep the parts of the code of each digest, to tell later what changed."""
        for code in set(codes) - {""}:
            if not Path(self.paths.code(code)).is_file():
                write_json(self.paths.code(code), parts_to_json(known_parts(code)))

    def digest(self, path: str) -> str | None:
        """Digest of what an input says; None of one that is gone."""
        found = self.digests.of(path)
        return None if found is None else meaning(path, found)


def _acceptance(made: Unit | None, now: Unit) -> dict[str, str]:
    """What is recorded of a unit that is accepted as current."""
    versions = made.versions if made else {}
    others = [
        f"{name} {own} -> {now.versions[name]}"
        for name, own in versions.items()
        if own != now.versions[name]
    ]
    return {
        "output": now.name,
        "date": now.date,
        "before": made.identity() if made else "",
        "now": now.identity(),
        "versions": ", ".join(others),
    }


def _input_words(made: Unit, now: Unit) -> str | None:
    """Which input changed. One that is gone did not: where it is needed it is made again first."""
    for name in sorted({*made.inputs, *now.inputs}):
        before = [found.digest for found in made.inputs.get(name, [])]
        files = now.inputs.get(name, [])
        if len(before) != len(files):
            return f"other files are read ({name})"
        for digest, found in zip(before, files, strict=True):
            if found.digest not in ("", digest):
                return f"{found.path} changed"
    return None


def setting_words(before: Any, now: Any, key: str = "") -> list[str]:
    """`key old -> new` for each setting that two nested mappings or lists do not share."""
    if isinstance(before, dict) and isinstance(now, dict):
        names = [*before, *(name for name in now if name not in before)]
        pairs = [(name, before.get(name, DEFAULT), now.get(name, DEFAULT)) for name in names]
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        pairs = [
            (place, old, new) for place, (old, new) in enumerate(zip(before, now, strict=True))
        ]
    else:
        return [] if before == now else [f"{key} {_short(before)} -> {_short(now)}"]
    inner = ((f"{key}.{name}" if key else str(name), old, new) for name, old, new in pairs)
    return [text for name, old, new in inner for text in setting_words(old, new, name)]


def _short(value: Any) -> str:
    return "default" if value is DEFAULT else shorten(repr(value), 60)


def unrecorded(reasons: Iterable[tuple[str, Reason | None]]) -> list[str]:
    """The names of the jobs whose outputs nothing says anything of."""
    return [name for name, reason in reasons if reason is not None and reason.unrecorded]


def unrecorded_error(names: list[str], records: str) -> StudyError:
    """What ends a run where results are there that nothing says anything of."""
    return StudyError(
        f"nothing says from what the results of {len(names):,} jobs were made",
        file=records,
        value=names[:NAMED],
        fix="accept them as they are (the same command with --touch), or delete them, or make them "
        "again (--forceall)",
    )
