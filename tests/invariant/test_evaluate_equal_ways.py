"""Scores and texts that must not depend on how they are computed."""

import random
from dataclasses import replace
from functools import partial

import pytest
import torch
from rouge_score.rouge_scorer import RougeScorer
from tiny import ARCHITECTURES, SENTENCES, loaded, pair, request, save_checkpoint
from transformers import (
    DeepseekV3Config,
    DeepseekV3ForCausalLM,
    DiffLlamaConfig,
    DiffLlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
)

from tuning_dynamics.data.items import Item, write_items
from tuning_dynamics.data.tokenizer import Encoder
from tuning_dynamics.evaluate import packed_forward as read
from tuning_dynamics.evaluate.cell import predict
from tuning_dynamics.evaluate.generate import generate
from tuning_dynamics.evaluate.loglikelihood import (
    ROW_ANSWERS,
    Scored,
    log_likelihoods,
    option_scores,
)
from tuning_dynamics.evaluate.model import load_for_evaluation
from tuning_dynamics.evaluate.prefix_attention import PackedBatch
from tuning_dynamics.evaluate.prompts import make_prompts
from tuning_dynamics.evaluate.unpacked import whole_continuations
from tuning_dynamics.stats.item_scores import item_scores

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


@pytest.mark.parametrize("prediction", ["constrained", "free"])
def test_a_prompt_that_lost_demonstrations_does_not_have_the_others_read_whole(
    prediction, tmp_path
):
    model = loaded()
    changes = {"labels": ("entailment", "neutral"), "prediction": prediction}
    asked, prompts = prompts_of(model, tmp_path, 2, **changes)
    _, bare = prompts_of(model, tmp_path, 0, **changes)

    def read_for(some):
        before = model.tokens
        return predict(model, asked, some, 8192), model.tokens - before

    expected, without = read_for(prompts)
    place = len(prompts) // 2
    cut = replace(bare[place], truncated=True)
    found, together = read_for([*prompts[:place], cut, *prompts[place:]])
    (alone,), shared = read_for([cut])
    assert together == without + shared
    assert [answer.prediction for answer in found[:place] + found[place + 1 :]] == [
        answer.prediction for answer in expected
    ]
    assert found[place].prediction == alone.prediction
    assert found[place].option_scores == pytest.approx(alone.option_scores, abs=1e-5)
    # With it among the others, each prompt's demonstrations are read again.
    _, spoilt = read_for([*prompts[:place], bare[place], *prompts[place:]])
    assert spoilt > 1.5 * together


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
    """The plain way: one text, read from scratch for each token."""
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
    assert loaded(architecture).supports_packing


@each_architecture
@pytest.mark.parametrize("shots", [0, 2])
@pytest.mark.parametrize("prediction", ["constrained", "token_prob"])
def test_scores_are_those_of_whole_texts_however_batched(architecture, shots, prediction, tmp_path):
    model = loaded(architecture)
    labels = ("entailment", "neutral", "contradiction")
    if prediction == "token_prob":
        labels = ("entailment", "neutral")
    asked, prompts = prompts_of(model, tmp_path, shots, labels=labels, prediction=prediction)
    end = [model.encoder.eos]
    expected = []
    for prompt in prompts:
        answers = [whole[len(prompt.ids) :] for whole in prompt.wholes]
        read = [answer[:1] if prediction == "token_prob" else answer + end for answer in answers]
        expected.append([whole_text_score(model, Scored(prompt.ids, one)) for one in read])
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
def test_more_answers_to_one_prompt_than_a_row_takes_score_as_whole_texts(architecture):
    model = loaded(architecture)
    prompt = model.encoder.prompt(SENTENCES[0])
    asked = [Scored(prompt, [5 + k % 90, 7, 5 + k % 7]) for k in range(ROW_ANSWERS // 3 + 9)]
    found = log_likelihoods(model, asked, 8192)
    few = [*range(0, len(asked), 30), len(asked) - 1]
    expected = [whole_text_score(model, asked[index]) for index in few]
    assert [found[index] for index in few] == pytest.approx(expected, abs=1e-5)


@each_architecture
def test_bfloat16_scores_are_near_those_of_float32(architecture, tmp_path):
    manifest = save_checkpoint(tmp_path / "model", architecture)
    cpu = torch.device("cpu")
    full, half = (load_for_evaluation(manifest, cpu, dtype) for dtype in ("float32", "bfloat16"))
    assert {weight.dtype for weight in half.model.base_model.parameters()} == {torch.bfloat16}
    # Angles of positions beyond 256 are not whole numbers in bfloat16.
    assert {buffer.dtype for buffer in half.model.buffers()} == {torch.float32}
    asked = [
        Scored(full.encoder.prompt(text), full.encoder.ids(answer))
        for text in SENTENCES
        for answer in (" yes", " in Redhill near the river")
    ]
    expected, found = (log_likelihoods(model, asked, 8192) for model in (full, half))
    assert found != expected
    for one, near, score in zip(asked, found, expected, strict=True):
        assert abs(near - score) <= 0.05 * len(one.answer)
    # In bfloat16 alone, many of these would be equal.
    assert len(set(found)) == len(found)


class Listing(Encoder):
    """Decodes to the numbers of tokens."""

    def decode(self, ids):
        return " ".join(map(str, ids))


@each_architecture
@torch.inference_mode()
def test_bfloat16_decoding_takes_tokens_that_are_the_likeliest_in_float32_but_for_rounding(
    architecture, tmp_path
):
    manifest = save_checkpoint(tmp_path / "model", architecture)
    cpu = torch.device("cpu")
    full, half = (load_for_evaluation(manifest, cpu, dtype) for dtype in ("float32", "bfloat16"))
    assert half.supports_packing
    half.encoder = Listing(half.encoder.tokenizer, (), half.encoder.eos)
    shared = full.encoder.prompt(SENTENCES[0])
    prompts = [[*shared, *full.encoder.prompt(text)] for text in SENTENCES]
    for prompt, said in zip(prompts, generate(half, prompts, 8, 8192), strict=True):
        answer = [int(token) for token in said.split()]
        assert answer
        for end, token in enumerate(answer):
            logits = full.model(torch.tensor([prompt + answer[:end]])).logits[0, -1]
            # Each of the two logits within 0.05, as for scores.
            assert logits.max() - logits[token] <= 0.1


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
def test_a_row_that_ended_may_become_no_number(architecture):
    """One row of nine ends and stays; fed its end, its logits are NaN from then on."""
    model = loaded(architecture, seed=5)
    assert model.supports_packing
    one, *others = (model.encoder.prompt(SENTENCES[k]) for k in (0, 1, 3, 4, 5))
    ids = [one, *others, *others]
    said = {}
    for rows, tokens in whole_continuations(model, ids, 8, 8192):
        said.update(zip(rows, tokens.tolist(), strict=True))
    end = next(token for token in said[0] if not any(token in said[row] for row in range(1, 9)))
    model.encoder = type(model.encoder)(model.encoder.tokenizer, (), end)
    expected = [plain_decoding(model, prompt, 8) for prompt in ids]
    fed, ended = [], set()

    def spoil(_module, _values, named, output):
        tokens = named["input_ids"][0].tolist()
        fed.extend(tokens)
        if output.logits.shape[1] == len(tokens) == len(ids):
            ended.update(row for row, token in enumerate(tokens) if token == end)
            output.logits[0, list(ended)] = float("nan")

    model.model.register_forward_hook(spoil, with_kwargs=True)
    assert generate(model, ids, 8, 8192) == expected
    assert len(ended) == 1
    assert 0 in fed


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
    assert not model.supports_packing
    asked = [
        Scored(model.encoder.prompt(text), model.encoder.ids(answer))
        for text in SENTENCES
        for answer in (" yes", " in Redhill near the river")
    ]
    found = log_likelihoods(model, asked, 8192)
    assert found == pytest.approx([whole_text_score(model, one) for one in asked], abs=1e-4)


def test_a_term_that_attention_here_does_not_have_is_left_to_transformers():
    model = loaded()
    model.model.forward = partial(model.model.forward, softcap=30.0)
    assert not model.supports_packing


def small_sizes(model):
    """A config's sizes for the tokenizer of `model`."""
    return {
        "vocab_size": model.model.config.vocab_size,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "initializer_range": 0.2,
        "max_position_embeddings": 256,
        "pad_token_id": None,
    }


def scores_as_whole_texts(model):
    """Assert that log-likelihoods and generated texts are those of the plain way."""
    ids = [model.encoder.prompt(text) for text in SENTENCES]
    asked = [
        Scored(prompt, model.encoder.ids(answer))
        for prompt in ids
        for answer in (" yes", " in Redhill near the river")
    ]
    found = log_likelihoods(model, asked, 8192)
    assert found == pytest.approx([whole_text_score(model, one) for one in asked], abs=1e-4)
    assert generate(model, ids, 6, 8192) == [plain_decoding(model, prompt, 6) for prompt in ids]


def test_attention_called_twice_in_a_layer_is_left_to_transformers(capsys):
    model = loaded()
    torch.manual_seed(0)
    config = DiffLlamaConfig(**small_sizes(model), num_key_value_heads=2)
    model.model = DiffLlamaForCausalLM(config).eval()
    assert not model.supports_packing
    assert capsys.readouterr().out == "DiffLlamaForCausalLM: texts are read whole\n"
    scores_as_whole_texts(model)


def test_values_of_another_width_than_keys_are_read_end_to_end():
    model = loaded()
    torch.manual_seed(0)
    config = DeepseekV3Config(
        **small_sizes(model),
        num_key_value_heads=4,
        q_lora_rank=16,
        kv_lora_rank=16,
        qk_rope_head_dim=8,
        qk_nope_head_dim=8,
        v_head_dim=12,
        first_k_dense_replace=2,
    )
    model.model = DeepseekV3ForCausalLM(config).eval()
    assert model.supports_packing
    scores_as_whole_texts(model)


@each_architecture
@pytest.mark.parametrize("where", ["mask", "sources", "shared"])
def test_rows_that_are_read_wrongly_are_refused(architecture, where, monkeypatch):
    """Each text sees texts that it must not, is at other positions, or lacks its beginning."""
    model = loaded(architecture)
    spoilt = {"mask": lambda seen: seen | True, "sources": lambda tokens: tokens.flip(0)}

    def wrong(self, *values, **named):
        make(self, *values, **named)
        if where == "shared" and self.kept is None:
            object.__setattr__(self, "shared", None)
        elif where != "shared" and getattr(self, where) is not None:
            object.__setattr__(self, where, spoilt[where](getattr(self, where)))

    make = PackedBatch.__init__
    monkeypatch.setattr(PackedBatch, "__init__", wrong)
    assert not model.supports_packing


def test_answers_of_one_token_need_no_mask_of_branches(monkeypatch):
    model = loaded()
    assert model.supports_packing
    made = []
    monkeypatch.setattr(read, "_branch_mask", made.append)
    ids = [model.encoder.prompt(text) for text in SENTENCES]
    asked = [Scored(prompt, [token]) for prompt in ids for token in (5, 9)]
    found = log_likelihoods(model, asked, 8192)
    assert found == pytest.approx([whole_text_score(model, one) for one in asked], abs=1e-5)
    assert not made


def test_rouge_l_of_ascii_text_is_that_of_rouge_score():
    chance = random.Random(0)
    words = ["the", "The", "cat", "cats", "sat.", "on", "don't", "a-b", "7", "naive", "...", "mat"]
    scorer = RougeScorer(["rougeL"], use_stemmer=False)
    for _ in range(500):
        answer, *references = (
            " ".join(chance.choices(words, k=chance.randrange(0, 12))) for _ in range(3)
        )
        expected = max(scorer.score(text, answer)["rougeL"].fmeasure for text in references)
        assert item_scores("rouge_l", [answer], [references])[0] == expected
