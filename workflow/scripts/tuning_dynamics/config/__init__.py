"""Typed config files: what a study, a family, a dataset or a recipe may say."""
