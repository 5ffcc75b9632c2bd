"""The table of docs/agreement.md, measured.

    PYTHONPATH=workflow/scripts:tests python -m agreement.table --data FOLDER --tokenizer FILE

FOLDER holds real rows as JSONL (`mc_arc_easy/validation.jsonl`, …); sets it lacks are measured on
the tests' own rows. The models are random, with the tokenizer given.
"""

import argparse
import logging
import tempfile
import warnings
from itertools import islice
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import (
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    Olmo2Config,
    Olmo2ForCausalLM,
    OlmoConfig,
    OlmoForCausalLM,
    PreTrainedTokenizerFast,
)

from agreement import compare
from agreement.test_lm_eval import for_harness, made
from tuning_dynamics.data.sources import read_rows
from tuning_dynamics.data.tokenizer import Encoder
from tuning_dynamics.evaluate.model import LoadedModel

REAL = {
    "arc_easy": "mc_arc_easy/validation.jsonl",
    "arc_challenge": "mc_arc_challenge/validation.jsonl",
    "openbookqa": "mc_openbookqa/validation.jsonl",
    "boolq": "mc_boolq/validation.jsonl",
}
MODELS = {
    "OLMo": (OlmoConfig, OlmoForCausalLM),
    "OLMo 2": (Olmo2Config, Olmo2ForCausalLM),
    "GPT-NeoX": (GPTNeoXConfig, GPTNeoXForCausalLM),
}
CONTEXT, MOST = 2048, 200


def set_rows(dataset: str, data: Path, folder: Path) -> compare.Rows:
    """A set's rows: the first real ones, else the tests' own."""
    rows = made(dataset, "validation", 0, 24)
    if dataset in REAL:
        rows = [row for _, row in islice(read_rows(data / REAL[dataset]), MOST)]
    train = compare.write_rows(folder / dataset / "train.jsonl", made(dataset, "train", 500, 24))
    return compare.Rows(train, compare.write_rows(folder / dataset / "evaluation.jsonl", rows))


def measured(name: str, tokenizer: Tokenizer, rows: dict[str, compare.Rows], folder: Path) -> None:
    """Print an architecture's lines of the table."""
    from lm_eval.models.huggingface import HFLM

    make_config, make_model = MODELS[name]
    torch.manual_seed(0)
    end = tokenizer.token_to_id("<|endoftext|>")
    config = make_config(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=CONTEXT,
        initializer_range=0.16,
        bos_token_id=None,
        eos_token_id=end,
        pad_token_id=None,
    )
    model = make_model(config).eval()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|endoftext|>")
    harness = HFLM(pretrained=model, tokenizer=fast, batch_size=8, max_length=CONTEXT)
    theirs = compare.by_harness(harness, for_harness(rows, folder / "theirs"))
    loaded = LoadedModel(model, Encoder(tokenizer, (), end), CONTEXT, torch.device("cpu"))
    ours = compare.by_project(loaded, rows, folder / "ours")
    for dataset, task in compare.TASKS.items():
        largest = compare.largest_difference(ours[dataset], theirs[dataset])
        options = len(ours[dataset].scores)
        accuracies = " | ".join(
            f"{ours[dataset].accuracies[method]:.3f} / {theirs[dataset].accuracies[method]:.3f}"
            for method in compare.METRICS
        )
        source = "real" if dataset in REAL else "own"
        print(f"| {name} | {task} | {source} | {options} | {largest:.1e} | {accuracies} |")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--tokenizer", type=Path, required=True)
    asked = parser.parse_args()
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    tokenizer = Tokenizer.from_file(str(asked.tokenizer))
    with tempfile.TemporaryDirectory() as folder:
        rows = {name: set_rows(name, asked.data, Path(folder, "rows")) for name in compare.TASKS}
        for name in MODELS:
            measured(name, tokenizer, rows, Path(folder, name))


if __name__ == "__main__":
    main()
