"""Rule show: prompts and answers of a cell."""

from tuning_dynamics.common.job_log import logged
from tuning_dynamics.grid.show_request import shown_cell
from tuning_dynamics.report.show import shown_text

with logged(snakemake.log) as say:
    say(shown_text(shown_cell(snakemake.config)))
