"""A study without Snakemake: jobs in a working folder, of code that a test may edit."""

import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from standin import JobCode

from tuning_dynamics.identity import code_digest as code
from tuning_dynamics.identity import file_digests as digests
from tuning_dynamics.identity import units
from tuning_dynamics.identity.code_digest import Code


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[JobCode]:
    """Code of its own in a working folder of its own."""
    root = tmp_path / "project"
    made = JobCode(root)

    @cache
    def own() -> Code:
        return Code(root)

    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(root))
    for module in (code, units):
        monkeypatch.setattr(module, "own_code", own)
    units.forget_code()
    yield made
    for name in [name for name in sys.modules if name.partition(".")[0] == "pack"]:
        del sys.modules[name]
    units._settings.cache_clear()
    digests._MEANINGS.clear()
