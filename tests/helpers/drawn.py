"""The content of a figure as JSON: the stored references of tests/figures.

    PYTHONPATH=workflow/scripts:tests python -m drawn

writes the references again, after an intended change of a figure. Look at the figures first.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from figure_tables import Made, made_tables
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure

from tuning_dynamics.report.figures.draw import DRAWN
from tuning_dynamics.report.figures.view import View

FOLDER = Path(__file__).parents[1] / "figures"

ALONE = Made(steps=(3000,), tuned=(3000,))
ONE_SEED = Made(seeds=1)


def without_items(tables: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The tables of published scores: numbers of items, and intervals over them, are unknown."""
    ends = ["ci_low", "ci_high", "change_low", "change_high"]
    means = tables["seed_means"].assign(**dict.fromkeys(ends, np.nan)).assign(n=pd.NA)
    return {**tables, "seed_means": means.astype({"n": "Int64"})}


def cases() -> Iterator[tuple[str, Figure]]:
    """Each figure that has a reference, and the reference's name."""
    usual = made_tables(Made())
    for kind in DRAWN:
        yield kind, drawn(kind, usual)
    alone, one_seed = made_tables(ALONE), made_tables(ONE_SEED)
    for kind in ("in_domain", "score_by_format"):
        yield f"{kind}.one_checkpoint", drawn(kind, alone)
    yield "sensitivity.one_seed", drawn("sensitivity", one_seed)
    yield "base_by_checkpoint.no_items", drawn("base_by_checkpoint", without_items(usual))
    untuned = {**usual, "text_losses": usual["text_losses"].iloc[:0]}
    yield "text_loss.base_alone", drawn("text_loss", untuned)


def drawn(kind: str, tables: dict[str, pd.DataFrame]) -> Figure:
    """A figure of synthetic tables, for the train set nli_people if it is drawn by train set."""
    train_set = "nli_people" if kind.startswith("score_by") else ""
    return DRAWN[kind](View("toy", tables, 0.95, "full", train_set))


def content(figure: Figure) -> dict[str, Any]:
    """The content of a figure: text as it is; numbers as their count, ends and digest."""
    return {
        "inches": [round(float(side), 2) for side in figure.get_size_inches()],
        "words": [text.get_text() for text in figure.texts],
        "legend": [
            f"{text.get_text()}: {line.get_color()} {line.get_marker()} {line.get_linestyle()}"
            for inner in (figure, *figure.subfigs)
            for legend in inner.legends
            for text, line in zip(legend.get_texts(), legend.get_lines(), strict=True)
        ],
        "panels": [_panel(ax) for ax in figure.axes],
    }


def _panel(ax: Axes) -> dict[str, Any]:
    return {
        "words": [text.get_text() for text in ax.texts if text.get_text()],
        "range": [numbers(ax.get_xlim()), numbers(ax.get_ylim())],
        "names": [
            [label.get_text() for label in side.get_ticklabels()] for side in (ax.xaxis, ax.yaxis)
        ],
        "lines": [
            f"{line.get_color()} {_marker(line.get_marker())} {line.get_linestyle()}: "
            f"{numbers(line.get_xydata())}"
            for line in ax.lines
        ],
        "patches": [
            f"{_colour(patch.get_facecolor())} {patch.get_hatch() or ''}: "
            f"{numbers(patch.get_path().transformed(patch.get_patch_transform()).vertices)}"
            for patch in ax.patches
        ],
        "bands": [
            f"{_colour(band.get_facecolor()[0])}: {numbers(path.vertices)}"
            for band in ax.collections
            if isinstance(band, PolyCollection)
            for path in band.get_paths()
        ],
        "whiskers": [
            numbers(np.concatenate(lines.get_segments()))
            for lines in ax.collections
            if isinstance(lines, LineCollection) and lines.get_segments()
        ],
        "images": [numbers(image.get_array()) for image in ax.images],
    }


def _marker(marker: Any) -> str:
    return marker if isinstance(marker, str) else "path"


def _colour(values: Any) -> str:
    return " ".join(f"{value:.2f}" for value in values)


def numbers(values: Any) -> str:
    """`10: 0.2 to 0.5, 1f3a…` for rounded numbers; missing ones are counted."""
    flat = np.ma.filled(np.ma.asarray(values, dtype=float), np.nan).ravel()
    there = flat[np.isfinite(flat)]
    text = " ".join(f"{value + 0.0:.6g}" for value in np.round(flat, 6))
    missing = f", {len(flat) - len(there)} missing" if len(there) < len(flat) else ""
    ends = f": {there.min():.4g} to {there.max():.4g}" if len(there) else ""
    return f"{len(flat)}{ends}{missing}, {hashlib.sha256(text.encode()).hexdigest()[:10]}"


def differences(stored: Any, found: Any, place: str = "") -> list[str]:
    """Where and how two contents differ."""
    if isinstance(stored, dict) and isinstance(found, dict):
        keys = [*stored, *(key for key in found if key not in stored)]
        pairs = [(key, stored.get(key), found.get(key)) for key in keys]
    elif isinstance(stored, list) and isinstance(found, list):
        length = max(len(stored), len(found))
        padded = [[*part, *[None] * (length - len(part))] for part in (stored, found)]
        pairs = [(number, *both) for number, both in enumerate(zip(*padded, strict=True))]
    else:
        same = stored == found
        return [] if same else [f"{place}: stored {stored!r}, drawn now {found!r}"]
    return [text for key, *both in pairs for text in differences(*both, f"{place}/{key}")]


def write_references() -> None:
    """Write tests/figures again."""
    for old in FOLDER.glob("*.json"):
        old.unlink()
    FOLDER.mkdir(exist_ok=True)
    for name, figure in cases():
        text = json.dumps(content(figure), indent=1, ensure_ascii=False)
        (FOLDER / f"{name}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_references()
