# How pre-training and fine-tuning interact: checkpoints + data -> tune -> evaluate -> report.
# A study is one file, config/config.yaml or that of --configfile; no other file adds to it.

import json
import sys
from pathlib import Path

from snakemake.utils import min_version

min_version("9.0")

sys.path.insert(0, str(Path(workflow.basedir) / "workflow" / "scripts"))

from tuning_dynamics.grid.show_request import shown_cell
from tuning_dynamics.plan.resources import Allocation
from tuning_dynamics.plan.dry_run import budget_at_end
from tuning_dynamics.plan.limits import guard
from tuning_dynamics.run.start import Shown, begin, finish, start
from tuning_dynamics.common.variants import parse_variant
from tuning_dynamics.run.snakemake_internals import keep_outputs
from tuning_dynamics.tables.catalogue import all_tables, tables_of

# A study is read from one file alone: nothing of the demo leaks into another study.
if not workflow.configfiles:

    configfile: "config/config.yaml"


jobs, sides = begin(config, workflow)
cell = shown_cell(config)
paths, shown, ask = jobs.paths, Shown(jobs.paths, report), Allocation(jobs, workflow.basedir)


wildcard_constraints:
    dataset=jobs.datasets,
    family="[A-Za-z0-9][A-Za-z0-9_-]*",
    format="[A-Za-z0-9][A-Za-z0-9_-]*",
    step="[0-9]+",


# A comparison of two studies, and a look at a cell, need no study.
alone = sides.asked or cell.asked

if not alone:
    budget_at_end(workflow, jobs)

    onstart:
        start(workflow, jobs, ask.tuning_gpus, guard)

    onsuccess:
        finish(workflow, jobs)


for stage in ["image", *([] if alone else jobs.stages), "compare", "show"]:

    include: f"workflow/rules/{stage}.smk"


rule all:
    """The whole study: tables, figures, findings, report; or a part of it."""
    default_target: True
    input:
        lambda wildcards: jobs.wanted(),
    localrule: True


# Jobs themselves judge and replace their earlier results (identity/job.py).
keep_outputs(workflow)
