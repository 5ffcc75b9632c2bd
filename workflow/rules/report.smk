"""Report: figures, findings, and the pages that show them.

Inputs: tables. Outputs: results/{study}/figures/{family}/*.svg, .pdf and .png, findings.html
(what the tables say on each published finding), report.html (Snakemake's own report: findings,
figures and tables with captions, and the provenance of each; self-contained).
"""


report: Path(paths.findings("rst")).resolve()


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


rule findings:
    """State for each published finding what this study's tables say, or that they can't tell."""
    input:
        config=paths.config,
        scores=paths.table("scores"),
        changes=paths.table("changes"),
        transfer=paths.table("transfer"),
        groups=paths.table("groups"),
        sensitivity=paths.table("sensitivity"),
        noise=paths.table("noise"),
        checkpoints=paths.table("checkpoints"),
        datasets=paths.table("datasets"),
    output:
        html=shown.findings(),
        rst=paths.findings("rst"),
    log:
        paths.log("findings", "all"),
    benchmark:
        paths.benchmark("findings", "all")
    conda:
        "../../envs/stats.yaml"
    params:
        spec=lambda wildcards: jobs.statistics_spec("resamples", "level", "seed", "recipe"),
        code=code("report_findings.py"),
    script:
        "../scripts/report_findings.py"


rule pages:
    """Everything that the report shows."""
    input:
        [paths.table(name) for name in paths.tables],
        jobs.figure_files(),
        paths.findings("html"),


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
