"""Rule audit: all files of the study, read and compared with their records."""

from tuning_dynamics.common.job_log import logged
from tuning_dynamics.identity.audit import audit

with logged(snakemake.log) as say:
    say(audit(snakemake.config["study"]))
