"""What every package may use: errors, files, paths, rules. It imports no other package."""
