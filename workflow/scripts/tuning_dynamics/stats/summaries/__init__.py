"""The summaries: a module for each table, which declares its columns and makes its rows.

`make` gets the study's tables by name, other summaries among them, and what `statistics` asks for.
"""
