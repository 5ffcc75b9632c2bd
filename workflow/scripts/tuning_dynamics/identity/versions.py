"""Versions of the packages that a job imports: recorded, reported if different, never a reason."""

from collections.abc import Mapping
from importlib import metadata


def installed(asked: Mapping[str, str], environment: str) -> dict[str, str]:
    """The installed versions of the packages of `asked`, "" for a missing one.

    Prints which differ from `asked`, the versions in the file `environment`.
    """
    found = {name: _installed(name) for name in asked}
    for name, version in asked.items():
        if found[name] != version:
            print(f"{name} {found[name] or '(missing)'} is installed; {environment} has {version}")
    return found


def _installed(name: str) -> str:
    try:
        # Only the release of a build such as 2.13.0+cpu.
        return metadata.version(name).partition("+")[0]
    except metadata.PackageNotFoundError:
        return ""
