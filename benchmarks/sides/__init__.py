"""Both sides of each comparison: this project's engine, and what a user would pick instead."""
