"""Templates: text with the {names} of fields. Of Python's format strings they have no more.

{{ and }} stand for braces. Attributes, indices, positions and format specs are refused: they would
show a field's insides, or fill a machine's memory with padding.
"""

import re
import string
from collections.abc import Callable, Collection

#: Literal text, then a field's name and its conversion (`c` of {name!c}), if any.
Piece = tuple[str, str | None, str | None]

# A number alone is a position in Python's format strings.
_NAME = re.compile(r"(?!\d+$)[^\s.\[\]{}!:](?:[^.\[\]{}!:]*[^\s.\[\]{}!:])?")


def pieces(template: str, conversions: Collection[str] = ()) -> list[Piece]:
    """A template's pieces in order; ValueError for anything but text, {name} and, of
    `conversions`, {name!conversion}."""
    try:
        parsed = list(string.Formatter().parse(template))
    except ValueError as error:
        raise ValueError(f"the template {template!r} cannot be read ({error})") from None
    for _, name, spec, conversion in parsed:
        known = conversion is None or conversion in conversions
        if name is not None and (spec or not known or not _NAME.fullmatch(name)):
            shown = name + (f"!{conversion}" if conversion else "") + (f":{spec}" if spec else "")
            allowed = " or ".join(["{field}", *(f"{{field!{one}}}" for one in conversions)])
            raise ValueError(f"{{{shown}}} is not the name of a field: write {allowed}")
    return [(text, name, conversion) for text, name, _, conversion in parsed]


def names(template: str) -> list[str]:
    """The names of a template's fields; ValueError as for `pieces`."""
    return [name for _, name, _ in pieces(template) if name is not None]


def filled(template: str, text_of: Callable[[str], str], conversions: Collection[str] = ()) -> str:
    """A template with the text of each field; {name!c} begins with a capital and goes on in lower
    case."""
    return "".join(
        text + ("" if name is None else _converted(text_of(name), conversion))
        for text, name, conversion in pieces(template, conversions)
    )


def _converted(text: str, conversion: str | None) -> str:
    return text.capitalize() if conversion == "c" else text
