"""Plan: the cost of a study's jobs, from equations alone, before anything runs."""
