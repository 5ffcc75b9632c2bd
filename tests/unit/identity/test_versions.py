"""Versions of packages: what an environment's file asks for, and what a process has."""

from importlib import metadata
from pathlib import Path

import pytest

from tuning_dynamics.identity.versions import installed
from tuning_dynamics.run.environments import asked_for

FILE = """
channels:
  - conda-forge
dependencies:
  - python=3.11
  - pytorch=2.13.0
  - pyarrow=26.0.1
"""


def test_a_file_asks_for_packages_by_the_names_of_pypi(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(FILE)
    assert asked_for(str(tmp_path / "x.yaml")) == {"torch": "2.13.0", "pyarrow": "26.0.1"}


def test_what_is_installed_as_asked_is_not_reported(capsys: pytest.CaptureFixture[str]) -> None:
    own = metadata.version("pyarrow")
    assert installed({"pyarrow": own}, "x.yaml") == {"pyarrow": own}
    assert capsys.readouterr().out == ""


def test_what_differs_or_is_missing_is_reported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    versions = {"torch": "2.13.0+cpu", "peft": "0.21.2"}

    def version(name: str) -> str:
        if name not in versions:
            raise metadata.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(metadata, "version", version)
    asked = {"torch": "2.13.0", "peft": "0.22.0", "scipy": "1.17.1"}
    # Which build it is (+cpu) says nothing.
    assert installed(asked, "x.yaml") == {"torch": "2.13.0", "peft": "0.21.2", "scipy": ""}
    assert capsys.readouterr().out.splitlines() == [
        "peft 0.21.2 is installed; x.yaml has 0.22.0",
        "scipy (missing) is installed; x.yaml has 1.17.1",
    ]
