"""Registries: dicts from the name of a kind, as a config writes it, to what does it.

A module-level `NAME: Kinds[str, …] = {"kind": …}` counts in a job's code by the entries of the
kinds that the job uses, so that a new kind makes nothing anew (see `code`).
"""

Kinds = dict
