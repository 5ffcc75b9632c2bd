"""Rule audit: all that the study has made, read and compared with its records."""

from tuning_dynamics.common.job_log import logged
from tuning_dynamics.identity.audit import audit

with logged(snakemake.log) as say:
    say(audit(snakemake.config["study"]))
