"""Tiny random models of the architectures that transformers has, saved as their owners would."""

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import AutoConfig, AutoModelForCausalLM

#: Longest text in tokens, and how far a layer with a window sees.
CONTEXT, WINDOW = 256, 6

#: Sizes, under the names that most configs have; a config's `attribute_map` has its own.
SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": CONTEXT,
    "n_positions": CONTEXT,
    "max_seq_len": CONTEXT,
    "sliding_window": WINDOW,
    # Wide weights, so that answers differ from text to text.
    **dict.fromkeys(("initializer_range", "init_std"), 0.15),
    # Small parts of mixtures of experts and of recurrent layers.
    "moe_intermediate_size": 32,
    "shared_expert_intermediate_size": 32,
    **dict.fromkeys(("num_experts", "num_local_experts", "n_routed_experts"), 4),
    **dict.fromkeys(("num_experts_per_tok", "moe_k"), 2),
    **dict.fromkeys(("mamba_d_state", "state_size", "ssm_state_size"), 8),
    # Ways of training that are compared would draw other units.
    **dict.fromkeys(("dropout", "attention_dropout", "hidden_dropout", "activation_dropout"), 0.0),
    **dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop", "summary_first_dropout"), 0.0),
    **dict.fromkeys(("attention_probs_dropout_prob", "hidden_dropout_prob", "layerdrop"), 0.0),
    **dict.fromkeys(("embed_dropout", "resid_dropout", "embedding_dropout"), 0.0),
}

_LATENT = {
    "q_lora_rank": 16,
    "kv_lora_rank": 16,
    "qk_rope_head_dim": 8,
    "qk_nope_head_dim": 8,
    "v_head_dim": 12,
    "num_key_value_heads": 4,
}
_DELTA = {
    "layer_types": ["linear_attention", "full_attention"],
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
}
_MAMBA = {"mamba_n_heads": 4, "mamba_d_head": 16, "mamba_chunk_size": 8}
_MIXED = {"layer_types": ["sliding_attention", "full_attention"]}

#: Architectures that many studies use; all of them must be compared.
NAMED = (
    *("opt", "gpt2", "gptj", "gpt_neo", "gpt_neox", "bloom", "mpt", "falcon", "llama", "mistral"),
    *("qwen2", "qwen3", "gemma2", "gemma3_text", "phi", "olmo", "olmo2", "olmo3", "smollm3"),
    *("apertus", "mamba", "jamba", "bamba", "falcon_h1", "zamba2", "qwen3_next"),
    *("granitemoehybrid", "lfm2", "mixtral", "phi3", "olmoe", "qwen3_moe"),
)

#: Those whose configs have no context length under any name.
WITHOUT_CONTEXT = ("bloom", "mamba", "mamba2", "falcon_mamba", "recurrent_gemma", "xlstm")

#: What an architecture needs beyond SIZES, by transformers' name of it.
OWN: dict[str, dict[str, Any]] = {
    **{name: {} for name in NAMED},
    "opt": {"ffn_dim": 64, "word_embed_proj_dim": 32},
    "gptj": {"rotary_dim": 4},
    "gpt_neo": {"attention_types": [[["global", "local"], 1]], "window_size": WINDOW},
    "gemma3_text": _MIXED,
    "olmo3": _MIXED,
    "smollm3": {"no_rope_layers": [1, 0], "sliding_window": None},
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1, "mamba_dt_rank": 4},
    "bamba": {**_MAMBA, "attn_layer_indices": [1]},
    "falcon_h1": {**_MAMBA, "mamba_d_ssm": 64},
    "zamba2": {
        "layers_block_type": ["linear_attention", "hybrid"],
        "mamba_headdim": 16,
        "n_mamba_heads": 4,
        "chunk_size": 8,
        "num_key_value_heads": 4,
    },
    "qwen3_next": _DELTA,
    "granitemoehybrid": {
        **_MAMBA,
        "layer_types": ["linear_attention", "full_attention"],
        "shared_intermediate_size": 32,
    },
    "lfm2": {"layer_types": ["conv", "full_attention"]},
    "mamba2": {"num_heads": 4, "head_dim": 16, "chunk_size": 8, "n_groups": 1},
    "codegen": {"rotary_dim": 4},
    "deepseek_v3": {**_LATENT, "first_k_dense_replace": 1, "n_group": 1, "topk_group": 1},
    "minicpm3": _LATENT,
    "seed_oss": {"residual_dropout": 0.0},
    # Noise in training, which the two ways of training would draw in another order.
    "phimoe": {"router_jitter_noise": 0.0, "input_jitter_noise": 0.0},
    "cwm": {"bos_token_id": 0},
    "modernbert-decoder": {"pad_token_id": 0},
    "zamba": {"layers_block_type": ["linear_attention", "hybrid"], "num_key_value_heads": 4},
}


def tiny(name: str, tokenizer: Tokenizer, ends: int | list[int] = 0, seed: int = 0) -> Any:
    """A random model of an architecture in fp32, for a tokenizer."""
    torch.manual_seed(seed)
    return AutoModelForCausalLM.from_config(config_of(name, tokenizer, ends)).eval()


def config_of(name: str, tokenizer: Tokenizer, ends: int | list[int] = 0) -> Any:
    """The config of a tiny model; `ends` are its end-of-text tokens."""
    base = AutoConfig.for_model(name)
    known, names = base.to_dict(), base.attribute_map
    sizes = {names.get(key, key): value for key, value in SIZES.items()}
    stated = {key: value for key, value in sizes.items() if key in known}
    tokens = {"bos_token_id": None, "eos_token_id": ends, "pad_token_id": None}
    stated |= {"vocab_size": tokenizer.get_vocab_size(), **tokens, **OWN.get(name, {})}
    return AutoConfig.for_model(name, **stated)


def save(model: Any, tokenizer: Tokenizer, folder: Path) -> Path:
    """The folder of a model with its tokenizer."""
    model.save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder
