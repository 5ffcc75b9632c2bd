"""A checkpoint's folder is checked whole before a GPU works with it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiny import save_checkpoint, tiny_model
from tokenizers import Tokenizer

from tuning_dynamics.checkpoints.check import check_folder, check_tokens
from tuning_dynamics.checkpoints.verify import verify
from tuning_dynamics.common.atomic_files import read_json
from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.config.base import canonical
from tuning_dynamics.data.tokenizer import load_encoder


def set_key(folder: Path, key: str, value: Any, file: str = "config.json") -> None:
    path = folder / file
    config = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps({**config, key: value}))


def verified(folder: Path, out: Path) -> Any:
    """The manifest of a local folder's checkpoint."""
    spec = {
        "source": "local",
        "path": str(folder),
        "tokens_per_step": 2,
        "checkpoints": {"steps": [7]},
    }
    manifest = out / "manifest.json"
    verify("x", canonical(spec), 7, downloaded=None, config={}, manifest=str(manifest))
    return read_json(manifest)


def test_a_sound_folder_passes(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "model")
    assert verified(tmp_path / "model", tmp_path / "out")["text_loss"] > 0


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


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (with_adapter, "an adapter as well as a whole model"),
        (with_an_adapters_weights, "an adapter as well as a whole model"),
        (with_a_second_model, "several files of weights"),
        (with_an_index_of_other_files, "not those that its index names"),
        (with_a_stale_file_next_to_shards, "not those that its index names"),
        (with_a_shard_missing, "not those that its index names"),
        (lambda folder: set_key(folder, "quantization_config", {"bits": 4}), "quantised"),
        (lambda folder: set_key(folder, "attn_implementation", "x/y"), "code of its own"),
        (lambda folder: set_key(folder, "_attn_implementation", "flex"), "code of its own"),
        (lambda folder: set_key(folder, "use_kernels", True), "code of its own"),
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


def test_shards_that_their_index_names_pass(tmp_path: Path) -> None:
    save_checkpoint(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    tiny_model().save_pretrained(tmp_path, max_shard_size="20KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    check_folder(tmp_path)


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
