"""The modules in a folder of stubs and packages, and what names in them stand for."""

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tuning_dynamics.identity.code_definitions import Module, module_from_json
from tuning_dynamics.identity.code_reading import read_module


@dataclass(frozen=True)
class Found:
    """A definition's place: its module, and its name there; "" is the module itself."""

    module: str
    name: str


class Tree:
    """The modules in a folder, read when they are asked for."""

    def __init__(self, root: Path, around: frozenset[str]) -> None:
        self.root, self.around = root, around
        self.files: dict[str, Path] = {}
        self.data: defaultdict[Path, list[Path]] = defaultdict(list)
        for path in sorted(root.rglob("*")):
            self._note(path)
        self.project = sorted({name.split(".")[0] for name in self.files})
        self.kept: dict[str, Any] = {}
        self._keys: dict[str, str] = {}
        self._modules: dict[str, Module] = {}
        self._resolved: dict[str, tuple[Found, ...]] = {}
        self._models: dict[Found, bool] = {}

    def _note(self, path: Path) -> None:
        """Note a module, or a file that code may read by its name or by the name of its folder."""
        if path.suffix == ".py":
            own = path.parent if path.name == "__init__.py" else path.with_suffix("")
            self.files[".".join(own.relative_to(self.root).parts)] = path
        elif path.is_file() and "__pycache__" not in path.parts:
            for place in (path, *path.parents):
                if place == self.root or (place / "__init__.py").is_file():
                    break
                self.data[place].append(path)

    def module(self, name: str) -> Module:
        """A module's definitions."""
        if name not in self._modules:
            self._modules[name] = self._read(name)
        return self._modules[name]

    def _read(self, name: str) -> Module:
        path = self.files[name]
        text = path.read_bytes()
        key = hashlib.sha256(f"{name}\n{self.project}\n".encode() + text).hexdigest()
        self._keys[name] = key
        if key in self.kept:
            return module_from_json(self.kept[key])
        return self._read_source(text, name)

    def _read_source(self, text: bytes, name: str) -> Module:
        package = self.files[name].name == "__init__.py"
        return read_module(text, name, package=package, project=self.project)

    def used(self) -> dict[str, Any]:
        """All modules that were read, in the form of `kept`."""
        return {self._keys[name]: asdict(self._modules[name]) for name in sorted(self._modules)}

    def file(self, module: str) -> str:
        """A module's place, for people."""
        return below_package(self.files[module].relative_to(self.root))

    def inside(self, package: str) -> list[str]:
        """The modules that lie in a package, not deeper; those that begin with _ are its own."""
        named = (name.rpartition(".") for name in self.files)
        return [f"{package}.{last}" for own, _, last in named if own == package and last[0] != "_"]

    def within(self, dotted: str) -> str | None:
        """The module that a dotted name lies in, or is."""
        while dotted not in self.files:
            dotted, _, last = dotted.rpartition(".")
            if not last:
                return None
        return dotted

    def resolve(self, target: str) -> tuple[Found, ...]:
        """The definitions that a full dotted name may stand for."""
        if target not in self._resolved:
            self._resolved[target] = ()  # an import cycle resolves to nothing
            self._resolved[target] = tuple(dict.fromkeys(self._resolve(target)))
        return self._resolved[target]

    def _resolve(self, target: str) -> Iterator[Found]:
        module = self.within(target)
        if module is None:
            return
        rest = target[len(module) + 1 :]
        package, _, last = module.rpartition(".")
        instead = self._calls(package, last) if package else []
        if rest:
            yield from self._inside(module, rest)
        elif not instead or not all(name.startswith(f"{module}.") for name in instead):
            yield Found(module, "")
        # A package may bind the name of one of its modules to something else.
        if instead:
            yield from self._inside(package, last)

    def _inside(self, module: str, rest: str) -> Iterator[Found]:
        own, (name, _, end) = self.module(module), rest.partition(".")
        found = False
        if name in own.definitions or name in own.classes or name in own.kinds:
            found = True
            yield Found(module, name)
        for target in own.bound.get(name, ()):
            found = True
            yield from self.resolve(f"{target}.{end}".rstrip("."))
        if not found:
            for star in own.stars:
                yield from self.resolve(f"{star}.{rest}")
            if "__getattr__" in own.definitions:
                yield Found(module, "__getattr__")

    def _calls(self, package: str, name: str) -> list[str]:
        """The full dotted names that a package binds a name to."""
        own = self.module(package)
        defined = name in own.definitions or name in own.classes or name in own.kinds
        return [*own.bound.get(name, ()), *([f"{package}.{name}"] if defined else [])]

    def is_model(self, found: Found) -> bool:
        """Whether a class comes from pydantic's BaseModel."""
        if found not in self._models:
            self._models[found] = False
            own = self.module(found.module).classes.get(found.name)
            self._models[found] = own is not None and any(map(self._models_base, own.bases))
        return self._models[found]

    def _models_base(self, base: str) -> bool:
        if base.split(".")[0] == "pydantic":
            return base.split(".")[-1] in ("BaseModel", "RootModel")
        return any(map(self.is_model, self.resolve(base)))


def below_package(path: Path) -> str:
    return Path(*path.parts[1:]).as_posix() if len(path.parts) > 1 else path.name
