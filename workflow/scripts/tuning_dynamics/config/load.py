"""Read, validate and resolve a study; every mistake is reported with file, key, value and fix."""

import re
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import TypeAdapter, ValidationError

from tuning_dynamics.common.errors import StudyError, nearest
from tuning_dynamics.config.dataset import Dataset, Task
from tuning_dynamics.config.family import Family
from tuning_dynamics.config.recipe import Recipe
from tuning_dynamics.config.study import Block, ResolvedStudy, Study

Parsed = TypeVar("Parsed")


class _Yaml(yaml.SafeLoader):  # type: ignore[misc]
    """YAML 1.2's scalars (yes and no are words, 2e-6 is a number); repeated keys are refused."""


_Yaml.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":bool", ":float"))]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Yaml.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Yaml.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:\d+\.\d*|\.\d+|\d+(?=[eE]))(?:[eE][-+]?\d+)?$"),
    list("-+.0123456789"),
)


def _mapping(loader: _Yaml, node: yaml.MappingNode) -> dict[Any, Any]:
    keys = [loader.construct_object(key, deep=True) for key, _ in node.value]  # type: ignore[no-untyped-call]
    for place, key in enumerate(keys):
        if key in keys[:place]:
            mark = node.value[place][0].start_mark
            raise yaml.constructor.ConstructorError(None, None, f"key {key!r} is given twice", mark)
    mapping: dict[Any, Any] = loader.construct_mapping(node, deep=True)
    return mapping


_Yaml.add_constructor("tag:yaml.org,2002:map", _mapping)


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Parse a YAML mapping; StudyError if the file is missing, not UTF-8, or not a mapping."""
    path = Path(path)
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=_Yaml)
    except FileNotFoundError:
        raise StudyError(
            "the file does not exist",
            file=path,
            key="path",
            value=str(path),
            fix="check the path, or create the file",
        ) from None
    except UnicodeDecodeError as error:
        raise StudyError(
            "the file is not UTF-8 text",
            file=path,
            key=f"byte {error.start}",
            value=error.object[max(0, error.start - 20) : error.start + 20],
            fix="save it as UTF-8",
        ) from None
    except yaml.YAMLError as error:
        raise _not_yaml(path, error) from None
    if not isinstance(document, dict):
        raise StudyError(
            "the file must hold keys and values",
            file=path,
            key="(top level)",
            value="(empty)" if document is None else document,
            fix="write it as `key: value` lines",
        )
    return document


def _not_yaml(path: Path, error: yaml.YAMLError) -> StudyError:
    """The error for a file that can't be parsed, with the line."""
    marked = isinstance(error, yaml.MarkedYAMLError)
    mark = error.problem_mark if marked else None
    line = "" if mark is None else path.read_text(encoding="utf-8").split("\n")[mark.line]
    problem = " ".join(str(error.problem if marked and error.problem else error).split())
    tab = line[: len(line) - len(line.lstrip())].find("\t") >= 0
    return StudyError(
        f"the file is not valid YAML: {problem}",
        file=path,
        key=f"line {mark.line + 1}" if mark else "(unknown line)",
        value=line,
        fix="indent the line with spaces: YAML takes no tabs" if tab else "correct the line",
    )


def parse(model: Any, document: Any, file: str | Path) -> Any:
    """Validate `document` as `model`; the first mistake becomes a StudyError."""
    try:
        return TypeAdapter(model).validate_python(document)
    except ValidationError as error:
        raise _study_error(error, file) from None


def _study_error(error: ValidationError, file: str | Path) -> StudyError:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"]) or "(top level)"
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "missing":
        return StudyError(
            "a required key is missing",
            file=file,
            key=key,
            value=first["input"],
            fix=f"add {key}",
        )
    if "unknown key" in message:
        name = message.split("'")[1]
        return StudyError(
            "the key is not known",
            file=file,
            key=f"{key}.{name}" if first["loc"] else name,
            value=first["input"].get(name),
            fix=message.split("; ", 1)[1],
        )
    more = f" ({len(error.errors()) - 1} more mistakes follow)" if len(error.errors()) > 1 else ""
    return StudyError(
        f"the value does not fit: {message}{more}",
        file=file,
        key=key,
        value=first["input"],
        fix=_expected(first),
    )


def _expected(error: Any) -> str:
    context = error.get("ctx", {})
    if "expected" in context:
        return f"write one of {context['expected']}"
    if error["type"] == "string_pattern_mismatch":
        return "use letters, digits, _ and - only, beginning with a letter or digit"
    if "expected_tags" in context:
        return f"write one of {context['expected_tags']}"
    return "give a value as described in workflow/schemas/ and docs"


class _Catalogue:
    """The folders where families, datasets, tasks and recipes are looked up by name."""

    def __init__(self, folders: list[Path]) -> None:
        self.folders = folders
        # The members of a family share a file.
        self._document = cache(read_yaml)

    def _files(self, part: str) -> list[Path]:
        return [path for folder in self.folders for path in (folder / part).glob("*.yaml")]

    def family(self, name: str, asked_by: str) -> Any:
        """A family with its own file, or a member of the file whose name begins its name."""
        own = any(path.stem == name for path in self._files("families"))
        for path in sorted(self._files("families"), key=lambda path: -len(path.stem)):
            if own or not name.startswith(path.stem):
                continue
            document = dict(self._document(path))
            members = document.pop("members", {})
            if isinstance(members, dict) and isinstance(members.get(name), dict):
                return parse(Family, {**document, **members[name]}, f"{path} (members.{name})")
        return self.read("families", name, Family, asked_by)

    def read(self, part: str, name: str, model: Any, asked_by: str) -> Any:
        for folder in self.folders:
            path = folder / part / f"{name}.yaml"
            if path.is_file():
                return parse(model, read_yaml(path), path)
        known = sorted(path.stem for path in self._files(part))
        raise StudyError(
            f"no file {part}/{name}.yaml in {', '.join(map(str, self.folders))}",
            file=asked_by,
            key=part,
            value=name,
            fix=f"{nearest(name, known)}known: {', '.join(known) or 'none'}; or add the file",
        )


def load_study(config: dict[str, Any], root: Path, file: str | Path) -> ResolvedStudy:
    """The validated study of a config mapping, with everything that it names.

    `root` is the repository; relative catalogue folders lie in it. `file` is the config's file,
    for errors. Raises StudyError.
    """
    study: Study = parse(Study, config, file)
    for folder in study.catalogue:
        if not (root / folder).is_dir():
            raise StudyError(
                "a catalogue folder does not exist",
                file=file,
                key="catalogue",
                value=folder,
                fix="create it or correct the path (relative to the repository)",
            )
    if study.scores is not None:
        return ResolvedStudy(study=study, families={}, tasks={}, datasets={}, recipes={})
    catalogue = _Catalogue([root / folder for folder in study.catalogue])
    datasets = _read_datasets(catalogue, study.blocks, file)
    recipes = {
        name: catalogue.read("recipes", name, Recipe, str(file))
        for name in _named(study.blocks, "recipes")
        if name != "base"
    }
    _add_mixed_sets(catalogue, recipes, datasets, file)
    tasks = {
        name: catalogue.read("tasks", name, Task, "a dataset's key `task`")
        for name in sorted({dataset.task for dataset in datasets.values()})
    }
    families = {
        name: catalogue.family(name, str(file)) for name in _named(study.blocks, "families")
    }
    return ResolvedStudy(
        study=study, families=families, tasks=tasks, datasets=datasets, recipes=recipes
    )


def _named(blocks: list[Block], axis: str) -> list[str]:
    return sorted({name for block in blocks for name in getattr(block, axis)})


def _read_datasets(
    catalogue: _Catalogue, blocks: list[Block], file: str | Path
) -> dict[str, Dataset]:
    names = _named(blocks, "train_sets") + _named(blocks, "eval_sets")
    datasets = {
        name: catalogue.read("datasets", name, Dataset, str(file)) for name in sorted(set(names))
    }
    for name, dataset in list(datasets.items()):
        lender = dataset.demonstrations
        if lender and lender not in datasets:
            datasets[lender] = catalogue.read("datasets", lender, Dataset, f"datasets/{name}.yaml")
    return dict(sorted(datasets.items()))


def _add_mixed_sets(
    catalogue: _Catalogue,
    recipes: dict[str, Recipe],
    datasets: dict[str, Dataset],
    file: str | Path,
) -> None:
    for recipe in recipes.values():
        for stage in recipe.stages:
            for name in stage.data.mix:
                if name != "$target" and name not in datasets:
                    datasets[name] = catalogue.read("datasets", name, Dataset, str(file))


def dump_merged(document: dict[str, Any]) -> str:
    """The merged config as YAML text, defaults included; `load_merged` reads it back.

    `document` is the resolved study as JSON.
    """
    text: str = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100)
    return text


def load_merged(path: str | Path) -> ResolvedStudy:
    """The resolved study of a dumped config."""
    # Written by yaml.safe_dump, which quotes yes and no, so the plain loader reads it back.
    document = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    resolved: ResolvedStudy = parse(ResolvedStudy, document, path)
    return resolved
