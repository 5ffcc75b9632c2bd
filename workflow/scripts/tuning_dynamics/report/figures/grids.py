"""Tables of coloured fields with a number in each; missing fields are hatched."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from tuning_dynamics.common.formatting import signed
from tuning_dynamics.report.figures.axes import Frame
from tuning_dynamics.report.figures.style import MISSING_COLOUR


def draw_heat(
    ax: Axes,
    table: pd.DataFrame,
    reach: float,
    *,
    points: float = 7,
    quiet: pd.DataFrame | None = None,
    unknown: pd.DataFrame | None = None,
) -> AxesImage:
    """A field per cell, orange above 0 and purple below, saturated at `reach` either way.

    Numbers in brackets where `quiet` (of the table's shape) is true, aslant where `unknown` is.
    """
    values = table.to_numpy(dtype=float)
    image = ax.imshow(
        np.ma.masked_invalid(values),
        cmap="PuOr_r",
        aspect="auto",
        norm=TwoSlopeNorm(0.0, -reach, reach),
    )
    hatch_missing(ax, np.isnan(values))
    for row, column in np.argwhere(~np.isnan(values)):
        value = values[row, column]
        words = signed(value, 2)
        if quiet is not None and bool(quiet.iloc[row, column]):
            words = f"({words})"
        dark = abs(value) > 0.6 * reach
        ax.text(
            column,
            row,
            words,
            ha="center",
            va="center",
            fontsize=points,
            style="italic" if unknown is not None and bool(unknown.iloc[row, column]) else "normal",
            color="white" if dark else "#222222",
        )
    return image


def colour_bar(frame: Frame, image: AxesImage, words: str) -> None:
    """The scale of `draw_heat`'s colours, in `words`, to the right of all panels."""
    figure = frame.axes[0].get_figure()
    assert figure is not None
    bar = figure.colorbar(image, ax=frame.axes, pad=0.02, aspect=15, fraction=0.05)
    bar.set_label(words, fontsize=7)
    bar.locator = MaxNLocator(5)
    bar.ax.tick_params(labelsize=6.5, length=2)


def hatch_missing(ax: Axes, missing: np.ndarray) -> None:
    """Hatch the fields that are missing."""
    ax.grid(False)
    for row, column in np.argwhere(missing):
        ax.add_patch(
            Rectangle(
                (column - 0.5, row - 0.5),
                1,
                1,
                fill=False,
                hatch="////",
                linewidth=0,
                edgecolor=MISSING_COLOUR,
            )
        )


def name_fields(
    ax: Axes,
    table: pd.DataFrame,
    *,
    rows: bool = True,
    columns: bool = True,
    aslant: bool = True,
) -> None:
    """Names of rows and of columns, if wanted."""
    names = [str(name) for name in table.columns] if columns else []
    if aslant:
        ax.set_xticks(range(len(names)), names, rotation=35, ha="right", rotation_mode="anchor")
    else:
        ax.set_xticks(range(len(names)), names)
    labels = [str(name) for name in table.index] if rows else []
    ax.set_yticks(range(len(labels)), labels)
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)
