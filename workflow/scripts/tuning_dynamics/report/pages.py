"""Snakemake's own report of the whole study."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tuning_dynamics.study.errors import StudyError
from tuning_dynamics.study.files import whole_file


def write_report(config: dict[str, Any], output: str) -> None:
    """Have Snakemake write its report of what rule `pages` names, for a study's config.

    It reads the records of the jobs that are done, and runs none.
    """
    with tempfile.TemporaryDirectory() as folder, whole_file(output) as temporary:
        configfile = Path(folder) / "config.json"
        configfile.write_text(json.dumps(config), encoding="utf-8")
        page = temporary.with_suffix(".html")
        command = [sys.executable, "-m", "snakemake", "pages", "--report", str(page)]
        done = subprocess.run([*command, "--configfile", str(configfile)], check=False)
        if done.returncode:
            raise StudyError(
                "Snakemake could not write its report",
                file=output,
                fix="see this job's log above; tables, figures and findings are complete",
            )
        page.replace(temporary)
