"""Rule text_loss: the loss of a tuned variant on the fixed text."""

from pathlib import Path

from tuning_dynamics.identity.job import running

with running(snakemake) as job:
    if job.due:
        from tuning_dynamics.evaluate.text_loss import measure_text_loss

        measure_text_loss(
            snakemake.wildcards.variant,
            snakemake.params.spec,
            manifest=Path(snakemake.input.manifest),
            heldout=next(iter(snakemake.input.heldout), None),
            out=Path(snakemake.output[0]),
        )
