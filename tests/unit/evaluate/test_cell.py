import json
import math
import string
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from tiny import loaded, pair, request
from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.config.evaluation import Predictions
from tuning_dynamics.data.draws import draw_or_refuse
from tuning_dynamics.data.items import Item, write_items
from tuning_dynamics.data.tokenizer import Encoder
from tuning_dynamics.evaluate import cell
from tuning_dynamics.evaluate.cell import REQUEST_KEY, evaluate_cell, predict
from tuning_dynamics.evaluate.model import LoadedModel, batches, shared_prefix
from tuning_dynamics.evaluate.request import GENERATES, parse_request

LABELS = ("entailment", "neutral", "contradiction")
RECORDS = [
    "item",
    "context",
    "prompt_digest",
    "truncated",
    "prediction",
    "gold",
    "option_scores",
]


@pytest.fixture(scope="module")
def model():
    return loaded()


@pytest.fixture
def items(tmp_path):
    path = tmp_path / "items.parquet"
    write_items(path, [pair(number) for number in (4, 2, 3, 0, 1)])
    return path


def evaluate(model, items, tmp_path, **changes):
    asked = request(items, tmp_path / "out" / "cell.parquet", **changes)
    evaluate_cell(model, asked)
    return pq.read_table(asked.out).to_pylist()


def test_another_draw_shows_other_demonstrations(model, tmp_path):
    pool = [pair(number, "demonstration", LABELS[number % 3]) for number in range(6)]
    frozen, drawn = tmp_path / "items.parquet", tmp_path / "draw.parquet"
    write_items(frozen, [*(pair(number) for number in range(5)), *pool])
    draw_or_refuse(str(frozen), str(drawn), kind="classification", seed=0, draw=1)
    files = {0: str(frozen), 1: str(drawn)}
    asked = {
        draw: request(frozen, tmp_path / f"{draw}.parquet", shots=2, demonstrations=path)
        for draw, path in files.items()
    }
    for one in asked.values():
        evaluate_cell(model, one)
    first, other = (pq.read_table(one.out).to_pylist() for one in asked.values())
    for column, same in (("item", True), ("gold", True), ("prompt_digest", False)):
        assert all((a[column] == b[column]) == same for a, b in zip(first, other, strict=True))
    scores = [[row["option_scores"] for row in rows] for rows in (first, other)]
    assert scores[0] != scores[1]
    # The records say which demonstrations they are of.
    keys = [
        json.loads(pq.read_schema(one.out).metadata[REQUEST_KEY.encode()]) for one in asked.values()
    ]
    assert {name for name in keys[0] if keys[0][name] != keys[1][name]} == {"demonstrations"}
    # Draws of the same options share nothing that the model remembers.
    again = evaluate(model, frozen, tmp_path, shots=2, demonstrations=files[0])
    assert [row["option_scores"] for row in again] == scores[0]


def test_options_of_another_draw_are_read_again(model, tmp_path):
    shown = [
        Item(f"d{n}", "demonstration", "", {"q": f"Where is house {n}?"}, ["near"], ["near", "far"])
        for n in range(4)
    ]
    asked = [
        Item(f"e{n}", "evaluation", "", {"q": f"Where is river {n}?"}, ["far"], ["near", "far"])
        for n in range(3)
    ]
    frozen, drawn = tmp_path / "items.parquet", tmp_path / "draw.parquet"
    write_items(frozen, [*asked, *shown])
    draw_or_refuse(str(frozen), str(drawn), kind="multiple_choice", seed=0, draw=1)
    kind = {"kind": "multiple_choice", "template": "{q}", "labels": (), "shots": 1}

    def scores(demonstrations, prediction="likelihood", by=model):
        changes = {**kind, "demonstrations": str(demonstrations), "prediction": prediction}
        rows = evaluate(by, frozen, tmp_path, **changes)
        return [row["option_scores"] for row in rows]

    # One after another, as a job does; the model remembers the options' scores of a cell.
    found = [scores(path) for path in (frozen, drawn, frozen)]
    assert found[0] == found[2] != found[1]
    assert scores(drawn, by=loaded()) == found[1]


def test_records_have_the_contract_s_columns_sorted_by_item(model, items, tmp_path):
    rows = evaluate(model, items, tmp_path)
    assert list(rows[0]) == RECORDS
    assert [row["item"] for row in rows] == sorted(row["item"] for row in rows)
    for row in rows:
        best = row["option_scores"].index(max(row["option_scores"]))
        assert row["prediction"] == ("entailment", "neutral", "contradiction")[best]


def test_the_request_is_kept_in_the_file(model, items, tmp_path):
    evaluate(model, items, tmp_path)
    metadata = pq.read_schema(tmp_path / "out" / "cell.parquet").metadata
    kept = json.loads(metadata[REQUEST_KEY.encode()])
    assert kept["template"].startswith("### Input_1")
    # Records of float32 are those from before there was another dtype.
    assert not {"out", "dtype"} & set(kept)


def test_two_runs_write_the_same_bytes(model, items, tmp_path):
    evaluate(model, items, tmp_path)
    first = (tmp_path / "out" / "cell.parquet").read_bytes()
    evaluate(model, items, tmp_path)
    assert (tmp_path / "out" / "cell.parquet").read_bytes() == first


def test_token_prob_compares_first_tokens(model, items, tmp_path):
    labels = ("yes", "no")
    rows = evaluate(model, _labelled(items, "no"), tmp_path, labels=labels, prediction="token_prob")
    ids = model.encoder.prompt(
        "### Input_1: Ada was born in house 0.\n"
        "### Input_2: the baker paints evaluation 0.\n### Inference:"
    )
    logits = model.model(torch.tensor([ids])).logits[0, -1].log_softmax(-1)
    first = [model.encoder.ids(f" {label}")[0] for label in labels]
    assert rows[0]["option_scores"] == pytest.approx(logits[first].tolist(), abs=1e-5)


def _labelled(items, label):
    write_items(items, [pair(number, label=label) for number in range(5)])
    return items


# Two words of one label have a score each, so that they must differ too.
@pytest.mark.parametrize("labels", [("no", "no way"), ("yes", ("no", "no way"))])
def test_labels_with_one_first_token_are_refused(model, items, tmp_path, labels):
    changes = {"labels": labels, "prediction": "token_prob"}
    with pytest.raises(StudyError, match="begin with the same token") as caught:
        evaluate(model, _labelled(items, "no"), tmp_path, **changes)
    assert "constrained" in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_boundary_within_a_token_is_refused(model, items, tmp_path):
    # Trained without splitting into words, so that ": neutral" becomes one token.
    tokenizer = Tokenizer(BPE())
    tokenizer.train_from_iterator(
        ["house: neutral"] * 9,
        BpeTrainer(initial_alphabet=list(string.printable), show_progress=False),
    )
    spanning = LoadedModel(model.model, Encoder(tokenizer, (), 0), model.context, model.device)
    changes = {"template": "{a} house:", "prediction": "token_prob"}
    with pytest.raises(StudyError, match="no token begins where an answer does"):
        evaluate(spanning, items, tmp_path, **changes)


@pytest.mark.parametrize("prediction", ["free", "constrained", "token_prob"])
def test_classification_answers_are_labels_or_nothing(model, items, tmp_path, prediction):
    rows = evaluate(model, items, tmp_path, prediction=prediction)
    assert {row["prediction"] for row in rows} <= {"", "entailment", "neutral", "contradiction"}
    assert all(len(row["option_scores"]) == (0 if prediction == "free" else 3) for row in rows)


def _questions(path, options=("Redhill", "a house near the river", "Stonebridge")):
    rows = [
        Item(f"q{k}", "evaluation", f"q{k}", {"q": f"Where is {k}?"}, [options[k % 3]], [*options])
        for k in range(6)
    ]
    write_items(path, rows)
    return path


CHOICE = {
    "kind": "multiple_choice",
    "template": "Question: {q}\nAnswer:",
    "labels": (),
}


def test_likelihood_per_character_divides_and_reads_no_more(tmp_path):
    model = loaded()
    items = _questions(tmp_path / "items.parquet")
    raw = evaluate(model, items, tmp_path, prediction="likelihood", **CHOICE)
    fed = model.tokens
    each = evaluate(model, items, tmp_path, prediction="likelihood_per_char", **CHOICE)
    assert model.tokens == fed
    for one, other in zip(raw, each, strict=True):
        expected = [
            score / len(option)
            for score, option in zip(
                one["option_scores"],
                ("Redhill", "a house near the river", "Stonebridge"),
                strict=True,
            )
        ]
        assert other["option_scores"] == expected


def test_ties_go_to_the_first(tmp_path):
    model = loaded()
    with torch.no_grad():
        for parameter in model.model.parameters():
            parameter.zero_()
    write_items(tmp_path / "i.parquet", [pair(0, label="no")])
    changes = {"labels": ("yes", "no"), "prediction": "token_prob"}
    (row,) = evaluate(model, tmp_path / "i.parquet", tmp_path, **changes)
    assert row["prediction"] == "yes"
    assert row["option_scores"][0] == row["option_scores"][1]


@pytest.mark.parametrize("prediction", ["constrained", "free"])
def test_logits_that_are_no_number_end_the_cell(items, tmp_path, prediction):
    model = loaded()
    with torch.no_grad():
        model.model.get_output_embeddings().weight[3] = math.nan
    with pytest.raises(StudyError, match="not a number"):
        evaluate(model, items, tmp_path, prediction=prediction)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("failures", [1, 2])
def test_a_cell_that_does_not_fit_is_tried_once_with_half_the_batch(
    model, items, tmp_path, monkeypatch, capsys, failures
):
    budgets = []

    def short_of_memory(model, request, prompts, batch_tokens):
        budgets.append(batch_tokens)
        if len(budgets) <= failures:
            raise torch.OutOfMemoryError
        return predict(model, request, prompts, batch_tokens)

    expected = evaluate(model, items, tmp_path)
    monkeypatch.setattr(cell, "predict", short_of_memory)
    if failures == 1:
        assert evaluate(model, items, tmp_path) == expected
    else:
        with pytest.raises(torch.OutOfMemoryError):
            evaluate(model, items, tmp_path)
    assert budgets == [8192, 4096]
    assert "out of memory, again with half of 8192 tokens" in capsys.readouterr().out


def test_generation_has_all_references_with_it(model, tmp_path):
    items = [
        Item("g0", "evaluation", "g0", {"a": "Ada Moss was born."}, ["Redhill", "river"]),
    ]
    write_items(tmp_path / "items.parquet", items)
    (row,) = evaluate(
        model,
        tmp_path / "items.parquet",
        tmp_path,
        kind="generation",
        prediction="greedy",
        template="### Input: {a}\n### Summary:",
        labels=(),
        max_new_tokens=20,
    )
    assert "\n" not in row["prediction"]
    assert row["option_scores"] == []
    assert row["gold"] == ["Redhill", "river"]


def test_an_empty_set_and_an_unanswerable_item_are_refused(model, tmp_path):
    path = tmp_path / "items.parquet"
    write_items(path, [pair(0, "train")])
    with pytest.raises(StudyError, match="has no evaluated item"):
        evaluate(model, path, tmp_path)
    write_items(path, [pair(0, label="maybe")])
    with pytest.raises(StudyError, match="no right answer to choose"):
        evaluate(model, path, tmp_path)


def test_every_method_that_a_study_may_name_is_known() -> None:
    fields = Predictions.model_json_schema()["properties"].values()
    named = [name for field in fields for name in _names(field["items"])]
    assert sorted(named) == sorted(GENERATES)


def _names(items: dict[str, Any]) -> list[str]:
    """The values of a Literal in a schema; one alone is a constant."""
    return items.get("enum") or [items["const"]]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"prediction": "dance"}, "unknown method"),
        ({"labels": [["yes"]]}, "fewer than two labels"),
        ({"labels": [["yes"], ["yes", "no"]]}, "one word for two"),
        ({"labels": ["yes", "no"]}, "not lists of words"),
        ({"shots": -1}, "out of range"),
        ({"dtype": "float16"}, "unknown dtype"),
        ({"colour": "red"}, "not a request"),
    ],
)
def test_requests_are_checked(tmp_path, changes, text):
    good = {**vars(request(tmp_path, tmp_path)), "labels": [["yes"], ["no"]]}
    assert parse_request(good).labels == (("yes",), ("no",))
    with pytest.raises(StudyError, match=text):
        parse_request({**good, **changes})


def test_batches_keep_the_budget_and_every_text():
    lengths = [3, 9, 1, 9, 4, 30]
    found = batches(lengths, 2, 24)
    assert sorted(index for batch in found for index in batch) == list(range(6))
    assert found[0] == [5]
    for batch in found[1:]:
        assert len(batch) * (max(lengths[index] for index in batch) + 2) <= 24
    assert [1, 3] in batches(lengths, 0, 1000, equal_lengths=True)


def test_a_shared_prefix_leaves_every_text_a_token():
    assert shared_prefix([[1, 2, 3], [1, 2, 4, 5]]) == [1, 2]
    assert shared_prefix([[1, 2], [1, 2, 4]]) == [1]
    assert shared_prefix([[7]]) == []


def test_a_label_of_several_words_is_said_by_any_of_them(model, tmp_path):
    items = tmp_path / "items.parquet"
    write_items(items, [pair(n, label="entailment" if n % 2 else "neutral") for n in range(8)])
    groups = (("entailment",), ("neutral", "contradiction"))
    for method in ("token_prob", "constrained", "free"):
        rows = evaluate(model, items, tmp_path, labels=groups, prediction=method)
        assert {row["prediction"] for row in rows} <= {"entailment", "neutral", ""}
        for row in rows:
            if row["option_scores"]:
                best = max(range(3), key=row["option_scores"].__getitem__)
                assert row["prediction"] == ("entailment", "neutral", "neutral")[best]


def test_likelihoods_without_the_question_are_read_once_for_all_formats(tmp_path):
    model = loaded()
    items = _questions(tmp_path / "items.parquet")
    other = {**CHOICE, "template": "{q} The answer is"}
    evaluate(model, items, tmp_path, prediction="likelihood", **CHOICE)
    fed = model.tokens
    first = evaluate(model, items, tmp_path, prediction="likelihood_pmi", **CHOICE)
    assert model.tokens > fed
    evaluate(model, items, tmp_path, prediction="likelihood", **other)
    fed = model.tokens
    second = evaluate(model, items, tmp_path, prediction="likelihood_pmi", **other)
    assert model.tokens == fed
    assert [row["option_scores"] for row in first] != [row["option_scores"] for row in second]


def _taught(items, steps=80):
    """A model that answers each item with its label and the end of the text."""
    model = loaded()
    ids = [
        model.encoder.prompt(
            f"### Input_1: {item.fields['a']}\n### Input_2: {item.fields['b']}\n"
            f"### Inference: {item.target}"
        )
        for item in items
    ]
    optimiser = torch.optim.AdamW(model.model.parameters(), lr=1e-2)
    for _ in range(steps):
        loss = torch.stack(
            [
                torch.nn.functional.cross_entropy(
                    model.model(torch.tensor([text])).logits[0, -4:],
                    torch.tensor([*text[-3:], model.encoder.eos]),
                )
                for text in ids
            ]
        ).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return model


def test_prediction_methods_agree_once_a_model_was_taught_the_labels(tmp_path):
    # As in the study's ablation: the three differ little once tuned, and an untuned model generates
    # no label by itself.
    items = tmp_path / "items.parquet"
    labels = ("entailment", "neutral", "contradiction")
    known = [pair(number, label=labels[number % 3]) for number in range(6)]
    write_items(items, known)

    def right(model, method):
        rows = evaluate(model, items, tmp_path, prediction=method)
        return sum(row["prediction"] in row["gold"] for row in rows)

    taught = _taught(known)
    assert [right(taught, method) for method in ("free", "constrained", "token_prob")] == [6, 6, 6]
    assert right(loaded(), "free") == 0


@pytest.mark.parametrize("labels", [("हाँ", "नहीं"), ("no", ("yes", "most certainly so"))])
def test_a_label_longer_than_a_free_answer_is_refused(model, items, tmp_path, labels):
    frozen = _labelled(items, labels[0])
    given = {"labels": labels, "prediction": "free"}
    with pytest.raises(StudyError, match="tokens, a free answer at most 5") as error:
        evaluate(model, frozen, tmp_path, **given)
    assert "evaluate.label_tokens" in str(error.value)
    assert evaluate(model, frozen, tmp_path, max_new_tokens=40, **given)
