"""The environment files of the jobs: which versions of which packages they ask for."""

from functools import cache
from pathlib import Path

from tuning_dynamics.config.load import read_yaml

#: What PyPI calls packages that conda has under another name.
_PYPI = {"pytorch": "torch"}


@cache
def asked_for(environment: str) -> dict[str, str]:
    """Package -> version of an environment file, by the names of PyPI; without Python itself."""
    listed = read_yaml(Path(environment))["dependencies"]
    pairs = (entry.partition("=") for entry in listed if isinstance(entry, str))
    return {_PYPI.get(name, name): version for name, _, version in pairs if name != "python"}
