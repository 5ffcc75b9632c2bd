"""Engine: the training loop and the hardware facts that pre-training and tuning share."""
