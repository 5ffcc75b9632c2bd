"""Figures of a study, each from its tables alone. What is missing is drawn so, never as 0."""
