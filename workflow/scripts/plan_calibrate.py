"""Rule calibrate: the cost model of the planned device, from this study's cost table."""

from tuning_dynamics.common.job_log import logged
from tuning_dynamics.common.paths import ROOT
from tuning_dynamics.plan.calibrate import calibrate

with logged(snakemake.log) as say:
    say(calibrate(snakemake.config, ROOT))
