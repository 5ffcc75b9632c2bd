"""Random models of a few thousand weights, and a tokenizer trained on a few sentences."""

from functools import cache
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Olmo2Config,
    Olmo2ForCausalLM,
    OlmoConfig,
    OlmoForCausalLM,
)

from tuning_dynamics.checkpoints.manifest import model_digests
from tuning_dynamics.common.atomic_files import write_json
from tuning_dynamics.data.items import Item
from tuning_dynamics.data.tokenizer import Encoder
from tuning_dynamics.evaluate.model import LoadedModel
from tuning_dynamics.evaluate.request import CellRequest

CONTEXT = 256
ARCHITECTURES = ("olmo", "olmo2", "gpt_neox", "llama")
#: Layers that see the last six tokens only.
WINDOWED = "mistral"
SENTENCES = (
    "Ada Moss was born in Redhill and works as a baker.",
    "The baker lives in a house near the river.",
    "Premise: Tom is a painter. Hypothesis: Tom paints houses.",
    "### Input_1: ### Input_2: ### Inference: entailment neutral contradiction yes no",
    "Question: Where was Ada Moss born?\nAnswer: Redhill",
    "It rained in Stonebridge, and the market was closed.",
)


@cache
def tiny_encoder() -> Encoder:
    """A byte-level BPE encoder without a beginning token; end-of-text is id 0."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(SENTENCES * 4, trainer)
    return Encoder(tokenizer, (), 0)


def tiny_model(
    architecture: str = "olmo", seed: int = 0, scale: float = 8.0, context: int = CONTEXT
) -> Any:
    """A random model in fp32; `scale` widens its weights so that its answers differ."""
    torch.manual_seed(seed)
    size: dict[str, Any] = {
        "vocab_size": tiny_encoder().tokenizer.get_vocab_size(),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": context,
        "bos_token_id": None,
        "eos_token_id": 0,
        "pad_token_id": None,
        "initializer_range": 0.02 * scale,
    }
    if architecture == "olmo":
        return OlmoForCausalLM(OlmoConfig(**size)).eval()
    if architecture == "olmo2":
        return Olmo2ForCausalLM(Olmo2Config(**size)).eval()
    if architecture == "gpt_neox":
        return GPTNeoXForCausalLM(GPTNeoXConfig(**size)).eval()
    if architecture == WINDOWED:
        return MistralForCausalLM(
            MistralConfig(**size, num_key_value_heads=2, sliding_window=6)
        ).eval()
    return LlamaForCausalLM(LlamaConfig(**size, num_key_value_heads=2)).eval()


def loaded(architecture: str = "olmo", seed: int = 0) -> LoadedModel:
    """A tiny model ready to evaluate."""
    torch.set_num_threads(1)
    model = tiny_model(architecture, seed)
    return LoadedModel(model, tiny_encoder(), CONTEXT, torch.device("cpu"))


def save_checkpoint(folder: Path, architecture: str = "olmo", seed: int = 0) -> Path:
    """Write a tiny checkpoint and its manifest; returns the manifest's path."""
    tiny_model(architecture, seed).save_pretrained(folder)
    tiny_encoder().tokenizer.save(str(folder / "tokenizer.json"))
    manifest = folder / "manifest.json"
    write_json(manifest, {"folder": str(folder), "digests": model_digests(folder)})
    return manifest


def pair(
    number: int, split: str = "evaluation", label: str = "neutral", words: int | None = None
) -> Item:
    """A classification item; `words` is the length of its first field."""
    names = ["Ada", "Tom", "the baker", "a painter near the river", "it"]
    first = f"{names[number % 5]} was born in house {number}" + " and works" * (number % 4)
    if words is not None:
        first = " ".join(["river"] * words)
    fields = {"a": f"{first}.", "b": f"{names[(number + 2) % 5]} paints {split} {number}."}
    return Item(f"{split}{number:03d}", split, f"story{number // 2}", fields, [label])


def request(items: Path, out: Path, **changes: Any) -> CellRequest:
    """A request for a classification cell, with `changes`; a label may be given as one word."""
    values: dict[str, Any] = {
        "eval_set": "tiny",
        "kind": "classification",
        "template": "### Input_1: {a}\n### Input_2: {b}\n### Inference:",
        "items": str(items),
        "demonstrations": "",
        "shots": 0,
        "prediction": "constrained",
        "truncation": "refuse",
        "max_new_tokens": 5,
        "labels": ("entailment", "neutral", "contradiction"),
        "out": str(out),
    }
    values |= changes
    words = [(label,) if isinstance(label, str) else tuple(label) for label in values["labels"]]
    return CellRequest(**{**values, "labels": tuple(words)})
