"""For the top of a page: what limits all of a study's numbers, in words, by subject."""

import pandas as pd

from tuning_dynamics.stats.degenerate import degenerate_cells
from tuning_dynamics.stats.refusals import are_refused

#: How many learning rates at the edge of their candidates are named.
NAMED = 3


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
