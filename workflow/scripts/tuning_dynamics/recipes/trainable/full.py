"""All weights train."""

from typing import Any

SETTINGS = None

save_adapter = None


def begin(model: Any, settings: None, seed: int) -> Any:
    """The model with all its weights set to train."""
    del settings, seed
    for parameter in model.parameters():
        parameter.requires_grad_(True)
    return model


def end(model: Any) -> Any:
    """The model."""
    return model


def trained_weights(size: Any, settings: None) -> float:
    """All of them."""
    del settings
    return float(size.parameters)
