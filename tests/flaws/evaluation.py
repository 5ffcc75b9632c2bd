"""Checks of the flaws in the release's evaluation, and how to remove their guards."""

from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tiny import loaded, pair, request
from tokenizers import Tokenizer, models

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.data.items import read_items, write_items
from tuning_dynamics.data.tokenizer import Encoder
from tuning_dynamics.evaluate import loglikelihood as score
from tuning_dynamics.evaluate import prompts
from tuning_dynamics.evaluate.cell import evaluate_cell
from tuning_dynamics.evaluate.model import LoadedModel
from tuning_dynamics.evaluate.request import CellRequest

CONTEXT = 256


# --- 6: demonstrations -------------------------------------------------------------------------


def demonstrations_are_never_evaluated(folder: Path) -> None:
    evaluated = [pair(n) for n in range(6)]
    leaked = [replace(item, split="demonstration") for item in evaluated[:2]]
    write_items(folder / "items.parquet", [*evaluated, *leaked])
    path = folder / "items.parquet"
    asked = request(path, folder / "out", shots=2, demonstrations=str(path))
    with pytest.raises(StudyError, match="also an evaluated item"):
        prompts.read_demonstrations(asked, read_items(path, "evaluation"), loaded().encoder)


def demonstrations_from_anywhere(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(prompts, "_refuse_evaluated", lambda *_: None)


# --- 7: label tokens ---------------------------------------------------------------------------


def labels_are_distinguished_by_their_first_token(folder: Path) -> None:
    write_items(folder / "items.parquet", [pair(n, label="river") for n in range(4)])
    # Both begin with the token " river".
    labels = (("river",), ("river bed",))
    asked = request(folder / "items.parquet", folder / "out", labels=labels)
    with pytest.raises(StudyError, match="same token"):
        evaluate_cell(loaded(), replace(asked, prediction="token_prob"))


def any_sub_token(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(score, "_first_tokens", lambda *_: [1, 2])


def labels_begin_at_a_token_boundary(folder: Path) -> None:
    # One token for a colon and the space after it: no token begins where the label does.
    vocabulary = {token: k for k, token in enumerate(["x", ":", " ", ": ", "y", "n"])}
    tokenizer = Tokenizer(models.BPE(vocabulary, [(":", " ")]))
    model = replace(loaded(), encoder=Encoder(tokenizer, (), 0))
    write_items(folder / "items.parquet", [pair(n, label="y") for n in range(4)])
    asked = request(folder / "items.parquet", folder / "out", template="x:", labels=("y", "n"))
    with pytest.raises(StudyError, match="no token begins where an answer does"):
        evaluate_cell(model, replace(asked, prediction="token_prob"))


def boundaries_unchecked(patch: pytest.MonkeyPatch) -> None:
    def last_tokens(_: LoadedModel, __: CellRequest, prompt: prompts.Prompt) -> list[int]:
        return [whole[-1] for whole in prompt.wholes]

    patch.setattr(score, "_first_tokens", last_tokens)


# --- 8: label sets -----------------------------------------------------------------------------


def a_set_keeps_its_own_labels(folder: Path) -> None:
    words = ["entailment", "neutral", "contradiction"]
    write_items(folder / "items.parquet", [pair(n, label=words[n % 3]) for n in range(12)])
    asked = request(folder / "items.parquet", folder / "out")
    said = predictions(asked)
    favourite = max(said, key=said.count)
    one, other = [word for word in words if word != favourite]
    # A two-way set in which the model's favourite word is the second one of a label.
    write_items(folder / "two.parquet", [pair(n, label=[one, other][n % 2]) for n in range(12)])
    labels = ((one,), (other, favourite))
    two = replace(asked, items=str(folder / "two.parquet"), labels=labels)
    assert predictions(two).count(other) >= said.count(favourite) > 0
    assert set(predictions(two)) <= {one, other}


def predictions(asked: CellRequest) -> list[str]:
    """A tiny model's answer to each item of a cell."""
    evaluate_cell(loaded(), asked)
    return [row["prediction"] for row in pq.read_table(asked.out).to_pylist()]


def every_word_is_a_label(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(CellRequest, "label_of", lambda _, word: word)


# --- 10: overflow ------------------------------------------------------------------------------


def overlong_prompts_are_refused_or_counted(folder: Path) -> None:
    items = [pair(0), pair(1, words=400)]
    model = loaded()
    asked = request(folder / "items.parquet", folder / "out")
    with pytest.raises(StudyError, match=r"evaluate\.truncation"):
        prompts.make_prompts(asked, items, model.encoder, CONTEXT)
    allowed = replace(asked, truncation="input")
    made = prompts.make_prompts(allowed, items, model.encoder, CONTEXT)
    assert [prompt.truncated for prompt in made] == [False, True]
    assert all(len(prompt.ids) <= CONTEXT for prompt in made)


def cut_in_silence(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(prompts._Fitting, "length", lambda *_: 0)
