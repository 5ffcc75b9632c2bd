"""Figures, captions and the findings page, made from the tables alone."""
