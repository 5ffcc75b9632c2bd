"""Draw the figures of a study with base models only, and measure the time.

    python benchmarks/draw_figures.py --folder FOLDER [--families 16] [--processes 2]

The tables are synthetic: 27 checkpoints and 12 evaluation sets per family, at least as many as in
the published results of the Pythia suite. It draws the scores by checkpoint and the turning
points, each as SVG, PDF and PNG, in a separate process, as in the workflow, imports included.
Seconds depend on the load of the machine; CPU seconds less so.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [
    str(ROOT / "workflow" / "scripts"),
    str(ROOT / "tests"),
    str(ROOT / "tests/helpers"),
]

from figure_tables import Made, made_tables  # noqa: E402

from tuning_dynamics.grid.figures import (  # noqa: E402
    Piece,
    figure_list,
    figure_rows,
    figure_tables,
)
from tuning_dynamics.tables.tables import write_table  # noqa: E402

STEPS = (0, *(2**power for power in range(10)), 1000, 3000, *range(13000, 144000, 10000))

DRAW = """
import json, sys
from pathlib import Path
from tuning_dynamics.report.figures.draw import draw_figures
asked = json.load(sys.stdin)
draw_figures(asked.pop("tables"), Path(asked.pop("folder")), **asked)
"""


def study(families: int) -> Made:
    """A study of base models."""
    return Made(
        families=[f"family{number}" for number in range(families)],
        steps=STEPS,
        tuned=(),
        domains=("people", "places", "events", "things"),
    )


def main() -> None:
    """Write the tables, draw, and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--families", type=int, default=16)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    made = study(options.families)
    tokens = frozenset(step * 2_000_000 for step in made.steps)
    pieces = [
        Piece(family, "base", "", eval_set, "", "", "default", tokens)
        for family in made.families
        for eval_set, _ in made.sets
    ]
    figures = figure_list(pieces, "full", measured=False)
    tables = made_tables(made)
    names = figure_tables(figures)
    for name in names:
        write_table(tables[name], options.folder / f"{name}.csv")
    asked = {
        "tables": {name: str(options.folder / f"{name}.csv") for name in names},
        "folder": str(options.folder / "figures"),
        "figures": figure_rows(figures),
        **{"level": 0.95, "recipe": "full", "processes": options.processes},
    }
    began = time.monotonic()
    subprocess.run(
        [sys.executable, "-c", DRAW],
        input=json.dumps(asked).encode(),
        check=True,
        env={"PYTHONPATH": str(ROOT / "workflow" / "scripts"), "OMP_NUM_THREADS": "1"},
    )
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        json.dumps(
            {
                "figures": len(figures),
                "files": 3 * len(figures),
                "seconds": round(time.monotonic() - began, 1),
                "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
            }
        )
    )


if __name__ == "__main__":
    main()
