"""Agreement with lm-evaluation-harness on its own task definitions."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from hub import samples
from tiny import tiny_encoder, tiny_model
from tokenizers import Tokenizer, processors

from agreement import compare
from tuning_dynamics.data.tokenizer import Encoder
from tuning_dynamics.evaluate.model import LoadedModel

CONTEXT = 1024
ARCHITECTURES = ("olmo", "olmo2", "gpt_neox")
MAKERS = {
    "arc_easy": samples.arc_easy,
    "arc_challenge": samples.arc_challenge,
    "openbookqa": samples.openbookqa,
    "hellaswag": samples.hellaswag,
    "sciq_mc": samples.sciq,
    "boolq": samples.boolq,
}
#: Fields that many rows of a set have in an awkward form: white space, other alphabets.
AWKWARD = {
    "arc_easy": ("question", "choices"),
    "arc_challenge": ("question", "choices"),
    "openbookqa": ("question_stem", "choices"),
    "hellaswag": ("activity_label", "ctx_a", "ctx_b", "endings"),
    "sciq_mc": ("support", "question", "correct_answer", "distractor1"),
    "boolq": ("passage", "question"),
}

# Warnings among the harness's dependencies are not this project's fault.
pytestmark = pytest.mark.filterwarnings("ignore")


def awkward(value: Any, number: int) -> Any:
    """A text, or the texts of options, with what real sets have: double spaces, line breaks,
    spaces at the ends, accents, brackets, braces."""
    if isinstance(value, dict):
        return {**value, "text": awkward(value["text"], number)}
    if isinstance(value, list):
        return [awkward(one, number + place) for place, one in enumerate(value)]
    ways = [
        value,
        value.replace(" ", "  ", 2),
        f"{value}\nA naïve café in Łódź, 東京.",
        value.replace(". ", ".\n\n"),
        f" {value}",
        f"{value}  ",
        f'[step] {value} {{x}} "it\'s" [sic]',
    ]
    return ways[number % len(ways)]


def made(dataset: str, split: str, start: int, count: int) -> list[dict[str, Any]]:
    """Rows in the set's true schema, most of them awkward."""
    found = []
    for number in range(start, start + count):
        row = MAKERS[dataset](number, split)
        changed = {
            field: awkward(row[field], number + place)
            for place, field in enumerate(AWKWARD[dataset])
        }
        found.append({**row, **changed})
    random.Random(dataset).shuffle(found)
    return found


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, compare.Rows]:
    """This project's rows and the harness's."""
    folder = tmp_path_factory.mktemp("rows")
    return {
        dataset: compare.Rows(
            compare.write_rows(folder / dataset / "train.jsonl", made(dataset, "train", 500, 40)),
            compare.write_rows(
                folder / dataset / "evaluation.jsonl", made(dataset, "validation", 0, 28)
            ),
        )
        for dataset in compare.TASKS
    }


def for_harness(rows: dict[str, compare.Rows], folder: Path) -> dict[str, compare.Rows]:
    """The same rows in the schema that the harness reads."""
    written = {}
    for dataset, files in rows.items():
        paths = {}
        for split, path in vars(files).items():
            lines = [json.loads(line) for line in path.read_text().splitlines()]
            changed = [compare.harness_row(dataset, row) for row in lines]
            paths[split] = compare.write_rows(folder / dataset / f"{split}.jsonl", changed)
        written[dataset] = compare.Rows(**paths)
    return written


def harness_model(model: Any, encoder: Encoder) -> Any:
    """The harness's model object around the same weights and tokenizer."""
    from lm_eval.models.huggingface import HFLM
    from transformers import PreTrainedTokenizerFast

    names = {"eos_token": "<|endoftext|>"} | ({"bos_token": "<s>"} if encoder.beginning else {})
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=encoder.tokenizer, **names)
    return HFLM(pretrained=model, tokenizer=tokenizer, batch_size=8, max_length=CONTEXT)


def with_beginning() -> Encoder:
    """The tiny encoder with a token that is put at the beginning of every text, as Llama's."""
    tokenizer = Tokenizer.from_str(tiny_encoder().tokenizer.to_str())
    tokenizer.add_special_tokens(["<s>"])
    beginning = tokenizer.token_to_id("<s>")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", beginning)]
    )
    return Encoder(tokenizer, (beginning,), 0)


def agree(
    model: Any,
    encoder: Encoder,
    rows: dict[str, compare.Rows],
    theirs: dict[str, compare.Rows],
    folder: Path,
    shots: int = 0,
) -> None:
    """Compare scores and accuracies of this project on `rows` with the harness's on `theirs`."""
    torch.set_num_threads(1)
    expected = compare.by_harness(harness_model(model, encoder), theirs, shots)
    loaded = LoadedModel(model, encoder, CONTEXT, torch.device("cpu"))
    found = compare.by_project(loaded, rows, folder / "ours", shots)
    for dataset in rows:
        assert compare.largest_difference(found[dataset], expected[dataset]) <= 1e-4, dataset
        assert found[dataset].accuracies == pytest.approx(expected[dataset].accuracies), dataset


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_log_likelihoods_and_accuracies_agree(
    architecture: str, rows: dict[str, compare.Rows], tmp_path: Path
) -> None:
    model = tiny_model(architecture, seed=3, context=CONTEXT)
    agree(model, tiny_encoder(), rows, for_harness(rows, tmp_path / "theirs"), tmp_path)


def test_a_token_at_the_beginning_of_texts_agrees(
    rows: dict[str, compare.Rows], tmp_path: Path
) -> None:
    encoder = with_beginning()
    model = tiny_model("llama", seed=3, context=CONTEXT)
    model.resize_token_embeddings(encoder.tokenizer.get_vocab_size(), mean_resizing=False)
    some = {dataset: rows[dataset] for dataset in ("openbookqa", "sciq_mc")}
    agree(model, encoder, some, for_harness(some, tmp_path / "theirs"), tmp_path)


def test_few_shot_prompts_agree(rows: dict[str, compare.Rows], tmp_path: Path) -> None:
    files = rows["arc_easy"]
    frozen = compare.freeze("arc_easy", files, tmp_path / "frozen")
    train = [json.loads(line) for line in files.train.read_text().splitlines()]
    # The harness shows its first training rows: use those that are shown here.
    shown = compare.demonstration_rows("arc_easy", frozen, train, 4)
    assert len(shown) == 4
    first = compare.write_rows(tmp_path / "shown.jsonl", shown)
    theirs = {"arc_easy": compare.Rows(first, files.evaluation)}
    model = tiny_model("olmo", seed=3, context=CONTEXT)
    agree(model, tiny_encoder(), {"arc_easy": files}, theirs, tmp_path, shots=4)
