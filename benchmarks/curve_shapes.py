"""What is said of planted curves: how often a rise, a plateau and a fall are seen where they are,
and how often they are said to be where they are not.

    python benchmarks/curve_shapes.py [--times 100] [--out FILE]

Curves of scores over three decades of tokens, with noise of known or unknown size, at 6 to 60
checkpoints; each drawn `times` times. Of every curve the shares of the shapes, and how often the
verdict on its end changes where the first one to three checkpoints are left out. JSON.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

from tuning_dynamics.stats.curve_shape import (  # noqa: E402
    FALLS,
    RISES,
    STILL_RISING,
    STOPS,
    curve_shape,
)
from tuning_dynamics.stats.drawing import Drawing  # noqa: E402

Curve = Callable[[Any], Any]

#: Scores over decades u of tokens, and the slope of the last decade per tenfold tokens.
GO_ON: dict[str, Curve] = {
    # .037 and .035 are still to come at the last checkpoint.
    "power law": lambda u: 0.75 - 0.45 * 10 ** (-0.36 * u),
    "slow power law": lambda u: 0.7 - 0.12 * 10 ** (-0.18 * u),
    "to a third of the slope": lambda u: 0.3 + 0.12 * np.minimum(u, 1.5) + 0.04 * _beyond(u, 1.5),
    "line": lambda u: 0.3 + 0.08 * u,
    "floor, then rise": lambda u: 0.3 + 0.15 * _beyond(u, 1.8),
}
PLATEAUS: dict[str, Curve] = {
    "plateau": lambda u: 0.3 + 0.15 * np.minimum(u, 1.5),
    "early plateau": lambda u: 0.3 + 0.25 * np.minimum(u, 1.2),
}
OTHERS: dict[str, Curve] = {
    "peak and fall": lambda u: 0.3 + 0.15 * np.minimum(u, 1.5) - 0.1 * _beyond(u, 1.5),
    "noise only": lambda u: 0.3 + 0 * u,
}
CHECKPOINTS = (6, 9, 12, 20, 40, 60)
NOISE = (0.005, 0.01, 0.02, 0.045)
DRAWING = Drawing(1000, 0.95, 0)


def _beyond(u: Any, place: float) -> Any:
    return np.maximum(u - place, 0)


def measured(curve: Curve, checkpoints: int, noise: float, known: bool, times: int) -> Any:
    """Shapes of one planted curve, and changes of the verdict where early checkpoints lack."""
    x = np.linspace(9, 12, checkpoints)
    errors = np.full(checkpoints, noise if known else np.nan)
    generator = np.random.default_rng([checkpoints, int(1000 * noise), known])
    shapes: Counter[str] = Counter()
    changed = opposite = compared = 0
    for _ in range(times):
        y = curve(x - x[0]) + generator.normal(0, noise, checkpoints)
        whole = shape(x, y, errors)
        shapes[whole] += 1
        for left_out in (1, 2, 3):
            if checkpoints - left_out >= 5:
                part = shape(x[left_out:], y[left_out:], errors[left_out:])
                compared += 1
                changed += verdict(part) != verdict(whole)
                opposite += {verdict(part), verdict(whole)} == {"stops", "goes on"}
    return {
        **{"checkpoints": checkpoints, "noise": noise, "known": known, "times": times},
        **{"shapes": dict(shapes), "compared": compared},
        **{"changed": changed, "opposite": opposite},
    }


def shape(x: Any, y: Any, errors: Any) -> str:
    """The curve's shape by the default settings of a study."""
    return curve_shape(x, y, errors, DRAWING, alpha=0.05, margin=0.01).shape


def verdict(found: str) -> str:
    """What is said of a curve's end."""
    return {STOPS: "stops", FALLS: "stops", STILL_RISING: "goes on"}.get(found, "cannot tell")


def share(rows: list[Any], names: tuple[str, ...]) -> float:
    """Share of curves with one of these shapes."""
    found = sum(row["shapes"].get(name, 0) for row in rows for name in names)
    return round(found / sum(row["times"] for row in rows), 4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    rows = {
        name: [
            measured(curve, checkpoints, noise, known, options.times)
            for checkpoints, noise, known in product(CHECKPOINTS, NOISE, (True, False))
        ]
        for name, curve in (GO_ON | PLATEAUS | OTHERS).items()
    }
    plateaus = [row for name in PLATEAUS for row in rows[name]]
    result = {
        "said to stop, of curves that go on": {
            name: {
                "all": share(rows[name], (STOPS, FALLS)),
                "worst": max(share([row], (STOPS, FALLS)) for row in rows[name]),
            }
            for name in GO_ON
        },
        "plateaus seen to stop": {
            noise: share([row for row in plateaus if row["noise"] == noise], (STOPS, FALLS))
            for noise in NOISE
        },
        "plateaus: verdict changed without early checkpoints": round(
            sum(row["changed"] for row in plateaus) / sum(row["compared"] for row in plateaus), 4
        ),
        "opposite verdicts": sum(row["opposite"] for every in rows.values() for row in every),
        "compared": sum(row["compared"] for every in rows.values() for row in every),
        "noise only, said to rise": share(rows["noise only"], RISES),
        "rows": rows,
    }
    text = json.dumps(result, indent=1)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")
    print(json.dumps({name: found for name, found in result.items() if name != "rows"}, indent=1))


if __name__ == "__main__":
    main()
