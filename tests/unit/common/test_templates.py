"""Templates hold text and names, and nothing else of Python's format strings."""

import pytest

from tuning_dynamics.common.templates import filled, names


@pytest.mark.parametrize(
    ("template", "shown"),
    [
        ("{a} and {b}", "x and {y}"),
        ("{{{a}}}", "{x}"),
        ("100% {a c}", "100% z"),
        ("no field", "no field"),
        ("{a!c}{b!c}", "X{y}"),
    ],
)
def test_fields_are_filled_once(template: str, shown: str) -> None:
    # A field's own braces are text.
    fields = {"a": "x", "b": "{y}", "a c": "z"}
    assert filled(template, fields.__getitem__, "c") == shown
    assert set(names(template.replace("!c", ""))) <= set(fields)


@pytest.mark.parametrize(
    "template",
    [
        *("{a.__class__}", "{a.b}", "{a[0]}", "{a[b]}", "{0}", "{}", "{ a}", "{a }", "{12}"),
        *("{a!r}", "{a!s}", "{a!x}", "{a:>9999999999}", "{a:{b}}", "{a:d}", "{a!c:>3}", "{a\n}"),
        *("{", "}", "{a", "a}", "{a}}", "{{a}", "{a!}", "{a{b}}", "{__class__.x}"),
    ],
)
def test_all_else_is_refused(template: str) -> None:
    with pytest.raises(ValueError, match=r"is not the name of a field|cannot be read"):
        names(template)
