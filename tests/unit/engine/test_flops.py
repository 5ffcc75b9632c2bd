"""The FLOPs of training, against those of the operations that torch runs."""

import pytest
import torch
from tiny import ARCHITECTURES, tiny_model
from torch.utils.flop_counter import FlopCounterMode
from transformers import MixtralConfig, MixtralForCausalLM

from tuning_dynamics.engine import hardware
from tuning_dynamics.engine.flops import Read, pairs_in, training_flops
from tuning_dynamics.engine.loop import IGNORED, Batch, Schedule, Settings, Training
from tuning_dynamics.recipes.trainable.lora import Lora
from tuning_dynamics.recipes.trainable.lora import begin as with_adapter

TOKENS, COUNTED = 24, 5


def run_flops(model: torch.nn.Module) -> int:
    """FLOPs of a forward and a backward pass over one text, its last tokens counted."""
    ids = torch.arange(TOKENS)[None]
    with FlopCounterMode(display=False) as counter:
        logits = model(input_ids=ids, logits_to_keep=COUNTED, use_cache=False).logits
        logits.sum().backward()
    return counter.get_total_flops()


def plain(architecture: str) -> torch.nn.Module:
    """A tiny model that attends by products of whole matrices, which the counter knows."""
    model = tiny_model(architecture)
    model.set_attn_implementation("eager")
    return model


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_training_all_weights_takes_what_torch_runs(architecture: str) -> None:
    model = plain(architecture)
    # Masked pairs are computed too, that way.
    assert training_flops(model, Read(TOKENS, COUNTED, TOKENS**2)) == run_flops(model)


def test_training_an_adapter_takes_what_torch_runs() -> None:
    model = with_adapter(plain("olmo"), Lora(), 0)
    # Nothing trains before the first layer, so that nothing needs its inputs' gradient.
    first = [
        weight.numel()
        for name, weight in model.named_parameters()
        if "layers.0" in name and any(f"{part}_proj" in name for part in "qkv")
        if "lora_B" not in name
    ]
    expected = run_flops(model) + 2 * TOKENS * sum(first)
    assert training_flops(model, Read(TOKENS, COUNTED, TOKENS**2)) == expected


def test_tied_weights_count_once_as_the_head() -> None:
    model = plain("olmo")
    untied = training_flops(model, Read(TOKENS, COUNTED, 0))
    model.config.tie_word_embeddings = True
    model.tie_weights()
    assert training_flops(model, Read(TOKENS, COUNTED, 0)) == untied


def test_pairs_are_those_that_a_causal_mask_leaves() -> None:
    assert pairs_in(7) == int(torch.ones(7, 7).tril().sum())


def test_models_that_work_otherwise_have_no_figure() -> None:
    size = {"vocab_size": 64, "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 2, "num_local_experts": 2}
    experts = MixtralForCausalLM(MixtralConfig(**size, **heads, sliding_window=None))
    assert training_flops(experts, Read(1, 1, 1)) is None
    windowed = tiny_model("llama")
    windowed.config.sliding_window = 8
    assert training_flops(windowed, Read(1, 1, 1)) is None


def test_a_run_reports_its_utilisation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(hardware.PEAK_FLOPS, "cpu", 1e9)
    settings = Settings(Schedule(1e-3, 2, 0.0, "constant"), 0.0, 1.0, (0.9, 0.999), 0, 8, 1e9)
    training = Training(tiny_model(), settings, torch.device("cpu"), what="x", file="x")
    batch = Batch([[1, 2, 3], [4, 5, 6, 7, 8]], [[IGNORED, 3, 4], [IGNORED] * 4 + [9]])
    training.run(lambda _: batch, 2, None)
    measured = training.metrics("tune", "x")
    read = Read(tokens=2 * 8, counted=2 * 3, pairs=2 * (6 + 15))
    flops = training_flops(training.model, read)
    assert flops is not None
    assert measured["mfu"] == pytest.approx(flops / (measured["seconds"] * 1e9))


def test_utilisation_is_of_the_devices_peak(monkeypatch: pytest.MonkeyPatch) -> None:
    device = torch.device("cpu")
    assert hardware.utilisation(device, 1e12, 2) is None
    monkeypatch.setitem(hardware.PEAK_FLOPS, "cpu", 4e12)
    assert hardware.utilisation(device, 2e12, 2) == 0.25
