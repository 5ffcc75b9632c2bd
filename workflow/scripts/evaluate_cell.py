"""Rule cell: ask the variant's server for one cell, and wait until its file is written."""

import json
import sys

from tuning_dynamics.evaluate.client import request_cell
from tuning_dynamics.study.stub import logged

spec, items, server, out, log, *demonstrations = sys.argv[1:]
with logged(log):
    files = {"items": items, "demonstrations": "".join(demonstrations), "out": out}
    request_cell(server, {**json.loads(spec), **files})
