"""Image: what every job runs in where Snakemake is told `--sdm apptainer`, and only then.

docs/environments.md says how it is built. The path is relative, so that a clone elsewhere has
the same and re-runs nothing.
"""


container: "envs/container/tuning-dynamics.sif"
