"""A checkpoint's folder is checked whole before a GPU works with it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from architectures import config_of
from as_jobs import verified
from model_tokenizers import KINDS
from safetensors.torch import load_file, save_file
from tiny import save_checkpoint, tiny_model
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from tuning_dynamics.checkpoints.check import check_folder, check_text, check_tokens
from tuning_dynamics.checkpoints.load import load_model
from tuning_dynamics.checkpoints.manifest import model_digests, unchanged_weights
from tuning_dynamics.common.atomic_files import read_json
from tuning_dynamics.common.errors import StudyError, UnavailableError
from tuning_dynamics.common.model_files import model_files
from tuning_dynamics.data.tokenizer import load_encoder


def set_key(folder: Path, key: str, value: Any, file: str = "config.json") -> None:
    path = folder / file
    config = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps({**config, key: value}))


def test_a_sound_folder_passes(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "model")
    assert read_json(verified(tmp_path / "model", tmp_path / "out"))["text_loss"] > 0


def with_adapter(folder: Path) -> None:
    (folder / "adapter_config.json").write_text("{}")


def with_an_adapters_weights(folder: Path) -> None:
    shutil.copy(folder / "model.safetensors", folder / "adapter_model.safetensors")


def with_a_second_model(folder: Path) -> None:
    shutil.copy(folder / "model.safetensors", folder / "model-00001-of-00002.safetensors")


def with_an_index_of_other_files(folder: Path) -> None:
    index = {"weight_map": {"a": "model-00001-of-00001.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def with_a_stale_file_next_to_shards(folder: Path) -> None:
    tiny_model().save_pretrained(folder / "shards", max_shard_size="20KB")
    for path in (folder / "shards").glob("model*"):
        shutil.copy(path, folder)


def with_a_shard_missing(folder: Path) -> None:
    with_a_stale_file_next_to_shards(folder)
    (folder / "model.safetensors").unlink()
    next(iter(sorted(folder.glob("model-*.safetensors")))).unlink()


def as_an_adapter_alone(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "adapter_model.safetensors")
    (folder / "config.json").rename(folder / "adapter_config.json")


def with_two_indices(folder: Path) -> None:
    for name in ("model.safetensors.index.json", "model.safetensors.index.fp16.json"):
        (folder / name).write_text(json.dumps({"weight_map": {"a": "model.safetensors"}}))


def under_another_name(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / "model.safetensors").rename(folder / name) and None


def stored_as(dtype: torch.dtype) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "model.safetensors"
        stored = {name: values.to(dtype) for name, values in load_file(path).items()}
        save_file(stored, path, metadata={"format": "pt"})

    return change


def holding(text: str, file: str) -> Callable[[Path], None]:
    return lambda folder: (folder / file).write_text(text) and None


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (with_adapter, "an adapter as well as a whole model"),
        (with_an_adapters_weights, "an adapter as well as a whole model"),
        (as_an_adapter_alone, "an adapter and no model"),
        (with_a_second_model, "not one model's"),
        (with_an_index_of_other_files, "not one model's"),
        (with_a_stale_file_next_to_shards, "not one model's"),
        (with_a_shard_missing, "not one model's"),
        (with_two_indices, "not one model's"),
        (under_another_name("model.fp16.safetensors"), "not one model's"),
        (under_another_name("consolidated.safetensors"), "not one model's"),
        (holding("{}", "model.safetensors.index.json"), "does not say in which file"),
        (holding("{", "model.safetensors.index.json"), "is not JSON"),
        (holding("{", "config.json"), "is not JSON"),
        (holding("[" * 100_000, "config.json"), "is not JSON"),
        (holding("[1]", "config.json"), "holds a list"),
        (lambda folder: (folder / "config.json").unlink(), "missing"),
        (lambda folder: set_key(folder, "quantization_config", {"bits": 4}), "quantised"),
        (stored_as(torch.float8_e4m3fn), "quantised"),
        (stored_as(torch.int8), "quantised"),
        (lambda folder: set_key(folder, "model_type", None), "no causal language model"),
        (lambda folder: set_key(folder, "model_type", "unheard_of"), "no causal language model"),
        (lambda folder: set_key(folder, "model_type", "t5"), "no causal language model"),
        (lambda folder: set_key(folder, "model_type", "vit"), "no causal language model"),
        (lambda folder: set_key(folder, "attn_implementation", "x/y"), "code of its own"),
        (lambda folder: set_key(folder, "_attn_implementation", "flex"), "code of its own"),
        (lambda folder: set_key(folder, "use_kernels", True), "code of its own"),
        (
            lambda folder: set_key(folder, "text_config", {"attn_implementation": "x/y"}),
            "code of its own",
        ),
    ],
)
def test_a_folder_that_is_not_one_plain_model_is_refused(
    tmp_path: Path, damage: Callable[[Path], None], what: str
) -> None:
    save_checkpoint(tmp_path)
    check_folder(tmp_path)
    damage(tmp_path)
    with pytest.raises(StudyError, match=what) as caught:
        check_folder(tmp_path)
    assert caught.value.file
    assert caught.value.fix


@pytest.mark.parametrize(
    ("key", "value", "named"),
    [
        ("rope_parameters", {"rope_type": "unheard_of"}, "model_type"),
        ("num_attention_heads", "four", "num_attention_heads"),
        ("hidden_act", "unheard_of", "hidden_act"),
        ("vocab_size", None, "vocab_size"),
        ("max_position_embeddings", True, "max_position_embeddings"),
        ("max_position_embeddings", "256", "max_position_embeddings"),
        ("initializer_range", "wide", "initializer_range"),
        ("pad_token_id", 99_999, "model_type"),
    ],
)
def test_a_config_that_no_model_can_be_made_from_is_refused(
    tmp_path: Path, key: str, value: Any, named: str
) -> None:
    save_checkpoint(tmp_path / "model")
    set_key(tmp_path / "model", key, value)
    with pytest.raises(StudyError, match="can't make the model from its config") as caught:
        verified(tmp_path / "model", tmp_path / "out")
    assert caught.value.key == named
    assert len(str(caught.value).splitlines()) < 12


@pytest.mark.parametrize(
    ("key", "value", "what"),
    [
        ("hidden_size", 64, r"mismatched keys[^$]*\[400, 32\]\S*, torch.Size\(\[400, 64\]"),
        ("intermediate_size", 65, "mismatched keys"),
        ("vocab_size", 500, "mismatched keys"),
        ("num_hidden_layers", 3, "missing keys"),
        ("num_hidden_layers", 1, "unexpected keys"),
        ("model_type", "gpt2", "missing keys"),
    ],
)
def test_weights_that_do_not_fit_the_config_are_refused(
    tmp_path: Path, key: str, value: Any, what: str
) -> None:
    save_checkpoint(tmp_path / "model")
    set_key(tmp_path / "model", key, value)
    with pytest.raises(StudyError, match=what):
        verified(tmp_path / "model", tmp_path / "out")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_any_floating_type_are_read_as_they_are(
    tmp_path: Path, dtype: torch.dtype
) -> None:
    save_checkpoint(tmp_path)
    stored_as(dtype)(tmp_path)
    check_folder(tmp_path)
    stored = load_file(tmp_path / "model.safetensors")
    model = load_model(tmp_path, None, torch.device("cpu"))
    for name, values in model.state_dict().items():
        assert torch.equal(values, stored[name].float())


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_weights_beyond_their_type_or_fp32_are_refused(tmp_path: Path, dtype: torch.dtype) -> None:
    save_checkpoint(tmp_path / "model")
    path = tmp_path / "model" / "model.safetensors"
    stored = {name: values.to(dtype) for name, values in load_file(path).items()}
    stored["lm_head.weight"][0, 0] = 1e300
    save_file(stored, path, metadata={"format": "pt"})
    with pytest.raises(StudyError, match="not finite"):
        verified(tmp_path / "model", tmp_path / "out")


@pytest.mark.parametrize("context", [0, 1, 7])
def test_a_context_that_no_prompt_fits_is_refused(tmp_path: Path, context: int) -> None:
    save_checkpoint(tmp_path / "model")
    set_key(tmp_path / "model", "max_position_embeddings", context)
    with pytest.raises(StudyError, match="no prompt fits"):
        verified(tmp_path / "model", tmp_path / "out")


def test_a_heads_weights_of_their_own_stay_where_the_config_ties_them(tmp_path: Path) -> None:
    save_checkpoint(tmp_path)
    before = load_model(tmp_path, None, torch.device("cpu")).state_dict()
    set_key(tmp_path, "tie_word_embeddings", True)
    after = load_model(tmp_path, None, torch.device("cpu")).state_dict()
    assert not torch.equal(before["lm_head.weight"], before["model.embed_tokens.weight"])
    assert torch.equal(before["lm_head.weight"], after["lm_head.weight"])


def test_shards_that_their_index_names_pass(tmp_path: Path) -> None:
    save_checkpoint(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    tiny_model().save_pretrained(tmp_path, max_shard_size="20KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    check_folder(tmp_path)


def with_far_fewer_tokens(folder: Path) -> None:
    """The tokenizer of another model: its ids are a part of the embeddings' rows."""
    stored = json.loads((folder / "tokenizer.json").read_text())
    stored["model"]["vocab"] = dict(list(stored["model"]["vocab"].items())[:257])
    stored["model"]["merges"] = []
    (folder / "tokenizer.json").write_text(json.dumps(stored))


def test_a_tokenizer_far_smaller_than_the_model_is_another_models(tmp_path: Path) -> None:
    save_checkpoint(tmp_path)
    model = tiny_model()
    # Padded to a round number, as many models are.
    model.resize_token_embeddings(1280)
    check_tokens(model, load_encoder(tmp_path), tmp_path)
    model.resize_token_embeddings(1536)
    with_far_fewer_tokens(tmp_path)
    with pytest.raises(StudyError, match="probably another model's"):
        check_tokens(model, load_encoder(tmp_path), tmp_path)


def with_more_tokens(folder: Path) -> None:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.add_tokens([f"<{number}>" for number in range(1000)])
    tokenizer.save(str(folder / "tokenizer.json"))


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (with_more_tokens, "the tokenizer has ids up to"),
        (lambda folder: set_key(folder, "eos_token_id", 100_000), "not a token"),
        (lambda folder: set_key(folder, "eos_token_id", [0, 100_000]), "not a token"),
        (lambda folder: set_key(folder, "eos_token_id", -1), "not a token"),
        (
            lambda folder: set_key(folder, "eos_token_id", [0, 9999], "generation_config.json"),
            "not a token",
        ),
    ],
)
def test_a_tokenizer_that_does_not_belong_to_the_model_is_refused(
    tmp_path: Path, damage: Callable[[Path], None], what: str
) -> None:
    save_checkpoint(tmp_path)
    check_tokens(tiny_model(), load_encoder(tmp_path), tmp_path)
    damage(tmp_path)
    with pytest.raises(StudyError, match=what):
        check_tokens(tiny_model(), load_encoder(tmp_path), tmp_path)


def of_kind(kind: str, folder: Path, **described: Any) -> Path:
    """The folder of a kind's tokenizer, with what its config says besides."""
    made = KINDS[kind]()
    config_of("llama", made.tokenizer, made.ends).save_pretrained(folder)
    made.write(folder)
    for key, value in described.items():
        set_key(folder, key, value, "tokenizer_config.json")
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_a_tokenizer_that_its_config_does_not_change_passes(kind: str, tmp_path: Path) -> None:
    check_text(load_encoder(of_kind(kind, tmp_path)), tmp_path)


@pytest.mark.parametrize(
    ("kind", "key", "value"),
    [
        ("sentencepiece_with_prefix", "tokenizer_class", "GPTNeoXTokenizerFast"),
        ("wordpiece", "tokenizer_class", "LlamaTokenizer"),
        ("tiktoken", "tokenizer_class", "GPT2Tokenizer"),
        ("wordpiece", "added_tokens_decoder", {"7": {"content": "Ada", "special": False}}),
    ],
)
def test_a_tokenizers_config_that_changes_ids_is_refused_and_its_fix_helps(
    kind: str, key: str, value: Any, tmp_path: Path
) -> None:
    folder = of_kind(kind, tmp_path, **{key: value})
    with pytest.raises(StudyError, match="changes the ids"):
        check_text(load_encoder(folder), folder)
    AutoTokenizer.from_pretrained(str(folder)).save_pretrained(str(folder))
    check_text(load_encoder(folder), folder)


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_tokenizers_config_that_is_no_object_is_refused(text: str, tmp_path: Path) -> None:
    folder = of_kind("byte_level", tmp_path)
    holding(text, "tokenizer_config.json")(folder)
    with pytest.raises(UnavailableError, match=r"tokenizer_config\.json can't be read"):
        load_encoder(folder)


def test_a_tokenizers_config_that_transformers_does_not_read_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = of_kind("byte_level", tmp_path)
    holding('{"tokenizer_class": 7}', "tokenizer_config.json")(folder)
    check_text(load_encoder(folder), folder)
    assert "is not used" in capsys.readouterr().out


def added_to(name: str, key: str) -> Callable[[Path], None]:
    return lambda folder: set_key(folder, key, "other", name)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("model.safetensors", stored_as(torch.float16)),
        ("config.json", added_to("config.json", "hidden_act")),
        ("generation_config.json", added_to("generation_config.json", "eos_token_id")),
        ("tokenizer.json", added_to("tokenizer.json", "version")),
        ("tokenizer_config.json", added_to("tokenizer_config.json", "eos_token")),
        ("special_tokens_map.json", added_to("special_tokens_map.json", "eos_token")),
        ("chat_template.jinja", holding("{{ messages }}", "chat_template.jinja")),
        ("adapter_config.json", holding("{}", "adapter_config.json")),
        ("adapter_model.safetensors", with_an_adapters_weights),
    ],
)
def test_each_file_that_a_model_is_read_from_is_an_input(
    name: str, change: Callable[[Path], None], tmp_path: Path
) -> None:
    """A local folder that is written again, in whatever part, is another checkpoint."""
    manifest = save_checkpoint(tmp_path)
    before = model_digests(tmp_path)
    change(tmp_path)
    after = model_digests(tmp_path)
    assert {one for one in {*before, *after} if before.get(one) != after.get(one)} == {name}
    assert name in model_files(tmp_path)
    with pytest.raises(StudyError, match="deleted, or changed since"), unchanged_weights(manifest):
        pass
