"""Scores and texts that must not depend on how they are computed."""

import random

import pytest
import torch
from rouge_score.rouge_scorer import RougeScorer
from tiny import ARCHITECTURES, SENTENCES, loaded, pair, request
from transformers import MistralConfig, MistralForCausalLM

from tuning_dynamics.data.encode import Encoder
from tuning_dynamics.data.items import Item, write_items
from tuning_dynamics.evaluate.generate import generate
from tuning_dynamics.evaluate.metrics import rouge_l
from tuning_dynamics.evaluate.prompts import make_prompts
from tuning_dynamics.evaluate.score import Scored, log_likelihoods, option_scores

each_architecture = pytest.mark.parametrize("architecture", ARCHITECTURES)


def prompts_of(model, tmp_path, shots, **changes):
    lender = tmp_path / "lender.parquet"
    labels = ("neutral", "entailment", "contradiction")
    write_items(lender, [pair(k, "demonstration", labels[k]) for k in range(3)])
    asked = request(
        tmp_path / "items.parquet",
        tmp_path / "out.parquet",
        shots=shots,
        demonstrations=str(lender),
        **changes,
    )
    items = [pair(number) for number in range(9)]
    return asked, make_prompts(asked, items, model.encoder, model.context)


@torch.inference_mode()
def whole_text_score(model, one):
    """The plain way: one text at a time, read whole, nothing cached or padded."""
    ids = torch.tensor([one.prompt + one.answer])
    log_probabilities = model.model(ids).logits[0].log_softmax(-1)
    start = len(one.prompt)
    return sum(
        log_probabilities[start - 1 + place, token].item() for place, token in enumerate(one.answer)
    )


@torch.inference_mode()
def plain_decoding(model, prompt, new):
    """The plain way: one text, read anew for each token."""
    ids = list(prompt)
    for _ in range(new):
        token = int(model.model(torch.tensor([ids])).logits[0, -1].argmax())
        if token == model.encoder.eos:
            break
        ids.append(token)
        if "\n" in model.encoder.decode([token]):
            break
    return model.encoder.decode(ids[len(prompt) :]).split("\n")[0].strip()


@each_architecture
def test_the_families_architectures_are_read_end_to_end(architecture):
    assert loaded(architecture).reads_rows


@each_architecture
@pytest.mark.parametrize("shots", [0, 2])
def test_padded_prefixed_and_batched_scores_are_those_of_whole_texts(architecture, shots, tmp_path):
    model = loaded(architecture)
    asked, prompts = prompts_of(model, tmp_path, shots)
    eos = model.encoder.eos
    expected = [
        [
            whole_text_score(model, Scored(prompt.ids, [*whole[len(prompt.ids) :], eos]))
            for whole in prompt.wholes
        ]
        for prompt in prompts
    ]
    assert len({len(prompt.ids) for prompt in prompts}) > 3
    for budget in (1, 150, 8192):
        found = option_scores(model, asked, prompts, budget)
        torch.testing.assert_close(
            torch.tensor(found), torch.tensor(expected), atol=1e-5, rtol=1e-6
        )


@each_architecture
@pytest.mark.parametrize("beginning", [(), (7,)])
def test_options_less_their_own_likelihood_are_those_of_whole_texts(
    architecture, beginning, tmp_path
):
    model = loaded(architecture)
    model.encoder = Encoder(model.encoder.tokenizer, beginning, model.encoder.eos)
    options = ["Redhill", "a house near the river", "it rained"]
    items = [
        Item(f"q{k}", "evaluation", f"q{k}", {"q": sentence}, options[:1], options[: 2 + k % 2])
        for k, sentence in enumerate(SENTENCES)
    ]
    asked = request(
        tmp_path / "items.parquet",
        tmp_path / "out.parquet",
        kind="multiple_choice",
        template="Question: {q}\nAnswer:",
        labels=(),
        prediction="likelihood_pmi",
    )
    prompts = make_prompts(asked, items, model.encoder, model.context)
    start = list(beginning) or [model.encoder.eos]
    expected = [
        whole_text_score(model, Scored(prompt.ids, whole[len(prompt.ids) :]))
        - whole_text_score(model, Scored(start, model.encoder.ids(f" {option}")))
        for prompt in prompts
        for option, whole in zip(prompt.item.options, prompt.wholes, strict=True)
    ]
    found = [score for row in option_scores(model, asked, prompts, 300) for score in row]
    assert found == pytest.approx(expected, abs=1e-5)


@each_architecture
def test_one_token_prompts_and_answers_score_as_whole_texts(architecture):
    model = loaded(architecture)
    asked = [Scored([5], [7]), Scored([5, 6, 7], [8]), Scored([9], [1, 2, 3]), Scored([5], [4, 4])]
    found = log_likelihoods(model, asked, 8192)
    assert found == pytest.approx([whole_text_score(model, one) for one in asked], abs=1e-5)


@each_architecture
@pytest.mark.parametrize("shots", [0, 2])
def test_batched_greedy_decoding_is_one_by_one_decoding(architecture, shots, tmp_path):
    model = loaded(architecture, seed=5)
    changes = {"kind": "generation", "prediction": "greedy", "labels": ()}
    _, prompts = prompts_of(model, tmp_path, shots, **changes)
    ids = [prompt.ids for prompt in prompts]
    expected = [plain_decoding(model, prompt, 12) for prompt in ids]
    assert len(set(expected)) > 2
    for budget in (1, 300, 8192):
        assert generate(model, ids, 12, budget) == expected


@each_architecture
def test_rows_that_end_early_leave_the_others_as_they_are(architecture):
    model = loaded(architecture, seed=5)
    ids = [model.encoder.prompt(text) for text in SENTENCES]
    # Make a token that one row soon says the end of text, so that rows end at different steps.
    said = model.encoder.ids(plain_decoding(model, ids[0], 6) or "a")[-1]
    model.encoder = type(model.encoder)(model.encoder.tokenizer, (), said)
    expected = [plain_decoding(model, prompt, 10) for prompt in ids]
    assert generate(model, ids, 10, 8192) == expected


@each_architecture
def test_greedy_decoding_is_that_of_transformers(architecture):
    model = loaded(architecture, seed=4)
    ids = model.encoder.prompt(SENTENCES[1])
    model.model.generation_config.pad_token_id = 0
    with torch.inference_mode():
        output = model.model.generate(
            torch.tensor([ids]),
            attention_mask=torch.ones(1, len(ids)),
            max_new_tokens=10,
            do_sample=False,
        )[0]
    text = model.encoder.decode(output[len(ids) :].tolist()).split("\n")[0].strip()
    assert generate(model, [ids], 10, 8192) == [text]


def test_a_sliding_window_sees_no_padding():
    model = loaded()
    torch.manual_seed(0)
    config = MistralConfig(
        vocab_size=model.model.config.vocab_size,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        sliding_window=6,
        initializer_range=0.2,
        pad_token_id=None,
    )
    model.model = MistralForCausalLM(config).eval()
    assert not model.reads_rows
    asked = [
        Scored(model.encoder.prompt(text), model.encoder.ids(answer))
        for text in SENTENCES
        for answer in (" yes", " in Redhill near the river")
    ]
    found = log_likelihoods(model, asked, 8192)
    assert found == pytest.approx([whole_text_score(model, one) for one in asked], abs=1e-4)


def test_rouge_l_is_that_of_rouge_score():
    chance = random.Random(0)
    words = ["the", "The", "cat", "cats", "sat.", "on", "don't", "a-b", "7", "naïve", "…", "mat"]
    scorer = RougeScorer(["rougeL"], use_stemmer=False)
    for _ in range(500):
        answer, *references = (
            " ".join(chance.choices(words, k=chance.randrange(0, 12))) for _ in range(3)
        )
        expected = max(scorer.score(text, answer)["rougeL"].fmeasure for text in references)
        assert rouge_l(answer, references) == expected
