"""Show: prompts and answers of a cell, from its records.

`snakemake show --config cell=PATH` prints a few right and a few wrong answers of the cell whose
path is in column `records` of tables/scores.csv: prompt with demonstrations, answer, right answers,
score, and the scores of the options. With item=ID it prints that item. It has no outputs, so that it
runs whenever it is requested, and needs neither a study nor a free lock on one.
"""


rule show:
    """Print prompts and answers of a cell."""
    log:
        cell.log or paths.log("show", "all"),
    localrule: True
    conda:
        "../../envs/stats.yaml"
    script:
        "../scripts/report_show.py"
