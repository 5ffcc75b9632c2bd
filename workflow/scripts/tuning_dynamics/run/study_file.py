"""A study's settings, read as strictly as the files that it names."""

import json
from functools import partial
from pathlib import Path
from typing import Any

from snakemake.utils import update_config

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.config.load import read_yaml, typed


def read_strictly(config: dict[str, Any], workflow: Any) -> None:
    """Make `config` what the study's files and the command line say; StudyError where a file can't
    be read.

    Snakemake reads files as YAML 1.1, in which 12:30 is 750 and `no` is false, and keeps the last
    of a repeated key; it takes lists and mappings of the command line as text.
    """
    found: dict[str, Any] = {}
    for path in workflow.configfiles:
        update_config(found, _read(Path(path)))
    for key, value in given(workflow).items():
        update_config(found, {key: typed(value) if isinstance(value, list | dict | str) else value})
    config.clear()
    config.update(found)


def _read(path: Path) -> dict[str, Any]:
    """A study's file: JSON, which may have tabs, or YAML, whose reader says what is wrong."""
    try:
        document = json.loads(path.read_bytes(), object_pairs_hook=partial(_unrepeated, path))
    except (OSError, ValueError, RecursionError):
        return read_yaml(path)
    return document if isinstance(document, dict) else read_yaml(path)


def _unrepeated(path: Path, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    for key in keys:
        if keys.count(key) > 1:
            raise StudyError(
                "a key is given twice", file=path, key=key, value=key, fix="keep one of the two"
            )
    return dict(pairs)


def given(workflow: Any) -> dict[str, Any]:
    """The settings of the command line."""
    return dict(workflow.config_settings.config)


def folders(config: dict[str, Any], root: Path) -> list[Path]:
    """A study's catalogue folders, as far as its config names some; it is not validated yet."""
    named = config.get("catalogue", ["config"])
    return [root / str(name) for name in named] if isinstance(named, list) else []
