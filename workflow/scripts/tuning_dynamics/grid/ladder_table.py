"""Evaluations during pre-training as published with the OLMo model ladder (Bhagia et al. 2024).

A wide table per run: a line per evaluated step, a column per measure of a task. It becomes rows of
scores.csv of an untuned family, which is named after its file.
"""

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.grid.csv_file import Line, number_of, read_header, read_rows, refused

STEP, BATCH, TOKENS = "_step", "batch_size_in_tokens", "throughput/total_tokens"

#: eval/downstream/TASK_SPLIT_FORM_SHOTSshot_MEASURE, of which the soft ones have another folder.
_SCORE = re.compile(
    r"eval/downstream(?:_soft)?/(?P<task>[a-z0-9_]+)_(?P<form>rc|mc)_(?P<shots>[0-9]{1,3})shot_"
    r"(?P<measure>acc|len_norm|soft)"
)

#: Prediction method and metric of each measure that is a score from 0 to 1: accuracy by the
#: options' likelihood, by that per character, and the probability of the right option.
MEASURES = {
    "acc": ("likelihood", "accuracy"),
    "len_norm": ("likelihood_per_char", "accuracy"),
    "soft": ("soft", "probability"),
}

#: Options as continuations of the question (`rc`, cloze), or as letters below it (`mc`).
FORMATS = {"rc": "default", "mc": "mc"}

#: Columns that are no scores from 0 to 1, and why they are left out.
_LEFT_OUT = {
    r"eval/[^/]+/CrossEntropyLoss": "a loss is not a score from 0 to 1",
    r"eval/downstream_bpb/.*": "bits per byte are not a score from 0 to 1",
    r"eval/downstream_soft_log/.*": "a log-probability is not a score from 0 to 1",
    r"throughput/.*|optim/.*|learning_rate_peak": "not an evaluation",
}

_NOT_EVALUATED = "not evaluated at this step"


@dataclass(frozen=True)
class _Scores:
    """A column of scores: key columns of scores.csv that it stands for."""

    eval_set: str
    format: str
    shots: str
    prediction: str
    metric: str


def ladder_rows(path: str) -> tuple[list[Line], list[str]]:
    """The file's scores as text by columns of scores.csv, and what is left out.

    Taken are accuracies and probabilities of the right option; left out and counted are losses,
    bits per byte and empty values. Tokens are the table's own, else steps times the batch.
    StudyError for an unknown column, a value that is not a score from 0 to 1, and tokens that are
    not steps times the batch.
    """
    header = read_header(path)
    columns = {name: found for name in header if (found := _scores_of(name)) is not None}
    left_out = Counter(_reason(name, path) for name in header if name not in columns)
    left_out.pop("", None)
    text = [
        f"{count} column{'' if count == 1 else 's'}: {reason}"
        for reason, count in sorted(left_out.items())
    ]
    rows: list[Line] = []
    empty = 0
    for line, row in read_rows(path, (STEP, BATCH), [*header, *columns]):
        point = _point(line, row, path)
        for name, scores in columns.items():
            if row[name] == "":
                empty += 1
            else:
                rows.append((line, {**point, **_score(line, name, row[name], scores, path)}))
    return rows, [*text, f"{empty:,} values: {_NOT_EVALUATED}"] if empty else text


def _scores_of(column: str) -> _Scores | None:
    """What a column of scores is; None for any other column."""
    found = _SCORE.fullmatch(column)
    if found is None:
        return None
    prediction, metric = MEASURES[found["measure"]]
    return _Scores(found["task"], FORMATS[found["form"]], found["shots"], prediction, metric)


def _reason(column: str, path: str) -> str:
    """Why a column is left out; "" if it places the line. StudyError for an unknown column."""
    if column in (STEP, BATCH, TOKENS):
        return ""
    for pattern, reason in _LEFT_OUT.items():
        if re.fullmatch(pattern, column):
            return reason
    raise StudyError(
        "the column is not known",
        file=path,
        key="line 1",
        value=column,
        fix="scores are eval/downstream/TASK_rc_5shot_MEASURE, with mc for rc where options are "
        f"letters, and MEASURE one of {', '.join(MEASURES)}; rename or remove the column",
    )


def _point(line: int, row: dict[str, str], path: str) -> dict[str, str]:
    """The columns that all scores of a line share."""
    step, batch = (_count(line, row, name, path) for name in (STEP, BATCH))
    tokens = step * batch
    if row.get(TOKENS) and _count(line, row, TOKENS, path) != tokens:
        fix = f"correct {TOKENS}, {STEP} or {BATCH}"
        raise refused(
            f"the tokens are not steps times the batch, {tokens}",
            path,
            line,
            TOKENS,
            row[TOKENS],
            fix,
        )
    return {
        "family": Path(path).stem,
        "checkpoint": str(step),
        "step": str(step),
        "tokens": str(tokens),
        "recipe": "base",
        "task": "multiple_choice",
        "kind": "multiple_choice",
    }


def _count(line: int, row: dict[str, str], column: str, path: str) -> int:
    number = number_of(row[column], "int", path, line, column)
    if number is None:
        raise refused("a value is missing", path, line, column, "", "give it")
    return int(number)


def _score(line: int, column: str, text: str, scores: _Scores, path: str) -> dict[str, str]:
    number = number_of(text, "float", path, line, column)
    if number is None or not 0 <= number <= 1:
        fix = "scores are fractions from 0 to 1"
        raise refused("the score is not between 0 and 1", path, line, column, text, fix)
    return {
        "eval_set": scores.eval_set,
        "format": scores.format,
        "shots": scores.shots,
        "prediction": scores.prediction,
        "metric": scores.metric,
        "score": text,
    }
