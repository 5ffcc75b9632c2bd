"""The `# Planned:` line of a study's file, from its grid and its whole cost.

    PYTHONPATH=workflow/scripts python -m tuning_dynamics.plan.header config/studies/olmo_1b.yaml

prints the line; a test compares it with the one in the file.
"""

import sys
from pathlib import Path

from tuning_dynamics.config.device import device_of
from tuning_dynamics.config.load import load_study, read_yaml
from tuning_dynamics.config.study import ResolvedStudy
from tuning_dynamics.grid.grid import expand
from tuning_dynamics.plan.all_jobs import all_jobs
from tuning_dynamics.plan.basis import Basis
from tuning_dynamics.plan.budget import budget_of
from tuning_dynamics.plan.render_text import header


def planned(resolved: ResolvedStudy, file: str, root: Path) -> str:
    """The line that a study's file should have; StudyError if its grid is invalid.

    Counts of existing data are not used, nor is a calibration. `root` is the repository.
    """
    grid = expand(resolved, file)
    basis = Basis(device_of(resolved.study, root))
    return header(budget_of(resolved, grid, all_jobs(resolved, grid), basis), grid)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(planned(load_study(read_yaml(name), Path(), name), name, Path()))
