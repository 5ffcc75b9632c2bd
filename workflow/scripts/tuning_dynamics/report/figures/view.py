"""The data of one figure: tables' rows of one family, and which cells represent which."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from tuning_dynamics.common.formatting import metric_text
from tuning_dynamics.report.figures.axes import TokenAxis, percent_level, token_axis
from tuning_dynamics.stats.base_pairs import base_rows
from tuning_dynamics.stats.primary_cells import curve_cells
from tuning_dynamics.tables.columns import PUBLISHED

ROLES = {"id": "in domain", "ood": "out of domain", "cross": "other task", "bench": "benchmark"}
#: Roles of sets of the task tuned on.
OWN_ROLES = ("id", "ood")
METRICS = {"rouge_l": "ROUGE-L"}


@dataclass(frozen=True)
class View:
    """A family's rows of the tables by name, the level of intervals, the study's main recipe; and
    the train set, for figures drawn by train set."""

    family: str
    tables: Mapping[str, pd.DataFrame]
    level: float
    recipe: str
    train_set: str = ""

    @cached_property
    def axis(self) -> TokenAxis:
        return token_axis(self.tables["checkpoints"], self.family)

    @property
    def given(self) -> bool:
        """Whether this is a study of published scores."""
        return bool((self.tables["checkpoints"]["source"] == PUBLISHED).any())

    @property
    def interval(self) -> str:
        """`95 % interval`."""
        return f"{percent_level(self.level)} interval"

    @cached_property
    def primary(self) -> pd.DataFrame:
        """From seed_means.csv one row per checkpoint, recipe, train set and evaluation set, in
        format `default` and evaluated alike along a curve (stats/primary_cells.py), with `value`,
        `low`, `high`.
        """
        return scored(curve_cells(self.tables["seed_means"]))

    @property
    def base(self) -> pd.DataFrame:
        return self.primary[self.primary["recipe"] == "base"]

    def main(self, *roles: str) -> pd.DataFrame:
        """The main recipe's rows of some roles, or of all."""
        own = self.primary[self.primary["recipe"] == self.recipe]
        return own[own["role"].isin(roles)] if roles else own

    @cached_property
    def chance(self) -> dict[str, float]:
        """Accuracy of guessing on the sets where it is known."""
        return self._known("chance")

    @cached_property
    def majority(self) -> dict[str, float]:
        """Accuracy of always giving the commonest label, on the sets where it is known."""
        return self._known("majority")

    def _known(self, column: str) -> dict[str, float]:
        sets = self.tables["datasets"]
        known = sets[(sets["use"] == "evaluation") & sets[column].notna()]
        return dict(zip(known["dataset"], known[column], strict=True))

    @cached_property
    def compared_shots(self) -> str:
        """`shots_words` of the changes of `primary`: the tuned cells, and the base cells that they
        are compared with."""
        tuned = self.primary[self.primary["change"].notna()]
        means = self.tables["seed_means"]
        both = pd.concat([tuned, means[means["recipe"] == "base"]], ignore_index=True)
        both = both.assign(draw=0)  # means over draws are not of one draw
        found = both.loc[base_rows(both).dropna().unique()]
        return shots_words(found, tuned)

    @cached_property
    def untrained(self) -> str:
        """That an untrained checkpoint is among those of the changes of `primary`, as a sentence
        for means over checkpoints; empty if there is none."""
        changed = self.primary[self.primary["change"].notna()]
        if not (changed["tokens"] == 0).any():
            return ""
        return "One checkpoint is untrained (0 tokens): it has learned nothing to lose."


def scored(means: pd.DataFrame) -> pd.DataFrame:
    """Rows of seed_means.csv whose `value` and interval are those of the score."""
    return means.rename(columns={"score": "value", "ci_low": "low", "ci_high": "high"})


def probable(means: pd.DataFrame) -> pd.DataFrame:
    """Rows of `View.primary` whose `value` and interval are those of the probability of the right
    option."""
    kept = means.drop(columns=["value", "low", "high"])
    names = {"probability": "value", "probability_low": "low", "probability_high": "high"}
    return kept.rename(columns=names)


def changed(means: pd.DataFrame) -> pd.DataFrame:
    """Tuned rows of `View.primary` whose `value` and interval are those of the change; missing for
    rows without a base."""
    kept = means.drop(columns=["value", "low", "high"])
    return kept.rename(columns={"change": "value", "change_low": "low", "change_high": "high"})


def metric_words(rows: pd.DataFrame) -> str:
    """The metric of rows that share one."""
    return metric_text(str(rows["metric"].iloc[0]))


def shots_words(base: pd.DataFrame, tuned: pd.DataFrame) -> str:
    """How many demonstrations base and tuned models are shown, as a sentence; empty if the numbers
    are equal, or either side has no rows."""
    sides = [", ".join(map(str, sorted(rows["shots"].dropna().unique()))) for rows in (base, tuned)]
    if not all(sides) or sides[0] == sides[1]:
        return ""
    return f"Demonstrations in the prompt: {sides[0]} for base, {sides[1]} for tuned models."


def items_words(rows: pd.DataFrame) -> str:
    """`n = 120`, `n = 120 to 500`, or `n unknown`."""
    low, high = rows["n"].min(), rows["n"].max()
    if pd.isna(low):
        return "n unknown"
    return f"n = {low}" if low == high else f"n = {low} to {high}"


def seeds_words(rows: pd.DataFrame) -> str:
    """`1 seed`, or the number of seeds of the means; empty if nothing is tuned."""
    seeds = rows["seeds"].dropna()
    if seeds.empty:
        return ""
    low, high = int(seeds.min()), int(seeds.max())
    if low == high:
        return "1 seed" if high == 1 else f"means of {high} seeds"
    return f"means of {low} to {high} seeds (hollow: fewer than elsewhere on the line)"


def bands_words(view: View, rows: pd.DataFrame) -> str:
    """The meaning of bands, or of whiskers if there is one checkpoint, with n and seeds."""
    mark = "Bands" if len(view.axis.checkpoints) > 1 else "Whiskers"
    counts = ", ".join(words for words in (items_words(rows), seeds_words(rows)) if words)
    if rows["low"].isna().all():
        return f"No {mark.lower()}: intervals need the items, which are not known ({counts})."
    return f"{mark}: {view.interval}{_over(view, rows)} ({counts})."


def _over(view: View, rows: pd.DataFrame) -> str:
    """What intervals are over; those of published scores have no items."""
    several = bool((rows["seeds"] > 1).any())
    if not view.given:
        varied = [name for name in ("seeds", "draws") if (rows[name] > 1).any()]
        return f" over {' and '.join([', '.join(varied), 'items'] if varied else ['items'])}"
    single = "as published, or of its standard error or items"
    return f" over seeds, of a single score {single}" if several else f" {single}"
