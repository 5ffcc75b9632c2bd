"""Which results are current: compares each job's record with what it would be made from now."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path

from tuning_dynamics.common.atomic_files import read_json, write_json
from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.common.paths import Paths
from tuning_dynamics.identity.code_digest import code_changes, parts_from_json, parts_to_json
from tuning_dynamics.identity.file_digests import Digests, meaning
from tuning_dynamics.identity.reasons import (
    DAMAGED,
    FORCED,
    GONE,
    NEW,
    UNFINISHED,
    UNRECORDED,
    Reason,
    code_reason,
    input_reason,
    settings_reason,
)
from tuning_dynamics.identity.records import (
    SHOWN,
    Record,
    Unit,
    all_records,
    moment,
    read_record,
    write_record,
)
from tuning_dynamics.identity.units import JobView, known_parts

#: The name of a folder that a manifest describes.
WEIGHTS = "weights"


class Current:
    """Compares the jobs of a study with their records; each is read and compared once.

    Ask about a job only after the jobs that make its inputs. `due` are the units of a job that
    are not current or not there, by name, and why.
    """

    def __init__(self, paths: Paths, digests: Digests | None = None) -> None:
        self.paths = paths
        self.digests = digests or Digests()
        self.reasons: dict[str, Reason | None] = {}
        self.due: dict[str, dict[str, Reason]] = {}
        self.records: dict[str, Record] = {}
        self.versions: dict[tuple[str, str, str], set[str]] = defaultdict(set)
        self.asked: set[str] = set()
        self.remade: set[str] | None = None
        self.forced: set[str] = set()

    def ask(self, view: JobView) -> Reason | None:
        """`reason`, for Snakemake, which does not ask about a job that waits for another to run."""
        self.asked.add(view.name)
        return self.reason(view)

    def compare_versions(self, name: str, asked: Mapping[str, str]) -> None:
        """Note where current results were made with other versions than the ones asked for now,
        unless these were accepted."""
        if self.reasons.get(name) is not None or not self.finished(name):
            return
        for unit in self.records[name].units.values():
            for package, version in self.records[name].other_versions(unit, asked):
                self.versions[package, version, asked[package]].add(name)

    def version_lines(self) -> list[str]:
        """A text about the results made with other versions than the environments have now."""
        return [
            f"{len(names):,} jobs ({', '.join(sorted({name.split('/')[0] for name in names}))}) "
            f"ran with {package} {version}, and their environment now has {now}: they are kept "
            "(docs/reliability.md: how to make them again, or accept them)"
            for (package, version, now), names in sorted(self.versions.items())
        ]

    def accepted(self) -> list[dict[str, str]]:
        """What was accepted as current by hand: by stage, day and what differs (a package, or ""
        for inputs and settings), how many outputs, and before and after of the first."""
        found: dict[tuple[str, str, str], list[dict[str, str]]] = defaultdict(list)
        for name, record in all_records(self.paths.records):
            for entry in record.accepted:
                found[name.partition("/")[0], entry["date"][:10], entry["other"]].append(entry)
        return [
            {
                "stage": stage,
                "date": date,
                "other": other,
                "outputs": str(len(entries)),
                "before": entries[0]["before"] or "unknown",
                "now": entries[0]["now"],
            }
            for (stage, date, other), entries in sorted(found.items())
        ]

    def planned(
        self, outputs: Iterable[str], forced: set[str], views: Iterable[JobView] = ()
    ) -> None:
        """Set the jobs of a run, the names of those that are forced, and the jobs whose reasons
        are reported although they run only because others before them do."""
        self.remade, self.forced = set(outputs), forced
        for view in views:
            self.reason(view)

    def why(self, name: str, output: str) -> list[Reason]:
        """Why a planned job, whose first output is `output`, runs; empty if only because jobs
        before it run."""
        if name in self.forced:
            return [FORCED]
        due = self.due.get(name, {})
        if due or self.finished(name):
            return list(dict.fromkeys(due.values()))
        return [NEW.of(output)] if output else []

    def finished(self, name: str) -> bool:
        """Whether a job's record says that it made something."""
        if name not in self.records:
            try:
                self.records[name] = read_record(self.paths.record(name), name) or Record()
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
            record = read_record(self.paths.record(view.name), view.name)
        except StudyError as error:
            return self._all_due(view, Reason("damaged", str(error.file)))
        if record is None:
            there = [path for path in view.outputs if Path(path).exists()]
            return self._all_due(view, UNRECORDED.of(there[0]) if there else None)
        self.records[view.name] = record
        found = {
            unit.name: self.unit_reason(view.name, unit, record.units.get(unit.name))
            for unit in self._as_planned(self.units(view), record)
        }
        due = {unit: reason for unit, reason in found.items() if reason is not None}
        self.due[view.name] = due
        return next((reason for reason in due.values() if not reason.absent), None)

    def _as_planned(self, units: list[Unit], record: Record) -> list[Unit]:
        """The units, with the recorded digest of each input that a run makes again: its present
        one is irrelevant."""
        remade = self.remade or set()
        again = [unit.name in record.units and not remade.isdisjoint(unit.paths) for unit in units]
        return [
            replace(unit, inputs=record.units[unit.name].inputs) if planned else unit
            for unit, planned in zip(units, again, strict=True)
        ]

    def _all_due(self, view: JobView, reason: Reason | None) -> Reason | None:
        self.due[view.name] = {name: reason or NEW.of(name) for name in view.unit_names}
        return reason

    def stale_cells(self, view: JobView) -> dict[str, Reason]:
        """The cells of an evaluation that are missing or not current, each with the reason."""
        self.reason(view)
        cells = view.unit_names[:-1]
        return {unit: reason for unit, reason in self.due[view.name].items() if unit in cells}

    def due_outputs(self, view: JobView) -> set[str]:
        """The first outputs of the units of an evaluation that a run would make.

        If Snakemake did not ask about the evaluation, because jobs before it run, these are all
        outputs until the plan is known (`planned`).
        """
        names = set(view.unit_names)
        if (self.remade is None and view.name not in self.asked) or view.name in self.forced:
            return names
        self.reason(view)
        due = set(self.due[view.name])
        if due == names or not self.remade:
            return due
        again = [unit.name for unit in self.units(view) if not self.remade.isdisjoint(unit.paths)]
        return due.union(again)

    def accept(self, view: JobView, asked: Mapping[str, str]) -> None:
        """Accept existing results as what would be made now, with the versions `asked` for, and
        record that."""
        path = self.paths.record(view.name)
        try:
            record = read_record(path, view.name) or Record()
        except StudyError:
            record = Record()
        for unit in self.units(view):
            # Weights may have been dropped; their manifest has their digests.
            if all(Path(file).exists() for file in unit.outputs if Path(file).name != WEIGHTS):
                self._take(unit, record)
                for package, version in record.other_versions(record.units[unit.name], asked):
                    record.accept(unit.name, version, asked[package], other=package)
        write_record(path, view.name, record)
        self.keep_code(unit.code for unit in record.units.values())

    def _take(self, unit: Unit, record: Record) -> None:
        before = record.units.get(unit.name)
        said = before.settings if before else {}
        unit.settings = {
            name: said.get(name, "") if name in SHOWN else value
            for name, value in unit.settings.items()
        }
        unit.outputs = {file: self._raw(file) for file in unit.outputs}
        if before is None:
            unit.date = moment()
            record.accept(unit.name, "", unit.identity())
        else:
            if (before.identity(), before.outputs) == (unit.identity(), unit.outputs):
                return
            unit.versions, unit.run, unit.date = before.versions, before.run, before.date
            record.accept(unit.name, before.identity(), unit.identity())
        record.units[unit.name] = unit

    def _raw(self, path: str) -> str:
        return "" if Path(path).is_dir() else self.digests.of(path) or ""

    def made_at(self, name: str) -> float | None:
        """When a job's outputs were made, in seconds since 1970; None without a record."""
        record = self.records.get(name) or read_record(self.paths.record(name), name)
        dates = [unit.date for unit in record.units.values()] if record else []
        return datetime.fromisoformat(max(dates)).timestamp() if dates else None

    def unit_reason(self, job: str, now: Unit, made: Unit | None) -> Reason | None:
        """Why a unit of a job is not current, None where it is."""
        if made is None:
            there = [path for path in now.outputs if Path(path).exists()]
            return UNFINISHED.of(there[0]) if there else NEW.of(now.name)
        return self.changes(job, made, now) or self._damage(made)

    def _damage(self, made: Unit) -> Reason | None:
        """Which of a unit's files is changed or gone."""
        gone = None
        for path, digest in made.outputs.items():
            found = self.digests.of(path) if digest or not Path(path).is_dir() else ""
            if found is None:
                gone = gone or GONE.of(path)
            elif found != digest:
                return Reason(DAMAGED, path)
        return gone

    def changes(self, job: str, made: Unit, now: Unit) -> Reason | None:
        """What differs now from what a unit of a job was made from; None if nothing does."""
        if other := made.outputs.keys() ^ now.outputs.keys():
            return Reason("made by other jobs than before", min(other))
        if made.settings != now.settings:
            return settings_reason(job, made.settings, now.settings)
        return self._code_change(made.code, now.code) or input_reason(made, now)

    def _code_change(self, before: str, now: str) -> Reason | None:
        """Which code changed, by the parts that were kept when it ran; None if none did."""
        if before == now:
            return None
        try:
            parts = parts_from_json(read_json(self.paths.code(before)))
        except (StudyError, KeyError, TypeError, ValueError):
            return code_reason([])
        changed = code_changes(parts, known_parts(now))
        return code_reason(changed) if changed else None

    def keep_code(self, codes: Iterable[str]) -> None:
        """Keep the parts of the code of each digest, to report later what changed."""
        for code in set(codes) - {""}:
            if not Path(self.paths.code(code)).is_file():
                write_json(self.paths.code(code), parts_to_json(known_parts(code)))

    def units(self, view: JobView) -> list[Unit]:
        """A job's units, with what their inputs say to it now."""
        return view.units(partial(self._said, view.rule))

    def _said(self, rule: str, path: str) -> str | None:
        found = self.digests.of(path)
        return None if found is None else meaning(path, found, rule)
