"""What a model's work takes in FLOPs, bytes and seconds.

N are weights, L layers, d the width, T tokens, s the length of a text in tokens.
"""

import math

from tuning_dynamics.plan.devices import Assumed, Device
from tuning_dynamics.study.families import Size

#: Weights are fp32 in memory and in the files that jobs write.
BYTES = 4

#: Passes over the model's weights in an optimiser step, in bytes per trained weight: AdamW reads
#: weight, gradient and two moments and writes all but the gradient (28), the gradient's norm
#: reads it once (4), autocast reads a weight and writes its bf16 copy (6).
OPTIMISER_BYTES = 38


def forward_flops(size: Size, tokens: float, length: float) -> float:
    """FLOPs of reading T tokens in texts of s tokens: 2 N T + 2 L d s T.

    Kaplan et al. 2020 (arXiv 2001.08361), section 2.1: two FLOPs per weight and token, and
    attention's products of queries, keys and values; a causal mask halves s on average, and
    there are two products. N counts embeddings, so that small models are overpriced a little.
    """
    return tokens * (2 * size.parameters + 2 * size.layers * size.hidden_size * length)


def training_flops(size: Size, tokens: float, length: float, *, full: bool) -> float:
    """FLOPs of training on T tokens: three times the forward pass, about 6 N T.

    The backward pass takes twice the forward (Kaplan et al. 2020). With adapters the frozen
    weights need no gradient, and about 4 N T remain (Hu et al. 2022, arXiv 2106.09685).
    """
    return (3 if full else 2) * forward_flops(size, tokens, length)


def pass_seconds(
    flops: float, bytes_read: float, layers: int, peak: float, bandwidth: float, launch: float
) -> float:
    """Seconds of one pass: the largest of compute, memory and launch times.

    The roofline model (Williams et al. 2009), with a third bound for kernels too small to keep
    a device busy.
    """
    return max(flops / peak, bytes_read / bandwidth, layers * launch)


def step_seconds(
    size: Size,
    rows: int,
    length: float,
    micro_batch: int,
    trained: float,
    device: Device,
    assumed: Assumed,
) -> float:
    """Seconds of an optimiser step over `rows` texts of `length` tokens, padding included.

    `trained` weights are updated: all, or the adapters'.
    """
    full = trained >= size.parameters
    tokens = rows * length
    passes = math.ceil(rows / micro_batch)
    compute = pass_seconds(
        training_flops(size, tokens / passes, length, full=full),
        3 * BYTES * size.parameters,
        3 * size.layers,
        device.bf16 * assumed.train_use,
        device.bandwidth * assumed.memory_use,
        assumed.launch,
    )
    update = OPTIMISER_BYTES * trained / (device.bandwidth * assumed.memory_use)
    return passes * compute + update


def training_seconds(
    steps: int, one_step: float, trained: float, save_seconds: float, assumed: Assumed
) -> float:
    """Seconds of a run with its resumable states: weights and two moments, 12 B per trained
    weight, every `save_seconds` and at the end."""
    seconds = steps * one_step
    states = 1 + math.floor(seconds / save_seconds)
    return seconds + states * 3 * BYTES * trained / assumed.write


def reading_seconds(
    size: Size, tokens: float, length: float, batch: float, device: Device, assumed: Assumed
) -> float:
    """Seconds of reading T tokens in texts of s tokens, `batch` tokens in a pass."""
    if tokens <= 0:
        return 0.0
    passes = math.ceil(tokens / max(batch, 1))
    return passes * pass_seconds(
        forward_flops(size, tokens / passes, length),
        BYTES * size.parameters,
        size.layers,
        device.fp32 * assumed.score_use,
        device.bandwidth * assumed.memory_use,
        assumed.launch,
    )


def decoding_seconds(
    size: Size,
    items: int,
    rows: int,
    new_tokens: int,
    length: float,
    device: Device,
    assumed: Assumed,
) -> float:
    """Seconds of greedy decoding after the prompts are read, `rows` items at a time.

    A step reads all weights and the keys and values of the rows' s tokens (2 L d s each) for
    one token per row, so memory bounds it, not FLOPs (Pope et al. 2022, arXiv 2211.05102). The
    slowest row of a batch decides: all `new_tokens` are counted; the first comes with the prompt.
    """
    cache = 2 * BYTES * size.layers * size.hidden_size * length * rows
    one = pass_seconds(
        forward_flops(size, rows, length),
        BYTES * size.parameters + cache,
        size.layers,
        device.fp32 * assumed.score_use,
        device.bandwidth * assumed.memory_use,
        assumed.launch,
    )
    return math.ceil(items / rows) * (new_tokens - 1) * one


def load_seconds(size: Size, assumed: Assumed) -> float:
    """Seconds until a job's model is ready: start-up, and the weights' bytes."""
    return assumed.start + BYTES * size.parameters / assumed.read


def adapter_weights(size: Size, rank: int) -> float:
    """About how many weights LoRA of a rank trains on all linear layers: 23 r d L.

    Four d x d matrices and three d x 4d matrices per layer, r (in + out) each.
    """
    return 23.0 * rank * size.hidden_size * size.layers


def tuning_memory(size: Size, tokens: float, trained: float) -> float:
    """Bytes that tuning needs at most, with `tokens` in a forward pass.

    Weights (4 N), gradients and two moments (12 B per trained weight), activations of about 34
    bytes per token, layer and unit of width (Korthikanti et al. 2022, arXiv 2205.05198,
    equation 2 without the term of the attention matrix) and logits in three copies.
    """
    states = BYTES * size.parameters + 3 * BYTES * trained
    activations = 34 * tokens * size.layers * size.hidden_size
    return states + activations + 3 * BYTES * tokens * size.vocab_size
