"""Rule cell: ask the variant's server for one cell, and wait until its file is written."""

import json

from tuning_dynamics.evaluate.client import request_cell
from tuning_dynamics.study.stub import logged

with logged(snakemake.log):
    request = json.loads(snakemake.params.spec)
    request["items"] = snakemake.input.frozen
    request["demonstrations"] = snakemake.input.get("demonstrations", "")
    request["out"] = snakemake.output[0]
    request_cell(snakemake.input.server, request)
