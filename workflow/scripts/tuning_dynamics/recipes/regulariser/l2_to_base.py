"""Adds to the loss the squared distance of the trainable weights from where the stage began."""

from collections.abc import Sequence
from typing import Any

from pydantic import PositiveFloat

SETTINGS = PositiveFloat


def penalty(settings: float) -> Any:
    """`settings` times the squared distance of the parameters from where the run began."""

    def begin(ranks: Any, parameters: Sequence[Any]) -> Any:
        import torch

        start = [ranks.held(p).detach().clone() for p in parameters]

        def pull() -> torch.Tensor:
            pairs = zip(map(ranks.held, parameters), start, strict=True)
            distance = torch.stack([(now - then).square().sum() for now, then in pairs]).sum()
            penalty = settings * distance
            penalty.backward()
            return penalty.detach()

        return pull

    return begin
