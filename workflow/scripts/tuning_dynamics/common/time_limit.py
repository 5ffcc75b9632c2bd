"""A limit on the time of a computation that may never end, such as a regular expression."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class OutOfTimeError(Exception):
    """A computation took longer than its limit."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """OutOfTimeError in the block once this process has computed for so many seconds in it.

    It counts the process's own time, not the clock's, so that a busy machine ends nothing. Python
    looks for signals while it matches a pattern. To be used in a process's main thread.
    """

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise OutOfTimeError

    former = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, former)
