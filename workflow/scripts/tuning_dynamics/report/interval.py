"""A small drawing of an interval and 0."""

import math
from dataclasses import dataclass

from tuning_dynamics.common.formatting import signed

#: Width of the drawing in its own units, and the margin on each side for the numbers.
WIDTH, MARGIN = 340.0, 52.0
#: Width of two labels below the line; closer ones are moved apart.
_LABELS = 52.0


@dataclass(frozen=True)
class IntervalDrawing:
    """Positions on the drawing's x axis; None for parts that don't exist.

    `floor_left` and `floor_right` are the ends of the band under the noise floor. Anchors are
    SVG's `text-anchor` of the labels at the interval's ends.
    """

    zero: float
    value: float
    low: float | None
    high: float | None
    floor_left: float | None
    floor_right: float | None
    value_label: str
    low_label: str
    high_label: str
    low_anchor: str
    high_anchor: str


def drawing(value: float, low: float, high: float, floor: float) -> IntervalDrawing | None:
    """The drawing of a value and its interval; None if there is no value.

    `low` and `high` are NaN if there is no interval, `floor` if it is unknown. A floor of 0
    has no band.
    """
    if math.isnan(value):
        return None
    shown = [at for at in (0.0, value, low, high, floor, -floor) if not math.isnan(at)]
    start, span = min(shown), max(max(shown) - min(shown), 1e-9)

    def place(at: float) -> float:
        return round(MARGIN + (WIDTH - 2 * MARGIN) * (at - start) / span, 1)

    def known(at: float) -> float | None:
        return None if math.isnan(at) else place(at)

    ends = (known(low), known(high))
    band = (known(-floor), known(floor)) if floor > 0 else (None, None)
    close = None not in ends and place(high) - place(low) < _LABELS
    return IntervalDrawing(
        *(place(0.0), place(value), *ends, *band),
        *(signed(value), signed(low), signed(high)),
        *(("end", "start") if close else ("middle", "middle")),
    )
