"""Training examples: what the loss counts, what is truncated, and their form on disk."""

import json
from pathlib import Path

import pytest
from tiny import pair, save_checkpoint, tiny_encoder
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.data.items import Item
from tuning_dynamics.data.prompts import dialogue as tulu
from tuning_dynamics.data.sequences import completions, dialogues
from tuning_dynamics.data.token_store import StoredTokens, Tokens, write_tokens
from tuning_dynamics.data.tokenizer import Encoder, tokenizer_digest
from tuning_dynamics.engine.padding_free import IGNORED
from tuning_dynamics.tune.sampler import Example, StoredExamples, example_of, hold_out
from tuning_dynamics.tune.stages import TrainSets, require_tokenizer

TEMPLATE = "### Input_1: {a}\n### Input_2: {b}\n### Inference:"


def counted(example: Example) -> list[int]:
    return [target for target in example.targets if target != IGNORED]


def completed(item: Item, longest: int) -> Example:
    (tokens,) = completions([item], TEMPLATE, tiny_encoder(), longest)
    return example_of(tokens)


def test_the_loss_counts_the_completion_and_end_of_text_only() -> None:
    encoder = tiny_encoder()
    example = completed(pair(1), 256)
    assert counted(example) == [*encoder.ids(" neutral"), encoder.eos]
    assert len(example.ids) == len(example.targets)
    assert not example.truncated


def test_each_position_predicts_the_next_token() -> None:
    example = example_of(Tokens("1", [5, 6, 7, 8, 9], [(0, 2), (3, 5)], False))
    assert example.ids == [5, 6, 7, 8]
    assert example.targets == [6, IGNORED, 8, 9]


def test_a_long_field_loses_its_end_and_the_answer_stays() -> None:
    encoder = tiny_encoder()
    whole, cut = (completed(pair(1, words=200), longest) for longest in (4096, 64))
    assert cut.truncated
    assert not whole.truncated
    assert len(cut.ids) <= 64 < len(whole.ids)
    assert counted(cut) == counted(whole)
    assert "### Inference:" in encoder.decode(cut.ids)


def test_an_item_that_cannot_be_cut_enough_is_refused() -> None:
    with pytest.raises(StudyError, match="does not fit"):
        completed(pair(1), 8)


def talk(*turns: tuple[str, str], item: str = "1") -> Item:
    messages = [{"role": role, "content": content} for role, content in turns]
    return Item(item, "train", item, {}, messages=messages)


def laid_out(item: Item, encoder: Encoder, longest: int = 256) -> Tokens:
    (tokens,) = dialogues([item], tulu, encoder, longest)
    return tokens


def test_dialogues_learn_every_turn_of_the_assistant() -> None:
    encoder = tiny_encoder()
    item = talk(("user", "Tom works."), ("assistant", "yes"), ("user", "no"), ("assistant", "no"))
    example = example_of(laid_out(item, encoder))
    assert counted(example) == [*encoder.ids("yes"), encoder.eos, *encoder.ids("no"), encoder.eos]
    assert encoder.decode(example.ids) == (
        "<|user|>\nTom works.\n<|assistant|>\nyes\n<|user|>\nno\n<|assistant|>\nno"
    )


def test_a_dialogue_that_ends_with_the_user_learns_no_more() -> None:
    encoder = tiny_encoder()
    turns = [("user", "Tom works."), ("assistant", "yes")]
    shorter, longer = talk(*turns), talk(*turns, ("user", "no"))
    examples = [example_of(laid_out(item, encoder)) for item in (shorter, longer)]
    assert counted(examples[0]) == counted(examples[1])
    assert len(examples[1].ids) > len(examples[0].ids)


def test_a_dialogue_cut_before_its_answer_learns_nothing() -> None:
    item = talk(("user", "Tom works. " * 50), ("assistant", "yes"))
    tokens = laid_out(item, tiny_encoder(), 32)
    assert tokens.truncated
    assert not tokens.targets
    assert counted(example_of(tokens)) == []


def test_a_dialogue_cut_within_its_answer_learns_the_beginning() -> None:
    encoder = tiny_encoder()
    item = talk(("user", "no"), ("assistant", "yes " * 100 + "yes"))
    example = example_of(laid_out(item, encoder, 64))
    assert len(example.ids) == 64
    answer = encoder.ids("yes " * 100 + "yes")
    assert counted(example) == answer[: len(counted(example))]
    assert (
        len(counted(example))
        == len(laid_out(item, encoder, 64).ids) - laid_out(item, encoder, 64).counted[0][0]
    )


def test_answers_are_encoded_within_their_text() -> None:
    # As LLaMA's tokenizer: a mark stands for a space, and one is put before each text.
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.pre_tokenizer = pre_tokenizers.Split("\n", "isolated")
    trainer = trainers.BpeTrainer(vocab_size=90, special_tokens=["<unk>"], show_progress=False)
    tokenizer.train_from_iterator(["<|user|>\nyes no\n<|assistant|>\nno yes"] * 9, trainer)
    encoder = Encoder(tokenizer, (), 0)
    tokens = laid_out(talk(("user", "no"), ("assistant", "yes")), encoder)
    whole = encoder.ids("<|user|>\nno\n<|assistant|>\nyes")
    assert tokens.ids == [*whole, 0]
    (start, end) = tokens.counted[0]
    assert tokenizer.decode(tokens.ids[start : end - 1]) == "yes"


def stored(path: Path, count: int = 20) -> Path:
    answers = [talk(("user", f"no {n}"), ("assistant", "yes"), item=f"i{n}") for n in range(count)]
    write_tokens(path, dialogues(answers, tulu, tiny_encoder(), 256), "x")
    return path


def test_sequences_survive_their_file(tmp_path: Path) -> None:
    written = [
        Tokens("a", [1, 2, 70000], [(1, 3)], False),
        Tokens("b", [4, 5, 6, 7], [(1, 2), (3, 4)], True),
    ]
    write_tokens(tmp_path / "t.arrow", iter(written), "digest")
    read = StoredTokens(tmp_path / "t.arrow")
    assert read.tokenizer == "digest"
    assert [read[k] for k in range(len(read))] == written
    assert read.items == ["a", "b"]


def test_a_damaged_file_is_reported(tmp_path: Path) -> None:
    path = stored(tmp_path / "t.arrow")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(StudyError, match="cannot be read"):
        StoredTokens(path)


def test_held_out_examples_are_apart_and_follow_the_seed(tmp_path: Path) -> None:
    path = stored(tmp_path / "t.arrow")
    whole = StoredExamples(StoredTokens(path))
    parts = [hold_out(path, 0.1, seed) for seed in (0, 0, 1)]
    texts = [[[tuple(part[k].ids) for k in range(len(part))] for part in pair] for pair in parts]
    assert [len(part) for part in texts[0]] == [18, 2]
    assert sorted(texts[0][0] + texts[0][1]) == sorted(
        tuple(whole[k].ids) for k in range(len(whole))
    )
    assert texts[0] == texts[1] != texts[2]


def test_what_is_held_out_does_not_depend_on_the_order(tmp_path: Path) -> None:
    path = stored(tmp_path / "t.arrow")
    tokens = StoredTokens(path)
    write_tokens(tmp_path / "r.arrow", [tokens[k] for k in reversed(range(len(tokens)))], "x")
    one, other = (hold_out(file, 0.3, 0)[1] for file in (path, tmp_path / "r.arrow"))
    assert {tuple(one[k].ids) for k in range(6)} == {tuple(other[k].ids) for k in range(6)}


def test_a_set_of_one_has_nothing_to_hold_out(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="too few examples"):
        hold_out(stored(tmp_path / "t.arrow", 1), 0.1, 0)


def test_a_set_encoded_by_another_tokenizer_is_refused(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "own")
    digest = tokenizer_digest(tmp_path / "own")
    described = json.loads((tmp_path / "own/tokenizer.json").read_text(encoding="utf-8"))
    (tmp_path / "own/tokenizer.json").write_text(json.dumps({**described, "padding": None}))
    assert tokenizer_digest(tmp_path / "own") == digest
    write_tokens(tmp_path / "t.arrow", [], digest)
    require_tokenizer(TrainSets({"x": tmp_path / "t.arrow"}, {}), tmp_path / "own")
    write_tokens(tmp_path / "t.arrow", [], "another")
    with pytest.raises(StudyError, match="not the one that the train set was encoded with"):
        require_tokenizer(TrainSets({"x": tmp_path / "t.arrow"}, {}), tmp_path / "own")
