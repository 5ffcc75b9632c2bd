"""Figures of a study, each from its tables alone. Missing values are marked, never drawn as 0."""
