"""Makes a dry run write its budget as files: `snakemake plan`."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.common.paths import Paths
from tuning_dynamics.plan.render_csv import CSV, FOLDER, PAGE


def budget_files(config: Mapping[str, Any]) -> list[Path]:
    """Write budget.csv and budget.html for the rest of a study; return their paths.

    The jobs are those that a dry run of the config plans, in this folder with these results.
    StudyError if planning fails.
    """
    folder = Path(Paths(config["study"]).root) / "plan"
    files = [folder / CSV, folder / PAGE]
    for path in files:
        path.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        configfile = Path(scratch) / "config.json"
        configfile.write_text(json.dumps(config), encoding="utf-8")
        command = [sys.executable, "-m", "snakemake", "-n", "--quiet"]
        done = subprocess.run(
            [*command, "--configfile", str(configfile)],
            env={**os.environ, FOLDER: str(folder)},
            check=False,
        )
    if done.returncode or not all(path.is_file() for path in files):
        raise StudyError(
            "the study could not be planned",
            file=folder,
            fix="see this job's log above, or run `snakemake -n` with the same config",
        )
    return files
