"""What tuning changed, in short: per train set and evaluation set the scores before and after.

Words on a change (raised, lowered) compare with the base; words on a score, with its baseline.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from tuning_dynamics.common.formatting import (
    interval_text,
    metric_text,
    plural,
    shots_text,
    signed,
)
from tuning_dynamics.stats.base_pairs import base_rows
from tuning_dynamics.stats.degenerate import degenerate_cells
from tuning_dynamics.stats.noise import noise_floor, under
from tuning_dynamics.stats.primary_cells import curve_cells

RAISED, LOWERED, OPEN, UNKNOWN = "raised", "lowered", "no difference shown", "no interval"

#: The roles of sets to a model, its own task first, in words.
ROLES = {
    "id": "own task and domain",
    "ood": "own task, other domain",
    "bench": "benchmark",
    "cross": "other task",
}

#: The same in a sentence about scores.
_WHERE = {
    "id": "on a set's own task and domain",
    "ood": "on its task in other domains",
    "bench": "on benchmarks",
    "cross": "on other tasks",
}

_SET = ["train_set", "eval_set", "prediction", "shots", "metric"]
_CELL = ["family", "checkpoint", "recipe", "format", *_SET]


@dataclass(frozen=True)
class Answer:
    """One evaluation set before and after tuning. Numbers are fractions, NaN if unknown; `after` is
    a mean over `seeds`, `low` and `high` are the ends of the change's interval. `note` says what
    else to know."""

    eval_set: str
    role: str
    metric: str
    before: float
    before_shots: int
    before_draws: int
    after: float
    after_shots: int
    seeds: int
    change: float
    low: float
    high: float
    verdict: str
    floor_known: bool
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
    def floors(self) -> int:
        """How many of the sets have a known noise floor."""
        return sum(answer.floor_known for answer in self.answers)

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
                (RAISED, "raised"),
                (LOWERED, "lowered"),
                (OPEN, "with no difference shown"),
                (UNKNOWN, "without an interval"),
            )
            if any(answer.verdict == verdict for answer in others)
        ]
        if not counts:
            return []
        sets = plural(len(others), "other set" if beside else "set")
        return [f"Of {sets}: {', '.join(counts)}."]


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."


def overview(found: Sequence[TrainSetAnswers], findings: pd.DataFrame) -> list[str]:
    """A text for each family: the verdicts of findings.csv on the paper's findings; and what tuning
    did to all scores of `answers` at once, how many it raised and lowered, and by how much, on its
    own task, in other domains and on other tasks."""
    by_family: dict[str, list[TrainSetAnswers]] = {}
    for group in found:
        by_family.setdefault(group.family, []).append(group)
    published = findings[findings["number"].notna()]
    return [
        f"{_verdicts(published[published['family'] == family])} {_overview(groups)}"
        for family, groups in by_family.items()
    ]


def _verdicts(published: pd.DataFrame) -> str:
    """`Of the findings of Amuro & Char, 1 and 4 are supported here; 2 is contradicted.`"""
    told = []
    for verdict, words in (
        ("supported", "supported here"),
        ("contradicted", "contradicted"),
        ("cannot tell", "left open"),
    ):
        numbers = [
            f"{number:g}" for number in published.loc[published["verdict"] == verdict, "number"]
        ]
        if numbers:
            listed = " and ".join(filter(None, [", ".join(numbers[:-1]), numbers[-1]]))
            told.append(f"{listed} {'are' if len(numbers) > 1 else 'is'} {words}")
    return f"Of the findings of Amuro & Char, {'; '.join(told)}."


def _overview(groups: Sequence[TrainSetAnswers]) -> str:
    first, own = groups[0], [answer for group in groups for answer in group.answers]
    parts = [
        _shifted(here, where)
        for role, where in _WHERE.items()
        if (here := [answer for answer in own if answer.role == role])
    ]
    rest = sum(answer.verdict in (OPEN, UNKNOWN) for answer in own)
    return (
        f"At checkpoint {first.checkpoint}, tuning {first.family} by {first.recipe} on "
        f"{plural(len(groups), 'set')} {'; it '.join(parts)}. "
        f"For {rest or 'none'} of all {plural(len(own), 'score')}, no difference is shown."
    )


def _shifted(answers: Sequence[Answer], where: str) -> str:
    """`raised 4 of 5 scores on other tasks (+0.392 to +0.775) and lowered 1 (-0.117)`."""
    of = f" of {plural(len(answers), 'score')} {where}"
    found: list[str] = []
    for verdict in (RAISED, LOWERED):
        changes = [answer.change for answer in answers if answer.verdict == verdict]
        if changes:
            found.append(f"{verdict} {len(changes)}{'' if found else of} ({_span(changes)})")
    return " and ".join(found) or f"is not shown to have changed any{of}"


def _span(changes: Sequence[float]) -> str:
    return " to ".join(dict.fromkeys(map(signed, (min(changes), max(changes)))))


def answers(tables: Mapping[str, pd.DataFrame], recipe: str, level: float) -> list[TrainSetAnswers]:
    """What tuning by `recipe` changed, for each family and train set, from a study's tables.

    A change has `raised` or `lowered` the score if its interval, of `level`, excludes 0 and it is
    not under the noise floor of its set. Scores are means over seeds, of the cells that the figures
    draw.
    """
    found = []
    tuned = curve_cells(tables["seed_means"])
    tuned = tuned[(tuned["recipe"] == recipe) & tuned["change"].notna()]
    tuned = tuned.merge(_widest(tables["changes"]), on=_CELL, how="left", validate="many_to_one")
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
        _loose(row),
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
        seeds=int(row["seeds"]),
        change=change,
        low=low,
        high=high,
        verdict=verdict(low, high, quiet=quiet),
        floor_known=floor.pairs > 0,
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
    return f"the tuned score is not shown to be above that of {words}" if low <= level else ""


def verdict(low: float, high: float, *, quiet: bool) -> str:
    """What the interval of a change shows; `quiet`: the change is under the noise floor."""
    if math.isnan(low) or math.isnan(high):
        return UNKNOWN
    if quiet or low <= 0 <= high:
        return OPEN
    return RAISED if low > 0 else LOWERED


def _collapsed(degenerate: pd.DataFrame, row: pd.Series) -> str:
    """To what share of the items a model of a row of seed_means.csv gives one answer, and at how
    many of its seeds, from the degenerate rows of scores.csv; empty if it is in none."""
    found = degenerate[(degenerate[_CELL] == row[_CELL]).all(axis=1)]["commonest"]
    if found.empty:
        return ""
    shares = " to ".join(dict.fromkeys(f"{100 * end:.0f} %" for end in (found.min(), found.max())))
    whose = "base" if row["recipe"] == "base" else "the tuned model"
    several = row["recipe"] != "base" and row["seeds"] > 1
    some = f" at {len(found)} of {row['seeds']} seeds" if several else ""
    return f"{whose} gives one answer to {shares} of the items{some}"


def _widest(changes: pd.DataFrame) -> pd.DataFrame:
    """The width of the widest interval that one seed and draw of a cell has, from changes.csv."""
    widths = changes.assign(widest=changes["change_high"] - changes["change_low"])
    return widths.groupby(_CELL, as_index=False)["widest"].max()


def _loose(row: pd.Series) -> str:
    """That seeds or draws differ so much that the interval of their mean is wider than that of any
    one of them; empty if it is not."""
    counts = [
        plural(int(row[name]), name.removesuffix("s"))
        for name in ("seeds", "draws")
        if not pd.isna(row[name]) and row[name] > 1
    ]
    if not counts or not row["change_high"] - row["change_low"] > row["widest"]:
        return ""
    return f"the interval is wide, as {' and '.join(counts)} that differ say little of others"
