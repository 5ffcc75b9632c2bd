"""Kinds that a config names, and registries of their implementations."""

import ast
from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import BaseModel

#: A module-level `NAME: Kinds[str, …] = {"kind": …}` is a registry: only the entries of the kinds
#: that a job uses count as its code, so that a new kind makes no finished result stale. A job uses
#: a kind if its spec names it, as a key or a value, or if it is a key's default. The same holds for
#: `NAME: Kinds[str, ModuleType] = Modules("package")`, whose entries are the packages' modules.
Kinds = Mapping


class Modules(Mapping[str, ModuleType]):
    """The modules of packages by name: a kind is a file, imported when it is asked for."""

    def __init__(self, *packages: str) -> None:
        self.packages = packages

    @cached_property
    def places(self) -> dict[str, str]:
        """The package of each module; modules whose names begin with _ are not kinds."""
        found: dict[str, str] = {}
        for package in self.packages:
            folder = Path(str(import_module(package).__file__)).parent
            names = sorted(path.stem for path in folder.glob("*.py"))
            found |= {name: package for name in names if not name.startswith("_")}
        return found

    def __getitem__(self, name: str) -> ModuleType:
        return import_module(f"{self.places[name]}.{name}")

    def __iter__(self) -> Iterator[str]:
        return iter(self.places)

    def __len__(self) -> int:
        return len(self.places)

    def __contains__(self, name: object) -> bool:
        return name in self.places


def docstring(kinds: Kinds[str, ModuleType], name: str) -> str:
    """The docstring of a kind's module, read without importing it: it may need packages that a
    process which only plans does not have."""
    assert isinstance(kinds, Modules)
    folder = Path(str(import_module(kinds.places[name]).__file__)).parent
    return ast.get_docstring(ast.parse((folder / f"{name}.py").read_text(encoding="utf-8"))) or ""


def kind_of(value: str | BaseModel) -> tuple[str, Any]:
    """The name of a kind that a config writes as `name` or `name: settings`, and its settings."""
    if isinstance(value, str):
        return value, None
    ((name, settings),) = value
    return name, settings
