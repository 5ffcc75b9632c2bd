"""The cost model's equations, against figures computed by hand and against real models."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import tiny_encoder
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode
from transformers import OlmoConfig, OlmoForCausalLM

from tuning_dynamics.config.device import CASES, Assumed, Device
from tuning_dynamics.config.family import ModelSize
from tuning_dynamics.config.load import parse, read_yaml
from tuning_dynamics.engine.padding_free import IGNORED, packed, summed_loss
from tuning_dynamics.evaluate.generate import generate
from tuning_dynamics.evaluate.loglikelihood import Scored, log_likelihoods
from tuning_dynamics.evaluate.model import LoadedModel
from tuning_dynamics.plan.equations import (
    ACTIVATION_BYTES,
    NO_WORK,
    Dtype,
    Evaluating,
    Step,
    Text,
    Work,
    decoding_seconds,
    head_flops,
    head_tokens,
    layer_flops,
    load_seconds,
    pass_seconds,
    reading,
    reading_seconds,
    row_tokens,
    step_seconds,
    token_bytes,
    training_flops,
    training_seconds,
    tuning_memory,
    weight_bytes,
)
from tuning_dynamics.recipes.trainable.lora import Lora, trained_weights

#: OLMo-1B.
OLMO = ModelSize(parameters=1.177e9, layers=16, hidden_size=2048, vocab_size=50304, context=2048)
LLAMA = ModelSize(parameters=8.03e9, layers=32, hidden_size=4096, vocab_size=128256, context=8192)
ROOT = Path(__file__).parents[3]
DEVICES: dict[str, Device] = {
    path.stem: parse(Device, read_yaml(path), path) for path in (ROOT / "config/devices").glob("*")
}
A100 = DEVICES["a100"]
LOW, MID, HIGH = CASES


def step(rows: int, length: float, **other: Any) -> Step:
    """A step of OLMo-1B whose loss counts 30 tokens a text, all texts in one pass."""
    usual = {"counted": 30, "micro_batch": rows, "trained": OLMO.parameters}
    return Step(rows=rows, length=length, **{**usual, **other})


def test_two_flops_per_weight_and_token_and_the_head_where_it_is_wanted() -> None:
    head = 50304 * 2048
    assert layer_flops(OLMO, Work(1000, 0, 0)) == 2 * (1.177e9 - head) * 1000
    assert head_flops(OLMO, Work(1000, 0, 7)) == 2 * head * 7
    # A text of 2,048 tokens is 2,048 x 2,048 / 2 pairs; one after 100 others sees those too.
    assert reading(1, 0, 2048, 0).seen == 2048 * 1024
    assert reading(3, 100, 2048, 1) == Work(3 * 2048, 3 * (2048 * 100 + 2048 * 1024), 3)
    assert layer_flops(OLMO, Work(0, 1, 0)) == 4 * 16 * 2048


def test_training_takes_three_times_the_forward_pass_and_adapters_twice() -> None:
    once = reading(8, 0, 500, 30)
    forward = layer_flops(OLMO, once) + head_flops(OLMO, once)
    assert training_flops(OLMO, step(8, 500)) == 3 * forward
    assert training_flops(OLMO, step(8, 500, trained=1e6)) == 2 * forward
    whole = training_flops(OLMO, step(8, 500, counted=500))
    assert whole == pytest.approx(6 * 1.177e9 * 4000, rel=0.02)


def test_the_tightest_of_three_bounds_counts() -> None:
    assert pass_seconds(10.0, 1.0, 1, bandwidth=10, launch=1) == 10
    assert pass_seconds(1.0, 100.0, 1, bandwidth=20, launch=1) == 5
    assert pass_seconds(1.0, 1.0, 16, bandwidth=20, launch=0.5) == 8


def on(device: str, dtype: Dtype = "float32", assumed: Assumed = MID) -> Evaluating:
    """Evaluating on a device."""
    return Evaluating(DEVICES[device], assumed, dtype)


def test_reading_is_bound_by_compute() -> None:
    # 2e6 tokens x 2.15e9 FLOPs at 60 % of 19.5 TFLOP/s; in bf16 at 40 % of 312.
    work, layers = Work(2e6, 0, 0), 2 * (1.177e9 - 50304 * 2048) * 2e6
    assert reading_seconds(OLMO, work, 100, on("a100")) == pytest.approx(layers / (19.5e12 * 0.6))
    half = reading_seconds(OLMO, work, 100, on("a100", "bfloat16"))
    assert half == pytest.approx(layers / (312e12 * 0.4))
    assert reading_seconds(OLMO, NO_WORK, 100, on("a100")) == 0


def test_the_head_is_in_fp32_whatever_the_layers_are_in() -> None:
    work = Work(0, 0, 1e6)
    assert reading_seconds(OLMO, work + Work(1e-9, 0, 0), 1, on("a100", "bfloat16")) == (
        pytest.approx(2 * 50304 * 2048 * 1e6 / (19.5e12 * 0.6))
    )
    head = 128256 * 4096
    assert weight_bytes(LLAMA, "bfloat16") == 2 * (8.03e9 - head) + 4 * head
    assert weight_bytes(LLAMA, "float32") == 4 * 8.03e9


def test_decoding_large_models_is_bound_by_their_bytes() -> None:
    # 10 batches x 59 steps, each of which reads 32 GB at 70 % of 2.04 TB/s.
    seconds = decoding_seconds(LLAMA, 10, 1, Text(0, 0, 60), on("a100"))
    kept = 2 * 4 * 32 * 4096 * 30
    assert seconds == pytest.approx(10 * 59 * (4 * 8.03e9 + kept) / (2039e9 * 0.7))


def test_what_rows_share_is_read_once_a_step() -> None:
    alone, shared = (
        decoding_seconds(LLAMA, 4, 4, text, on("a100"))
        for text in (Text(0, 1000, 2), Text(1000, 0, 2))
    )
    kept = 2 * 4 * 32 * 4096
    assert alone - shared == pytest.approx(3 * 1000 * kept / (2039e9 * 0.7))


def test_decoding_small_models_is_bound_by_launches() -> None:
    seconds = decoding_seconds(OLMO, 14, 14, Text(0, 100, 60), on("a100"))
    assert seconds == pytest.approx(59 * 16 * MID.launch)


def test_a_step_counts_compute_and_the_optimisers_bytes() -> None:
    # 8 x 500 tokens: 2.6e13 FLOPs at 40 % of 312 TFLOP/s, and 46 B per weight at 1.43 TB/s.
    each = step(8, 500)
    seconds = step_seconds(OLMO, each, A100, MID)
    compute = training_flops(OLMO, each) / (312e12 * 0.4)
    update = 46 * 1.177e9 / (2039e9 * 0.7)
    assert seconds == pytest.approx(compute + update)
    assert step_seconds(OLMO, replace(each, micro_batch=1), A100, MID) >= seconds


def test_gpus_share_texts_and_weights_and_wait_for_each_other() -> None:
    each = step(8, 500)
    two = step_seconds(OLMO, replace(each, gpus=2), A100, MID)
    assert two == pytest.approx(step_seconds(OLMO, each, A100, MID) / 2)
    # 12 B per weight of which half comes from the other: more than one text's compute.
    slow = step_seconds(OLMO, replace(each, length=10, gpus=8), A100, HIGH)
    assert slow > 12 * 1.177e9 * 7 / 8 / HIGH.link
    both, one = (tuning_memory(OLMO, replace(each, gpus=gpus), 500) for gpus in (2, 1))
    assert one - both == pytest.approx(8 * 1.177e9 + (58 * 16 * 2048 + 12 * 50304 * 0.06) * 2000)


def test_saved_states_cost_time_but_a_small_part_of_a_run() -> None:
    plain = training_seconds(1000, 0.1, OLMO.parameters, 1e9, MID, 1)
    assert plain == pytest.approx(100 + 12 * 1.177)
    # Writing 0.12 GB takes 0.12 s: one every 30 s; 14 GB every 14.1 x 50 s, not every 30.
    assert training_seconds(1000, 0.1, 1e7, 30, MID, 0) == pytest.approx(100 + 3 * 0.12)
    long = training_seconds(100_000, 0.1, OLMO.parameters, 30, MID, 1)
    assert long == pytest.approx(10_000 + 15 * 12 * 1.177)


def test_adapters_have_the_weights_that_peft_makes() -> None:
    # OLMo-1B, rank 8, all linear layers: 4 of 2048 x 2048, 3 of 2048 x 8192 in each of 16.
    assert trained_weights(OLMO, Lora(r=8)) == 16 * 8 * (4 * (2048 + 2048) + 3 * (2048 + 8192))


def test_an_8b_model_is_not_tuned_on_one_gpu() -> None:
    full = Step(16, 500, 30, 1, LLAMA.parameters)
    assert tuning_memory(LLAMA, full, 500) > 18 * 8.03e9 > DEVICES["h200"].memory
    assert tuning_memory(LLAMA, replace(full, gpus=2), 2048) < DEVICES["h200"].memory
    assert tuning_memory(LLAMA, replace(full, gpus=4), 1024) < DEVICES["h100"].memory
    adapters = replace(full, trained=trained_weights(LLAMA, Lora(r=8)))
    assert tuning_memory(LLAMA, adapters, 1024) < DEVICES["a100"].memory


def test_cheap_likely_and_dear_are_in_order_on_every_device() -> None:
    for device in DEVICES.values():
        for part in (
            lambda a, d=device: reading_seconds(
                OLMO, reading(5000, 0, 200, 1), 122, Evaluating(d, a, "bfloat16")
            ),
            lambda a, d=device: decoding_seconds(
                OLMO, 100, 10, Text(0, 200, 60), Evaluating(d, a, "float32")
            ),
            lambda a, d=device: step_seconds(OLMO, step(8, 200), d, a),
            lambda a: load_seconds(OLMO, a),
        ):
            assert part(LOW) < part(MID) < part(HIGH)


# --- against models that run -----------------------------------------------------------------

SMALL = ModelSize(
    parameters=256 * 64 + 3 * (4 * 64**2 + 3 * 64 * 256),
    layers=3,
    hidden_size=64,
    vocab_size=256,
    context=2048,
)


def small(layers: int = 3, attention: str = "sdpa") -> OlmoForCausalLM:
    """An OLMo of SMALL's size, or of other layers, with random weights."""
    torch.manual_seed(0)
    return OlmoForCausalLM(
        OlmoConfig(
            vocab_size=256,
            hidden_size=64,
            intermediate_size=256,
            num_hidden_layers=layers,
            num_attention_heads=4,
            tie_word_embeddings=True,
            eos_token_id=1,
            pad_token_id=0,
            attn_implementation=attention,
        )
    )


def test_a_step_has_the_products_that_are_counted() -> None:
    """torch counts no attention of CPUs, whose pairs the next test has."""
    texts = [list(range(2, 42))] * 8
    targets = [[IGNORED] * 35 + text[-5:] for text in texts]
    model = small()
    with packed(model) as flat, FlopCounterMode(display=False) as count:
        summed_loss(model, texts, targets, torch.device("cpu"), flat=flat).backward()
    once = reading(8, 0, 40, 5)
    unseen = layer_flops(SMALL, replace(once, seen=0)) + head_flops(SMALL, once)
    assert count.get_total_flops() == 3 * unseen
    each = Step(8, 40, 5, 8, SMALL.parameters)
    assert training_flops(SMALL, each) - 3 * unseen == 3 * 4 * 3 * 64 * once.seen


SHARED = list(range(2, 102))
PROMPTS = [[*SHARED, 110 + row, *[120] * 19] for row in range(16)]


def loaded() -> LoadedModel:
    """A small model that evaluates."""
    model = LoadedModel(small().eval(), tiny_encoder(), 2048, torch.device("cpu"))
    assert model.supports_packing
    return model


def test_scoring_has_the_products_that_are_counted() -> None:
    """Four tokens of three options after 16 prompts of which 100 tokens are shared; the end of
    what is shared has its logits too."""
    model = loaded()
    asked = [Scored(prompt, [200 + option] * 4) for prompt in PROMPTS for option in range(3)]
    with FlopCounterMode(display=False) as count:
        log_likelihoods(model, asked, 8192)
    work = reading(1, 0, 100, 1) + reading(16, 100, 20, 1) + reading(48, 120, 3, 3)
    unseen = layer_flops(SMALL, replace(work, seen=0)) + head_flops(SMALL, work)
    assert count.get_total_flops() == unseen


def test_decoding_has_the_products_and_pairs_that_are_counted() -> None:
    """Eight new tokens after each prompt; torch counts attention of single tokens."""
    model = loaded()
    with FlopCounterMode(display=False) as count:
        generate(model, PROMPTS, 8, 8192)
    read = reading(1, 0, 100, 1) + reading(16, 100, 20, 1)
    steps = Work(16 * 7, 16 * 7 * (100 + 20 + 8 / 2), 16 * 7)
    unseen = layer_flops(SMALL, replace(read, seen=0)) + head_flops(SMALL, read)
    assert count.get_total_flops() == unseen + layer_flops(SMALL, steps) + head_flops(SMALL, steps)


def test_a_batch_holds_what_the_server_has_it_hold() -> None:
    model = loaded()
    assert model.head_tokens == head_tokens(SMALL, "float32")
    assert model.token_bytes == token_bytes(SMALL, "float32")
    for before in (0, 100, 1000):
        assert model.row_tokens(before) == row_tokens(SMALL, "float32", before)
    # Keys and values of a layer, as a share of all that a token takes.
    assert (
        1000 * 2 * 64 * 4 // model.token_bytes
        == row_tokens(SMALL, "float32", 1000) - model.head_tokens
    )


def test_attention_has_the_pairs_that_are_counted() -> None:
    """Eager attention computes both halves of the square of which a causal mask leaves one."""
    model, ids = small(attention="eager"), torch.arange(2, 202)[None]
    with FlopCounterMode(display=False) as count, torch.no_grad():
        model(input_ids=ids, logits_to_keep=1)
    once = reading(1, 0, 200, 1)
    twice = replace(once, seen=2 * once.seen)
    # The rotary angles are one more product, of 200 positions with 8 frequencies.
    assert count.get_total_flops() == pytest.approx(
        layer_flops(SMALL, twice) + head_flops(SMALL, once), rel=0.001
    )


def test_the_backward_pass_keeps_the_bytes_that_are_counted() -> None:
    """Of a layer: what autograd keeps by itself, and bf16 copies of its weights."""

    def kept(layers: int) -> int:
        model, held = small(layers), {}
        own = {weights.data_ptr() for weights in model.parameters()}

        def keep(tensor: torch.Tensor) -> torch.Tensor:
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in own:
                held[storage.data_ptr()] = storage
            return tensor

        ids = torch.arange(2, 102).repeat(2, 1)
        cast = torch.autocast("cpu", torch.bfloat16)
        with saved_tensors_hooks(keep, lambda tensor: tensor), cast:
            loss = model.model(input_ids=ids).last_hidden_state.sum()
        del loss
        return sum(storage.nbytes() for storage in held.values())

    weights = 4 * 64**2 + 3 * 64 * 256
    activations = kept(3) - kept(2) - 2 * weights
    assert activations / (200 * 64) == pytest.approx(ACTIVATION_BYTES, rel=0.03)
