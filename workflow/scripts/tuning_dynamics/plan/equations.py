"""FLOPs, bytes and seconds of a model's work.

N are weights, L layers, d the width, V the vocabulary, T tokens, s the length of a text in tokens.
"""

import math
from dataclasses import dataclass
from typing import Literal

from tuning_dynamics.common.registry import kind_of
from tuning_dynamics.config.device import Assumed, Device
from tuning_dynamics.config.execution import SAVING_SHARE
from tuning_dynamics.config.family import ModelSize
from tuning_dynamics.config.recipe import TRAINABLE, Stage
from tuning_dynamics.engine import batch_size as batch
from tuning_dynamics.engine.batch_size import LOGIT_BYTES, bytes_per_token

#: Weights are fp32 in memory and in the files that jobs write.
BYTES = 4

#: The dtype of layers in evaluation.
Dtype = Literal["float32", "bfloat16"]

#: Bytes of such a number.
WIDTHS: dict[Dtype, int] = {"float32": 4, "bfloat16": 2}

#: Passes over the model's weights in an optimiser step, in bytes per trained weight: AdamW reads
#: weight, gradient and two moments and writes all but the gradient (28), the gradient's norm
#: reads it once (4), clipping reads and writes it (8), autocast reads a weight and writes its bf16
#: copy (6).
OPTIMISER_BYTES = 46

#: Bytes that the backward pass keeps per token, layer and unit of width: counted on OLMo's blocks
#: (SwiGLU of 4 d) under autocast to bf16. Korthikanti et al. 2022 (arXiv 2205.05198, equation 2)
#: have 34 for GPT's, without the attention matrix, which is never kept.
ACTIVATION_BYTES = 58


@dataclass(frozen=True)
class Work:
    """Tokens to read, pairs of a token and one that it attends to, and tokens after which logits
    are needed."""

    tokens: float
    seen: float
    predicted: float

    def __add__(self, other: "Work") -> "Work":
        return Work(
            self.tokens + other.tokens, self.seen + other.seen, self.predicted + other.predicted
        )

    def __mul__(self, number: float) -> "Work":
        return Work(self.tokens * number, self.seen * number, self.predicted * number)


NO_WORK = Work(0, 0, 0)


def reading(texts: float, before: float, own: float, predicted: float) -> Work:
    """Reading this many texts of `own` tokens each, after `before` others that were already read,
    with logits after `predicted` of them."""
    return Work(own, own * (before + own / 2), predicted) * texts


def layer_flops(size: ModelSize, work: Work) -> float:
    """FLOPs in the layers: 2 (N - V d) T + 4 L d for every pair.

    Kaplan et al. 2020 (arXiv 2001.08361), section 2.1: two FLOPs per weight and token, and
    attention's two products for every pair. A model whose head is not tied to its embedding has
    another V d weights that multiply nothing: it is overpriced by that.
    """
    weights = size.parameters - size.vocab_size * size.hidden_size
    return 2 * weights * work.tokens + 4 * size.layers * size.hidden_size * work.seen


def head_flops(size: ModelSize, work: Work) -> float:
    """FLOPs of the needed logits: 2 V d each."""
    return 2.0 * size.vocab_size * size.hidden_size * work.predicted


def pass_seconds(
    compute: float, bytes_moved: float, layers: int, bandwidth: float, launch: float
) -> float:
    """Seconds of one pass: the largest of compute, memory and launch times.

    The roofline model (Williams et al. 2009), with a third bound for kernels too small to keep
    a device busy.
    """
    return max(compute, bytes_moved / bandwidth, layers * launch)


@dataclass(frozen=True)
class Step:
    """An optimiser step: its texts, mean tokens per text and how many of them the loss counts, the
    largest number of texts in a forward pass, trained weights (all, or the adapters'), and GPUs
    that share the texts and each hold a part of the weights."""

    rows: int
    length: float
    counted: float
    micro_batch: int
    trained: float
    gpus: int = 1

    @property
    def own_rows(self) -> int:
        """Texts of the GPU with the most."""
        return math.ceil(self.rows / self.gpus)


def training_flops(size: ModelSize, step: Step) -> float:
    """FLOPs of a step on one of its GPUs: three times the forward pass, about 6 N T.

    The backward pass takes twice the forward (Kaplan et al. 2020). With adapters the frozen
    weights need no gradient, and about 4 N T remain (Hu et al. 2022, arXiv 2106.09685). Texts
    are packed, without padding, and each attends only to itself.
    """
    full = step.trained >= size.parameters
    work = reading(step.own_rows, 0, step.length, step.counted)
    return (3 if full else 2) * (layer_flops(size, work) + head_flops(size, work))


def step_seconds(size: ModelSize, step: Step, device: Device, assumed: Assumed) -> float:
    """Seconds of an optimiser step: its passes forward and back, and AdamW's bytes.

    GPUs that share a model fetch each other's part of the weights in forward and backward passes,
    and sum gradients: 12 N bytes, less their own part, while they compute.
    """
    passes = math.ceil(step.own_rows / step.micro_batch)
    travel = 3 * BYTES * size.parameters * (1 - 1 / step.gpus) / assumed.link
    bandwidth = device.bandwidth * assumed.memory_use
    compute = pass_seconds(
        training_flops(size, step) / passes / (device.bf16 * assumed.bf16_use),
        3 * BYTES * size.parameters,
        3 * size.layers,
        bandwidth,
        assumed.launch,
    )
    update = OPTIMISER_BYTES * step.trained / step.gpus / bandwidth
    return passes * max(compute, travel) + update


def training_seconds(
    steps: int, one_step: float, trained: float, save_seconds: float, assumed: Assumed, final: int
) -> float:
    """Seconds of a run with its resumable states: weights and two moments, 12 B per trained
    weight, `final` of them at the end, and one every `save_seconds`, or more rarely if saving
    takes long."""
    seconds = steps * one_step
    save = 3 * BYTES * trained / assumed.write
    states = final + math.floor(seconds / max(save_seconds, SAVING_SHARE * save))
    return seconds + states * save


@dataclass(frozen=True)
class Evaluating:
    """How a device evaluates: layers in `dtype`, the head in fp32."""

    device: Device
    assumed: Assumed
    dtype: Dtype

    def seconds(self, size: ModelSize, work: Work, kept: float = 0) -> float:
        """Seconds of one pass that reads the weights, and the keys and values of `kept` tokens."""
        device, assumed = self.device, self.assumed
        fp32 = device.fp32 * assumed.fp32_use
        reached = fp32 if self.dtype == "float32" else device.bf16 * assumed.bf16_use
        return pass_seconds(
            layer_flops(size, work) / reached + head_flops(size, work) / fp32,
            weight_bytes(size, self.dtype) + kept * kept_bytes(size, self.dtype),
            size.layers,
            device.bandwidth * assumed.memory_use,
            assumed.launch,
        )


def reading_seconds(size: ModelSize, work: Work, passes: int, on: Evaluating) -> float:
    """Seconds of reading in this many passes."""
    return passes * on.seconds(size, work * (1 / passes)) if work.tokens else 0.0


@dataclass(frozen=True)
class Text:
    """A text to continue: tokens that it shares with all texts, its own, and new ones."""

    before: float
    own: float
    new: int


def decoding_seconds(size: ModelSize, items: int, rows: int, text: Text, on: Evaluating) -> float:
    """Seconds of greedy decoding after the prompts are read, `rows` items at a time.

    For one token per row, a step reads all weights, the shared keys and values once, and each
    row's own, so memory bounds it, not FLOPs (Pope et al. 2022, arXiv 2211.05102). The slowest row
    of a batch decides: all new tokens are counted, except the first, which comes with the prompt.
    """
    own = rows * (text.own + text.new / 2)
    step = Work(rows, own + rows * text.before, rows)
    return math.ceil(items / rows) * (text.new - 1) * on.seconds(size, step, own + text.before)


def weight_bytes(size: ModelSize, dtype: Dtype) -> float:
    """Bytes of a model in evaluation: its layers in `dtype`, its head in fp32."""
    head = size.vocab_size * size.hidden_size
    return WIDTHS[dtype] * (size.parameters - head) + BYTES * head


def kept_bytes(size: ModelSize, dtype: Dtype) -> float:
    """Bytes of a token's keys and values: 2 L d numbers, fewer if heads share them."""
    return 2.0 * WIDTHS[dtype] * size.layers * size.hidden_size


def token_bytes(size: ModelSize, dtype: Dtype) -> float:
    """Bytes of a token in a batch of evaluation."""
    return bytes_per_token(size.layers, size.hidden_size, WIDTHS[dtype])


def head_tokens(size: ModelSize, dtype: Dtype) -> int:
    """Tokens of a batch that take as much memory as the logits at one position."""
    return batch.head_tokens(size.vocab_size, token_bytes(size, dtype))


def row_tokens(size: ModelSize, dtype: Dtype, before: float) -> int:
    """Tokens that take as much memory as a text takes in addition to its own tokens, after `before`
    shared ones."""
    return batch.row_tokens(before, size.vocab_size, size.layers, token_bytes(size, dtype))


def load_seconds(size: ModelSize, assumed: Assumed) -> float:
    """Seconds until a job's model is ready: start-up, and the weights' bytes."""
    return assumed.start + BYTES * size.parameters / assumed.read


def trained_weights(stage: Stage, size: ModelSize) -> float:
    """How many weights a stage trains."""
    name, settings = kind_of(stage.train)
    return float(TRAINABLE[name].trained_weights(size, settings))


def tuning_memory(size: ModelSize, step: Step, length: float) -> float:
    """Bytes that tuning needs of a GPU, with texts of `length` tokens in a forward pass.

    Its part of the weights (4 N), gradients and two moments (12 B per trained weight), autocast's
    bf16 copies of all weights (2 N), activations, and the logits of the targets.
    """
    rows = min(step.micro_batch, step.own_rows)
    states = BYTES * (size.parameters + 3 * step.trained) / step.gpus + 2 * size.parameters
    activations = ACTIVATION_BYTES * rows * length * size.layers * size.hidden_size
    counted = rows * length * step.counted / step.length
    return states + activations + LOGIT_BYTES * counted * size.vocab_size
