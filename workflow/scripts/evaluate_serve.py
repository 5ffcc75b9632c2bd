"""Rule serve: a variant's model, loaded once, answers its cells.

Started by `shell`, not `script`: Snakemake ends a service by a signal to the process it knows,
and it knows those of shell commands only.
"""

import sys

from tuning_dynamics.evaluate.server import serve_as_told
from tuning_dynamics.study.stub import logged

*arguments, log = sys.argv[1:]
with logged(log):
    serve_as_told(*arguments)
