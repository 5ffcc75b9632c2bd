"""Evaluate: one job and one file of per-item records per cell, one model load per variant.

Inputs: a variant's manifest and frozen items. Outputs: results/{study}/{variant}/cells/
{eval_set}/{format}/{shots}shot/{prediction}.parquet. `serve` loads a variant's model once and
answers on a socket for as long as its cells ask; a cell is a thin client without torch. A study
too large for one plan is made in parts (docs/scale.md): results/{study}/parts/{number}of{parts}.json
says from which settings and code a part's cells were made.
"""

from tuning_dynamics.study.begin import EVALUATION, asking, serving
from tuning_dynamics.study.parts import making_spec, making_stubs

serve_command, cell_command = serving(workflow, jobs), asking(workflow)


rule serve:
    """Load a variant's model once and answer its cells; ends when the last one is done."""
    input:
        manifest=lambda wildcards: paths.manifest(jobs.variant(wildcards.variant)),
        weights=lambda wildcards: ancient(jobs.tuned_weights(wildcards.variant)),
    output:
        # update: the file, empty before a server has started, is not removed when one starts, so
        # that Snakemake doesn't wait for it; a variant's jobs may be in line behind another's.
        service(update(paths.variant_file("{variant}", "server.json"))),
    log:
        paths.log("serve", "{variant}"),
    # No benchmark: a service is ended by a signal, and Snakemake then writes none. The server
    # itself keeps serve.json beside the cells: seconds, loads, cells, tokens, memory.
    # No params: which server answers is no part of a cell's identity; `cell` has the code's.
    priority: 20  # a variant that is loaded frees its place soonest
    conda:
        "../../envs/evaluate.yaml"
    resources:
        gpu=ask.gpu,
        runtime=ask.runtime("serve"),
        mem_mb=ask.memory("serve"),
        # No limit, but what the server is told, and cannot be told by params (see above).
        cells=lambda wildcards: jobs.cells_before_drop(wildcards.variant),
    shell:
        f"{serve_command} {{wildcards.variant}} {{input.manifest}} {{output}} "
        "{resources.cells} {log}"


rule cell:
    """Have one cell evaluated and its per-item records written."""
    input:
        # check is ancient: it stops what would go wrong, and changes no number.
        unpack(lambda wildcards: jobs.cell_inputs(jobs.cell(wildcards), ancient)),
        # ancient: which server answered changes no number, so one missing cell re-runs alone.
        server=ancient(paths.variant_file("{variant}", "server.json")),
    output:
        paths.cell_file("{variant}", "{eval_set}", "{format}", "{shots}", "{prediction}"),
    log:
        paths.log("cell", "{variant}", "{eval_set}", "{format}", "{shots}shot", "{prediction}"),
    benchmark:
        paths.benchmark(
            "cell", "{variant}", "{eval_set}", "{format}", "{shots}shot", "{prediction}"
        )
    conda:
        "../../envs/evaluate.yaml"
    threads: 0  # it waits for the server, which has a thread of its own
    resources:
        # A client alone: its server's resources are those of the work.
        runtime=1,
        mem_mb=50,
    params:
        spec=lambda wildcards: jobs.cell_spec(jobs.cell(wildcards)),
        code=code(*EVALUATION),
    # No `script`: Snakemake would open and read its file once for every cell that it plans.
    shell:
        f"{cell_command} {{params.spec:q}} {{input.frozen:q}} {{input.server:q}} {{output:q}} "
        "{log:q} {input.demonstrations:q}"


rule part:
    """Note that a part's cells are all made."""
    input:
        lambda wildcards: jobs.part_cells(int(wildcards.number), int(wildcards.parts)),
    output:
        paths.part("{number}", "{parts}"),
    log:
        paths.log("part", "{number}of{parts}"),
    benchmark:
        paths.benchmark("part", "{number}of{parts}")
    wildcard_constraints:
        number="[0-9]+",
        parts="[0-9]+",
    localrule: True
    conda:
        "../../envs/stats.yaml"
    params:
        spec=lambda wildcards: making_spec(jobs.resolved),
        making=code(*making_stubs()),
        code=code("evaluate_part.py"),
    script:
        "../scripts/evaluate_part.py"
