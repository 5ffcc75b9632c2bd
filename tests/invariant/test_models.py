"""A checkpoint by the jobs' own functions against plain transformers: a sample of
`benchmarks/models.py`."""

from pathlib import Path
from typing import Any

import architectures
import pytest
import torch
from matrix import compared, wrong
from model_tokenizers import KINDS
from tiny import SENTENCES, tiny_encoder

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.data.tokenizer import context_of
from tuning_dynamics.evaluate.decoding import continued, supports_cache

CPU = torch.device("cpu")


def saved(name: str, folder: Path, kind: str | None = None) -> Path:
    """The folder of a tiny model that states its context; its files are in `model`."""
    torch.set_num_threads(1)
    made = KINDS[kind]() if kind else None
    tokenizer = made.tokenizer if made else tiny_encoder().tokenizer
    model = architectures.tiny(name, tokenizer, made.ends if made else 0)
    model.config.max_position_embeddings = architectures.CONTEXT
    architectures.save(model, tokenizer, folder / "model")
    if made:
        made.write(folder / "model")
    return folder


#: Packed; with windows; with a cache that needs positions; recurrent.
@pytest.mark.parametrize("name", ["opt", "gpt_neo", "bamba", "mamba"])
def test_scores_texts_and_tuning_are_those_of_plain_transformers(name: str, tmp_path: Path) -> None:
    found = compared(saved(name, tmp_path))
    assert {"ids", "scores", "losses", "tuned scores"} == set(found)
    assert wrong(found) == []


@pytest.mark.filterwarnings("ignore:fan_in_fan_out:UserWarning")
def test_an_adapter_is_that_of_plain_peft(tmp_path: Path) -> None:
    """Also of layers that are stored the other way round, as GPT-2's are."""
    found = compared(saved("gpt2", tmp_path), {"r": 4, "alpha": 8})
    assert {"ids", "losses", "tuned scores"} == set(found)
    assert wrong(found) == []


def test_an_adapter_that_an_architecture_has_none_for_is_refused_with_its_layers(
    tmp_path: Path,
) -> None:
    refused = compared(saved("mamba", tmp_path), {"r": 4, "alpha": 8})["tuning refused"]
    assert "train.lora.targets" in refused
    assert "in_proj" in refused


@pytest.mark.parametrize("kind", ["sentencepiece_with_prefix", "wordpiece", "tiktoken"])
def test_each_kind_of_tokenizer_reads_as_its_own_library(kind: str, tmp_path: Path) -> None:
    found = compared(saved("llama", tmp_path, kind))
    assert {"ids", "scores", "losses", "tuned scores"} == set(found)
    assert wrong(found) == []


def test_differences_are_found() -> None:
    assert wrong({"ids": False, "scores": 1e-3, "losses": float("nan")}) != []
    assert len(wrong({"ids": False, "scores": "'a' for 'b'", "adapter": {"losses": 1.0}})) == 3
    assert wrong({"ids": True, "scores": 1e-6, "refused": "in words"}) == []


#: Under five names.
STATED = ("gpt2", "gptj", "gpt_neo", "mpt", "ctrl", "opt", "llama", "jamba", "codegen")


@pytest.mark.parametrize("name", STATED)
def test_a_context_counts_under_each_of_its_names(name: str, tmp_path: Path) -> None:
    architectures.config_of(name, tiny_encoder().tokenizer).save_pretrained(tmp_path)
    assert context_of(tmp_path) == architectures.CONTEXT


@pytest.mark.parametrize("name", architectures.WITHOUT_CONTEXT)
def test_a_context_that_no_name_states_is_refused_with_the_key_to_add(
    name: str, tmp_path: Path
) -> None:
    config = architectures.config_of(name, tiny_encoder().tokenizer)
    config.save_pretrained(tmp_path)
    with pytest.raises(StudyError, match="states no context length") as caught:
        context_of(tmp_path)
    assert caught.value.key == "max_position_embeddings"
    config.max_position_embeddings = 64
    config.save_pretrained(tmp_path)
    assert context_of(tmp_path) == 64


def prompts() -> torch.Tensor:
    """Two prompts of equal length."""
    return torch.tensor([tiny_encoder().ids(text)[:6] for text in SENTENCES[:2]])


def plainly(model: Any, ids: torch.Tensor, new: int) -> torch.Tensor:
    """The likeliest tokens, of one text at a time, which is read again for each."""
    said = []
    for text in ids.tolist():
        for _ in range(new):
            text = [*text, int(model(torch.tensor([text]), use_cache=False).logits[0, -1].argmax())]
        said.append(text[-new:])
    return torch.tensor(said)


@torch.inference_mode()
@pytest.mark.parametrize("name", ["gpt_neo", "bamba", "openai-gpt", "olmo3"])
def test_a_cache_continues_texts_as_they_are_read_whole(name: str) -> None:
    model = architectures.tiny(name, tiny_encoder().tokenizer)
    assert supports_cache(model, CPU)
    # A folder's own settings do not change greedy decoding.
    model.generation_config.update(num_beams=3, repetition_penalty=5.0, eos_token_id=5)
    expected = plainly(model, prompts(), 5)
    assert torch.equal(continued(model, prompts(), 5, cached=True), expected)
    assert torch.equal(continued(model, prompts(), 5, cached=False), expected)


class Forgetful:
    """A forward pass that is wrong, or fails, once there is a cache to continue from."""

    def __init__(self, forward: Any, error: Exception | None) -> None:
        self.forward, self.error = forward, error

    def __call__(self, *given: Any, **named: Any) -> Any:
        output = self.forward(*given, **named)
        if output.logits.shape[1] == 1 and named.get("past_key_values") is not None:
            if self.error:
                raise self.error
            output.logits = output.logits.flip(-1)
        return output


@torch.inference_mode()
@pytest.mark.parametrize("error", [None, ValueError("no cache"), AttributeError("no cache")])
def test_texts_are_read_again_where_a_cache_gives_other_logits(
    error: Exception | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = architectures.tiny("gpt_neo", tiny_encoder().tokenizer)
    expected = plainly(model, prompts(), 5)
    monkeypatch.setattr(model, "forward", Forgetful(model.forward, error))
    assert not supports_cache(model, CPU)
    assert "read again for each token" in capsys.readouterr().out
    assert torch.equal(continued(model, prompts(), 5, cached=False), expected)


@torch.inference_mode()
@pytest.mark.parametrize("cached", [True, False])
def test_logits_that_are_no_numbers_are_marked(cached: bool) -> None:
    model = architectures.tiny("gpt_neo", tiny_encoder().tokenizer)
    model.lm_head.register_forward_hook(lambda _module, _given, logits: logits * torch.nan)
    assert continued(model, prompts(), 2, cached=cached).tolist() == [[-1, -1], [-1, -1]]
