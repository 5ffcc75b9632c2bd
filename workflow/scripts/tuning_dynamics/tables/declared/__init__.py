"""The tables: a module for each, which declares its columns and says what makes it."""
