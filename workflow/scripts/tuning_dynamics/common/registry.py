"""Kinds that a config names, and registries of what does each."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import BaseModel

#: A module-level `NAME: Kinds[str, …] = {"kind": …}` is a registry: of its entries only those count
#: in a job's code whose kinds the job uses, so that a new kind makes no finished result again. For
#: kinds that a job's spec names, as a key or a value, or that are the default of a key. So is
#: `NAME: Kinds[str, ModuleType] = Modules("package")`, whose entries are the package's modules.
Kinds = Mapping


class Modules(Mapping[str, ModuleType]):
    """The modules of a package by name: a kind is a file, imported when it is asked for."""

    def __init__(self, package: str) -> None:
        self.package = package

    def __getitem__(self, name: str) -> ModuleType:
        if name not in self.names:
            raise KeyError(name)
        return import_module(f"{self.package}.{name}")

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, name: object) -> bool:
        return name in self.names

    @property
    def names(self) -> list[str]:
        """The names of the modules, sorted; those that begin with _ are no kinds."""
        spec = find_spec(self.package)
        assert spec is not None, self.package
        assert spec.submodule_search_locations is not None, self.package
        files = (
            path for place in spec.submodule_search_locations for path in Path(place).glob("*.py")
        )
        return sorted({path.stem for path in files if not path.stem.startswith("_")})


def kind_of(value: str | BaseModel) -> tuple[str, Any]:
    """The name of a kind that a config writes as `name` or `name: settings`, and its settings."""
    if isinstance(value, str):
        return value, None
    ((name, settings),) = value
    return name, settings
