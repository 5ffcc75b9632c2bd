"""Plan: the budget of the rest of a study as files, the cost model's calibration, and an audit.

No rule here has outputs, so that each runs whenever it is requested, and none runs the study.
`snakemake plan` writes results/{study}/plan/budget.csv and budget.html; `snakemake calibrate`
writes calibration/{device}.yaml of the first catalogue folder from a finished study's cost table;
`snakemake audit` reads all files that the study has made, weights too, and fails if one is not what
its job made.
"""


rule plan:
    """Write the budget of exactly the jobs that would run."""
    log:
        paths.log("plan", "all"),
    localrule: True
    conda:
        "../../envs/stats.yaml"
    script:
        "../scripts/plan_budget.py"


rule calibrate:
    """Compare the measured and planned cost of jobs, and let later budgets use it."""
    log:
        paths.log("calibrate", "all"),
    localrule: True
    conda:
        "../../envs/stats.yaml"
    script:
        "../scripts/plan_calibrate.py"


rule audit:
    """Read all files of the study, and compare them with the records of its jobs."""
    log:
        paths.log("audit", "all"),
    localrule: True
    conda:
        "../../envs/stats.yaml"
    script:
        "../scripts/plan_audit.py"
