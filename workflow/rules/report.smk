"""Report: figures, findings, and the pages that show them.

Inputs: tables. Outputs: results/{study}/figures/{family}/*.svg, .pdf and .png, report.html and
findings.html, each one page that needs no other file. `snakemake --report FILE.html` writes
Snakemake's own report of the same, with the rule behind each file.
"""


report: "../report/workflow.rst"


rule family_figures:
    """Figures over all that a family was tuned on."""
    input:
        scores=paths.table("scores"),
        changes=paths.table("changes"),
        transfer=paths.table("transfer"),
        groups=paths.table("groups"),
        group_changes=paths.table("group_changes"),
        sensitivity=paths.table("sensitivity"),
        checkpoints=paths.table("checkpoints"),
    output:
        base_by_checkpoint=shown.figure("base_by_checkpoint"),
        change_by_group=shown.figure("change_by_group"),
        ood=shown.figure("ood"),
        transfer_heat_map=shown.figure("transfer_heat_map"),
        transfer_by_checkpoint=shown.figure("transfer_by_checkpoint"),
        sensitivity=shown.figure("sensitivity"),
        text_loss=shown.figure("text_loss"),
    log:
        paths.log("family_figures", "{family}"),
    benchmark:
        paths.benchmark("family_figures", "{family}")
    conda:
        "../../envs/stats.yaml"
    params:
        spec=lambda wildcards: jobs.statistics_spec("level", "recipe"),
        code=code("report_family_figures.py"),
    script:
        "../scripts/report_family_figures.py"


rule train_set_figures:
    """Figures of the models tuned on one set: scores by checkpoint, recipe and format."""
    input:
        scores=paths.table("scores"),
    output:
        score_by_checkpoint=shown.figure("score_by_checkpoint.{dataset}"),
        score_by_format=shown.figure("score_by_format.{dataset}"),
    log:
        paths.log("train_set_figures", "{family}", "{dataset}"),
    benchmark:
        paths.benchmark("train_set_figures", "{family}", "{dataset}")
    conda:
        "../../envs/stats.yaml"
    params:
        spec=lambda wildcards: jobs.statistics_spec("level"),
        code=code("report_train_set_figures.py"),
    script:
        "../scripts/report_train_set_figures.py"


rule report:
    """Put findings, figures, tables, what is missing, cost and provenance on pages."""
    input:
        config=paths.config,
        tables=[paths.table(name) for name in paths.tables],
        figures=lambda wildcards: jobs.figure_files(),
    output:
        report=paths.report,
        findings=shown.findings(),
    log:
        paths.log("report", "all"),
    benchmark:
        paths.benchmark("report", "all")
    conda:
        "../../envs/stats.yaml"
    params:
        spec=lambda wildcards: jobs.page_spec(),
        code=code("report_page.py"),
    script:
        "../scripts/report_page.py"
