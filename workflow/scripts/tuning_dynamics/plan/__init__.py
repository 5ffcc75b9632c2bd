"""Plan: what a study's jobs will take, from equations alone, before anything runs."""
