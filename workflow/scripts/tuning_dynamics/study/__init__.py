"""The study: typed config, the grid it expands to, every path, and what decides re-runs.

Light tier: imported by the Snakefile, so only the standard library, pydantic and PyYAML.
"""
