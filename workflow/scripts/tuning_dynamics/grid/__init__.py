"""A study's cells, splits and figures before anything runs; tables of published scores."""
