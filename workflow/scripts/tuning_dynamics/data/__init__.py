"""Data: rows from hub, files or the mini world, frozen into checked items; prompts; tokens."""
