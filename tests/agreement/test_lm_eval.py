"""Agreement with lm-evaluation-harness on its own task definitions."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from hub import samples
from tiny import tiny_encoder, tiny_model

from agreement import compare
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
#: Field that some rows of a set have in an awkward form: white space, other alphabets.
AWKWARD = {
    "arc_easy": "question",
    "arc_challenge": "question",
    "openbookqa": "question_stem",
    "hellaswag": "ctx_a",
    "sciq_mc": "support",
    "boolq": "passage",
}

# What the harness's dependencies say of one another is no fault of this project.
pytestmark = pytest.mark.filterwarnings("ignore")


def awkward(text: str, number: int) -> str:
    """A text with what real sets have: double spaces, line breaks, spaces at the ends, accents."""
    ways = [
        text,
        text.replace(" ", "  ", 2),
        f"{text}\nA naïve café in Łódź, 東京.",
        text.replace(". ", ".\n\n"),
    ]
    return ways[number % len(ways)]


def made(dataset: str, split: str, start: int, count: int) -> list[dict[str, Any]]:
    """Rows in the set's true schema, every second one awkward."""
    field = AWKWARD[dataset]
    found = []
    for number in range(start, start + count):
        row = MAKERS[dataset](number, split)
        found.append({**row, field: awkward(row[field], number)})
    random.Random(dataset).shuffle(found)
    return found


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, compare.Rows]:
    """This project's rows and, beside them, the harness's."""
    folder = tmp_path_factory.mktemp("rows")
    return {
        dataset: compare.Rows(
            compare.write_rows(folder / dataset / "train.jsonl", made(dataset, "train", 500, 24)),
            compare.write_rows(
                folder / dataset / "evaluation.jsonl", made(dataset, "validation", 0, 24)
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


def harness_model(model: Any) -> Any:
    """The harness's model object around the same weights and tokenizer."""
    from lm_eval.models.huggingface import HFLM
    from transformers import PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=tiny_encoder().tokenizer, eos_token="<|endoftext|>"
    )
    return HFLM(pretrained=model, tokenizer=tokenizer, batch_size=8, max_length=CONTEXT)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_log_likelihoods_and_accuracies_agree(
    architecture: str, rows: dict[str, compare.Rows], tmp_path: Path
) -> None:
    torch.set_num_threads(1)
    model = tiny_model(architecture, seed=3, context=CONTEXT)
    theirs = compare.by_harness(harness_model(model), for_harness(rows, tmp_path / "theirs"))
    loaded = LoadedModel(model, tiny_encoder(), CONTEXT, torch.device("cpu"))
    ours = compare.by_project(loaded, rows, tmp_path / "ours")
    for dataset in compare.TASKS:
        assert max(compare.differences(ours[dataset].scores, theirs[dataset].scores)) <= 1e-4
        assert ours[dataset].accuracies == pytest.approx(theirs[dataset].accuracies), dataset


def test_few_shot_prompts_agree(rows: dict[str, compare.Rows], tmp_path: Path) -> None:
    torch.set_num_threads(1)
    one = {"arc_easy": rows["arc_easy"]}
    frozen = compare.freeze("arc_easy", rows["arc_easy"], tmp_path / "frozen")
    train = [json.loads(line) for line in rows["arc_easy"].train.read_text().splitlines()]
    shown = compare.demonstration_rows("arc_easy", frozen, train, 2)
    model = tiny_model("olmo", seed=3, context=CONTEXT)
    first = compare.write_rows(tmp_path / "shown.jsonl", shown)
    theirs = compare.by_harness(
        harness_model(model),
        {"arc_easy": compare.Rows(first, rows["arc_easy"].evaluation)},
        shots=2,
    )
    loaded = LoadedModel(model, tiny_encoder(), CONTEXT, torch.device("cpu"))
    ours = compare.by_project(loaded, one, tmp_path / "ours", shots=2)
    found = compare.differences(ours["arc_easy"].scores, theirs["arc_easy"].scores)
    assert max(found) <= 1e-4
