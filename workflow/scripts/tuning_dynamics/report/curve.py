"""The figure that shows whether checkpoints are what they say: loss on a fixed text by tokens."""

from itertools import pairwise

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tuning_dynamics.report.axes import (
    TokenAxis,
    draw_token_axis,
    legend_above,
    nothing_to_draw,
    panel_title,
    panels,
    token_axis,
)
from tuning_dynamics.report.numbers import short_count
from tuning_dynamics.report.style import COLOURS, MISSING_COLOUR, style
from tuning_dynamics.stats.curve import TOLERANCE


def text_loss_by_checkpoint(checkpoints: pd.DataFrame, *, family: str) -> Figure:
    """Loss on a fixed text by checkpoint, from checkpoints.csv.

    Checkpoints that do not fit the curve are crossed and the line passes them by. Between two
    neighbours with a hole of the published series the ground is grey and the hole named.
    """
    own = checkpoints[checkpoints["family"] == family].sort_values(["tokens", "step"])
    with style():
        figure, (ax,) = panels(
            1,
            1,
            f"{family}: loss on a fixed text, by which a wrong label shows",
            f"Loss falls with pre-training. Crossed: does not fit, by more than {TOLERANCE:g} nats "
            "per token.\nGrey: the family has no checkpoints there. Below: tokens seen in "
            "pre-training (log scale) and step.",
            legend=True,
        )
        if own.empty:
            nothing_to_draw(ax, f"no checkpoint of {family} is in the table")
            return figure
        axis = token_axis(own, family)
        broken = (own["breaks_curve"] == "yes").to_numpy()
        losses = own["text_loss"].to_numpy(dtype=float)
        places = np.asarray(axis.places)
        ax.plot(places[~broken], losses[~broken], "o-", color=COLOURS[0], label="fits the curve")
        if broken.any():
            ax.plot(
                places[broken],
                losses[broken],
                "X",
                color=COLOURS[1],
                markersize=8,
                label="does not fit",
            )
        _holes(ax, own, axis)
        panel_title(ax, "loss", "nats per token")
        ax.margins(y=0.12)
        draw_token_axis(ax, axis)
        legend_above(figure, [ax])
    return figure


def _holes(ax: Axes, own: pd.DataFrame, axis: TokenAxis) -> None:
    """Shade from one checkpoint to the next where the published series has a hole."""
    for (_, before), (_, row) in pairwise(own.iterrows()):
        if pd.isna(row["gap_before"]):
            continue
        start, end = axis.place(int(before["step"])), axis.place(int(row["step"]))
        ax.axvspan(start, end, color=MISSING_COLOUR, alpha=0.22, linewidth=0)
        ax.text(
            (start + end) / 2,
            0.97,
            f"none for\n{short_count(int(row['gap_before']))} tokens",
            transform=ax.get_xaxis_transform(),
            ha="center",
            va="top",
            fontsize=6.5,
            color="#555555",
        )
