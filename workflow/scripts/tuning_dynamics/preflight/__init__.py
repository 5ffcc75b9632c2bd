"""A checkpoint tried through tuning and evaluation, on a CPU, before either runs."""
