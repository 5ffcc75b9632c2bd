"""Examples of what models were asked and answered: a few right and a few wrong ones of a cell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tuning_dynamics.common.formatting import shots_text
from tuning_dynamics.report.prompts import Answered, CellAnswers
from tuning_dynamics.stats.item_scores import item_scores
from tuning_dynamics.stats.records import refusal

#: Right answers of a cell that are shown, and as many wrong ones.
EACH = 2

#: Characters of a prompt, and of an answer, that are shown.
PROMPT, ANSWER = 700, 300


@dataclass(frozen=True)
class Example:
    """An item: how it was scored, in words; the item's own part of the prompt, None if it is
    unknown; answer and right answers."""

    item: str
    verdict: str
    prompt: str | None
    truncated: bool
    answer: str
    gold: str


@dataclass(frozen=True)
class CellExamples:
    """The examples of one cell; none if it was refused, for the reason `refused`."""

    eval_set: str
    model: str
    shots: str
    records: str
    examples: Sequence[Example]
    refused: str = ""


def cell_examples(cell: Mapping[str, Any]) -> CellExamples:
    """The examples of a cell, a dict as of `grid.merged_config.cell_row`.

    Of equal scores the first items by id are taken, so that nothing else chooses among them.
    """
    path = Path(cell["path"])
    tuned = f"{cell['recipe']}, tuned on {cell['train_set']}, seed {cell['seed']}"
    about = {
        "eval_set": cell["eval_set"],
        "model": f"{cell['family']} {cell['checkpoint']}, "
        + ("not tuned" if cell["recipe"] == "base" else tuned),
        "shots": shots_text(cell["shots"]),
        "records": cell["path"],
    }
    reason = refusal(path)
    if reason is not None:
        return CellExamples(**about, examples=(), refused=reason.splitlines()[0])
    answers = CellAnswers(path)
    items = chosen_items(answers, cell["metric"])
    examples = [_example(answers.answered(name), items.verdict(name)) for name in items.names]
    return CellExamples(**about, examples=examples)


@dataclass(frozen=True)
class Chosen:
    """Items of a cell to show, by id, and each item's score; `binary` if all are 0 or 1."""

    best: Sequence[str]
    worst: Sequence[str]
    scores: Mapping[str, float]
    binary: bool

    @property
    def names(self) -> list[str]:
        """The items, those answered well first."""
        return [*self.best, *self.worst]

    @property
    def mean(self) -> float:
        """The cell's score."""
        return float(np.mean(list(self.scores.values())))

    def verdict(self, name: str) -> str:
        """`right` or `wrong`; of graded scores the number."""
        if self.binary:
            return "right" if self.scores[name] else "wrong"
        return f"score {self.scores[name]:.3f}"


def chosen_items(answers: CellAnswers, metric: str) -> Chosen:
    """At most EACH items with the best scores above 0, and with the worst below 1."""
    names = sorted(answers.rows)
    rows = [answers.rows[name] for name in names]
    scores = item_scores(metric, [row["prediction"] for row in rows], [row["gold"] for row in rows])
    best = [
        names[place] for place in np.argsort(-scores, kind="stable")[:EACH] if scores[place] > 0
    ]
    worst = [
        names[place]
        for place in np.argsort(scores, kind="stable")[:EACH]
        if scores[place] < 1 and names[place] not in best
    ]
    by_name = dict(zip(names, map(float, scores), strict=True))
    return Chosen(best, worst, by_name, bool(np.isin(scores, (0.0, 1.0)).all()))


def _example(answered: Answered, verdict: str) -> Example:
    prompt = answered.prompt
    return Example(
        item=answered.item,
        verdict=verdict,
        prompt=None if prompt is None else clipped(prompt.own, PROMPT),
        truncated=answered.truncated,
        answer=clipped(answered.prediction, ANSWER),
        gold=clipped(" | ".join(answered.gold), ANSWER),
    )


def clipped(text: str, length: int) -> str:
    """A text of at most about `length` characters: its middle is left out, and said to be."""
    left_out = len(text) - length
    if left_out <= 0:
        return text
    half = length // 2
    return f"{text[:half]} [… {left_out:,} characters …] {text[-half:]}"
