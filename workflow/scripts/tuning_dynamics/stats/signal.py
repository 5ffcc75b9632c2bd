"""Noise between checkpoints and between equal runs, and the signal that it is held against.

After Heineman et al. (2025, "Signal and Noise", arXiv 2508.13144, section 3): noise is the relative
standard deviation of the last checkpoints' scores, signal the relative dispersion of the final
scores of several models. The OLMo ladder (Bhagia et al. 2024, arXiv 2412.04403) has the same noise,
over the last 10 checkpoints. Both take the population standard deviation (divided by n).
"""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tuning_dynamics.stats.primary_cells import curve_cells
from tuning_dynamics.tables.tables import from_rows

Floats = NDArray[np.float64]

#: Fewest checkpoints of which a standard deviation is given.
LEAST = 3

#: What makes two curves comparable: the same set, evaluated and scored in the same way.
SAME_WAY = ["eval_set", "metric", "prediction", "shots"]


def curves(seed_means: pd.DataFrame) -> pd.DataFrame:
    """Rows of seed_means.csv that make one curve per model, evaluation set and metric, in order of
    tokens."""
    own = [curve_cells(rows) for _, rows in seed_means.groupby("metric", sort=True)]
    found = pd.concat(own) if own else seed_means
    return found.sort_values(["family", "tokens", "step"], kind="stable", ignore_index=True)


def signal_rows(seed_means: pd.DataFrame, *, last: int, reruns: Mapping[str, str]) -> pd.DataFrame:
    """signal.csv: a row per family, evaluation set and metric of `base`.

    `last` is the number of checkpoints that noise is over. `reruns` gives each family that is
    another's pre-training done again the name of that other: it is no model of its own for the
    signal, and their common checkpoints give the standard deviation between runs.
    """
    points = curves(seed_means[seed_means["recipe"] == "base"])
    rows: list[dict[str, object]] = []
    for key, same in points.groupby(SAME_WAY, sort=True):
        finals = final_scores(same, reruns)
        for family, own in same.groupby("family", sort=True):
            again = same[same["family"].map(reruns) == family]
            rows.append(
                {
                    "family": family,
                    **dict(zip(SAME_WAY, key, strict=True)),
                    **_row(own, again, finals, last),
                }
            )
    ordered = sorted(rows, key=lambda row: (str(row["family"]), str(row["eval_set"])))
    return from_rows(ordered, "signal")


def final_scores(points: pd.DataFrame, reruns: Mapping[str, str]) -> pd.Series:
    """The score of each family's last checkpoint, by family, without reruns."""
    own = points[~points["family"].isin(list(reruns))]
    return own.drop_duplicates("family", keep="last").set_index("family")["score"]


def _row(own: pd.DataFrame, again: pd.DataFrame, finals: pd.Series, last: int) -> dict[str, object]:
    """A row without its key: of one family's curve, its reruns' and the families' last scores."""
    tail = own.tail(last)
    scores, tokens = (tail[name].to_numpy(dtype=float) for name in ("score", "tokens"))
    enough = len(tail) >= LEAST
    noise = relative_sd(scores) if enough else np.nan
    signal = dispersion(finals.to_numpy(dtype=float))
    ratio = signal / noise if noise > 0 else np.nan
    between, common = _between_runs(own, again, last)
    return {
        "checkpoints": len(tail),
        "first": tail["checkpoint"].iloc[0],
        "share": tokens[0] / tokens[-1] if tokens[-1] else np.nan,
        "score": scores.mean(),
        "sd_last": scores.std() if enough else np.nan,
        "relative_sd": noise,
        "sd_detrended": sd_about_line(tokens, scores) if enough else np.nan,
        "reruns": again["family"].nunique(),
        "rerun_checkpoints": common,
        "sd_reruns": between,
        "families": len(finals),
        "signal": signal,
        "snr": ratio,
        "reason": "; ".join(_reasons(len(tail), noise, len(finals), signal)),
    }


def relative_sd(scores: Floats) -> float:
    """Population standard deviation over the mean; NaN where the mean is 0."""
    mean = float(scores.mean())
    return float(scores.std()) / mean if mean else float("nan")


def dispersion(finals: Floats) -> float:
    """Highest less lowest score over their mean; NaN for fewer than two, or a mean of 0."""
    if len(finals) < 2 or not finals.mean():
        return float("nan")
    return float(np.ptp(finals) / finals.mean())


def sd_about_line(tokens: Floats, scores: Floats) -> float:
    """Standard deviation about the least-squares line over tokens (n - 2): what is left where the
    last checkpoints still learn. NaN if they have seen equally many tokens."""
    place = tokens - tokens.mean()
    if not place.any():
        return float("nan")
    rest = scores - scores.mean() - place * (place @ scores) / (place @ place)
    return float(np.sqrt(rest @ rest / (len(scores) - 2)))


def _between_runs(own: pd.DataFrame, again: pd.DataFrame, last: int) -> tuple[float, int]:
    """Standard deviation between a run and its reruns, and at how many checkpoints.

    The root of the mean variance (n - 1: two runs' population variance would be half of it) over
    the last checkpoints that all of them have.
    """
    runs = again.groupby("family")["score"].size()
    if runs.empty:
        return float("nan"), 0
    both = pd.concat([own, again]).groupby(["tokens", "step"])["score"]
    shared = both.var(ddof=1)[both.size() == 1 + len(runs)].tail(last)
    return (float(np.sqrt(shared.mean())) if len(shared) else float("nan")), len(shared)


def _reasons(checkpoints: int, noise: float, families: int, signal: float) -> Iterator[str]:
    """Why a row has no noise, no signal or no ratio of the two."""
    if checkpoints < LEAST:
        yield f"{checkpoints} checkpoint{'' if checkpoints == 1 else 's'}, noise needs {LEAST}"
    elif np.isnan(noise):
        yield "all scores are 0"
    elif noise == 0:
        yield "the last checkpoints score alike: no ratio"
    if families < 2:
        yield "one family: no signal"
    elif np.isnan(signal):
        yield "all families score 0: no signal"
