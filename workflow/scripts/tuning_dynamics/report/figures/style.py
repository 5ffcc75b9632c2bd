"""One style for all figures (figures.mplstyle), and equal files for equal figures."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from tuning_dynamics.common.atomic_files import whole_file
from tuning_dynamics.grid.figures import STYLE_FILE

STYLE = mpl.rc_params_from_file(STYLE_FILE, use_default_template=False)

COLOURS: tuple[str, ...] = tuple(str(entry["color"]) for entry in STYLE["axes.prop_cycle"])
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
BASE_COLOUR = "#444444"
MISSING_COLOUR = str(STYLE["hatch.color"])
TEXT_COLOUR = "#555555"
#: What is said of the groups of evaluation sets.
GROUP_WORDS = {"learned": "learned", "other": "not shown to be learned", "undecided": "undecided"}
GROUP_COLOURS = {"learned": COLOURS[0], "other": COLOURS[1], "undecided": MISSING_COLOUR}

#: Metadata of each file format that would hold the date and the program.
_FORMATS: dict[str, dict[str, None]] = {
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "png": {"Software": None},
}


@contextmanager
def style() -> Iterator[None]:
    """Draw and save within this."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        yield


def save(figure: Figure, svg_path: Path) -> None:
    """Write the figure as SVG, PDF and PNG in one folder, each atomically and without a date or
    version."""
    with style():
        # One layout for all formats: it takes as long as drawing one.
        figure.draw_without_rendering()
        figure.set_layout_engine(None)
        for name, metadata in _FORMATS.items():
            with whole_file(svg_path.with_suffix(f".{name}")) as temporary:
                figure.savefig(temporary, format=name, metadata=metadata)


def colours(names: Sequence[str]) -> dict[str, tuple[str, str]]:
    """A colour and a marker for each name; beyond 7 names colours repeat with other markers."""
    return {
        name: (
            COLOURS[index % len(COLOURS)],
            MARKERS[(index + index // len(COLOURS)) % len(MARKERS)],
        )
        for index, name in enumerate(names)
    }
