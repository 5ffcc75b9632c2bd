"""Rule audit: all that the study has made, read and compared with its records."""

from tuning_dynamics.study.audit import audit
from tuning_dynamics.study.stub import logged

with logged(snakemake.log) as say:
    say(audit(snakemake.config["study"]))
