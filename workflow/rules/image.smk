"""Image: the container of every job if Snakemake runs with `--sdm apptainer`, and only then.

docs/environments.md says how it is built.
"""


container: "envs/container/tuning-dynamics.sif"
