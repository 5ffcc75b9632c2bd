"""Ways of tuning one model, side by side, as published by the PEFT library's authors.

A line per way (huggingface/peft, method_comparison/MetaMathQA): the accuracy on GSM8K after tuning
on MetaMathQA, and by how much the loss on a held-out text rose. It becomes rows of scores.csv: a
recipe per line, evaluated on both.
"""

import math
import re

from tuning_dynamics.grid.csv_file import Line, number_of, read_rows, refused

COLUMNS = (
    *("experiment", "peft_type", "rank", "rslora", "dora", "test_accuracy", "forgetting"),
    *("train_loss", "train_tokens", "accelerator_memory_max", "train_seconds", "trainable"),
    *("total", "seed", "model"),
)

#: Family, tokens seen and path of each model, whose pre-training has no public steps: its only
#: checkpoint is called `main` and is step 1. Tokens are those of the model's card.
MODELS = {"meta-llama/Llama-3.2-3B": ("Llama-3_2-3B", 9_000_000_000_000)}

#: The set tuned on, the set of the accuracy, and the text of the loss.
TRAIN_SET, ACCURACY_SET, TEXT_SET = "metamathqa", "gsm8k", "held_out_text"

#: Items of GSM8K's test split.
ITEMS = 1319

# A count computed from a share is an integer up to rounding.
_WHOLE = 1e-6


def peft_rows(path: str) -> tuple[list[Line], list[str]]:
    """The file's lines as text by columns of scores.csv, and what is left out.

    A line gives two scores of one recipe: accuracy, and on the text exp(-rise of the loss), the
    geometric mean probability of its tokens over that of the untuned model, which is 1 by
    definition. The untuned model's accuracy is not in the file. StudyError for an unknown model,
    an accuracy that is no share of 1,319 items, and a loss that fell.
    """
    rows: list[Line] = []
    untuned: dict[str, Line] = {}
    for line, row in read_rows(path, COLUMNS, ()):
        tuned = _variant(line, row, path)
        rows += [
            (line, {**tuned, **_accuracy(line, row, path)}),
            (line, {**tuned, **_text(line, row, path)}),
        ]
        base = {**tuned, "recipe": "base", "train_set": "", "seed": ""}
        untuned.setdefault(tuned["family"], (line, {**base, **_TEXT, "role": "", "score": "1"}))
    cost = "train_loss, train_tokens, memory, seconds and numbers of weights are no scores"
    return [*untuned.values(), *rows], [cost]


def _variant(line: int, row: dict[str, str], path: str) -> dict[str, str]:
    """The columns of a line's model."""
    if row["model"] not in MODELS:
        known = f"known: {', '.join(MODELS)}; or remove the line"
        raise refused("the model can't be used", path, line, "model", row["model"], known)
    family, tokens = MODELS[row["model"]]
    return {
        "family": family,
        "checkpoint": "main",
        "step": "1",
        "tokens": str(tokens),
        "recipe": _recipe(line, row, path),
        "train_set": TRAIN_SET,
        "seed": row["seed"],
        "format": "default",
        "shots": "0",
    }


def _recipe(line: int, row: dict[str, str], path: str) -> str:
    """`lora-rank32` of `lora/llama-3.2-3B-rank32`: the method, and what follows the model."""
    model = row["model"].rpartition("/")[2].lower()
    method, _, settings = row["experiment"].partition("/")
    found = re.fullmatch(rf"{re.escape(model)}-(\S+)", settings, re.IGNORECASE)
    if not re.fullmatch(r"[A-Za-z0-9_-]+", method) or found is None:
        fix = f"write METHOD/{model}-SETTINGS"
        raise refused(
            "the experiment names no way of tuning the model",
            path,
            line,
            "experiment",
            row["experiment"],
            fix,
        )
    return f"{method}-{found[1]}"


def _accuracy(line: int, row: dict[str, str], path: str) -> dict[str, str]:
    text = row["test_accuracy"]
    share = _number(line, row, "test_accuracy", path)
    if not 0 <= share <= 1 or abs(share * ITEMS - round(share * ITEMS)) > _WHOLE * ITEMS:
        fix = f"accuracies are shares of the {ITEMS:,} items of GSM8K's test split"
        raise refused("the accuracy is no such share", path, line, "test_accuracy", text, fix)
    return {
        "eval_set": ACCURACY_SET,
        "task": "math",
        "kind": "generation",
        "role": "id",
        "prediction": "greedy",
        "metric": "accuracy",
        "n": str(ITEMS),
        "score": text,
    }


_TEXT = {
    "eval_set": TEXT_SET,
    "task": "language_modelling",
    "kind": "generation",
    "role": "cross",
    "prediction": "token_loss",
    "metric": "relative_probability",
}


def _text(line: int, row: dict[str, str], path: str) -> dict[str, str]:
    rise = _number(line, row, "forgetting", path)
    if rise < 0:
        fix = "a text on which tuning lowers the loss shows no forgetting; remove the line"
        raise refused("the loss on the text fell", path, line, "forgetting", row["forgetting"], fix)
    return {**_TEXT, "score": repr(math.exp(-rise))}


def _number(line: int, row: dict[str, str], column: str, path: str) -> float:
    number = number_of(row[column], "float", path, line, column)
    if number is None:
        raise refused("a value is missing", path, line, column, "", "give it")
    return float(number)
