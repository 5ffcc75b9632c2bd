"""Kinds that a recipe's stage names: a kind is a module, with its settings, what it does and costs.

Libraries that compute are imported within functions, as a study is read with these modules too.
"""
