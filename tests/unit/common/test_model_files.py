"""Which files of a folder a model is read from, and which its tokenizer."""

import json
from pathlib import Path

import pytest

from tuning_dynamics.common.model_files import (
    TOKENIZER_FILES,
    config_for_text,
    model_files,
    tokenizer_files,
)

READ = (
    "config.json",
    "generation_config.json",
    "model-00001-of-00002.safetensors",
    "model-00002-of-00002.safetensors",
    "model.safetensors.index.json",
    *TOKENIZER_FILES,
)
#: Other files in checkpoints' folders, which change nothing.
OTHERS = ("README.md", "training_args.json", "optimizer.pt", "modeling_x.py", "config.json.bak")


def folder(place: Path, *names: str) -> Path:
    for name in names:
        (place / name).write_text("{}")
    return place


def test_a_model_is_read_from_weights_configs_and_tokenizer(tmp_path: Path) -> None:
    assert model_files(folder(tmp_path, *READ, *OTHERS)) == sorted(READ)
    assert tokenizer_files(tmp_path) == sorted(TOKENIZER_FILES)


def test_an_adapter_is_read_from_two_files(tmp_path: Path) -> None:
    own = ("adapter_config.json", "adapter_model.safetensors")
    assert model_files(folder(tmp_path, *own, *OTHERS)) == list(own)
    assert tokenizer_files(tmp_path) == []


def test_pickles_count_only_where_there_are_no_other_weights(tmp_path: Path) -> None:
    pickles = ("pytorch_model-00001-of-00001.bin", "pytorch_model.bin")
    assert model_files(folder(tmp_path, *pickles, "training_args.bin")) == list(pickles)
    assert model_files(folder(tmp_path, "model.safetensors")) == ["model.safetensors"]


def test_what_is_no_folder_has_none(tmp_path: Path) -> None:
    assert model_files(tmp_path / "none") == tokenizer_files(tmp_path / "none") == []
    assert model_files(folder(tmp_path, "config.json") / "config.json") == []


def test_training_data_take_little_of_a_config(tmp_path: Path) -> None:
    config = {"eos_token_id": 2, "max_position_embeddings": 64, "model_type": "olmo"}
    (tmp_path / "config.json").write_text(json.dumps({**config, "rope_theta": 1e4}))
    assert config_for_text(tmp_path) == config


@pytest.mark.parametrize("text", [None, "{half", "[1]", "3", "\udcff"])
def test_of_a_config_that_cannot_be_read_they_take_nothing(
    tmp_path: Path, text: str | None
) -> None:
    if text is not None:
        (tmp_path / "config.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    assert config_for_text(tmp_path) == {}


def test_other_ends_of_generation_count_for_training_data(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"eos_token_id": 2, "hidden_size": 8}))
    assert config_for_text(tmp_path) == {"eos_token_id": 2}
    for ends, more in ((2, {}), (None, {}), ([2, 7], {"generation_eos_token_id": [2, 7]})):
        (tmp_path / "generation_config.json").write_text(json.dumps({"eos_token_id": ends}))
        assert config_for_text(tmp_path) == {"eos_token_id": 2, **more}
    (tmp_path / "generation_config.json").write_text("[]")
    assert config_for_text(tmp_path) == {}
