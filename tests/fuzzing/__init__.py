"""Mutated files and rows: what the project reads of them, against strict readings of others.

`mutations` damages a file's bytes, `strict` reads it by json, csv, pyarrow and yaml alone, `cases`
has one entry per reader. A case's outcome is `read`, with what the strict reading gives, or
`refused`, with an error for people. All else fails.
"""
