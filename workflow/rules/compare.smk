"""Compare: the cells that two studies share, side by side.

`snakemake compare --config side_a=results/x side_b=results/y` writes results/compare/x_vs_y/:
tables/comparison.csv (shared cells with paired differences), tables/unshared.csv (cells of one side
only) and summary.txt, which it prints. It has no outputs, so that it runs whenever it is
requested, and needs no study: neither that of config/config.yaml nor a free lock on one.
"""


rule compare:
    """Tabulate the differences of all cells that two studies share."""
    input:
        lambda wildcards: sides.files(),
    log:
        sides.log,
    localrule: True
    conda:
        "../../envs/stats.yaml"
    script:
        "../scripts/stats_compare.py"


if sides.asked:

    onsuccess:
        print(sides.closing_text())
