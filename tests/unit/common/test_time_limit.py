"""A computation that never ends is ended; one that does is left alone."""

import re
import signal

import pytest

from tuning_dynamics.common.time_limit import OutOfTimeError, time_limit


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*$", "(.*a){25}$", r"(\w+\s?)*$"])
def test_a_pattern_that_never_ends_is_ended(pattern: str) -> None:
    with pytest.raises(OutOfTimeError), time_limit(0.05):
        re.search(pattern, "a" * 60 + "!")
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)


def test_what_ends_is_left_alone() -> None:
    with time_limit(60):
        assert re.sub("(a+)+$", "b", "aaa") == "b"
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)
