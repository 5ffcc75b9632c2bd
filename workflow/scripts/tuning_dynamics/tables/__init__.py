"""What tables there are, their columns, and how they are written and read."""
