"""Checkpoints: pre-trained here, in local folders, or on a hub; each with a manifest."""
