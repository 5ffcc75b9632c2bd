"""Requests to the system that fail on purpose, in jobs of a run."""
