"""What is kept from a project's source: definitions, each with a digest and the names it uses."""

import hashlib
from dataclasses import dataclass, field
from typing import Any

#: Name of the statements of a module that do not define names.
TOP_LEVEL = "top level"

#: Among the attributes of a definition: any attribute, read by a computed name.
ANY = "*"


@dataclass
class Definition:
    """A named piece of code.

    `text` is its digest. `uses` are the names of the project that it uses, as written and as
    full dotted names; `imports` the modules that it imports when it runs; `attributes` the names
    after dots; `strings` those that may name something. `messages` are pairs: a function of the
    project, and a digest of the strings passed to it, which are words if it makes an error;
    `error` says whether this definition makes one.
    """

    name: str
    text: str
    uses: list[list[str]] = field(default_factory=list)
    imports: list[str] = field(default_factory=list)
    attributes: list[str] = field(default_factory=list)
    strings: list[str] = field(default_factory=list)
    messages: list[list[str]] = field(default_factory=list)
    error: bool = False


@dataclass
class Class:
    """A class in pieces, as a config model counts piece by piece.

    `line` has its bases and decorators, `body` all statements but methods. `fields` are the
    defaults of a model, `hooks` the methods that pydantic calls, `types` the names in
    annotations of fields.
    """

    line: Definition
    body: Definition
    methods: dict[str, Definition]
    fields: dict[str, Definition]
    hooks: list[str]
    types: list[str]
    bases: list[str]


@dataclass
class Module:
    """A module's definitions, and what importing it does.

    `bound` are the names that it imports; `stars` the modules that it takes all names from;
    `kinds` its registries by name, with their entries; `folders` the registries whose entries
    are modules, each with the names of the packages that hold them.
    """

    imports: list[str]
    bound: dict[str, list[str]]
    stars: list[str]
    definitions: dict[str, Definition] = field(default_factory=dict)
    classes: dict[str, Class] = field(default_factory=dict)
    kinds: dict[str, list[tuple[str | None, Definition]]] = field(default_factory=dict)
    folders: dict[str, list[str]] = field(default_factory=dict)
    top: Definition = field(default_factory=lambda: Definition(TOP_LEVEL, ""))


def text_hash(text: str) -> str:
    """16 hex digits for a text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def joined(before: Definition | None, found: Definition) -> Definition:
    """A definition made of several statements, such as a property and its setter."""
    if before is None:
        return found
    return Definition(
        found.name,
        text_hash(before.text + found.text),
        before.uses + found.uses,
        before.imports + found.imports,
        before.attributes + found.attributes,
        before.strings + found.strings,
        before.messages + found.messages,
        before.error and found.error,
    )


def module_from_json(value: dict[str, Any]) -> Module:
    """A module as `asdict` wrote it."""
    return Module(
        value["imports"],
        value["bound"],
        value["stars"],
        {name: Definition(**one) for name, one in value["definitions"].items()},
        {name: _class_from_json(one) for name, one in value["classes"].items()},
        {
            name: [(key, Definition(**one)) for key, one in entries]
            for name, entries in value["kinds"].items()
        },
        value["folders"],
        Definition(**value["top"]),
    )


def _class_from_json(value: dict[str, Any]) -> Class:
    return Class(
        Definition(**value["line"]),
        Definition(**value["body"]),
        {name: Definition(**one) for name, one in value["methods"].items()},
        {name: Definition(**one) for name, one in value["fields"].items()},
        value["hooks"],
        value["types"],
        value["bases"],
    )
