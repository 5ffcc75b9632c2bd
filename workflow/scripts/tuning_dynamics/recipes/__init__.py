"""Kinds that a recipe's stage names: a kind is a module with its settings, effect and cost.

Heavy libraries are imported inside functions, because reading a study imports these modules too.
"""
