"""What downloading checkpoints and datasets share."""
