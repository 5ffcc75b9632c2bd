"""How an answer is taken out of a generated text."""

import re
from typing import Literal, Self

from pydantic import model_validator

from tuning_dynamics.config.base import MisfitError, Strict


class AnswerPattern(Strict):
    """The answer is what a group of a regular expression matches, without white space at its ends;
    a text without a match has an empty answer, which is wrong."""

    pattern: str
    """Regular expression with one group, the answer."""
    match: Literal["first", "last"] = "first"
    """Which match counts, if there are several."""

    @model_validator(mode="after")
    def _pattern_has_one_group(self) -> Self:
        try:
            groups = re.compile(self.pattern).groups
        except re.error as error:
            raise MisfitError(
                "pattern",
                f"not a regular expression: {error}",
                "write it as for Python's re, in single quotes",
            ) from None
        if groups != 1:
            raise MisfitError(
                "pattern",
                f"it has {groups} groups, and exactly one must match the answer",
                "put the answer in parentheses, and write (?:…) for any others",
            )
        return self
