"""Results per checkpoint as published by the Pythia suite's authors (Biderman et al. 2023).

A long table, one value per line, gathered from the output files of lm-evaluation-harness:
columns suite, model, setting, step, num_fewshot, task, metric, value, stderr, task_version,
source_file. It becomes rows of scores.csv of untuned models.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.grid.csv_file import Line, read_rows

COLUMNS = (
    *("suite", "model", "setting", "step", "num_fewshot", "task", "metric", "value", "stderr"),
    *("task_version", "source_file"),
)

#: Tokens per step of all models of the suite except those trained with other batch sizes.
TOKENS_PER_STEP = 2_097_152

#: Task and kind of each set; `acc` on the last word of a passage is that of greedy decoding.
TASKS = {
    "arc_challenge": ("multiple_choice", "multiple_choice"),
    "arc_easy": ("multiple_choice", "multiple_choice"),
    "lambada_openai": ("last_word", "generation"),
    "logiqa": ("multiple_choice", "multiple_choice"),
    "piqa": ("multiple_choice", "multiple_choice"),
    "sciq": ("multiple_choice", "multiple_choice"),
    "winogrande": ("multiple_choice", "multiple_choice"),
    "wsc": ("multiple_choice", "multiple_choice"),
}

#: Prediction method of each accuracy: raw likelihood of options, and per byte of their text.
PREDICTIONS = {"acc": "likelihood", "acc_norm": "likelihood_per_char"}

#: Settings with results of the models as trained.
SETTINGS = ("zero-shot", "five-shot")

# pythia-1b-bf16-deduped: the 1B models were retrained in bf16, and these are the suite's.
_MODEL = re.compile(r"pythia-([\d.]+[mb])(?:-bf16)?(-deduped)?")
_OTHER_BATCH = re.compile(r"-[\d.]+MtokBS$")

# A count computed from a standard error is an integer up to rounding.
_WHOLE = 1e-6


def pythia_rows(path: str) -> tuple[list[Line], list[str]]:
    """The file's lines as text by columns of scores.csv, and the lines left out.

    Zero-shot and five-shot accuracies of the suite's models are taken. These are left out and
    counted: perplexities, which are not scores from 0 to 1; runs with other interventions or batch
    sizes; and lines that repeat another's value. StudyError for an unknown task, metric or model,
    and for two values of one cell.
    """
    left_out: Counter[str] = Counter()
    cells: dict[tuple[str, ...], Line] = {}
    for line, row in read_rows(path, COLUMNS, ()):
        reason = _reason(row)
        if reason is None:
            reason = _repeated(cells, line, row, path)
        if reason is not None:
            left_out[reason] += 1
    items = _items(list(cells.values()))
    rows = [(line, _score_row(line, row, items, path)) for line, row in cells.values()]
    return rows, [f"{count:,} lines: {reason}" for reason, count in sorted(left_out.items())]


def _reason(row: Mapping[str, str]) -> str | None:
    """Why a line is left out; None if it is taken."""
    if row["metric"] == "ppl":
        return "perplexity is not a score from 0 to 1"
    if _OTHER_BATCH.search(row["model"]):
        return "a model trained with another batch size"
    if row["setting"] not in SETTINGS:
        return f"setting {row['setting'] or 'not given'}, not one of {', '.join(SETTINGS)}"
    return None


def _repeated(
    cells: dict[tuple[str, ...], Line], line: int, row: dict[str, str], path: str
) -> str | None:
    """Keep a line by its cell, or report that it repeats another; StudyError for another value."""
    key = tuple(row[name] for name in ("model", "step", "num_fewshot", "task", "metric"))
    first, other = cells.setdefault(key, (line, row))
    if first == line:
        return None
    if row["value"] != other["value"]:
        raise StudyError(
            f"lines {first} and {line} give one cell two values ({other['source_file']} and "
            f"{row['source_file']})",
            file=path,
            key=f"line {line}, column value",
            value=f"{other['value']} and {row['value']}: {', '.join(key)}",
            fix="remove the line of the unwanted run",
        )
    return "the same value of the same cell again"


def _items(lines: Sequence[Line]) -> dict[str, int]:
    """Items of each task, where standard errors determine them.

    The harness gives sqrt(p (1 - p) / (n - 1)), so that n is p (1 - p) / se^2 + 1: known if all of
    a task's lines agree on an integer.
    """
    found = defaultdict(set)
    for _, row in lines:
        try:
            share, error = float(row["value"]), float(row["stderr"])
        except ValueError:
            continue  # reported with its line when the row is read
        if error > _WHOLE**2 and 0 <= share <= 1:
            n = share * (1 - share) / error**2 + 1
            found[row["task"]].add(round(n) if abs(n - round(n)) <= _WHOLE * n else None)
    return {task: only for task, (only, *more) in found.items() if only and not more}


def _score_row(
    line: int, row: Mapping[str, str], items: Mapping[str, int], path: str
) -> dict[str, str]:
    model = _MODEL.fullmatch(row["model"])
    for column, known in (("task", TASKS), ("metric", PREDICTIONS)):
        if row[column] not in known:
            raise _no_place(column, row, line, path, f"known: {', '.join(known)}")
    if model is None:
        raise _no_place("model", row, line, path, "names are pythia-SIZE and pythia-SIZE-deduped")
    if not re.fullmatch("[0-9]{1,12}", row["step"]):
        raise _no_place("step", row, line, path, "write a whole number")
    task, kind = TASKS[row["task"]]
    return {
        "family": f"pythia_{model[1]}{model[2] or ''}".replace(".", "_").replace("-", "_"),
        "checkpoint": row["step"],
        "step": row["step"],
        "tokens": str(TOKENS_PER_STEP * int(row["step"])),
        "recipe": "base",
        "eval_set": row["task"],
        "task": task,
        "kind": kind,
        "format": "default",
        "shots": row["num_fewshot"],
        "prediction": "greedy" if kind == "generation" else PREDICTIONS[row["metric"]],
        "metric": "accuracy",
        "n": str(items.get(row["task"], "")),
        "score": row["value"],
        "se": row["stderr"],
    }


def _no_place(column: str, row: Mapping[str, str], line: int, path: str, fix: str) -> StudyError:
    return StudyError(
        f"the {column} can't be used in a study",
        file=path,
        key=f"line {line}, column {column}",
        value=row[column],
        fix=f"{fix}; or remove the line",
    )
