"""What a stub reaches: the names that it uses, and those that these use."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tuning_dynamics.common.atomic_files import file_digest
from tuning_dynamics.identity.code_definitions import ANY, Class, Definition, Module, joined
from tuning_dynamics.identity.code_tree import Found, Tree, below_package

#: Methods of a model that Python or pydantic call without their name being written.
_UNNAMED = ("model_post_init",)


@dataclass(frozen=True, order=True)
class CodePart:
    """A definition that a job's code reaches.

    `name` is its name within its module, `file` where it lies below `workflow/scripts/` (of the
    package, below that), `hash` digests what it computes. `declared` ones are defaults of config
    models: one that is new or gone changes nothing.
    """

    name: str
    file: str
    hash: str
    declared: bool = False


@dataclass(frozen=True)
class Reached:
    """What a stub reaches, and the kinds that its code may depend on."""

    parts: tuple[CodePart, ...]
    modules: list[str]
    kinds: frozenset[str]
    digest: str


class Reach:
    """Follows the names that a stub uses, and those that these use."""

    def __init__(self, tree: Tree, words: frozenset[str] | None) -> None:
        self.tree = tree
        self.all_kinds, self.words = words is None, set(words or ())
        self.kinds: set[str] = set()
        self.attributes: set[str] = set()
        self.modules: set[str] = set()
        self.counted: set[str] = set()
        self.taken: dict[tuple[str, str, str], tuple[Definition, bool]] = {}
        self.seen: set[Found] = set()
        self.typed: set[Found] = set()
        self.data: dict[str, Path] = {}
        # Definitions that are taken once their attribute, or their kind, is used.
        self.members: defaultdict[str, list[Callable[[], None]]] = defaultdict(list)
        self.entries: defaultdict[str, list[Callable[[], None]]] = defaultdict(list)
        # The definitions of a module that is a kind are always used by their written names.
        self.of_kinds: defaultdict[str, list[Callable[[], None]]] = defaultdict(list)
        self.todo: list[Callable[[], None]] = []

    def of(self, stub: str) -> Reached:
        """All that a stub reaches."""
        name = stub.removesuffix(".py")
        self._import(name)
        while self.todo:
            self.todo.pop()()
            if not self.todo:
                self._subclasses()
        parts = tuple(sorted(self._parts()))
        lines = sorted(f"{part.name} {part.hash}\n" for part in parts)
        digest = hashlib.sha256("".join(lines).encode()).hexdigest()[:16]
        return Reached(parts, sorted(self.modules - {name}), frozenset(self.kinds), digest)

    # --- what is reached ---------------------------------------------------------------------

    def _import(self, name: str, *, counts: bool = True) -> None:
        """A module that is imported runs, with all packages that it lies in and all it imports."""
        waiting = [(name, counts)]
        while waiting:
            dotted, counts = waiting.pop()
            module = self.tree.within(dotted)
            if module is None or module in self.counted or (not counts and module in self.modules):
                continue
            counts = counts and module not in self.tree.around
            self.modules.add(module)
            own = self.tree.module(module)
            if counts:
                self.counted.add(module)
                if own.top.text:
                    self._take(module, own.top)
            inner = (module.rpartition(".")[0], *own.imports)
            waiting += [(one, counts) for one in inner]

    def _take(self, module: str, definition: Definition, *, declared: bool = False) -> None:
        """Count a definition, and what it uses."""
        key = module, definition.name, definition.text
        if key in self.taken:
            return
        self.taken[key] = definition, declared
        for name in definition.imports:
            self._import(name)
        for _, target in definition.uses:
            self._use(module, target)
        for attribute in definition.attributes:
            self._ask(attribute, self.attributes, self.members)
            self.todo += self.of_kinds.pop(attribute, ())
        for text in definition.strings:
            self._ask(text, self.words, self.entries)
            self._named(module, text)

    def _use(self, module: str, target: str) -> None:
        """Reach what a name that a module uses stands for.

        A stub does not reach the modules around its job, though it imports them.
        """
        for found in self.tree.resolve(target):
            if found.module in self.tree.around and "." not in module:
                self._import(found.module)
            else:
                self.todo.append(lambda found=found: self._reach(found))  # type: ignore[misc]

    def _ask(
        self, name: str, asked: set[str], waiting: dict[str, list[Callable[[], None]]]
    ) -> None:
        """Take everything that waits for a name, now and later."""
        if name in asked:
            return
        asked.add(name)
        for each in list(waiting) if name == ANY else [name]:
            self.todo += waiting.pop(each, ())

    def _named(self, module: str, text: str) -> None:
        """Reach what a string may name: files next to the code, or definitions of the project."""
        folder = self.tree.files[module].parent
        for path in self.tree.data.get(folder / text, ()):
            self.data[path.relative_to(folder).as_posix()] = path
        if text.split(".")[0] in self.tree.project and "." in text:
            self._use(module, text)

    def _reach(self, found: Found) -> None:
        if found in self.seen:
            return
        self.seen.add(found)
        self._import(found.module)
        own = self.tree.module(found.module)
        if not found.name:
            self._whole(found.module, own)
        elif found.name in own.definitions:
            self._take(found.module, own.definitions[found.name])
        if found.name in own.kinds:
            self._registry(found.module, own, found.name)
        if found.name in own.classes:
            self._class(found, own.classes[found.name])

    def _whole(self, module: str, own: Module) -> None:
        """Take all of a module that is used as a value, with the modules in it."""
        inner = [name for name in self.tree.files if name.startswith(f"{module}.")]
        for name in (*own.definitions, *own.classes, *own.kinds):
            self._reach(Found(module, name))
        for name in inner:
            self._reach(Found(name, ""))

    def _registry(self, module: str, own: Module, name: str) -> None:
        for key, entry in own.kinds[name]:
            self._entry(key, lambda entry=entry: self._take(module, entry))  # type: ignore[misc]
        for package in own.folders.get(name, ()):
            for inner in self.tree.inside(package):
                take = lambda inner=inner: self._kind(inner)  # type: ignore[misc]  # noqa: E731
                self._entry(inner.rpartition(".")[2], take)

    def _kind(self, module: str) -> None:
        """Take of a module that is a kind what is used by name."""
        self._import(module)
        own = self.tree.module(module)
        for name in (*own.definitions, *own.classes, *own.kinds):
            found = Found(module, name)
            if name in self.attributes:
                self._reach(found)
            else:
                self.of_kinds[name].append(lambda found=found: self._reach(found))  # type: ignore[misc]

    def _entry(self, key: str | None, take: Callable[[], None]) -> None:
        """Count an entry of a registry once its kind is used."""
        if key is not None:
            self.kinds.add(key)
        if key is None or self.all_kinds or key in self.words:
            take()
        else:
            self.entries[key].append(take)

    def _class(self, found: Found, own: Class) -> None:
        """Take a whole class, unless it is a config model."""
        if self.tree.is_model(found):
            self._take(found.module, own.line, declared=True)
            self._model(found)
            return
        # Its line and its body are one part.
        line, body = own.line, own.body
        self._take(found.module, joined(line, body))
        for method in own.methods.values():
            self._take(found.module, method)

    def _model(self, found: Found) -> None:
        """Take of a config model, named in code or made by another model, what is used by name."""
        if found in self.typed:
            return
        self.typed.add(found)
        self._import(found.module)
        own = self.tree.module(found.module).classes[found.name]
        for name, method in own.methods.items():
            if name not in own.hooks:
                self._member(found.module, name, method, declared=False)
        for name, default in own.fields.items():
            self._member(found.module, name, default, declared=True)
        for target in (*own.bases, *own.types):
            self._type(target)

    def _member(self, module: str, name: str, definition: Definition, *, declared: bool) -> None:
        unnamed = name in _UNNAMED or (name.startswith("__") and name.endswith("__"))
        if unnamed or name == "model_config" or {name, ANY} & self.attributes:
            self._take(module, definition, declared=declared)
        else:
            self.members[name].append(
                lambda: self._take(module, definition, declared=declared),
            )

    def _type(self, target: str) -> None:
        """Reach what a model's annotation names: classes that pydantic makes, or an alias."""
        for found in self.tree.resolve(target):
            own = self.tree.module(found.module)
            if found in self.typed:
                continue
            if self.tree.is_model(found):
                self._model(found)
            elif found.name in own.classes:
                self.typed.add(found)
                self._reach(found)
                for inner in own.classes[found.name].types:
                    self._type(inner)
            elif found.name in own.definitions:
                self.typed.add(found)
                for _, inner in own.definitions[found.name].uses:
                    self._type(inner)

    def _subclasses(self) -> None:
        """Where code looks up subclasses, take all classes of the imported modules."""
        reached = (self.tree.module(one.module).classes.get(one.name) for one in self.seen)
        hooked = any(one is not None and "__init_subclass__" in one.methods for one in reached)
        if not hooked and "__subclasses__" not in self.attributes:
            return
        for module in sorted(self.counted):
            for name, own in self.tree.module(module).classes.items():
                if any(map(self.tree.resolve, own.bases)):
                    self._reach(Found(module, name))

    # --- parts -------------------------------------------------------------------------------

    def _parts(self) -> Iterator[CodePart]:
        same = Counter(name for _, name, _ in self.taken)
        for (module, name, _), (definition, declared) in self.taken.items():
            yield CodePart(name, self.tree.file(module), self._hash(definition, same), declared)
        for name, path in self.data.items():
            place = below_package(path.relative_to(self.tree.root))
            yield CodePart(name, place, file_digest(path)[:16])

    def _hash(self, definition: Definition, same: "Counter[str]") -> str:
        """A definition's digest, with what its names stand for, wherever that is defined."""
        meant = {
            f"{written}={self._meaning(found, same)}"
            for written, target in definition.uses
            for found in self.tree.resolve(target) or [None]
        }
        kept = [digest for target, digest in definition.messages if not self._makes_error(target)]
        lines = "\n".join([definition.text, *sorted(meant), "told", *kept])
        return hashlib.sha256(lines.encode()).hexdigest()[:16]

    def _meaning(self, found: Found | None, same: "Counter[str]") -> str:
        """A definition's name, with its digest if two reached definitions have that name."""
        if found is None or not found.name:
            return ""
        if same[found.name] < 2:
            return found.name
        own = self.tree.module(found.module)
        named = [own.definitions[found.name].text] if found.name in own.definitions else []
        if found.name in own.classes:
            whole = own.classes[found.name]
            pieces = [whole.line]
            if not self.tree.is_model(found):
                pieces += [whole.body, *whole.methods.values()]
            named += [piece.text for piece in pieces]
        return f"{found.name} {' '.join(named)}"

    def _makes_error(self, target: str) -> bool:
        """Whether a name is a function that makes an error from its arguments."""
        found = self.tree.resolve(target)
        return bool(found) and all(
            one.name in self.tree.module(one.module).definitions
            and self.tree.module(one.module).definitions[one.name].error
            for one in found
        )
