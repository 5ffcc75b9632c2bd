"""A study's settings, read as strictly as the files that it names."""

from pathlib import Path
from typing import Any

from snakemake.utils import update_config

from tuning_dynamics.config.load import read_yaml, typed


def read_strictly(config: dict[str, Any], workflow: Any) -> None:
    """Make `config` what the study's files and the command line say; StudyError where a file can't
    be read.

    Snakemake reads files as YAML 1.1, in which 12:30 is 750 and `no` is false, and keeps the last
    of a repeated key; it takes lists and mappings of the command line as text.
    """
    found: dict[str, Any] = {}
    for path in workflow.configfiles:
        update_config(found, read_yaml(path))
    for key, value in given(workflow).items():
        update_config(found, {key: typed(value) if isinstance(value, list | dict) else value})
    config.clear()
    config.update(found)


def given(workflow: Any) -> dict[str, Any]:
    """The settings of the command line."""
    return dict(workflow.config_settings.config)


def folders(config: dict[str, Any], root: Path) -> list[Path]:
    """A study's catalogue folders, as far as its config names some; it is not validated yet."""
    named = config.get("catalogue", ["config"])
    return [root / str(name) for name in named] if isinstance(named, list) else []
