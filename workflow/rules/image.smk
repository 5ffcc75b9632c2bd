"""Image: what every job runs in where Snakemake is told `--sdm apptainer`, and only then.

docs/environments.md says how it is built.
"""


container: "envs/container/tuning-dynamics.sif"
