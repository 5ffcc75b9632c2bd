"""What decides re-runs: the content of code and of the settings that can change a number."""

import ast
import hashlib
import json
import sys
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from tuning_dynamics.study.files import file_digest, read_json, write_json

#: Folder of the stubs; the package lies in it.
SCRIPTS = Path(__file__).resolve().parents[2]

#: The repository.
ROOT = SCRIPTS.parents[1]

#: What modules came to, by digest of their source, and which of them this process has read.
_KNOWN: dict[str, tuple[str, tuple[str, ...]]] = {}
_USED: set[str] = set()


def canonical(value: BaseModel | dict[str, Any] | list[Any]) -> str:
    """Compact JSON with sorted keys; a model's fields at their default are left out.

    So a key that a later version adds changes no identity until somebody sets it.
    """
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json", exclude_defaults=True)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


@cache
def code_digest(*stubs: str) -> str:
    """Digest of stubs in `workflow/scripts/` and of all project modules that they import.

    Docstrings and comments do not count: they cannot change a number.
    """
    digest = hashlib.sha256()
    for path in modules_of(*stubs):
        digest.update(f"{path.relative_to(SCRIPTS)}\n{_content(path)[0]}\n".encode())
    return digest.hexdigest()[:16]


def files_digest(*paths: Path) -> str:
    """Digest of files, and of all files in folders, with their names below the repository."""
    digest = hashlib.sha256()
    inside = [found for path in paths for found in (path, *path.rglob("*"))]
    for path in sorted(path for path in inside if path.is_file()):
        digest.update(f"{path.relative_to(ROOT)}\n{file_digest(path)}\n".encode())
    return digest.hexdigest()[:16]


def modules_of(*stubs: str) -> list[Path]:
    """Files of the stubs in `workflow/scripts/` and of all project modules that they import,
    lazily too."""
    modules: set[Path] = set()
    for stub in stubs:
        _collect(SCRIPTS / stub, modules)
    return sorted(modules)


def _collect(path: Path, seen: set[Path]) -> None:
    if path in seen:
        return
    seen.add(path)
    for name in _content(path)[1]:
        for imported in _files(name):
            _collect(imported, seen)


def recall(path: Path) -> None:
    """Take from a file what an earlier process made of modules; StudyError where it is damaged.

    A cluster's jobs each read the Snakefile, and would each spend half a second on it.
    """
    if path.is_file():
        _KNOWN.update({key: (text, tuple(names)) for key, (text, names) in read_json(path).items()})


def remember(path: Path) -> None:
    """Leave for `recall` what this process knows of the modules it read."""
    write_json(path, {key: _KNOWN[key] for key in sorted(_USED)})


@cache
def _content(path: Path) -> tuple[str, tuple[str, ...]]:
    """A module's code without docstrings, and the project modules it imports, even lazily."""
    source = path.read_bytes()
    # Versions of Python write the same code in different ways.
    key = hashlib.sha256(f"{sys.version_info[:2]}\n".encode() + source).hexdigest()
    if key not in _KNOWN:
        _KNOWN[key] = _parsed(source)
    _USED.add(key)
    return _KNOWN[key]


def _parsed(source: bytes) -> tuple[str, tuple[str, ...]]:
    tree = ast.parse(source)
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            _strip_docstring(node)
    ours = sorted(name for name in names if name.split(".")[0] == "tuning_dynamics")
    return ast.unparse(tree), tuple(ours)


def _strip_docstring(node: ast.Module | ast.ClassDef | ast.FunctionDef) -> None:
    kept = [
        statement
        for statement in node.body
        # Every bare string, as field docstrings are bare strings too.
        if not (
            isinstance(statement, ast.Expr)
            and isinstance(statement.value, ast.Constant)
            and isinstance(statement.value.value, str)
        )
    ]
    node.body = kept or [ast.Pass()]


@cache
def _files(module: str) -> list[Path]:
    """The files that importing `module` runs: its packages' __init__ and itself."""
    parts = module.split(".")
    packages = [SCRIPTS.joinpath(*parts[: k + 1], "__init__.py") for k in range(len(parts))]
    itself = SCRIPTS.joinpath(*parts[:-1], f"{parts[-1]}.py")
    return [path for path in [*packages, itself] if path.is_file()]
