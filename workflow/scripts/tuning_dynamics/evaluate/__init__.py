"""Evaluation: a variant's model, loaded once, turns cells into per-item records."""
