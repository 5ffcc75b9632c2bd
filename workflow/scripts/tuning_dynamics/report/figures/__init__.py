"""Figures of a study, each from its tables alone. A missing cell is drawn as missing, never as 0."""
