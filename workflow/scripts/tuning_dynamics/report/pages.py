"""The pages: findings, and Snakemake's own report of the whole study."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tuning_dynamics.report.caveats import out_of_line
from tuning_dynamics.report.findings import findings
from tuning_dynamics.report.findings_page import findings_html, findings_rst
from tuning_dynamics.stats.tables import read_table
from tuning_dynamics.study.cells import dataset_kinds, summary
from tuning_dynamics.study.errors import StudyError
from tuning_dynamics.study.files import whole_file


def write_findings(
    inputs: dict[str, str],
    html: str,
    rst: str,
    *,
    recipe: str,
    resamples: int,
    level: float,
    seed: int,
) -> None:
    """Write what the tables say on each finding, as a page and as the report's front.

    `inputs`: the merged config as `config`, and tables by name.
    """
    tables = {name: read_table(Path(path)) for name, path in inputs.items() if name != "config"}
    kinds = dataset_kinds(inputs["config"])
    found = findings(
        tables, train_kinds=kinds, recipe=recipe, resamples=resamples, level=level, seed=seed
    )
    studied = summary(inputs["config"]) | out_of_line(tables["checkpoints"])
    with whole_file(html) as temporary:
        temporary.write_text(findings_html(found, studied), encoding="utf-8")
    with whole_file(rst) as temporary:
        temporary.write_text(findings_rst(found, studied), encoding="utf-8")


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
