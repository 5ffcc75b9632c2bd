"""Statistics: per-item records and tables in, tables out; every function is pure."""
