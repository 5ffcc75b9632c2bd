"""The workflow's jobs for Snakemake: inputs and specs of each rule; start, end, SLURM."""
