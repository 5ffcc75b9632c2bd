"""How jobs run, apart from what they compute: never part of an identity."""

from typing import Annotated, Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from tuning_dynamics.config.base import Name, Strict

#: Left out of the merged config: settings that only plans use must not make tables stale.
Planning = Field(exclude=True)

#: Saving takes at most this fraction (1/n) of a run, however large the state: saving one of 14 GB
#: every two minutes would take a tenth of a fast GPU's time.
SAVING_SHARE = 50


class Execution(Strict):
    """Settings that cannot change a number beyond rounding, and so enter no identity."""

    batch_tokens: PositiveInt | None = None
    """Tokens in a batch of evaluation; none: as many as the GPU's memory holds, 8,192 on a CPU."""
    micro_batch: PositiveInt = 8
    """Examples in a forward pass of tuning; gradients add up to the effective batch."""
    gpus_per_model: PositiveInt = 1
    """GPUs of one node that share the tuning of one model, for models that don't fit one: weights,
    gradients and moments are split over them, and each takes a share of a minibatch's examples.
    If the device is cpu, that many processes."""
    save_seconds: PositiveFloat = 120
    """Least seconds between resumable states of a training run: more if saving one takes more
    than a fiftieth of that."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto: a GPU if there is one."""
    plan_for: Annotated[Name, Planning] = "a100"
    """Device that the budget is for, a file of devices/: a100, h100, h200, l40s, rtx4090, cpu, or
    your own."""
    price_per_hour: Annotated[PositiveFloat | None, Planning] = None
    """Price of an hour of that device, in any currency; none: the budget gives no price."""


def execution_of(config: dict[str, Any]) -> Execution:
    """The execution settings of a study's config mapping (validated when the run began)."""
    return Execution.model_validate(config.get("execution", {}))
