"""The cost model's equations, against figures worked out by hand and against real models."""

from pathlib import Path

import pytest

from tuning_dynamics.plan.devices import CASES, Device
from tuning_dynamics.plan.equations import (
    adapter_weights,
    decoding_seconds,
    forward_flops,
    load_seconds,
    pass_seconds,
    reading_seconds,
    step_seconds,
    training_flops,
    training_seconds,
    tuning_memory,
)
from tuning_dynamics.study.families import Size
from tuning_dynamics.study.load import parse, read_yaml

#: OLMo-1B.
OLMO = Size(parameters=1.177e9, layers=16, hidden_size=2048, vocab_size=50304, context=2048)
LLAMA = Size(parameters=8.03e9, layers=32, hidden_size=4096, vocab_size=128256, context=8192)
ROOT = Path(__file__).parents[2]
DEVICES: dict[str, Device] = {
    path.stem: parse(Device, read_yaml(path), path) for path in (ROOT / "config/devices").glob("*")
}
A100 = DEVICES["a100"]
LOW, MID, HIGH = CASES


def test_two_flops_per_weight_and_token_and_attention() -> None:
    assert forward_flops(OLMO, 1000, 0) == 2 * 1.177e9 * 1000
    assert forward_flops(OLMO, 1, 2048) - forward_flops(OLMO, 1, 0) == 2 * 16 * 2048 * 2048


def test_training_takes_three_times_the_forward_pass_and_adapters_twice() -> None:
    assert training_flops(OLMO, 1e6, 0, full=True) == pytest.approx(6 * 1.177e9 * 1e6)
    assert training_flops(OLMO, 1e6, 0, full=False) == pytest.approx(4 * 1.177e9 * 1e6)


def test_the_tightest_of_three_bounds_counts() -> None:
    assert pass_seconds(100.0, 1.0, 1, peak=10, bandwidth=10, launch=1) == 10
    assert pass_seconds(1.0, 100.0, 1, peak=10, bandwidth=20, launch=1) == 5
    assert pass_seconds(1.0, 1.0, 16, peak=10, bandwidth=20, launch=0.5) == 8


def test_reading_is_bound_by_compute() -> None:
    # 2e6 tokens x 2.35e9 FLOPs at 60 % of 19.5 TFLOP/s.
    seconds = reading_seconds(OLMO, 2e6, 0, 8192, A100, MID)
    assert seconds == pytest.approx(2e6 * 2 * 1.177e9 / (19.5e12 * 0.6), rel=0.001)
    assert reading_seconds(OLMO, 0, 0, 8192, A100, MID) == 0


def test_decoding_large_models_is_bound_by_their_bytes() -> None:
    # 10 batches x 59 steps, each of which reads 32 GB at 60 % of 2.04 TB/s.
    seconds = decoding_seconds(LLAMA, 10, 1, 60, 0, A100, MID)
    assert seconds == pytest.approx(10 * 59 * 4 * 8.03e9 / (2039e9 * 0.6))


def test_decoding_small_models_is_bound_by_launches() -> None:
    seconds = decoding_seconds(OLMO, 14, 14, 60, 100, A100, MID)
    assert seconds == pytest.approx(59 * 16 * MID.launch)


def test_a_step_counts_compute_and_the_optimisers_bytes() -> None:
    # 8 x 500 tokens: 2.8e13 FLOPs at 35 % of 312 TFLOP/s, and 38 B per weight at 1.22 TB/s.
    seconds = step_seconds(OLMO, 8, 500, 8, OLMO.parameters, A100, MID)
    compute = 3 * forward_flops(OLMO, 4000, 500) / (312e12 * 0.35)
    assert seconds == pytest.approx(compute + 38 * 1.177e9 / (2039e9 * 0.6))
    assert step_seconds(OLMO, 8, 500, 1, OLMO.parameters, A100, MID) >= seconds


def test_saved_states_cost_time() -> None:
    plain = training_seconds(1000, 0.1, OLMO.parameters, 1e9, MID)
    assert plain == pytest.approx(100 + 12 * 1.177)
    assert training_seconds(1000, 0.1, OLMO.parameters, 30, MID) == pytest.approx(
        100 + 4 * 12 * 1.177
    )


def test_adapters_have_the_weights_that_peft_makes() -> None:
    # OLMo-1B, rank 8, all linear layers: 4 of 2048 x 2048, 3 of 2048 x 8192 in each of 16.
    assert adapter_weights(OLMO, 8) == 16 * 8 * (4 * (2048 + 2048) + 3 * (2048 + 8192))


def test_an_8b_model_is_not_tuned_on_80_gb() -> None:
    assert tuning_memory(LLAMA, 1024, LLAMA.parameters) > 16 * 8.03e9 > DEVICES["h100"].memory
    assert tuning_memory(LLAMA, 1024, LLAMA.parameters) < DEVICES["h200"].memory
    assert tuning_memory(LLAMA, 1024, adapter_weights(LLAMA, 8)) < DEVICES["a100"].memory


def test_cheap_likely_and_dear_are_in_order_on_every_device() -> None:
    for device in DEVICES.values():
        for part in (
            lambda a, d=device: reading_seconds(OLMO, 1e6, 200, 8192, d, a),
            lambda a, d=device: decoding_seconds(OLMO, 100, 10, 60, 200, d, a),
            lambda a, d=device: step_seconds(OLMO, 8, 200, 8, OLMO.parameters, d, a),
            lambda a: load_seconds(OLMO, a),
        ):
            assert part(LOW) < part(MID) < part(HIGH)
