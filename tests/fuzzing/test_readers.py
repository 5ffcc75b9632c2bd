"""A sample of benchmarks/fuzz.py: mutated files and rows of every reader."""

import pytest

from fuzzing.cases import CASES, run


@pytest.mark.parametrize("name", CASES)
def test_no_reader_says_what_a_file_does_not(name: str) -> None:
    outcomes = run(name, 120, 0)
    assert outcomes["refused"] > 0
    assert outcomes["read"] > 0
