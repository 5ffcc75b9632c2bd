"""Python's syntax as text that says what code computes, and the names that it uses.

Code that computes nothing is left out: comments, docstrings, import lines (what a name is bound to
counts instead), annotations of functions and variables, and messages: text that is printed, logged
or warned, messages of assertions, and the texts of errors. Their conditions count.
"""

import ast
import builtins
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from tuning_dynamics.identity.code_definitions import ANY, Definition, text_hash
from tuning_dynamics.identity.code_words import (
    is_message,
    last_name,
    makes_errors,
    names_error,
    pure,
)

#: Strings that may name a kind, a file or a module.
_NAME = re.compile(r"[\w./-]{1,64}")

#: Stands for a string that is a message; no name can look like it.
_WORD = '"";'

#: Attributes and functions by which all fields of a model are read.
_ALL_FIELDS = frozenset(
    {
        "__dict__",
        "__fields__",
        "__iter__",
        "model_dump",
        "model_dump_json",
        "model_fields",
        "model_json_schema",
    }
)
_ALL_ATTRIBUTES = frozenset({"attrgetter", "getattr", "vars"})

#: Functions that can reach any name of the module.
_ALL_NAMES = frozenset({"eval", "exec", "globals"})

_FIELDS_LEFT_OUT = {"annotation", "ctx", "kind", "returns", "type_comment", "type_params"}
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def type_checking(node: ast.If) -> bool:
    """Whether a statement is for type checkers alone."""
    return last_name(node.test) == "TYPE_CHECKING"


def dotted_name(node: ast.expr) -> str | None:
    """`a.b.c` as it is written, None where it does not begin with a name."""
    ends: list[str] = []
    while isinstance(node, ast.Attribute):
        ends.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(ends)]) if isinstance(node, ast.Name) else None


def names_in(target: ast.expr) -> list[str] | None:
    """The names that an assignment's target binds; None where it binds no plain names."""
    if isinstance(target, ast.Name):
        return [target.id]
    if isinstance(target, ast.Tuple | ast.List):
        parts = [names_in(part) for part in target.elts]
        return None if None in parts else [name for part in parts for name in part or []]
    if isinstance(target, ast.Starred):
        return names_in(target.value)
    return None


class Names:
    """What a module's own names stand for."""

    def __init__(self, module: str, package: bool, project: frozenset[str]) -> None:
        self.module, self.package, self.project = module, package, project
        self.imports: dict[str, None] = {}
        self.bound: dict[str, list[str]] = {}
        self.stars: list[str] = []
        self.defined: set[str] = set()
        self.errors: set[str] = set()

    def bind(self, node: ast.AST) -> None:
        """Note an import at the top of the module."""
        bound, imported = self.imported(node)
        self.imports.update(dict.fromkeys(imported))
        for name, target in bound:
            if name == "*":
                self.stars.append(target)
            else:
                self.bound.setdefault(name, []).append(target)

    def define(self, body: list[ast.stmt]) -> None:
        """Note what a module defines."""
        for node in body:
            if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
                self.defined.add(node.name)
                if isinstance(node, FUNCTIONS) and makes_errors(node):
                    self.errors.add(node.name)
            elif isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
                for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                    self.defined.update(names_in(target) or [])

    def imported(self, node: ast.AST) -> tuple[list[tuple[str, str]], list[str]]:
        """Pairs (name, what it is bound to) and the modules of an import; empty for other nodes."""
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
            return [
                (alias.asname, alias.name) if alias.asname else (alias.name.split(".")[0],) * 2
                for alias in node.names
            ], modules
        if isinstance(node, ast.ImportFrom):
            start = self._start(node)
            targets = [(a, start if a.name == "*" else f"{start}.{a.name}") for a in node.names]
            return [(a.asname or a.name, target) for a, target in targets], [
                target for _, target in targets
            ]
        return [], []

    def _start(self, node: ast.ImportFrom) -> str:
        """The full name of the module that an import takes names from."""
        if not node.level:
            return node.module or ""
        up = self.module.split(".")
        kept = up[: len(up) - node.level + (1 if self.package else 0)]
        return ".".join([*kept, *([node.module] if node.module else [])])

    def targets(self, name: str) -> list[str]:
        """The full dotted names that a name of the module may stand for; none for Python's."""
        found = [f"{self.module}.{name}"] if name in self.defined else []
        found += self.bound.get(name, [])
        if found:
            return found
        if name in _ALL_NAMES:
            return [self.module]
        return [] if name in _BUILTINS else [f"{star}.{name}" for star in self.stars]

    def ours(self, target: str) -> bool:
        """Whether a dotted name is the project's."""
        return target.split(".")[0] in self.project


_BUILTINS = frozenset(vars(builtins))


@dataclass
class _Scope:
    """The names of a function: its own, and what it imports."""

    names: set[str] = field(default_factory=set)
    imports: dict[str, list[str]] = field(default_factory=dict)


class Nodes:
    """Reads a module's statements, one definition at a time."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.methods: set[str] = set()
        self._begin()

    def _begin(self) -> None:
        self.out: list[str] = []
        self.uses: dict[tuple[str, str], None] = {}
        self.outside: set[str] = set()
        self.imports: dict[str, None] = {}
        self.attributes: set[str] = set()
        self.strings: set[str] = set()
        self.messages: list[list[str]] = []
        self.scopes: list[_Scope] = []
        self.wordless = 0
        self.quiet = False
        self.held: list[str] | None = None

    def _end(self, name: str, *, error: bool = False) -> Definition:
        """The definition that was read."""
        text = text_hash("".join([*self.out, "|", *sorted(self.outside)]))
        found = Definition(
            name,
            text if self.out else "",
            [list(use) for use in self.uses],
            list(self.imports),
            sorted(self.attributes),
            sorted(self.strings),
            self.messages,
            error,
        )
        self._begin()
        return found

    # --- names -------------------------------------------------------------------------------

    def _targets(self, name: str) -> list[str]:
        for scope in reversed(self.scopes):
            if name in scope.imports:
                return scope.imports[name]
            if name in scope.names:
                return []
        return self.names.targets(name)

    def _use(self, written: str, root: str) -> None:
        """Note the use of a name, or of `root.attribute`."""
        if self.quiet:
            return
        for target in self._targets(root):
            if self.names.ours(target):
                self.uses[written, target + written[len(root) :]] = None
            else:
                self.outside.add(f"{root}={target};")

    def _attributed(self, name: str) -> None:
        if not self.quiet:
            self.attributes.add(name)
            if name in _ALL_FIELDS:
                self.attributes.add(ANY)

    # --- words -------------------------------------------------------------------------------

    @contextmanager
    def _words(self) -> Iterator[None]:
        """While open, strings are words."""
        self.wordless += 1
        yield
        self.wordless -= 1

    @contextmanager
    def _no_words(self) -> Iterator[None]:
        """While open, strings decide something."""
        before = self.wordless, self.held
        self.wordless, self.held = 0, None
        yield
        self.wordless, self.held = before

    def _string(self, value: str) -> None:
        if self.wordless:
            self.out.append(_WORD)
            return
        if not self.quiet and _NAME.fullmatch(value):
            self.strings.add(value)
        if self.held is None:
            self.out.append(f"s{len(value)}:{value};")
        else:
            self.out.append(_WORD)
            self.held.append(value)

    def _effects(self, call: ast.Call) -> None:
        """Keep those calls within a call that prints a message that may have an effect."""
        waiting: list[ast.AST] = [*call.args, *call.keywords]
        with self._words():
            while waiting:
                node = waiting.pop(0)
                if isinstance(node, ast.NamedExpr | ast.Await | ast.Yield | ast.YieldFrom) or (
                    isinstance(node, ast.Call) and (self._own(node.func) or not pure(node))
                ):
                    self._node(node)
                else:
                    waiting = [*ast.iter_child_nodes(node), *waiting]

    def _own(self, function: ast.expr) -> bool:
        """Whether a called name is a function of the project, whatever its name."""
        name = function.id if isinstance(function, ast.Name) else ""
        return any(map(self.names.ours, self._targets(name)))

    def _is_message(self, node: ast.Call) -> bool:
        return is_message(node) and not self._own(node.func)

    def _error_call(self, node: ast.Call) -> bool:
        """Whether a call makes an error, by a name of this module."""
        if names_error(last_name(node.func)):
            return True
        if isinstance(node.func, ast.Name):
            local = any(node.func.id in scope.names for scope in self.scopes)
            return node.func.id in self.names.errors and not local
        own = isinstance(node.func, ast.Attribute) and last_name(node.func.value) in ("self", "cls")
        return own and last_name(node.func) in self.methods

    def _elsewhere(self, node: ast.Call) -> str | None:
        """The function of another module of the project that a call calls, or None."""
        written = dotted_name(node.func)
        if written is None or self.wordless:
            return None
        root = written.split(".")[0]
        targets = [target for target in self._targets(root) if self.names.ours(target)]
        if len(targets) != 1 or targets[0].rpartition(".")[0] == self.names.module:
            return None
        return targets[0] + written[len(root) :]

    # --- nodes -------------------------------------------------------------------------------

    def _node(self, node: ast.AST) -> None:
        handler = _HANDLERS.get(type(node))
        if handler is None:
            self._plain(node)
        else:
            handler(self, node)

    def _plain(self, node: ast.AST) -> None:
        """A node as its type and its non-empty fields.

        By names, so that all versions of Python that read the same code write the same.
        """
        out = self.out
        out.append(f"{type(node).__name__}(")
        for name in _fields_of(type(node)):
            value = getattr(node, name)
            if value:
                out.append(f"{name}=")
                if isinstance(value, list):
                    self._nodes(value)
                elif isinstance(value, ast.AST):
                    self._node(value)
                else:
                    out.append(f"{value};")
        out.append(")")

    def _nodes(self, values: Iterable[Any]) -> None:
        self.out.append("[")
        for value in values:
            if isinstance(value, ast.AST):
                self._node(value)
            else:
                self.out.append(f"{value};")
        self.out.append("]")

    def _nothing(self, node: ast.AST) -> None:
        """Nodes that do not count: import lines; `pass`."""
        for module in self.names.imported(node)[1]:
            self.imports[module] = None

    def _name(self, node: ast.Name) -> None:
        self.out.append(f"{node.id};")
        if self.scopes or isinstance(node.ctx, ast.Load):
            self._use(node.id, node.id)

    def _attribute(self, node: ast.Attribute) -> None:
        self._attributed(node.attr)
        written = dotted_name(node)
        if written is None:
            self._plain(node)
            return
        root, *ends = written.split(".")
        for end in ends:
            self._attributed(end)
        self.out.append(f"{written};")
        self._use(written, root)

    def _constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            self._string(node.value)
        else:
            self.out.append(f"{type(node.value).__name__} {node.value!r};")

    def _joined_string(self, node: ast.JoinedStr) -> None:
        if not self.wordless:
            self._plain(node)
            return
        self.out.append(_WORD)
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                self._node(part.value)

    def _expression(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Constant):
            return
        if isinstance(node.value, ast.Call) and self._is_message(node.value):
            self._effects(node.value)
        else:
            self._plain(node)

    def _call(self, node: ast.Call) -> None:
        if self._is_message(node):
            self.out.append("told;")
            self._effects(node)
            return
        self._notes_of_call(node)
        if self._error_call(node):
            with self._words():
                self._arguments(node)
            return
        target = self._elsewhere(node)
        if target is None:
            self._arguments(node)
        else:
            before, self.held = self.held, []
            self._arguments(node)
            if self.held:
                self.messages.append([target, text_hash("\n".join(self.held))])
            self.held = before

    def _arguments(self, node: ast.Call) -> None:
        self.out.append("call(")
        if isinstance(node.func, ast.Attribute) and _dumps_what_is_set(node):
            # This does not read all fields: those at their default are left out.
            self.out.append("model_dump;")
            self._node(node.func.value)
        else:
            self._node(node.func)
        self._nodes(node.args)
        self._nodes(node.keywords)
        self.out.append(")")

    def _notes_of_call(self, node: ast.Call) -> None:
        """Note what a call reads by name: attributes written as strings, or any attribute."""
        name = last_name(node.func)
        if self.quiet or name not in _ALL_ATTRIBUTES:
            return
        asked = node.args[1:2] if name == "getattr" else node.args
        if name == "vars" or not all(isinstance(one, ast.Constant) for one in asked):
            self.attributes.add(ANY)
        for one in asked:
            if isinstance(one, ast.Constant):
                for part in str(one.value).split("."):
                    self._attributed(part)

    def _if(self, node: ast.If) -> None:
        if type_checking(node):
            for part in node.orelse:
                self._node(part)
        else:
            self._condition(node)

    def _condition(self, node: ast.If | ast.While | ast.IfExp) -> None:
        self.out.append(f"{type(node).__name__}(")
        with self._no_words():
            self._node(node.test)
        for part in (node.body, node.orelse):
            self._nodes(part if isinstance(part, list) else [part])
        self.out.append(")")

    def _assign(self, node: ast.Assign) -> None:
        self._assigned(node.targets, node.value)

    def _annotated(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self._assigned([node.target], node.value)

    def _assigned(self, targets: list[ast.expr], value: ast.expr) -> None:
        self.out.append("=(")
        self._nodes(targets)
        self._node(value)
        self.out.append(")")

    def _assert(self, node: ast.Assert) -> None:
        self.out.append("assert(")
        with self._no_words():
            self._node(node.test)
        self.out.append(")")

    def _raise(self, node: ast.Raise) -> None:
        self.out.append("raise(")
        if node.exc is not None:
            with self._words():
                self._node(node.exc)
        if node.cause is not None:
            self._node(node.cause)
        self.out.append(")")

    def _compare(self, node: ast.Compare) -> None:
        sides = (node.left, *node.comparators)
        if any(isinstance(one, ast.Call) and last_name(one)[:1].isupper() for one in sides):
            self.attributes.add(ANY)  # all fields of what may be a model
        with self._no_words():
            self._plain(node)

    def _subscript(self, node: ast.Subscript) -> None:
        self.out.append("item(")
        self._node(node.value)
        with self._no_words():
            self._node(node.slice)
        self.out.append(")")

    def _match_case(self, node: ast.match_case) -> None:
        self.out.append("case(")
        with self._no_words():
            self._node(node.pattern)
        if node.guard is not None:
            self._node(node.guard)
        self._nodes(node.body)
        self.out.append(")")

    def _match_class(self, node: ast.MatchClass) -> None:
        for name in node.kwd_attrs:
            self._attributed(name)
        if node.patterns:
            self.attributes.add(ANY)
        self._plain(node)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self.out.append(f"{type(node).__name__} {node.name}(")
        self._nodes(node.decorator_list)
        self._node(node.args)
        self.scopes.append(self._scope(node.args, node.body))
        with self._words() if makes_errors(node) else nullcontext():
            self._nodes(node.body)
        self.scopes.pop()
        self.out.append(")")

    def _lambda(self, node: ast.Lambda) -> None:
        self.out.append("lambda(")
        self._node(node.args)
        self.scopes.append(self._scope(node.args, [node.body]))
        self._node(node.body)
        self.scopes.pop()
        self.out.append(")")

    def _comprehension(
        self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
    ) -> None:
        first = node.generators[0].iter
        # The first iterable is evaluated in the outer scope.
        self._node(first)
        targets = [part for one in node.generators for part in ast.walk(one.target)]
        self.scopes.append(_Scope({part.id for part in targets if isinstance(part, ast.Name)}))
        self._plain(node)
        self.scopes.pop()

    def _class_statement(self, node: ast.stmt) -> None:
        """A statement of a class; there annotations count, as they make fields."""
        if not isinstance(node, ast.AnnAssign):
            self._node(node)
            return
        self.out.append("field(")
        self._node(node.target)
        self.quiet = True
        self._node(node.annotation)
        self.quiet = False
        if node.value is not None:
            self._node(node.value)
        self.out.append(")")

    def _class(self, node: ast.ClassDef) -> None:
        """A class within a function or another class: whole."""
        self.out.append(f"class {node.name}(")
        self._nodes([*node.decorator_list, *node.bases, *node.keywords])
        for part in node.body:
            self._class_statement(part)
        self.out.append(")")

    def _scope(self, arguments: ast.arguments, body: Iterable[ast.AST]) -> _Scope:
        """The names of a function; what comprehensions and inner functions bind is their own."""
        given = (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
        others = (arguments.vararg, arguments.kwarg)
        scope = _Scope({one.arg for one in (*given, *others) if one is not None})
        elsewhere: set[str] = set()
        waiting = list(body)
        while waiting:
            node = waiting.pop()
            if isinstance(node, ast.Global | ast.Nonlocal):
                elsewhere.update(node.names)
            elif isinstance(node, ast.Import | ast.ImportFrom):
                for name, target in self.names.imported(node)[0]:
                    scope.imports.setdefault(name, []).append(target)
            else:
                scope.names.update(_bound_by(node))
                waiting += _same_scope(node)
        scope.names -= elsewhere
        return scope


def _bound_by(node: ast.AST) -> list[str]:
    """The names that a node binds where it stands."""
    if isinstance(node, ast.Name):
        return [] if isinstance(node.ctx, ast.Load) else [node.id]
    if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
        return [node.name]
    if isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar):
        return [node.name] if node.name else []
    return [node.rest] if isinstance(node, ast.MatchMapping) and node.rest else []


def _same_scope(node: ast.AST) -> Iterable[ast.AST]:
    """The nodes within one that bind names in the same function."""
    if isinstance(node, (*FUNCTIONS, ast.ClassDef, ast.Lambda)):
        return ()
    if isinstance(node, _COMPREHENSIONS):
        named = (part for part in ast.walk(node) if isinstance(part, ast.NamedExpr))
        return [part.target for part in named]
    return ast.iter_child_nodes(node)


def _dumps_what_is_set(node: ast.Call) -> bool:
    """Whether a call is `model_dump(…, exclude_defaults=True)`."""
    return last_name(node.func) == "model_dump" and any(
        word.arg == "exclude_defaults"
        and isinstance(word.value, ast.Constant)
        and word.value.value is True
        for word in node.keywords
    )


_FIELDS: dict[type[ast.AST], tuple[str, ...]] = {}


def _fields_of(kind: type[ast.AST]) -> tuple[str, ...]:
    if kind not in _FIELDS:
        _FIELDS[kind] = tuple(name for name in kind._fields if name not in _FIELDS_LEFT_OUT)
    return _FIELDS[kind]


_HANDLERS: dict[type[ast.AST], Callable[[Nodes, Any], None]] = {
    ast.AnnAssign: Nodes._annotated,
    ast.Assert: Nodes._assert,
    ast.Assign: Nodes._assign,
    ast.AsyncFunctionDef: Nodes._function,
    ast.Attribute: Nodes._attribute,
    ast.Call: Nodes._call,
    ast.ClassDef: Nodes._class,
    ast.Compare: Nodes._compare,
    ast.Constant: Nodes._constant,
    ast.DictComp: Nodes._comprehension,
    ast.Expr: Nodes._expression,
    ast.FunctionDef: Nodes._function,
    ast.GeneratorExp: Nodes._comprehension,
    ast.If: Nodes._if,
    ast.IfExp: Nodes._condition,
    ast.Import: Nodes._nothing,
    ast.ImportFrom: Nodes._nothing,
    ast.JoinedStr: Nodes._joined_string,
    ast.Lambda: Nodes._lambda,
    ast.ListComp: Nodes._comprehension,
    ast.MatchClass: Nodes._match_class,
    ast.Name: Nodes._name,
    ast.Pass: Nodes._nothing,
    ast.Raise: Nodes._raise,
    ast.SetComp: Nodes._comprehension,
    ast.Subscript: Nodes._subscript,
    ast.While: Nodes._condition,
    ast.match_case: Nodes._match_case,
}
