"""Losses of the weights alone, beside that of the examples."""

from collections.abc import Callable, Sequence

import torch

from tuning_dynamics.engine.processes import Ranks

#: Adds the gradient of a penalty to the weights, and returns the penalty.
Pull = Callable[[], torch.Tensor]

#: Makes a run's pull from its ranks and its trainable parameters, as they are when it begins.
Penalty = Callable[[Ranks, Sequence[torch.Tensor]], Pull]


def l2_to_start(weight: float) -> Penalty:
    """`weight` times the squared distance of the parameters to where the run began."""

    def begin(ranks: Ranks, parameters: Sequence[torch.Tensor]) -> Pull:
        start = [ranks.held(p).detach().clone() for p in parameters]

        def pull() -> torch.Tensor:
            pairs = zip(map(ranks.held, parameters), start, strict=True)
            distance = torch.stack([(now - then).square().sum() for now, then in pairs]).sum()
            penalty = weight * distance
            penalty.backward()
            return penalty.detach()

        return pull

    return begin
