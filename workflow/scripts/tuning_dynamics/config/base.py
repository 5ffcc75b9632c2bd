"""What every config model shares: names, counts, and the refusal of unknown keys."""

import json
from collections.abc import Mapping
from types import ModuleType
from typing import Annotated, Any, Literal, Union

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    create_model,
    model_validator,
)

from tuning_dynamics.common.errors import nearest, shorten

# Names become folders, wildcards and shell words, so they hold nothing that needs quoting.
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
#: What NumPy's generators take.
Seed = Annotated[int, Field(ge=0, lt=2**32)]
# As the hub has them, so that no name is an address or a path.
Repository = Annotated[
    str,
    StringConstraints(
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*"
        r"(/[A-Za-z0-9_][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*)?$",
        max_length=96,
    ),
]


def refuse_repeats(values: list[Any]) -> list[Any]:
    """`values` as they are; ValueError where one is listed more than once."""
    repeated = sorted({str(value) for value in values if values.count(value) > 1})
    if repeated:
        raise ValueError(f"listed more than once: {', '.join(repeated)}")
    return values


class MisfitError(ValueError):
    """What a model's validator raises about one of its keys."""

    def __init__(self, key: str, what: str, fix: str) -> None:
        super().__init__(what)
        self.key, self.fix = key, fix


Unique = AfterValidator(refuse_repeats)
Names = Annotated[list[Name], Field(min_length=1), Unique]


class Strict(BaseModel):
    """A model that is immutable and refuses keys it does not know."""

    # use_attribute_docstrings is not set: it would read all source files again in every process,
    # and only the schemas need the docstrings (see json_schema.py).
    # Strict: `true` is no number, and text is none either.
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_keys(cls, values: Any) -> Any:
        if isinstance(values, dict):
            known = list(cls.model_fields)
            for key in values:
                if key not in known:
                    hint = nearest(str(key), known) or f"known: {', '.join(known)}"
                    # In quotes of one kind, between which its name is found again.
                    name = str(key).encode("utf-8", "backslashreplace").decode("utf-8")
                    shown = shorten(name.replace("'", "\N{RIGHT SINGLE QUOTATION MARK}"), 80)
                    raise ValueError(f"unknown key '{shown}'; {hint.strip()}")
        return values


def choice(kinds: Mapping[str, ModuleType]) -> Any:
    """The type of a key that names a kind: `name`, or `name: settings` if the kind's module has
    SETTINGS."""
    plain = tuple(name for name in kinds if kinds[name].SETTINGS is None)
    models = [
        create_model(  # type: ignore[call-overload]
            f"{name.title().replace('_', '')}Kind",
            __base__=Strict,
            __doc__=str(kinds[name].__doc__).partition("\n")[0],
            **{name: (kinds[name].SETTINGS, ...)},
        )
        for name in kinds
        if kinds[name].SETTINGS is not None
    ]
    return Union[Literal[plain], *models]  # built at import


def canonical(value: BaseModel | dict[str, Any] | list[Any]) -> str:
    """Compact JSON with sorted keys; a model's fields at their default are left out.

    So a key that a later version adds changes no identity until it is set.
    """
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json", exclude_defaults=True)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
