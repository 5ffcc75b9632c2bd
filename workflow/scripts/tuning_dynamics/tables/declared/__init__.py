"""The tables: a module each, which declares its columns and the rule that makes it."""
