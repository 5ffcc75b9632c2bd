"""Tune: a checkpoint's weights through a recipe's stages on a train set."""
