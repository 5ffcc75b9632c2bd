"""Limitations of a finding, in words: noise, weak base scores, checkpoints, refused cells."""

import pandas as pd

from tuning_dynamics.common.formatting import signed
from tuning_dynamics.stats.changes import RATIO_FLOOR
from tuning_dynamics.stats.degenerate import degenerate_cells
from tuning_dynamics.stats.denominators import WeakBases
from tuning_dynamics.stats.noise import NEAR, SEEDS, Floor, under
from tuning_dynamics.stats.refusals import are_refused

#: How many learning rates at the edge of their candidates are named.
NAMED = 3

_FROM = {SEEDS: "seeds", NEAR: "near-identical checkpoints"}


def marked(value: float, floor: Floor) -> str:
    """A change with its sign, and whether it is under the noise floor."""
    return signed(value) + (" (under the noise floor)" if under(value, floor) else "")


def floor_words(floor: Floor, eval_sets: int, scores: float | None = None) -> str:
    """The noise floor of `eval_sets` evaluation sets, or that it is unknown, as a sentence. For a
    slope, `scores` is the typical difference between two scores."""
    if not floor.pairs:
        return (
            " The noise floor is unknown: no two seeds and no near-identical checkpoints on these "
            "sets."
        )
    pairs = "1 pair" if floor.pairs == 1 else f"{floor.pairs} pairs"
    sets = "" if floor.sets == eval_sets else f", on {floor.sets} of the {eval_sets} sets only"
    if scores is None:
        return (
            f" The noise floor is {floor.value:.3f}, the typical difference between scores of "
            f"{_FROM[floor.kind]} ({pairs}{sets})."
        )
    return (
        f" The noise floor is {floor.value:.3f}, the typical slope that scores of "
        f"{_FROM[floor.kind]} make, which differ by {scores:.3f} ({pairs}{sets})."
    )


def base_words(weak: WeakBases) -> str:
    """Which base scores are weak denominators and why, as a sentence; empty if none is."""
    parts = [
        f"{count} {what}"
        for count, what in (
            (weak.zero, "at 0 (in no mean of ratios)"),
            (weak.near_zero, f"below {RATIO_FLOOR:g}"),
            (weak.at_chance, "not shown to be above chance"),
        )
        if count
    ]
    if not parts:
        return ""
    return (
        f" Weak base scores among the {weak.cells}: {', '.join(parts)}; ratios with these as "
        "denominators are unreliable."
    )


def refused_words(unpaired: pd.DataFrame) -> str:
    """A sentence about refused cells; empty if there are none."""
    lost = unpaired[are_refused(unpaired)]
    if lost.empty:
        return ""
    cells = "1 cell is" if len(lost) == 1 else f"{len(lost):,} cells are"
    return f" {cells} missing, as refused."


def refused(unpaired: pd.DataFrame) -> dict[str, str]:
    """For the top of a page: how many cells were refused, and of which sets; empty if none."""
    lost = unpaired[are_refused(unpaired)]
    if lost.empty:
        return {}
    sets = ", ".join(sorted(lost["eval_set"].unique()))
    return {"Cells that are missing, as refused": f"{len(lost):,}, of {sets}"}


def leaked(overlaps: pd.DataFrame) -> dict[str, str]:
    """For the top of a page: of which sets models saw evaluated items in full; empty if none."""
    seen = overlaps[overlaps["exact"].fillna(0) > 0]
    if seen.empty:
        return {}
    texts = [
        f"{row['exact']:,} of {row['items']:,} of {row['eval_set']}, in {row['dataset']}"
        + (f" (known: {row['known']})" if row["known"] else " (cells refused)")
        for row in seen.to_dict("records")
    ]
    return {"Evaluated items that models saw in full": "; ".join(texts)}


def rates_at_edge(rates: pd.DataFrame) -> dict[str, str]:
    """For the top of a page: the chosen learning rates that are the smallest or largest of their
    candidates; empty if none is."""
    texts = [
        f"{recipe} of {family} on {train_set}: {words}"
        for (family, recipe, train_set), own in rates.groupby(["family", "recipe", "train_set"])
        if (words := _edge_words(own))
    ]
    if not texts:
        return {}
    more = len(texts) - NAMED
    named = "; ".join([*texts[:NAMED], *([f"and {more} more"] if more > 0 else [])])
    where = "Chosen learning rates at the edge of their candidates"
    return {where: f"{named}. A better one may lie beyond (rates.csv)."}


def _edge_words(own: pd.DataFrame) -> str:
    """The rates that a recipe chose at the edge on a train set, and at how many checkpoints."""
    edge, places = own[own["edge"] == "yes"], own["checkpoint"].nunique()
    found = " and ".join(f"{rate:g}" for rate in sorted(set(edge["rate"])))
    return f"{found}, at {len(edge)} of {places} checkpoints" if places > 1 and found else found


def one_answer(scores: pd.DataFrame) -> dict[str, str]:
    """For the top of a page: how many cells are degenerate, by recipe and of which sets; empty if
    none is."""
    found = degenerate_cells(scores)
    if found.empty:
        return {}
    recipes = ", ".join(
        f"{count:,} {name}" for name, count in found["recipe"].value_counts().items()
    )
    sets = ", ".join(sorted(found["eval_set"].unique()))
    name = "Cells in which a model gives one answer to 95 % of the items (of texts: to half)"
    counts = f"{len(found):,} of {len(scores):,} ({recipes}), of {sets}"
    return {name: f"{counts}; column degenerate of table scores"}


def out_of_line(checkpoints: pd.DataFrame) -> dict[str, str]:
    """For the top of a page: the checkpoints that do not fit their curve; empty if all do."""
    broken = checkpoints[checkpoints["breaks_curve"] == "yes"]
    if broken.empty:
        return {}
    names = [f"{row['family']} {row['checkpoint']}" for _, row in broken.iterrows()]
    return {"Checkpoints that may not be what they say": ", ".join(names)}
