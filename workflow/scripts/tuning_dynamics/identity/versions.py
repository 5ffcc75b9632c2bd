"""Versions of the packages that a job imports: recorded, told where they differ, never a reason."""

from collections.abc import Mapping
from importlib import metadata


def installed(asked: Mapping[str, str], environment: str) -> dict[str, str]:
    """The versions that this process has of the packages of `asked`, "" of one that it lacks.

    Prints which differ from `asked`, those of the file `environment`.
    """
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
