"""A checkpoint is tried on a CPU: what later jobs could not compute rightly is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import architectures
import pytest
import torch
from tiny import tiny_encoder

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.data.tokenizer import load_encoder
from tuning_dynamics.identity.code_digest import code_parts
from tuning_dynamics.preflight import trial
from tuning_dynamics.preflight.trial import try_model


def tried(model: Any, folder: Path) -> None:
    """The model's folder is written, and the model tried."""
    architectures.save(model, tiny_encoder().tokenizer, folder)
    try_model(model, load_encoder(folder), folder)


def tiny(name: str) -> Any:
    torch.set_num_threads(1)
    return architectures.tiny(name, tiny_encoder().tokenizer)


#: One that is packed, with windows and read whole, of experts, without positions.
@pytest.mark.parametrize("name", ["llama", "gpt_neo", "olmoe", "mpt"])
def test_a_model_that_can_be_used_passes_and_stays_as_it_is(name: str, tmp_path: Path) -> None:
    model = tiny(name)
    before = {key: values.clone() for key, values in model.state_dict().items()}
    tried(model, tmp_path)
    assert not model.training
    assert all(torch.equal(values, before[key]) for key, values in model.state_dict().items())


@pytest.mark.parametrize("name", ["bert", "electra", "roformer", "bert-generation"])
def test_an_encoder_is_no_causal_language_model(name: str, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="a token sees tokens that follow it") as caught:
        tried(tiny(name), tmp_path)
    assert caught.value.file == tmp_path / "config.json"
    assert caught.value.fix


@pytest.mark.parametrize(
    "error", [AttributeError("no sum"), KeyError("x"), ZeroDivisionError("by zero"), TypeError()]
)
def test_what_the_code_of_an_architecture_raises_is_told_in_words(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny("llama")

    def fail(*_: object, **__: object) -> object:
        raise error

    monkeypatch.setattr(model, "forward", fail)
    with pytest.raises(StudyError, match=f"it fails \\({type(error).__name__}"):
        tried(model, tmp_path)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError(), MemoryError()])
def test_memory_that_is_missing_is_no_fault_of_the_model(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny("llama")

    def fail(*_: object, **__: object) -> object:
        raise error

    monkeypatch.setattr(model, "forward", fail)
    with pytest.raises(type(error)):
        tried(model, tmp_path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_logits_that_are_no_numbers_are_refused(value: float, tmp_path: Path) -> None:
    model = tiny("llama")
    model.lm_head.register_forward_hook(lambda _module, _given, logits: logits + value)
    with pytest.raises(StudyError, match="some are not finite"):
        tried(model, tmp_path)


def spoilt(name: str, change: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a function that the trial calls return something else."""
    right = getattr(trial, name)
    monkeypatch.setattr(trial, name, lambda *given, **named: change(right(*given, **named)))


@pytest.mark.parametrize(
    ("name", "change", "what"),
    [
        ("log_likelihoods", lambda scores: [scores[0] - 0.1, *scores[1:]], "the scores"),
        ("log_likelihoods", lambda scores: [*scores[1:], scores[0]], "the scores"),
        ("generate", lambda texts: [*texts[1:], texts[0]], "the generated tokens"),
        ("generate", lambda texts: ["7 7", *texts[1:]], "the generated tokens"),
        ("summed_loss", lambda loss: loss * 1.01, "the loss or its gradients"),
        ("summed_loss", lambda loss: loss.detach() + 0 * loss, "the loss or its gradients"),
    ],
)
def test_results_other_than_the_forward_pass_gives_are_refused(
    name: str,
    change: Callable[[Any], Any],
    what: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spoilt(name, change, monkeypatch)
    with pytest.raises(StudyError, match=what):
        tried(tiny("llama"), tmp_path)


def test_the_trial_is_no_part_of_what_a_result_is_made_from() -> None:
    """An edit in tuning or evaluation loads no checkpoint again, and trains nothing more."""
    files = {part.file.split("/")[0] for part in code_parts("checkpoints_verify.py")}
    assert "checkpoints" in files
    assert files & {"preflight", "tune", "evaluate"} == set()
