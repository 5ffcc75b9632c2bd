"""What a study's tables say about each published claim, in sentences."""
