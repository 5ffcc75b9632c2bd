"""CPU seconds of a process by what it does: imports by library, hashing, loading weights.

Python imports this module by itself at its start where the folder is on PYTHONPATH. Where
STARTUP_PROBE names a folder, {pid}.json in it holds the seconds so far. Each second counts once,
for the innermost of what goes on in its thread; what is in no part is missing.
"""

import functools
import importlib.abc
import importlib.machinery
import json
import os
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

#: Functions of the project that are parts of their own.
FUNCTIONS = {
    ("tuning_dynamics.common.atomic_files", "file_digest"): "hashing",
    ("tuning_dynamics.checkpoints.load", "load_model"): "loading weights",
    ("tuning_dynamics.data.tokenizer", "load_encoder"): "tokenizer",
    ("tuning_dynamics.data.tokenizer", "tokenizer_digest"): "tokenizer",
}

SECONDS: dict[str, float] = defaultdict(float)
_OPEN = threading.local()


@contextmanager
def part(name: str) -> Iterator[None]:
    """Count the block's CPU seconds for a part, but for those of parts within it."""
    inner: list[float] = _OPEN.__dict__.setdefault("inner", [])
    inner.append(0.0)
    began = time.thread_time()
    try:
        yield
    finally:
        whole = time.thread_time() - began
        SECONDS[name] += whole - inner.pop()
        if inner:
            inner[-1] += whole
        else:
            tell()


def tell() -> None:
    """Write the seconds so far; a server is killed and has no end to write them at."""
    path = Path(os.environ["STARTUP_PROBE"], f"{os.getpid()}.json")
    path.write_text(json.dumps(dict(SECONDS)), encoding="utf-8")


def library(module: str) -> str:
    """What a module's import counts for."""
    top = module.partition(".")[0]
    return "standard library" if top in sys.stdlib_module_names else top


def counted(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    """The function, its seconds counted for a part."""

    @functools.wraps(function)
    def inner(*arguments: Any, **named: Any) -> Any:
        with part(name):
            return function(*arguments, **named)

    return inner


def count_imports(loader: type[importlib.abc.Loader]) -> None:
    """Have a sort of loader count what each of its modules takes."""
    create, execute = loader.create_module, loader.exec_module

    def create_counted(self: Any, spec: Any) -> Any:
        with part(f"import {library(spec.name)}"):
            return create(self, spec)

    def execute_counted(self: Any, module: Any) -> None:
        name = module.__spec__.name
        with part(f"import {library(name)}"):
            execute(self, module)
        for (place, function), what in FUNCTIONS.items():
            if place == name:
                setattr(module, function, counted(getattr(module, function), what))

    loader.create_module, loader.exec_module = create_counted, execute_counted  # type: ignore[method-assign]


if "STARTUP_PROBE" in os.environ:
    count_imports(importlib.machinery.SourceFileLoader)
    count_imports(importlib.machinery.ExtensionFileLoader)
