"""What tuning changed, in short: per train set and evaluation set the scores before and after."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from tuning_dynamics.common.formatting import interval_text, metric_text, shots_text, signed
from tuning_dynamics.stats.base_pairs import base_rows
from tuning_dynamics.stats.degenerate import degenerate_cells
from tuning_dynamics.stats.noise import noise_floor, under
from tuning_dynamics.stats.primary_cells import curve_cells

BETTER, WORSE, OPEN, UNKNOWN = "better", "worse", "no difference shown", "no interval"

#: The roles of sets to a model, its own task first, in words.
ROLES = {
    "id": "own task and domain",
    "ood": "own task, other domain",
    "bench": "benchmark",
    "cross": "other task",
}

_SET = ["train_set", "eval_set", "prediction", "shots", "metric"]


@dataclass(frozen=True)
class Answer:
    """One evaluation set before and after tuning. Numbers are fractions, NaN if unknown; `low` and
    `high` are the ends of the change's interval. `note` says what else to know."""

    eval_set: str
    role: str
    metric: str
    before: float
    before_shots: int
    before_draws: int
    after: float
    after_shots: int
    change: float
    low: float
    high: float
    verdict: str
    chance: float
    majority: float
    note: str

    @property
    def shown(self) -> str:
        """What the base model was shown, in words."""
        draws = f", mean of {self.before_draws} draws" if self.before_draws > 1 else ""
        return shots_text(self.before_shots) + draws


@dataclass(frozen=True)
class TrainSetAnswers:
    """What tuning on one set changed at a family's last tuned checkpoint, own task first."""

    family: str
    checkpoint: str
    recipe: str
    train_set: str
    answers: Sequence[Answer]
    level: float
    on_text: str = ""

    @property
    def sentences(self) -> list[str]:
        """The own sets in full, how the others went, and `on_text`, what happened to the loss on
        the fixed text, if that is known."""
        own = [answer for answer in self.answers if answer.role == "id"]
        others = [answer for answer in self.answers if answer.role != "id"]
        told = [*(self._in_full(answer) for answer in own), *self._counted(others, bool(own))]
        return [*told, self.on_text] if self.on_text else told

    def _in_full(self, answer: Answer) -> str:
        after = shots_text(answer.after_shots)
        baselines = [
            f"{words} {value:.3f}"
            for words, value in (
                ("guessing would score", answer.chance),
                ("always giving the commonest label", answer.majority),
            )
            if not math.isnan(value)
        ]
        same = answer.eval_set == self.train_set
        where = "its own set" if same else f"{answer.eval_set}, of its own task and domain"
        return " ".join(
            [
                f"On {where}, {answer.metric} went from {answer.before:.3f} (base, "
                f"{answer.shown}) to {answer.after:.3f} (tuned, {after}): {answer.verdict} (change "
                f"{signed(answer.change)}, {interval_text(answer.low, answer.high, self.level)}).",
                *(_sentence(words) for words in (", ".join(baselines), answer.note) if words),
            ]
        )

    def _counted(self, others: Sequence[Answer], beside: bool) -> list[str]:
        counts = [
            f"{sum(answer.verdict == verdict for answer in others)} {words}"
            for verdict, words in (
                (BETTER, "better"),
                (WORSE, "worse"),
                (OPEN, "with no difference shown"),
                (UNKNOWN, "without an interval"),
            )
            if any(answer.verdict == verdict for answer in others)
        ]
        if not counts:
            return []
        sets = f"{len(others)} {'other ' if beside else ''}set{'' if len(others) == 1 else 's'}"
        return [f"Of {sets}: {', '.join(counts)}."]


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."


def answers(tables: Mapping[str, pd.DataFrame], recipe: str, level: float) -> list[TrainSetAnswers]:
    """What tuning by `recipe` changed, for each family and train set, from a study's tables.

    A change is `better` or `worse` if its interval, of `level`, excludes 0 and it is not under the
    noise floor of its set. Scores are means over seeds, of the cells that the figures draw.
    """
    found = []
    tuned = curve_cells(tables["seed_means"])
    tuned = tuned[(tuned["recipe"] == recipe) & tuned["change"].notna()]
    for family, own in tuned.groupby("family", sort=True):
        last = own.sort_values(["tokens", "step"], kind="stable").iloc[-1]["checkpoint"]
        here = own[own["checkpoint"] == last]
        for train_set, rows in here.groupby("train_set", sort=True):
            shown = _shown(tables, rows.reset_index(drop=True))
            key = (str(family), str(last), recipe, str(train_set))
            found.append(TrainSetAnswers(*key, shown, level, _on_text(tables["text_losses"], key)))
    return found


def _on_text(losses: pd.DataFrame, key: tuple[str, ...]) -> str:
    """What happened to the loss on the fixed text of the models of a family, checkpoint, recipe and
    train set, as a sentence; empty if it was not measured."""
    columns = ["family", "checkpoint", "recipe", "train_set"]
    own = losses[(losses[columns] == list(key)).all(axis=1)]
    if own.empty:
        return ""
    before, after = own["base_loss"].mean(), own["tuned_loss"].mean()
    low, high = signed(own["change"].min()), signed(own["change"].max())
    seeds = f", mean of {len(own)} seeds, {low} to {high}" if len(own) > 1 else ""
    return (
        f"The loss on the fixed text went from {before:.3f} (base) to {after:.3f} nats per token "
        f"(change {signed(after - before)}{seeds}; one text, no interval)."
    )


def _shown(tables: Mapping[str, pd.DataFrame], rows: pd.DataFrame) -> list[Answer]:
    """The answers of one variant's rows of seed_means.csv."""
    means = tables["seed_means"]
    both = pd.concat([rows, means[means["recipe"] == "base"]], ignore_index=True)
    both = both.assign(draw=0)  # means over draws are not of one draw
    before = base_rows(both)
    found = [_answer(tables, row, both.loc[before[place]]) for place, row in rows.iterrows()]
    return sorted(found, key=lambda one: (list(ROLES).index(one.role), one.eval_set))


def _answer(tables: Mapping[str, pd.DataFrame], row: pd.Series, base: pd.Series) -> Answer:
    change, low, high = (float(row[name]) for name in ("change", "change_low", "change_high"))
    noise = tables["noise"]
    floor = noise_floor(
        noise[noise["family"] == row["family"]],
        recipe=str(row["recipe"]),
        eval_sets={str(row["eval_set"])},
    )
    quiet = under(change, floor)
    levels = _baselines(tables["datasets"], row)
    notes = [
        "the change is under the noise floor" if quiet and not low <= 0 <= high else "",
        _beaten(float(row["ci_low"]), levels),
        *(_collapsed(degenerate_cells(tables["scores"]), one) for one in (base, row)),
    ]
    return Answer(
        eval_set=str(row["eval_set"]),
        role=str(row["role"]),
        metric=metric_text(str(row["metric"])),
        before=float(row["base_score"]),
        before_shots=int(base["shots"]),
        before_draws=1 if pd.isna(base["draws"]) else int(base["draws"]),
        after=float(row["score"]),
        after_shots=int(row["shots"]),
        change=change,
        low=low,
        high=high,
        verdict=verdict(low, high, quiet=quiet),
        note="; ".join(filter(None, notes)),
        **levels,
    )


def _baselines(datasets: pd.DataFrame, row: pd.Series) -> dict[str, float]:
    """Accuracy of guessing and of always giving the commonest label; NaN if unknown."""
    own = datasets[(datasets["use"] == "evaluation") & (datasets["dataset"] == row["eval_set"])]
    known = not own.empty and row["metric"] == "accuracy"
    return {
        name: float(own[name].iloc[0]) if known else math.nan for name in ("chance", "majority")
    }


def _beaten(low: float, levels: Mapping[str, float]) -> str:
    """Whether the low end of the tuned score's interval is above its baseline, the commonest label
    where that is known; empty if it is, or if one of the two is unknown."""
    majority, chance = levels["majority"], levels["chance"]
    level = chance if math.isnan(majority) else majority
    words = "guessing" if math.isnan(majority) else "the commonest label"
    return f"the tuned model is not shown to be better than {words}" if low <= level else ""


def verdict(low: float, high: float, *, quiet: bool) -> str:
    """What the interval of a change shows; `quiet`: the change is under the noise floor."""
    if math.isnan(low) or math.isnan(high):
        return UNKNOWN
    if quiet or low <= 0 <= high:
        return OPEN
    return BETTER if low > 0 else WORSE


def _collapsed(degenerate: pd.DataFrame, row: pd.Series) -> str:
    """How many of the seeds of a row of seed_means.csv give one answer to nearly all items, from
    the degenerate rows of scores.csv."""
    columns = ["family", "checkpoint", "recipe", "format", *_SET]
    found = int((degenerate[columns] == row[columns]).all(axis=1).sum())
    if not found:
        return ""
    if row["recipe"] == "base":
        return "base gives one answer to nearly all items"
    some = f" at {found} of {row['seeds']} seeds" if row["seeds"] > 1 else ""
    return f"the tuned model gives one answer to nearly all items{some}"
