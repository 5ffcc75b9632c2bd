"""Which code is only messages for people: it reports what happens, and computes nothing."""

import ast
import re

_ERROR = re.compile(r"(Error|Exit|Warning|Exception)$")
_LOGGER = re.compile(r"_?log(ger|ging)?", re.IGNORECASE)
_LOGGED = {"debug", "info", "warning", "error", "critical", "exception", "log"}

#: Calls without effects: where one is printed, it is left out with the text around it.
_PURE_FUNCTIONS = frozenset(
    {
        "abs",
        "all",
        "any",
        "bool",
        "dict",
        "enumerate",
        "float",
        "format",
        "int",
        "isinstance",
        "len",
        "list",
        "max",
        "min",
        "repr",
        "round",
        "set",
        "sorted",
        "str",
        "sum",
        "tuple",
        "type",
        "zip",
    }
)
_PURE_METHODS = frozenset(
    {
        "as_posix",
        "capitalize",
        "endswith",
        "format",
        "get",
        "items",
        "join",
        "keys",
        "ljust",
        "lower",
        "lstrip",
        "most_common",
        "removeprefix",
        "removesuffix",
        "rjust",
        "rstrip",
        "split",
        "splitlines",
        "startswith",
        "strip",
        "title",
        "upper",
        "values",
    }
)


def last_name(node: ast.AST | None) -> str:
    """The last name of `a.b.name`, or of the thing called or subscripted; "" if there is none."""
    if isinstance(node, ast.Call):
        return last_name(node.func)
    if isinstance(node, ast.Subscript):
        return last_name(node.value)
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def names_error(name: str) -> bool:
    """Whether a name looks like that of an error or a warning."""
    return _ERROR.search(name) is not None


def makes_errors(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a function's return annotation mentions an error."""
    if node.returns is None:
        return False
    words = (last_name(part) for part in ast.walk(node.returns))
    quoted = (part.value for part in ast.walk(node.returns) if isinstance(part, ast.Constant))
    return any(names_error(word) for word in (*words, *map(str, quoted)))


def is_message(node: ast.Call) -> bool:
    """Whether a call only prints, logs or warns."""
    if isinstance(node.func, ast.Name):
        return node.func.id in ("print", "warn")
    if not isinstance(node.func, ast.Attribute):
        return False
    owner, name = last_name(node.func.value), node.func.attr
    logged = name in _LOGGED and _LOGGER.fullmatch(owner) is not None
    return logged or (owner == "warnings" and name == "warn")


def pure(node: ast.Call) -> bool:
    """Whether a call has no effects."""
    if isinstance(node.func, ast.Name):
        return node.func.id in _PURE_FUNCTIONS
    return isinstance(node.func, ast.Attribute) and node.func.attr in _PURE_METHODS
