"""What `benchmarks/incremental.py` is made of: places, fresh runs, cases, and their record."""
