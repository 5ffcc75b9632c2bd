"""What every job's stub shares: its log, and errors told in one screen."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tuning_dynamics.study.errors import StudyError


@contextmanager
def logged(log: Any) -> Iterator[None]:
    """Send everything the block prints to the job's log.

    A StudyError ends the job with its text alone; anything else keeps its traceback.
    """
    # The file descriptors themselves, so that compiled libraries' messages are caught too.
    target = os.open(str(log), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
    os.dup2(target, 1)
    os.dup2(target, 2)
    try:
        yield
    except StudyError as error:
        print(error, file=sys.stderr, flush=True)
        raise SystemExit(1) from None
