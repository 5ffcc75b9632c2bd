"""Rule calibrate: the cost model of the planned device, from this study's cost table."""

from tuning_dynamics.plan.calibrate import calibrate
from tuning_dynamics.study.paths import ROOT
from tuning_dynamics.study.stub import logged

with logged(snakemake.log) as say:
    say(calibrate(snakemake.config, ROOT))
