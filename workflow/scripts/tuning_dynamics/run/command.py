"""The command of a run, looked at before Snakemake reads the study, whose errors are tracebacks.

profiles/default calls it; so nothing here needs a study.
"""

import argparse
import json
import shlex
from collections.abc import Sequence
from pathlib import Path

from tuning_dynamics.common.errors import StudyError, nearest
from tuning_dynamics.config.load import read_yaml

#: What a study's file ends in.
SUFFIXES = (".yaml", ".yml", ".json")


def check_command(arguments: Sequence[str]) -> None:
    """End the process with only an error's text where a config file of the command can't be read,
    or an option has taken the command's target."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--configfile", "--configfiles", nargs="+", default=[])
    parser.add_argument("--config", "-C", nargs="*", default=[])
    given, _ = parser.parse_known_args([*arguments])
    try:
        _require_settings(given.config, arguments)
        require_files([Path(file) for file in given.configfile], arguments)
    except StudyError as error:
        raise SystemExit(f"\nThe study cannot begin.\n{error}\n") from None


def require_files(files: Sequence[Path], arguments: Sequence[str] = ()) -> None:
    """StudyError for a config file that is not there or not YAML, or that is a result: a target."""
    for number, file in enumerate(files):
        target = file.suffix not in SUFFIXES or "results" in file.parts
        if number and target:
            raise _taken("--configfile", str(file), arguments)
        if not file.is_file():
            raise _missing(file)
        if not _is_json(file):
            read_yaml(file)


def _require_settings(settings: Sequence[str], arguments: Sequence[str]) -> None:
    for text in settings:
        if "=" not in text:
            raise _taken("--config", text, arguments)


def _taken(option: str, word: str, arguments: Sequence[str]) -> StudyError:
    """The error for an option that has taken a target, with the command as it was meant."""
    rest = [text for text in arguments if text not in (word, "--")]
    return StudyError(
        f"{option} takes all words up to the next option, and has taken {word}",
        file="the command line",
        key=option,
        value=word,
        fix="write targets after two dashes: " + shlex.join(["snakemake", *rest, "--", word]),
    )


def _missing(file: Path) -> StudyError:
    folders = dict.fromkeys([file.parent, Path("config/studies"), Path("config")])
    there = [
        str(path)
        for folder in folders
        if folder.is_dir()
        for path in sorted(folder.iterdir())
        if path.suffix in SUFFIXES
    ]
    elsewhere = [path for path in there if Path(path).name == file.name and path != str(file)]
    near = nearest(str(file), elsewhere or there)
    return StudyError(
        "the config file is a folder" if file.is_dir() else "the config file does not exist",
        file=file,
        key="--configfile",
        value=str(file),
        fix=f"{near}give a study's file; there are: {', '.join(there[:8]) or 'none here'}",
    )


def _is_json(file: Path) -> bool:
    """Whether Snakemake reads a file as JSON, which may have tabs."""
    try:
        return isinstance(json.loads(file.read_bytes()), dict)
    except ValueError:
        return False
