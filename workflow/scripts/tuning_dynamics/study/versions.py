"""Versions of the packages that a job imports: recorded, told where they differ, never a reason."""

from functools import cache
from importlib import metadata
from pathlib import Path

from tuning_dynamics.study.load import read_yaml

#: What PyPI calls packages that conda has under another name.
_PYPI = {"pytorch": "torch"}


@cache
def asked_for(environment: str) -> dict[str, str]:
    """Package -> version of an environment file, by the names of PyPI; without Python itself."""
    listed = read_yaml(Path(environment))["dependencies"]
    pairs = (entry.partition("=") for entry in listed if isinstance(entry, str))
    return {_PYPI.get(name, name): version for name, _, version in pairs if name != "python"}


def installed(environment: str) -> dict[str, str]:
    """The versions that this process has of an environment's packages, "" of one it lacks.

    Prints which differ from what the file asks for.
    """
    asked = asked_for(environment)
    found = {name: _installed(name) for name in asked}
    for name, version in asked.items():
        if found[name] != version:
            print(f"{name} {found[name] or '(missing)'} is installed; {environment} has {version}")
    return found


def _installed(name: str) -> str:
    try:
        # Of a build such as 2.13.0+cpu the release alone.
        return metadata.version(name).partition("+")[0]
    except metadata.PackageNotFoundError:
        return ""
