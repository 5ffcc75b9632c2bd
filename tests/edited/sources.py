"""Inputs of the edited study: settings, rows, local checkpoints, and a hub's repository.

All of them are in the folder `own` of a copy of the repository, and are the same whenever they are
written; the hub's repository is elsewhere.
"""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from hub.repositories import copy_revision
from hub.samples import INFERENCE, PARTS
from hub.scenes import scene
from tiny import tiny_encoder, tiny_model

SETTINGS = Path(__file__).with_name("own")
#: Existing steps; the study begins with those of its families' files.
STEPS = (2, 4, 6)
#: Longest text of the checkpoints in tokens.
CONTEXT = 512
REPOSITORY = "tiny/edited"

Row = dict[str, Any]


def write_sources(folder: Path) -> None:
    """Write `own` and `hub` into a folder."""
    own = folder / "own"
    shutil.copytree(SETTINGS, own)
    for name, row, count in ROWS:
        write_rows(own / "rows" / f"{name}.jsonl", (row(name, number) for number in range(count)))
    (own / "corpus.txt").write_text(_corpus(), encoding="utf-8")
    for step in STEPS:
        write_checkpoint(own / "checkpoints" / f"step{step}", "llama", seed=step)
        publish(folder / "hub", f"step{step}", "gpt_neox", seed=100 + step)
    publish(folder / "hub", "main", "gpt_neox", seed=100 + STEPS[-1])


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """Write rows as JSON lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")


def write_checkpoint(folder: Path, architecture: str, seed: int) -> None:
    """Write a random checkpoint as `save_pretrained` does, with its tokenizer."""
    tiny_model(architecture, seed, context=CONTEXT).save_pretrained(folder)
    tiny_encoder().tokenizer.save(str(folder / "tokenizer.json"))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|endoftext|>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")


def publish(hub: Path, revision: str, architecture: str, seed: int) -> None:
    """Put a random checkpoint on a hub whose repositories lie in `hub`."""
    with tempfile.TemporaryDirectory() as folder:
        write_checkpoint(Path(folder), architecture, seed)
        copy_revision(hub, "model", REPOSITORY, revision, Path(folder))


def relation(name: str, number: int) -> Row:
    """A pair of sentences and the number of their relation."""
    at, label = scene(name, number), number % 3
    premise = at.fill("{person} is a {job} in {town}.")
    hypothesis = at.fill(list(INFERENCE.values())[label][0])
    return {"first": premise, "second": hypothesis, "label": str(label)}


def plant(name: str, number: int) -> Row:
    """A question about a plant, with three options."""
    at, parts = scene(name, number), list(PARTS)
    options = [parts[(number + shift) % len(parts)] for shift in range(3)]
    answer = number * 7 % 3
    asked = f"In {at.town}, what can {PARTS[options[answer]]}?"
    return {"question": asked, "options": options, "answer": str(answer)}


def notice(name: str, number: int) -> Row:
    """A short text and its gist."""
    at = scene(name, number)
    text = at.fill("The {place} of {town} is closed, and {person} went home with a {tool}.")
    # Letters, some of which a random model generates: a score of 0 for all would hide a change.
    return {"text": text, "summary": " ".join("abcdeghimnoprstu123") + at.fill(" {town}")}


#: Files of rows: name, what makes a row, how many.
ROWS: tuple[tuple[str, Callable[[str, int], Row], int], ...] = (
    ("relations_train", relation, 24),
    ("relations", relation, 12),
    ("plants", plant, 10),
    ("notices", notice, 8),
)


def _corpus() -> str:
    """A few hundred words: paragraphs separated by blank lines."""
    sentences = (scene("corpus", number) for number in range(120))
    sentence = "{person} lives in {town} and works as a {job} near the {place} on {day}."
    return "\n\n".join(at.fill(sentence) for at in sentences) + "\n"
