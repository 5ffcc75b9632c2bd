"""What a command asks for that the study does not make, with what is most like it."""

from collections.abc import Callable, Iterable
from pathlib import Path

from tuning_dynamics.common.errors import StudyError, nearest
from tuning_dynamics.config.load import read_yaml


def require_targets(
    asked: Iterable[str],
    makes: Callable[[str], bool],
    rules: Iterable[str],
    files: Callable[[], list[str]],
    study: str,
) -> None:
    """StudyError for the first of the `asked` files that no rule `makes`.

    `rules` are names that may be asked for, `files` the results of the study.
    """
    for target in asked:
        if not makes(target):
            raise _unknown(target, [*rules], files, study)


def _unknown(
    target: str, rules: list[str], files: Callable[[], list[str]], study: str
) -> StudyError:
    what, fix = f"the study '{study}' makes no such file, and no rule has this name", None
    here = _within(target)
    other = _study_of(here)
    if other is not None and other != study:
        what = f"the file is of the study '{other}', and the config file is that of '{study}'"
        fix = f"give that study's config file: --configfile {_file_of(other)}"
    elif here != target:
        fix = f"write it as it is named from here: {here}"
    return StudyError(
        what,
        file="the command line",
        key="target",
        value=target,
        fix=fix or f"{_nearest(target, rules, files)}`snakemake -n` lists what a run makes",
    )


def _within(target: str) -> str:
    """A target from the current folder, if it lies there."""
    path = Path(target)
    inside = path.is_absolute() and path.is_relative_to(Path.cwd())
    return str(path.relative_to(Path.cwd())) if inside else target


def _study_of(target: str) -> str | None:
    parts = Path(target).parts
    return parts[1] if len(parts) > 2 and parts[0] == "results" else None


def _file_of(study: str) -> str:
    """The file of a study by its name."""
    for path in sorted([*Path("config").glob("*.yaml"), *Path("config/studies").glob("*.yaml")]):
        if read_yaml(path).get("study") == study:
            return str(path)
    return "FILE"


def _nearest(target: str, rules: list[str], files: Callable[[], list[str]]) -> str:
    """`did you mean …`; among files, those that agree in most folders are looked at."""
    if "/" not in target:
        return nearest(target, rules)
    parts = target.split("/")

    def agreeing(path: str) -> int:
        return sum(one == other for one, other in zip(parts, path.split("/"), strict=False))

    known = files()
    most = max(map(agreeing, known))
    return nearest(target, [path for path in known if agreeing(path) == most])
