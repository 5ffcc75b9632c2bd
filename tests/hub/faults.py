"""Faults that a test plants on files or calls of a hub."""

import threading
from dataclasses import dataclass
from typing import Literal, get_args

Fault = Literal[
    "truncate_once",
    "truncate_always",
    "reset_once",
    "reset_always",
    "not_found",
    "busy_once",
    "busy_always",
    "corrupt",
    "server_error_once",
    "server_error_always",
]
STATUS = {"not_found": 404, "busy": 429, "server_error": 503}


@dataclass(frozen=True)
class Planted:
    """A fault of one method on one place: (kind, repository, commit, file), or a URL path."""

    fault: Fault
    place: tuple[str, ...]
    method: str

    @property
    def once(self) -> bool:
        return self.fault.endswith("_once")

    @property
    def effect(self) -> str:
        """`truncate`, `reset`, `not_found`, `busy`, `corrupt` or `server_error`."""
        return self.fault.removesuffix("_once").removesuffix("_always")


class Faults:
    """The faults of a hub; one that acts once is used up by the first request that hits it."""

    def __init__(self) -> None:
        self._planted: list[Planted] = []
        self._lock = threading.Lock()

    def plant(self, fault: Fault, place: tuple[str, ...], method: str) -> None:
        """Add a fault; `method` is GET, HEAD, POST or `*`."""
        if fault not in get_args(Fault):
            raise ValueError(f"no fault {fault!r}; there are {get_args(Fault)}")
        with self._lock:
            self._planted.append(Planted(fault, place, method))

    def clear(self) -> None:
        """Remove all faults."""
        with self._lock:
            self._planted.clear()

    def meet(self, place: tuple[str, ...], method: str) -> str:
        """The effect of the first fault on a request, empty if there is none."""
        with self._lock:
            for planted in self._planted:
                if planted.place == place and planted.method in ("*", method):
                    if planted.once:
                        self._planted.remove(planted)
                    return planted.effect
        return ""
