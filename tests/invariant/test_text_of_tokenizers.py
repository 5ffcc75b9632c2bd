"""Scores and answers are of the tokens that each kind of tokenizer gives, by the plain way."""

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from tiny import CONTEXT, request
from tokenizer_kinds import SPECIAL, tokenizer_of
from transformers import LlamaConfig, LlamaForCausalLM

from tuning_dynamics.data.items import Item
from tuning_dynamics.data.tokenizer import Encoder
from tuning_dynamics.evaluate.cell import predict
from tuning_dynamics.evaluate.generate import generate
from tuning_dynamics.evaluate.loglikelihood import option_scores
from tuning_dynamics.evaluate.model import LoadedModel
from tuning_dynamics.evaluate.prompts import make_prompts

BEGIN, END, TURN = (SPECIAL.index(name) for name in ("<s>", "</s>", "<|im_end|>"))
KINDS = (
    ("byte_level", ()),
    ("byte_level", (END,)),
    ("tiktoken_like", ()),
    ("sentencepiece, spaces in each part", (BEGIN,)),
    ("sentencepiece, a first space", (BEGIN,)),
    ("sentencepiece, no space", (BEGIN,)),
    ("wordpiece", (BEGIN,)),
)
each_kind = pytest.mark.parametrize(("kind", "beginning"), KINDS)
QUESTIONS = ("What is it ?", "It was red , </s> is it ?", "the <|im_end|> price")
CHOICES = ["red", "blue green", "no", "5"]


def loaded(kind: str, beginning: tuple[int, ...]) -> LoadedModel:
    """A random model with a tokenizer of a kind."""
    torch.set_num_threads(1)
    torch.manual_seed(3)
    tokenizer = tokenizer_of(kind)
    ids = {name: tokenizer.token_to_id(name) for name in SPECIAL}
    named = tuple(ids[SPECIAL[place]] for place in beginning)
    config = LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=64,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=CONTEXT,
        bos_token_id=None,
        eos_token_id=ids["</s>"],
        initializer_range=0.2,
    )
    encoder = Encoder(tokenizer, named, ids["</s>"])
    return LoadedModel(LlamaForCausalLM(config).eval(), encoder, CONTEXT, torch.device("cpu"))


@torch.inference_mode()
def likelihood(model: LoadedModel, prompt: list[int], answer: list[int]) -> float:
    """The plain way: a text read whole."""
    scores = model.model(torch.tensor([prompt + answer])).logits[0].log_softmax(-1)
    return sum(scores[len(prompt) - 1 + k, token].item() for k, token in enumerate(answer))


def literal(model: LoadedModel, text: str) -> list[int]:
    """The ids of a text in which no special token is read, by tokenizers alone."""
    own = type(model.encoder.tokenizer).from_str(model.encoder.tokenizer.to_str())
    own.encode_special_tokens = True
    ids: list[int] = own.encode(text, add_special_tokens=False).ids
    return [*model.encoder.beginning, *ids]


@each_kind
def test_an_option_alone_has_the_tokens_that_it_has_after_its_question(
    kind: str, beginning: tuple[int, ...], tmp_path: Path
) -> None:
    model = loaded(kind, beginning)
    items = [
        Item(f"q{k}", "evaluation", f"q{k}", {"q": text}, CHOICES[:1], CHOICES)
        for k, text in enumerate(QUESTIONS)
    ]
    asked = request(
        *(tmp_path / "items.parquet", tmp_path / "out.parquet"),
        **{"kind": "multiple_choice", "template": "{q} Answer:", "labels": ()},
        prediction="likelihood_pmi",
    )
    prompts = make_prompts(asked, items, model.encoder, model.context)
    start = list(model.encoder.beginning) or [model.encoder.eos]
    expected = []
    for text in QUESTIONS:
        prompt = literal(model, f"{text} Answer:")
        answers = [literal(model, f"{text} Answer: {one}")[len(prompt) :] for one in CHOICES]
        expected.append(
            [likelihood(model, prompt, one) - likelihood(model, start, one) for one in answers]
        )
    found = option_scores(model, asked, prompts, 400)
    torch.testing.assert_close(torch.tensor(found), torch.tensor(expected), atol=1e-4, rtol=1e-5)
    best = [row.index(max(row)) for row in expected]
    answered = predict(model, asked, prompts, 400)
    assert [answer.prediction for answer in answered] == [CHOICES[place] for place in best]


@torch.no_grad()
def saying(model: LoadedModel, chain: list[int]) -> LoadedModel:
    """The model, made to say after each token of a chain the next one, whatever comes before."""
    for layer in model.model.model.layers:
        layer.self_attn.o_proj.weight.zero_()
        layer.mlp.down_proj.weight.zero_()
    embeddings, head = model.model.get_input_embeddings().weight, model.model.lm_head.weight
    head.zero_()
    for token, following in pairwise(chain):
        head[following] += embeddings[token] / embeddings[token].norm()
    return model


@each_kind
@pytest.mark.parametrize(
    ("after", "shown"),
    [
        ((), "yes"),
        (("</s>", "no"), "yes"),
        (("<|im_end|>", "no"), "yes"),
        (("<|im_start|>", "no"), "yes"),
        (("<s>", "no"), "yes"),
    ],
)
def test_a_token_that_is_no_text_ends_an_answer_and_does_not_glue_to_it(
    kind: str, beginning: tuple[int, ...], after: tuple[str, ...], shown: str
) -> None:
    model = loaded(kind, beginning)
    encoder = model.encoder
    prompt = encoder.prompt("It is")
    special = {name: [encoder.tokenizer.token_to_id(name)] for name in SPECIAL}
    said = [t for word in ("yes", *after) for t in special.get(word) or encoder.ids(word)]
    chain = [prompt[-1], *said, encoder.eos]
    assert generate(saying(model, chain), [prompt], len(chain), 400) == [shown]
