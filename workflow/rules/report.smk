"""Report: figures, findings, and the pages that show them.

Inputs: tables. Outputs: results/{study}/figures/{family}/*.svg, .pdf and .png, findings.html
(what the tables say on each published finding), report.html (Snakemake's own report: findings,
figures and tables with captions, and the provenance of each; self-contained).
"""


rule figures:
    """Draw all figures of all families."""
    input:
        **{name: paths.table(name) for name in jobs.figure_tables},
    output:
        svg=[shown.figure(figure) for figure in jobs.figures],
        others=[
            jobs.figure_path(figure, kind) for figure in jobs.figures for kind in ("pdf", "png")
        ],
    log:
        paths.log("figures", "all"),
    benchmark:
        paths.benchmark("figures", "all")
    conda:
        "../../envs/stats.yaml"
    threads: 2
    params:
        spec=lambda wildcards: jobs.figures_spec(),
        folder=paths.figures,
        style=jobs.figures_style,
        code=code("report_figures.py"),
    script:
        "../scripts/report_figures.py"


rule pages:
    """Everything that the report shows."""
    input:
        [paths.table(name) for name in paths.tables],
        jobs.figure_files(),


rule report:
    """Put findings, figures, tables and provenance into one self-contained page."""
    input:
        rules.pages.input,
    output:
        paths.report,
    log:
        paths.log("report", "all"),
    benchmark:
        paths.benchmark("report", "all")
    conda:
        "../../envs/stats.yaml"
    params:
        code=code("report_page.py"),
    script:
        "../scripts/report_page.py"
