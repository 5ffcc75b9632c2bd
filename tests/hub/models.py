"""Random models, published like public families: a revision per step, good ones and bad ones."""

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from tiny import tiny_encoder, tiny_model

from hub.faults import Fault
from hub.server import Hub

#: Longest text of the models in tokens; the long texts of `hub.rows` are longer.
CONTEXT = 1024
#: Tokens per optimiser step, as the revisions' names have it (rounded down to billions).
TOKENS_PER_STEP = 1e8
#: Files that no run may download, in every revision that has safetensors.
NEVER = {
    "optimizer.pt": "optimiser state",
    "pytorch_model.bin": "the same weights, pickled",
    "training_args.bin": "a pickle",
    "tf_model.h5": "another framework's weights",
    "onnx/model.onnx": "a conversion",
    "modeling_x.py": "raise RuntimeError('code of a repository was run')\n",
}
MISSING_KEY = "gpt_neox.layers.1.mlp.dense_4h_to_h.weight"


@dataclass(frozen=True)
class Published:
    """A revision: its weights are those of `seed`, whatever its name says."""

    repo: str
    revision: str
    architecture: str
    seed: int
    shards: bool = False
    pickled: bool = False
    without: str = ""


def _olmo(step: int, seed: int) -> Published:
    return Published("tiny/olmo", f"step{step}-tokens{step // 10}B", "olmo", seed)


def _olmo2(revision: str, seed: int) -> Published:
    return Published("tiny/olmo2", revision, "olmo2", seed, shards=True)


def _neox(revision: str, seed: int, without: str = "") -> Published:
    return Published("tiny/neox", revision, "gpt_neox", seed, without=without)


def _pickled(revision: str, seed: int) -> Published:
    return Published("tiny/pickled", revision, "gpt_neox", seed, pickled=True)


#: Of tiny/olmo, step 15 holds the weights of step 10, step 25 those of the final step, and
#: step 22 is listed but its weights are gone (see TRANSFERS). Of tiny/neox, step 15 lacks a tensor.
REVISIONS = (
    *(_olmo(step, seed=step) for step in (0, 10, 20, 30)),
    _olmo(15, seed=10),
    _olmo(25, seed=30),
    _olmo(22, seed=22),
    Published("tiny/olmo", "main", "olmo", 30),
    *(_olmo2(f"stage1-step{step}-tokens{step // 10}B", 100 + step) for step in (0, 10, 20, 30)),
    *(
        _olmo2(f"stage2-ingredient{n}-step{step}-tokens{step // 10}B", 100 * n + 200 + step)
        for n in (1, 2)
        for step in (10, 20)
    ),
    _olmo2("main", 500),
    *(_neox(f"step{step}", 600 + step) for step in (0, 10, 20, 30)),
    _neox("step15", 615, without=MISSING_KEY),
    _neox("main", 630),
    _pickled("step10", 710),
    _pickled("step20", 720),
    _pickled("main", 720),
)
#: Faults in transfer: fault, repository, revision, file.
TRANSFERS: tuple[tuple[Fault, str, str, str], ...] = (
    ("not_found", "tiny/olmo", "step22-tokens2B", "model.safetensors"),
    (
        "truncate_once",
        "tiny/olmo2",
        "stage1-step20-tokens2B",
        "model-00001-of-00002.safetensors",
    ),
    ("busy_once", "tiny/neox", "step20", "model.safetensors"),
)


def publish_models(hub: Hub) -> None:
    """Build every revision and add it to the hub; deterministic."""
    for published in REVISIONS:
        with tempfile.TemporaryDirectory() as folder:
            write_model(published, Path(folder))
            hub.add_revision("model", published.repo, published.revision, Path(folder))


def plant_transfers(hub: Hub) -> None:
    """Plant the faults of TRANSFERS; those that act once act once per call of this."""
    for fault, repo, revision, file in TRANSFERS:
        hub.plant(fault, "model", repo, revision, file)


def write_model(published: Published, folder: Path) -> None:
    """Write a revision's files."""
    model = tiny_model(published.architecture, published.seed, context=CONTEXT)
    model.save_pretrained(folder, max_shard_size="120KB" if published.shards else "1GB")
    _write_tokenizer(folder)
    (folder / "README.md").write_text(f"# {published.repo}, {published.revision}\n")
    if published.pickled:
        _pickle(folder / "model.safetensors")
    else:
        _write_never(folder)
    if published.without:
        _remove_tensor(folder / "model.safetensors", published.without)


def _write_tokenizer(folder: Path) -> None:
    tiny_encoder().tokenizer.save(str(folder / "tokenizer.json"))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|endoftext|>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    marks = {"eos_token": "<|endoftext|>"}
    (folder / "special_tokens_map.json").write_text(json.dumps(marks))


def _write_never(folder: Path) -> None:
    for name, text in NEVER.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)


def _pickle(path: Path) -> None:
    """Keep the weights in pytorch_model.bin only, under the names that public files have."""
    torch.save(load_file(path), path.with_name("pytorch_model.bin"))
    path.unlink()


def _remove_tensor(path: Path, key: str) -> None:
    tensors = load_file(path)
    del tensors[key]
    save_file(tensors, path, metadata={"format": "pt"})
