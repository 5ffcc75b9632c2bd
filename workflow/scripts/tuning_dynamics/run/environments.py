"""The environment files of the jobs: the package versions that they ask for."""

from functools import cache
from pathlib import Path

from tuning_dynamics.config.load import read_yaml

#: PyPI's names of packages that have another name in conda.
_PYPI = {"pytorch": "torch"}


@cache
def asked_for(environment: str) -> dict[str, str]:
    """Package -> version in an environment file, by PyPI's names; without Python itself."""
    listed = read_yaml(Path(environment))["dependencies"]
    pairs = (entry.partition("=") for entry in listed if isinstance(entry, str))
    return {_PYPI.get(name, name): version for name, _, version in pairs if name != "python"}
