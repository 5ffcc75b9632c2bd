"""Rule part: the note that all cells of a part are made, and from which settings and code."""

from tuning_dynamics.study.files import write_json
from tuning_dynamics.study.stub import logged

with logged(snakemake.log):
    write_json(
        snakemake.output[0], {"spec": snakemake.params.spec, "code": snakemake.params.making}
    )
