"""A job as both the driver and its own process see it: both derive the same units."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from tuning_dynamics.identity.code_digest import (
    code_digest,
    code_parts,
    own_code,
    recall,
    spec_words,
)
from tuning_dynamics.identity.code_reach import CodePart
from tuning_dynamics.identity.records import Input, Unit, digest_of

#: Prefix of rules that differ only in which cells they have: `evaluate_…`.
EVALUATE = "evaluate"

#: Params that change no number: those that can only stop a job, and an evaluation's cells.
NO_SETTINGS = frozenset({"others", "cells"})

#: Inputs read through a manifest, which has their digests.
BY_MANIFEST = frozenset({"weights"})

#: Digest of a file's content, None if there is no such file.
Digest = Callable[[str], str | None]


def stage_rule(rule: str) -> str:
    """A job's rule, whichever cells it has."""
    return EVALUATE if rule.startswith(f"{EVALUATE}_") else rule


def job_name(rule: str, wildcards: tuple[str, ...]) -> str:
    """A job's name: its rule and the values of its wildcards."""
    return "/".join((stage_rule(rule), *(wildcards or ("all",))))


@dataclass(frozen=True)
class JobView:
    """What identity needs of a job: its stub, its params, its files by name.

    A text param that begins with { is JSON. `cells` of an evaluation is JSON: for each of
    its first outputs the settings, and the paths of `items` and `demonstrations`.
    """

    rule: str
    wildcards: tuple[str, ...]
    stub: str
    params: Mapping[str, Any]
    inputs: Mapping[str, list[str]]
    outputs: list[str]

    @property
    def name(self) -> str:
        """The job's name."""
        return job_name(self.rule, self.wildcards)

    @property
    def unit_names(self) -> list[str]:
        """The names of the job's units, without reading code or files."""
        cells = parse_cells(self.params["cells"]) if "cells" in self.params else []
        return self.outputs[: len(cells) + 1]

    def units(self, digest: Digest) -> list[Unit]:
        """The job's units with what they depend on; a missing input has digest ""."""
        if "cells" in self.params:
            return self._cells(digest)
        settings, code = _settings(self.stub, _text(self.params))
        inputs = {
            name: [Input(path, digest(path) or "") for path in paths]
            for name, paths in self.inputs.items()
            if name not in BY_MANIFEST
        }
        return [Unit(dict.fromkeys(self.outputs, ""), settings, code, inputs)]

    def _cells(self, digest: Digest) -> list[Unit]:
        """A unit for each cell, and one for the evaluation's cost."""
        manifest = [Input(path, digest(path) or "") for path in self.inputs["manifest"]]
        entries = parse_cells(self.params["cells"])
        units = []
        for entry, path in zip(entries, self.outputs, strict=False):
            settings, code = _settings(self.stub, entry["spec"])
            files = {name: [entry[name]] if entry[name] else [] for name in DATA}
            data = {
                name: [Input(file, digest(file) or "") for file in paths]
                for name, paths in files.items()
            }
            variant = {"variant": self.wildcards[0]}
            inputs = {"manifest": manifest, **data}
            units.append(Unit({path: ""}, {**variant, **settings}, code, inputs))
        took = dict.fromkeys(self.outputs[len(entries) :], "")
        return [*units, Unit(took, {}, "", {})]

    def planned(self) -> str:
        """Digest of what is known about the job before its inputs exist."""
        return planned_digest(self.units(unread))


def planned_digest(units: list[Unit]) -> str:
    """Digest of what is known about a job's units before its inputs exist."""
    return digest_of([unit.fixed() for unit in units])


#: The data that a cell is made from, by the keys of its entry.
DATA = ("items", "demonstrations")


def unread(path: str) -> str:
    """The digest of an input that does not exist yet."""
    del path
    return ""


@lru_cache(maxsize=4096)
def parse_cells(text: str) -> list[dict[str, str]]:
    """The entries of an evaluation's param `cells`."""
    entries: list[dict[str, str]] = json.loads(text)
    return entries


def cells_param(entries: list[dict[str, str]]) -> str:
    """The param `cells` of an evaluation."""
    return json.dumps(entries, sort_keys=True)


def _text(params: Mapping[str, Any]) -> str:
    """The params that are settings, as JSON; texts that are JSON themselves are parsed."""
    settings = {
        name: json.loads(value) if isinstance(value, str) and value.startswith("{") else value
        for name, value in params.items()
        if name not in NO_SETTINGS
    }
    return json.dumps(settings, sort_keys=True)


@lru_cache(maxsize=65536)
def _settings(stub: str, text: str) -> tuple[dict[str, Any], str]:
    """The settings in a JSON text, and the digest of the code that a job with them runs."""
    settings: dict[str, Any] = json.loads(text)
    words = spec_words(text)
    code = code_digest(stub, words)
    _PARTS[code] = (stub, words)
    return settings, code


def forget_code() -> None:
    """Forget the parsed code, so that its files are read again."""
    _settings.cache_clear()
    own_code.cache_clear()
    recall()


#: The stub and words of each digest of code.
_PARTS: dict[str, tuple[str, frozenset[str]]] = {}


def known_parts(code: str) -> tuple[CodePart, ...]:
    """The parts of the code with a digest that `JobView.units` gave."""
    return code_parts(*_PARTS[code])
