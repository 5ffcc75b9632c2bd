"""Answers taken out of generated texts."""

import re
from collections.abc import Sequence

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.common.time_limit import OutOfTimeError, time_limit
from tuning_dynamics.config.answer_pattern import AnswerPattern

#: Seconds of computing in which a pattern has found its matches in one text.
SEARCHING = 20.0


def extracted(texts: Sequence[str], asked: AnswerPattern, eval_set: str) -> list[str]:
    """The answer in each text, "" if the pattern does not match.

    As the filter `regex` of lm-evaluation-harness with `group_select` 0 or -1. StudyError for a
    search that does not end.
    """
    pattern = re.compile(asked.pattern)
    try:
        return [_answer(text, pattern, asked.match == "last") for text in texts]
    except OutOfTimeError:
        raise StudyError(
            f"an answer is searched for more than {SEARCHING:g} s for a pattern",
            file=f"datasets/{eval_set}.yaml",
            key="answer_pattern.pattern",
            value=asked.pattern,
            fix="write the pattern without a repetition within a repetition, as in (a+)+",
        ) from None


def _answer(text: str, pattern: re.Pattern[str], last: bool) -> str:
    with time_limit(SEARCHING):
        found = pattern.findall(text)
    return str(found[-1 if last else 0]).strip() if found else ""
