"""Parts of `benchmarks/incremental.py`: places, fresh runs, cases, and their record."""
