"""The summaries: a module per table, which declares its columns and makes its rows.

`make` gets the study's tables by name, other summaries included, and the `statistics` settings.
"""
