"""Each side in a process of its own, as a user would start it."""

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any, Concatenate, ParamSpec, TypeVar

import torch

from sides.setting import Given, Setting
from tuning_dynamics.engine.hardware import prepare_device

P = ParamSpec("P")
T = TypeVar("T")


@dataclass
class _Process:
    """What a side's process holds."""

    setting: Setting | None = None


_HERE = _Process()


def _begin(given: Given, threads: int, ours: bool) -> None:
    """Set a process up. Ours as a job of a study does, but for the number of threads: that makes
    it deterministic, and keeps freed memory. The other as its library comes."""
    import logging
    import warnings

    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    if ours:
        prepare_device("cpu")
    torch.set_num_threads(threads)
    _HERE.setting = given.setting()


def _do(function: Callable[..., T], *asked: Any, **more: Any) -> T:
    assert _HERE.setting is not None
    return function(_HERE.setting, *asked, **more)


class Side:
    """A process with the setting; `call` has it do something and waits for the answer."""

    def __init__(self, given: Given, threads: int, *, ours: bool) -> None:
        # Nothing outside is looked for, and no line of progress is written.
        os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}
        self.process = ProcessPoolExecutor(
            1, get_context("spawn"), initializer=_begin, initargs=(given, threads, ours)
        )

    def __enter__(self) -> "Side":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.shutdown()

    def call(
        self,
        function: Callable[Concatenate[Setting, P], T],
        *asked: P.args,
        **more: P.kwargs,
    ) -> T:
        """`function(setting, ...)` in the process; its error is raised here."""
        return self.process.submit(_do, function, *asked, **more).result()
