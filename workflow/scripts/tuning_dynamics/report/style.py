"""One look for all figures, and files that are equal for equal figures."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

# Okabe and Ito's colours, which stay apart for colour-blind readers; black is for `base`.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7A5C00")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
BASE_COLOUR = "#444444"
MISSING_COLOUR = "#9A9A9A"
GROUP_COLOURS = {"learned": "#0072B2", "not_learned": "#D55E00", "undecided": "#9A9A9A"}

STYLE: dict[Any, Any] = {
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": "#E3E3E3",
    "grid.linewidth": 0.8,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 8,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "lines.linewidth": 1.6,
    "lines.markersize": 4.5,
    "hatch.linewidth": 0.6,
    "hatch.color": MISSING_COLOUR,
    "savefig.dpi": 150,
    # Without it matplotlib names the parts of an SVG at random.
    "svg.hashsalt": "tuning-dynamics",
    "svg.fonttype": "path",
}


@contextmanager
def style() -> Iterator[None]:
    """Draw and save within this."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        yield


def save(figure: Figure, svg_path: Path) -> None:
    """Write the figure as SVG, and as PNG beside it; no date or version in either."""
    svg_path.parent.mkdir(parents=True, exist_ok=True)
    with style():
        figure.savefig(svg_path, format="svg", metadata={"Date": None, "Creator": None})
        figure.savefig(svg_path.with_suffix(".png"), format="png", metadata={"Software": None})


def colours(names: list[str]) -> dict[str, tuple[str, str]]:
    """A colour and a marker for each name; beyond 7 names colours repeat with other markers."""
    return {
        name: (
            COLOURS[index % len(COLOURS)],
            MARKERS[(index + index // len(COLOURS)) % len(MARKERS)],
        )
        for index, name in enumerate(names)
    }
