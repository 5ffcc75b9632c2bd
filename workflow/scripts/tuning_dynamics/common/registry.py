"""Kinds that a config names, and registries of what does each."""

from typing import Any

from pydantic import BaseModel

#: A module-level `NAME: Kinds[str, …] = {"kind": …}` is a registry: of its entries only those count
#: in a job's code whose kinds the job uses, so that a new kind makes nothing anew (see `code`). For
#: kinds that a job's spec names, as a key or a value, or that are the default of a key.
Kinds = dict


def kind_of(value: str | BaseModel) -> tuple[str, Any]:
    """The name of a kind that a config writes as `name` or `name: settings`, and its settings."""
    if isinstance(value, str):
        return value, None
    ((name, settings),) = value
    return name, settings
