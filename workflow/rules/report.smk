"""Report: figures, findings, and the pages that show them.

Inputs: tables; for the report's examples also records of a few cells. Outputs: results/{study}/figures/{family}/*.svg, .pdf and .png, report.html and
findings.html, each one self-contained page. `snakemake --report FILE.html` writes Snakemake's own
report of the same, with the rule behind each file.
"""


report: "../report/workflow.rst"


rule figures:
    """Draw all figures of all families."""
    input:
        **{name: paths.table(name) for name in jobs.report.figure_tables},
    output:
        svg=[shown.figure(figure) for figure in jobs.report.figures],
        others=[
            jobs.report.figure_path(figure, kind)
            for figure in jobs.report.figures
            for kind in ("pdf", "png")
        ],
    log:
        paths.log("figures", "all"),
    benchmark:
        paths.benchmark("figures", "all")
    conda:
        "../../envs/stats.yaml"
    threads: 2
    params:
        spec=lambda wildcards: jobs.report.figures_spec(),
        style=jobs.report.figures_style,
    script:
        "../scripts/report_figures.py"


rule report:
    """Write the pages: answers, findings, examples, figures, tables, missing cells, cost."""
    input:
        config=paths.config,
        tables=[paths.table(name) for name in all_tables()],
        figures=lambda wildcards: jobs.report.figure_files(),
        examples=lambda wildcards: jobs.report.example_files(),
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
        spec=lambda wildcards: jobs.report.page_spec(),
        accepted=lambda wildcards: jobs.report.accepted(),
    script:
        "../scripts/report_page.py"
