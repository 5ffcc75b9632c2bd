"""Read, validate and resolve a study; every mistake is reported with file, key, value and fix."""

import re
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import TypeAdapter, ValidationError

from tuning_dynamics.common.errors import StudyError, nearest, shorten
from tuning_dynamics.common.paths import without_folders
from tuning_dynamics.common.user_files import text_lines
from tuning_dynamics.config.base import MisfitError
from tuning_dynamics.config.dataset import Dataset, Task
from tuning_dynamics.config.family import Family
from tuning_dynamics.config.recipe import Recipe
from tuning_dynamics.config.study import Block, ResolvedStudy, Study

Parsed = TypeVar("Parsed")


#: What ends a line in YAML.
_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")

#: Keys of paths.
PATHS = ("data_root", "catalogue", "scores", "path", "file", "files", "train", "evaluation")

#: Values in a file, aliases followed: far more than any study has.
MOST_VALUES = 1_000_000


class _Yaml(yaml.SafeLoader):  # type: ignore[misc]
    """YAML 1.2's scalars (yes, no and dates are words, 2e-6 is a number); repeated keys are
    refused. Numbers that YAML 1.1 reads as others (010, 1_000, 12:30) are words too."""

    def construct_document(self, node: yaml.Node) -> Any:
        """The document of a node, checked before its aliases are followed."""
        _count(self, node, {})
        return super().construct_document(node)


_Yaml.yaml_implicit_resolvers = {
    first: [
        (tag, pattern)
        for tag, pattern in resolvers
        if tag.rpartition(":")[2] not in ("bool", "float", "int", "timestamp")
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Yaml.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Yaml.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(r"^[-+]?(?:0|[1-9]\d*)$"), list("-+0123456789")
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


def _count(loader: _Yaml, node: yaml.Node, counts: dict[int, int]) -> int:
    """Values in a node with its aliases followed; ConstructorError if they are too many or never
    end, for a tag, and for a text that can't be written."""
    if id(node) in counts:
        # A node that is met again before it is counted holds itself.
        return counts[id(node)]
    _check(loader, node)
    counts[id(node)] = MOST_VALUES
    parts = node.value if isinstance(node, yaml.SequenceNode) else []
    if isinstance(node, yaml.MappingNode):
        parts = [part for pair in node.value for part in pair]
    counts[id(node)] = 1 + sum(_count(loader, part, counts) for part in parts)
    if counts[id(node)] > MOST_VALUES:
        raise _not_read(node, f"aliases make more than {MOST_VALUES:,} values of it, or no end")
    return counts[id(node)]


def _check(loader: _Yaml, node: yaml.Node) -> None:
    given = node.value if isinstance(node, yaml.ScalarNode) else None
    plain = loader.resolve(type(node), given, (True, False))
    if node.tag not in (plain, loader.resolve(type(node), given, (False, True))):
        raise _not_read(node, f"the tag {node.tag!r} is not read")
    if given is not None and re.search("[\x00\ud800-\udfff]", given):
        raise _not_read(node, "the text has an escape (\\0, \\ud800) that is no character")


def _not_read(node: yaml.Node, what: str) -> yaml.YAMLError:
    return yaml.constructor.ConstructorError(None, None, what, node.start_mark)


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Parse a YAML mapping; StudyError if the file is missing, not UTF-8, or not a mapping."""
    path, text = Path(path), "".join(text_lines(path))
    try:
        document = yaml.load(text, Loader=_Yaml)
    except RecursionError:
        raise StudyError(
            "the file is nested too deeply",
            file=path,
            key="(top level)",
            fix="remove brackets and indents that no key needs",
        ) from None
    except (yaml.YAMLError, ValueError) as error:
        raise _not_yaml(path, text, error) from None
    if not isinstance(document, dict):
        raise StudyError(
            "the file must hold keys and values",
            file=path,
            key="(top level)",
            value="(empty)" if document is None else document,
            fix="write it as `key: value` lines",
        )
    return document


def _not_yaml(path: Path, text: str, error: Exception) -> StudyError:
    """The error for a file that can't be parsed, with the line."""
    mark = error.problem_mark if isinstance(error, yaml.MarkedYAMLError) else None
    lines = _BREAK.split(text)
    line = lines[mark.line] if mark and mark.line < len(lines) else ""
    parts = [getattr(error, "context", None), getattr(error, "problem", None)]
    said = " ".join(filter(None, parts)) or str(error)
    tab = line[: len(line) - len(line.lstrip())].find("\t") >= 0
    return StudyError(
        f"the file is not valid YAML: {' '.join(said.split())}",
        file=path,
        key=f"line {mark.line + 1}" if mark else "(unknown line)",
        value=line,
        fix="indent the line with spaces: YAML takes no tabs" if tab else "correct the line",
    )


def typed(value: Any) -> Any:
    """The value of a mapping or list that was read as text alone, as a YAML file would say it."""
    if isinstance(value, dict):
        return {key: typed(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [typed(inner) for inner in value]
    loader = _Yaml("")
    tag = loader.resolve(yaml.ScalarNode, value, (True, False))
    return loader.construct_object(yaml.ScalarNode(tag, value))  # type: ignore[no-untyped-call]


def parse(model: Any, document: Any, file: str | Path) -> Any:
    """Validate `document` as `model`; the first mistake becomes a StudyError."""
    try:
        return TypeAdapter(model).validate_python(document)
    except ValidationError as error:
        raise _study_error(error, document, file) from None


def _study_error(error: ValidationError, document: Any, file: str | Path) -> StudyError:
    first, others = _first_mistake(error, document)
    steps, value = _steps(first, document), first["input"]
    message = first["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    if first["type"].startswith("union_tag"):
        steps, value = [*steps, "source"], value.get("source")
    misfit = first.get("ctx", {}).get("error")
    if isinstance(misfit, MisfitError):
        steps, value = [*steps, misfit.key], _at(value, misfit.key)
    if first["type"] == "missing":
        what, fix = "a required key is missing", f"add {steps[-1]}"
    elif "unknown key" in message:
        name = message.split("'")[1]
        steps, value = [*steps, name], value.get(name)
        what, fix = "the key is not known", message.split("; ", 1)[1]
    else:
        what, fix = f"the value does not fit: {first['msg']}", _expected(first, message)
    if others:
        what += f" ({others} more mistakes follow)"
    return StudyError(
        what.replace("Value error, ", ""),
        file=file,
        key=".".join(steps) or "(top level)",
        value="(empty)" if value is None else value,
        fix=fix,
    )


def _first_mistake(error: ValidationError, document: Any) -> tuple[Any, int]:
    """The first mistake, and the number of others elsewhere. A value that fits none of its types
    has one for each: what the type says that looks furthest into it."""
    mistakes = error.errors()
    place = _steps(mistakes[0], document)
    inside = [one for one in mistakes if _steps(one, document)[: len(place)] == place]
    first = max(inside, key=lambda one: (len(_steps(one, document)), "unknown key" in one["msg"]))
    return first, len(mistakes) - len(inside)


def _steps(mistake: Any, document: Any) -> list[str]:
    """The keys that lead to a mistake, without the names of types that pydantic puts among them."""
    steps, value = [], document
    for part in mistake["loc"]:
        keys = range(len(value)) if isinstance(value, list) else value
        if isinstance(value, dict | list) and part in keys:
            value = value[part]
            steps.append(str(part))
    return [*steps, str(mistake["loc"][-1])] if mistake["type"] == "missing" else steps


def _at(value: Any, key: str) -> Any:
    for part in key.split("."):
        value = value.get(part)
    return value


#: What to write, by the beginning of pydantic's type of mistake.
_WRITE = {
    "int_": "write a whole number, without quotes",
    "float_": "write a number, without quotes",
    "finite_number": "write a number that is neither infinite nor NaN",
    "bool_": "write true or false",
    "string_type": "write a text, in quotes if it looks like something else",
    "string_pattern": "use letters, digits, _ and - only, at most 64, beginning with a letter or "
    "digit; OWNER/NAME for what is on the hub",
    "list_type": "write a list, such as [a, b]",
    "dict_type": "write `key: value` lines",
    "model_": "write `key: value` lines",
    "too_short": "list more",
    "value_error": "correct it; workflow/schemas/ describes every key",
}


def _expected(mistake: Any, message: str) -> str:
    context = mistake.get("ctx", {})
    if isinstance(context.get("error"), MisfitError):
        return str(context["error"].fix)
    for listed in ("expected", "expected_tags"):
        if listed in context:
            return f"write one of {context[listed]}"
    if mistake["type"].startswith(("greater_", "less_")):
        return f"write a number {message}"
    found = (fix for start, fix in _WRITE.items() if mistake["type"].startswith(start))
    return next(found, "see what workflow/schemas/ says of this key")


#: File and key that name a file of the catalogue.
Asked = tuple[str, str]


class _Catalogue:
    """The folders where families, datasets, tasks and recipes are looked up by name."""

    def __init__(self, folders: list[Path]) -> None:
        self.folders = folders
        # The members of a family share a file.
        self._document = cache(read_yaml)

    def _files(self, part: str) -> list[Path]:
        return [path for folder in self.folders for path in (folder / part).glob("*.yaml")]

    def family(self, name: str, asked_by: Asked) -> Any:
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

    def read(self, part: str, name: str, model: Any, asked_by: Asked) -> Any:
        for folder in self.folders:
            path = folder / part / f"{name}.yaml"
            if path.is_file():
                return parse(model, read_yaml(path), path)
        known = sorted(path.stem for path in self._files(part))
        raise StudyError(
            f"no file {part}/{name}.yaml in {', '.join(map(str, self.folders))}",
            file=asked_by[0],
            key=asked_by[1],
            value=name,
            fix=f"{nearest(name, known)}known: {shorten(', '.join(known) or 'none')}; or add the "
            "file",
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
    datasets = _read_datasets(catalogue, study.blocks, str(file))
    recipes = {
        name: catalogue.read("recipes", name, Recipe, asked_by)
        for name, asked_by in _named(study.blocks, "recipes", str(file)).items()
        if name != "base"
    }
    _add_mixed_sets(catalogue, recipes, datasets)
    tasks: dict[str, Task] = {}
    for name, dataset in sorted(datasets.items(), key=lambda one: one[1].task):
        if dataset.task not in tasks:
            asked_by = (f"datasets/{name}.yaml", "task")
            tasks[dataset.task] = catalogue.read("tasks", dataset.task, Task, asked_by)
    families = {
        name: catalogue.family(name, asked_by)
        for name, asked_by in _named(study.blocks, "families", str(file)).items()
    }
    return ResolvedStudy(
        study=study, families=families, tasks=tasks, datasets=datasets, recipes=recipes
    )


def _named(blocks: list[Block], axis: str, file: str) -> dict[str, Asked]:
    """The names of an axis, sorted, with the first place that has each."""
    key = "family" if axis == "families" else axis
    found = {
        name: (file, f"blocks.{number}.{key}")
        for number, block in reversed(list(enumerate(blocks)))
        for name in getattr(block, axis)
    }
    return dict(sorted(found.items()))


def _read_datasets(catalogue: _Catalogue, blocks: list[Block], file: str) -> dict[str, Dataset]:
    names = _named(blocks, "train_sets", file) | _named(blocks, "eval_sets", file)
    datasets = {
        name: catalogue.read("datasets", name, Dataset, asked_by)
        for name, asked_by in sorted(names.items())
    }
    for name, dataset in list(datasets.items()):
        lender = dataset.demonstrations
        if lender and lender not in datasets:
            asked_by = (f"datasets/{name}.yaml", "demonstrations")
            datasets[lender] = catalogue.read("datasets", lender, Dataset, asked_by)
    return dict(sorted(datasets.items()))


def _add_mixed_sets(
    catalogue: _Catalogue, recipes: dict[str, Recipe], datasets: dict[str, Dataset]
) -> None:
    for recipe, described in recipes.items():
        for number, stage in enumerate(described.stages):
            for name in stage.data.mix:
                if name != "$target" and name not in datasets:
                    asked_by = (f"recipes/{recipe}.yaml", f"stages.{number}.data.mix.{name}")
                    datasets[name] = catalogue.read("datasets", name, Dataset, asked_by)


def dump_merged(document: dict[str, Any]) -> str:
    """The merged config as YAML text, defaults included; `load_merged` reads it back.

    `document` is the resolved study as JSON.
    """
    text: str = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100)
    return text


def published_config(path: str | Path) -> str:
    """The text of a dumped config without the folders of the machine where it was made."""
    return dump_merged(_published(yaml.safe_load(Path(path).read_text(encoding="utf-8"))))


def _published(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _published(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [_published(inner, key) for inner in value]
    return without_folders(value) if key in PATHS and isinstance(value, str) else value


def load_merged(path: str | Path) -> ResolvedStudy:
    """The resolved study of a dumped config."""
    # Written by yaml.safe_dump, which quotes yes and no, so the plain loader reads it back.
    document = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    resolved: ResolvedStudy = parse(ResolvedStudy, document, path)
    return resolved
