"""One module's source as definitions."""

import ast
import re
from collections.abc import Iterable, Iterator
from typing import TypeGuard

from tuning_dynamics.identity.code_definitions import TOP_LEVEL, Class, Definition, Module, joined
from tuning_dynamics.identity.code_nodes import (
    FUNCTIONS,
    Names,
    Nodes,
    dotted_name,
    names_in,
    type_checking,
)
from tuning_dynamics.identity.code_words import last_name, makes_errors

#: The annotation of a registry: see common/registry.py.
KINDS = "Kinds"
#: The registry of the modules of packages.
MODULES = "Modules"

#: Decorators that do not register what they decorate.
_PLAIN_DECORATORS = frozenset(
    {
        "abstractmethod",
        "cache",
        "cached_property",
        "classmethod",
        "contextmanager",
        "asynccontextmanager",
        "dataclass",
        "final",
        "inference_mode",
        "lru_cache",
        "no_grad",
        "overload",
        "property",
        "runtime_checkable",
        "singledispatch",
        "staticmethod",
        "total_ordering",
        "wraps",
    }
)

#: pydantic's decorators of methods that check values or write them out.
_HOOKS = frozenset(
    {
        "field_serializer",
        "field_validator",
        "model_serializer",
        "model_validator",
        "root_validator",
        "validator",
    }
)


def read_module(source: bytes, name: str, *, package: bool, project: Iterable[str]) -> Module:
    """The definitions of a module of that dotted name.

    `package` says whether it is a package's own; `project` are the project's
    top-level names. SyntaxError if the source is not valid Python.
    """
    tree = ast.parse(source)
    names = Names(name, package, frozenset(project))
    for node in _outside_functions(tree.body):
        names.bind(node)
    names.define(tree.body)
    return _Reading(names, stub="." not in name).module(tree.body)


def _outside_functions(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements that run when the module is imported, without those for type checkers only."""
    for node in body:
        yield node
        if isinstance(node, ast.If) and type_checking(node):
            yield from _outside_functions(node.orelse)
        elif not isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            for _, value in ast.iter_fields(node):
                if isinstance(value, list):
                    inner = [part for part in value if isinstance(part, ast.stmt)]
                    yield from _outside_functions(inner)
                    for handler in value:
                        if isinstance(handler, ast.ExceptHandler | ast.match_case):
                            yield from _outside_functions(handler.body)


class _Reading(Nodes):
    """Reads a module's statements, one definition at a time."""

    def __init__(self, names: Names, *, stub: bool) -> None:
        super().__init__(names)
        self.stub = stub

    # --- the module --------------------------------------------------------------------------

    def module(self, body: list[ast.stmt]) -> Module:
        """All definitions of a module."""
        names = self.names
        found = Module(list(names.imports), names.bound, names.stars)
        rest = [node for node in body if not self._kept(node, found)]
        found.top = self._top(rest, [node.name for node in body if _registers(node)])
        return found

    def _kept(self, node: ast.stmt, found: Module) -> bool:
        """Keep what a statement defines; return whether it only defines, or does nothing."""
        if isinstance(node, ast.ClassDef):
            found.classes[node.name] = self._read_class(node)
        elif (registry := _registry_name(node)) and isinstance(node, ast.AnnAssign) and node.value:
            found.kinds[registry] = self._registry(registry, node.value)
            if packages := _packages(node.value):
                found.folders[registry] = packages
        elif names := _defines(node):
            one = self._read(node, ", ".join(names))
            for name in names:
                found.definitions[name] = joined(found.definitions.get(name), one)
        else:
            return self._defines_nothing(node)
        return True

    def _defines_nothing(self, node: ast.stmt) -> bool:
        """Whether a statement neither does nor defines anything that counts."""
        if isinstance(node, ast.Import | ast.ImportFrom | ast.Pass):
            return True
        if isinstance(node, ast.AnnAssign):
            return node.value is None
        main = isinstance(node, ast.If) and "__name__" in map(last_name, ast.walk(node.test))
        return main and not self.stub

    def _top(self, statements: list[ast.stmt], always: list[str]) -> Definition:
        for node in statements:
            self._node(node)
        for name in always:
            self.out.append(f"@{name};")
            self._use(name, name)
        return self._end(TOP_LEVEL)

    def _read(self, node: ast.stmt, name: str) -> Definition:
        error = isinstance(node, FUNCTIONS) and makes_errors(node)
        self._node(node)
        return self._end(name, error=error)

    def _registry(self, name: str, value: ast.expr) -> list[tuple[str | None, Definition]]:
        """The entries of a registry, by key; None for a key that is not a literal."""
        if isinstance(value, ast.Call):
            # The lookup counts; the packages' names would mean all of their modules.
            self._node(value.func)
            return [(None, self._end(name))]
        assert isinstance(value, ast.Dict)
        entries = []
        for key, entry in zip(value.keys, value.values, strict=True):
            known = key.value if isinstance(key, ast.Constant) else None
            if not isinstance(known, str):
                known = None
                if key is not None:
                    self._node(key)
            self._node(entry)
            entries.append((known, self._end(f"{name}[{known or ''}]")))
        return entries

    # --- classes -----------------------------------------------------------------------------

    def _read_class(self, node: ast.ClassDef) -> Class:
        self.methods = {
            part.name for part in node.body if isinstance(part, FUNCTIONS) and makes_errors(part)
        }
        methods: dict[str, Definition] = {}
        for part in node.body:
            if isinstance(part, FUNCTIONS):
                found = self._read(part, f"{node.name}.{part.name}")
                methods[part.name] = joined(methods.get(part.name), found)
        fields = {
            name: self._default(part, f"{node.name}.{name}")
            for part in node.body
            for name in _field_names(part)
        }
        found_class = Class(
            self._class_line(node),
            self._class_body(node),
            methods,
            {name: default for name, default in fields.items() if default is not None},
            [part.name for part in node.body if isinstance(part, FUNCTIONS) and _is_hook(part)],
            self._types(node),
            [use for base in node.bases for use in self._base(base)],
        )
        self.methods = set()
        return found_class

    def _class_line(self, node: ast.ClassDef) -> Definition:
        self.out.append(f"class {node.name};")
        for part in (*node.decorator_list, *node.bases, *node.keywords):
            self._node(part)
        return self._end(node.name)

    def _class_body(self, node: ast.ClassDef) -> Definition:
        for part in node.body:
            if not isinstance(part, FUNCTIONS):
                self._class_statement(part)
        return self._end(node.name)

    def _default(self, node: ast.stmt, name: str) -> Definition | None:
        """The default that a class gives a field; None if it gives none."""
        if isinstance(node, ast.AnnAssign) and _default_within(node.annotation):
            self._node(node.annotation)
        if isinstance(node, ast.AnnAssign | ast.Assign) and node.value is not None:
            self._node(node.value)
        return self._end(f"{name} default") if self.out else None

    def _types(self, node: ast.ClassDef) -> list[str]:
        """The full names that annotations of fields name."""
        for part in node.body:
            if isinstance(part, ast.AnnAssign):
                self._node(part.annotation)
                for inner in ast.walk(part.annotation):
                    if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
                        self._quoted(inner.value)
        return [target for _, target in self._end("").uses]

    def _quoted(self, text: str) -> None:
        """Note a type that is named in a string; other strings are not names."""
        for word in re.findall(r"[A-Za-z_][\w.]*", text):
            self._use(word, word.split(".")[0])

    def _base(self, base: ast.expr) -> list[str]:
        """The full names of a base class, the project's or not."""
        root = dotted_name(base.value if isinstance(base, ast.Subscript) else base)
        if root is None:
            return []
        first = root.split(".")[0]
        return [target + root[len(first) :] for target in self.names.targets(first)]


def _defines(node: ast.stmt) -> list[str]:
    """The names that a statement at the top of a module defines, where it does only that."""
    if isinstance(node, FUNCTIONS):
        return [node.name]
    if isinstance(node, ast.AnnAssign) and node.value is not None:
        return names_in(node.target) or []
    if isinstance(node, ast.Assign):
        names = [names_in(target) for target in node.targets]
        return [] if None in names else [name for some in names for name in some or []]
    return []


def _registry_name(node: ast.stmt) -> str | None:
    """The name of `NAME: Kinds[…] = {…}` or `= Modules(…)`; None for any other statement."""
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        named = isinstance(node.annotation, ast.Subscript) and last_name(node.annotation) == KINDS
        given = isinstance(node.value, ast.Dict) or _packages(node.value)
        return node.target.id if named and given else None
    return None


def _packages(value: ast.expr | None) -> list[str]:
    """The packages of `Modules("package")`; none for any other value."""
    if not (isinstance(value, ast.Call) and last_name(value) == MODULES):
        return []
    return [str(one.value) for one in value.args if isinstance(one, ast.Constant)]


def _registers(node: ast.stmt) -> TypeGuard[ast.FunctionDef | ast.ClassDef]:
    """Whether a decorator may register a function or class, so that it's found without its name."""
    if not isinstance(node, (*FUNCTIONS, ast.ClassDef)):
        return False
    return any(last_name(one) not in _PLAIN_DECORATORS for one in node.decorator_list)


def _is_hook(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(last_name(one) in _HOOKS for one in node.decorator_list)


def _field_names(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.AnnAssign):
        return names_in(node.target) or []
    if isinstance(node, ast.Assign):
        return [name for target in node.targets for name in names_in(target) or []]
    return []


def _default_within(annotation: ast.expr) -> bool:
    """Whether an annotation gives a default itself: `Annotated[…, Field(default=…)]`."""
    calls = [node for node in ast.walk(annotation) if isinstance(node, ast.Call)]
    given = [call for call in calls if last_name(call.func) == "Field"]
    return any(
        call.args or any(word.arg in ("default", "default_factory", None) for word in call.keywords)
        for call in given
    )
