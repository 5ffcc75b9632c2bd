"""Rows one at a time: readers, subsets of instruction sets, and their encoded form."""

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tiny import pair, save_checkpoint, tiny_encoder

from tuning_dynamics.common.atomic_files import read_json
from tuning_dynamics.common.errors import RefusedError, StudyError, UnavailableError
from tuning_dynamics.data.freeze import freeze_from_spec
from tuning_dynamics.data.items import (
    SCHEMA,
    Item,
    read_in_batches,
    read_items,
    write_items,
    write_refused,
)
from tuning_dynamics.data.sampling import wanted
from tuning_dynamics.data.sources import read_rows
from tuning_dynamics.data.token_store import StoredTokens
from tuning_dynamics.data.tokenize_set import encode_or_refuse, encode_set
from tuning_dynamics.data.tokenizer import context_of

TEMPLATE = "### Input_1: {a}\n### Input_2: {b}\n### Inference:"


def talks(count: int) -> list[dict[str, Any]]:
    return [
        {
            "messages": [
                {"role": "user", "content": f"no {n}"},
                {"role": "assistant", "content": "yes"},
            ]
        }
        for n in range(count)
    ]


def freeze(folder: Path, rows: list[dict[str, Any]], **changes: Any) -> Path:
    """The items of instruction rows; `changes` go to the dataset where it has the key."""
    folder.mkdir(exist_ok=True)
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    dataset = {"task": "instruction", "domain": "x", "licence": "x", "messages": "messages"}
    dataset["source"] = {"files": {"train": str(folder / "rows.jsonl")}}
    spec = {"kind": "instruction", "seed": 0, "train_items": "all", "evaluation_items": None}
    for key, value in changes.items():
        (spec if key in spec else dataset)[key] = value
    freeze_from_spec(
        "x", {**spec, "dataset": dataset}, None, folder / "i.parquet", folder / "m.json"
    )
    return folder / "i.parquet"


def names(path: Path) -> list[str]:
    return [item.item for item in read_items(path, "train")]


@pytest.mark.parametrize(
    ("request_", "taken"), [("all", 200), (0.25, 50), (30, 30), (900, 200), (0.001, 1)]
)
def test_a_set_gives_what_is_asked_for(tmp_path: Path, request_: object, taken: int) -> None:
    found = names(freeze(tmp_path, talks(200), train_items=request_))
    assert len(set(found)) == len(found) == taken
    assert read_json(tmp_path / "m.json")["items"]["train"] == taken


def test_unknown_words_are_no_request() -> None:
    with pytest.raises(ValueError, match="most"):
        wanted("most", 3)


def test_a_subset_depends_on_the_seed_and_not_on_the_order(tmp_path: Path) -> None:
    rows = talks(200)
    one = names(freeze(tmp_path / "1", rows, train_items=40))
    random.Random(1).shuffle(rows)
    other = names(freeze(tmp_path / "2", rows, train_items=40))
    seeded = names(freeze(tmp_path / "3", rows, train_items=40, seed=1))
    assert one != other
    assert set(one) == set(other) != set(seeded)
    assert set(one) < set(names(freeze(tmp_path / "4", rows, train_items=41)))


def test_repeats_are_refused_or_counted(tmp_path: Path) -> None:
    rows = [*talks(20), *talks(3)]
    with pytest.raises(StudyError, match="the same content"):
        freeze(tmp_path, rows)
    assert not (tmp_path / "i.parquet").exists()
    assert len(names(freeze(tmp_path, rows, duplicates="drop"))) == 20
    assert read_json(tmp_path / "m.json")["left_out"] == {"train: repeated": 3}


def test_dropped_rows_are_counted_once(tmp_path: Path) -> None:
    rows = [{**row, "source": "good" if n else "bad"} for n, row in enumerate(talks(20))]
    path = freeze(tmp_path, rows, drop={"source": ["bad"]}, train_items=19)
    assert len(names(path)) == 19
    assert read_json(tmp_path / "m.json")["left_out"] == {"train: source in drop": 1}


def test_evaluated_dialogues_are_not_trained_on(tmp_path: Path) -> None:
    rows = talks(20)
    (tmp_path / "e.jsonl").write_text(json.dumps(rows[4]) + "\n")
    files = {"train": str(tmp_path / "rows.jsonl"), "evaluation": str(tmp_path / "e.jsonl")}
    path = freeze(tmp_path, rows, source={"files": files}, duplicates="drop")
    assert len(names(path)) == 19
    assert read_json(tmp_path / "m.json")["left_out"] == {"train: evaluated too": 1}


def test_a_row_that_does_not_fit_leaves_no_file(tmp_path: Path) -> None:
    rows = [*talks(1500), {"messages": [{"role": "user", "content": "no answer"}]}]
    with pytest.raises(StudyError, match="line 1501 of"):
        freeze(tmp_path, rows)
    assert [path.name for path in tmp_path.iterdir()] == ["rows.jsonl"]


def test_half_a_character_is_reported(tmp_path: Path) -> None:
    broken = {"messages": [{**turn, "content": "half \ud83d"} for turn in talks(1)[0]["messages"]]}
    with pytest.raises(StudyError, match=r"line 3 of \S+ holds half of a character"):
        freeze(tmp_path, [*talks(2), broken])


def test_many_items_survive_in_row_groups(tmp_path: Path) -> None:
    items = [pair(n, ("train", "evaluation")[n % 2]) for n in range(2500)]

    def one_at_a_time() -> Iterator[Item]:
        yield from items

    write_items(tmp_path / "i.parquet", one_at_a_time())
    assert pq.ParquetFile(tmp_path / "i.parquet").num_row_groups == 3
    batches = list(read_in_batches(tmp_path / "i.parquet", "train", 100))
    assert max(map(len, batches)) <= 100
    assert [item for batch in batches for item in batch] == items[::2]
    assert read_items(tmp_path / "i.parquet", "evaluation") == items[1::2]


def test_readers_agree(tmp_path: Path) -> None:
    rows = [{"a": f'line {n}\u2028more, "quoted"\nand more', "n": str(n)} for n in range(2300)]
    (tmp_path / "r.jsonl").write_text(
        "\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8"
    )
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "r.parquet", row_group_size=700)
    quoted = ['"' + row["a"].replace('"', '""') + '",' + row["n"] + "\n" for row in rows]
    (tmp_path / "r.csv").write_text("a,n\n" + "".join(quoted), encoding="utf-8")
    for suffix in ("jsonl", "parquet", "csv"):
        assert [row for _, row in read_rows(tmp_path / f"r.{suffix}")] == rows


def test_long_fields_of_csv_are_read(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("a,b\n" + "x" * 200_000 + ",y\n")
    ((_, row),) = read_rows(tmp_path / "r.csv")
    assert len(row["a"]) == 200_000


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("r.jsonl", b'{"a": 1}\n{"a": \xff}\n', "byte 15"),
        ("r.jsonl", b'{"a": 1}\n[1]\n', "line 2 is not a JSON object"),
        ("r.csv", b"a,b\n1,2\n1,2,3\n", "line 3"),
        ("r.csv", b'a,b\n"1"\r2,3\r\n', "line 2"),
        ("r.parquet", b"PAR1 no more", "damaged"),
        ("r.txt", b"", "type is unknown"),
    ],
)
def test_what_does_not_parse_is_reported(
    tmp_path: Path, name: str, content: bytes, says: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(StudyError, match=says):
        list(read_rows(tmp_path / name))


# --- encoded -----------------------------------------------------------------------------------


def encode(folder: Path, items: Path, by: Callable[..., None] = encode_set, **changes: Any) -> Path:
    """The encoded training rows of items, by a tiny checkpoint's tokenizer."""
    settings: dict[str, Any] = {"template": None, "dialogue": "tulu", "max_length": 2048, **changes}
    checkpoint = save_checkpoint(folder / "checkpoint")
    paths = {"tokens": str(folder / "t.arrow"), "counts": str(folder / "t.json")}
    by("x", **settings, frozen=str(items), manifest=[str(checkpoint)], files=[], **paths)
    return folder / "t.arrow"


def test_an_encoded_set_has_its_training_rows_in_order(tmp_path: Path) -> None:
    items = freeze(tmp_path, talks(600))
    tokens = StoredTokens(encode(tmp_path, items))
    assert tokens.items == names(items)
    texts = [tiny_encoder().decode(tokens[k].ids) for k in (0, 599)]
    assert texts == ["<|user|>\nno 0\n<|assistant|>\nyes", "<|user|>\nno 599\n<|assistant|>\nyes"]


def test_the_counts_are_those_of_the_file(tmp_path: Path) -> None:
    path = encode(tmp_path, freeze(tmp_path, talks(50)))
    tokens = StoredTokens(path)
    rows = [tokens[k] for k in range(len(tokens))]
    counts = read_json(path.with_suffix(".json"))
    assert counts == {
        "dataset": "x",
        "max_length": 256,  # the model's context
        "items": 50,
        "examples": 50,
        "left_out": 0,
        "truncated": 0,
        "tokens": sum(len(row.ids) - 1 for row in rows),
        "target_tokens": sum(row.targets for row in rows),
    }


def test_what_is_cut_and_left_out_is_counted(tmp_path: Path) -> None:
    rows = talks(3)
    rows[0]["messages"][0]["content"] = "no " * 200
    rows[1]["messages"][1]["content"] = "yes " * 200
    path = encode(tmp_path, freeze(tmp_path, rows), max_length=64)
    counts = read_json(path.with_suffix(".json"))
    assert (counts["items"], counts["examples"], counts["left_out"]) == (3, 2, 1)
    assert counts["truncated"] == 1
    assert max(len(StoredTokens(path)[k].ids) for k in range(2)) == 65


def test_nothing_to_learn_is_an_error_and_leaves_no_file(tmp_path: Path) -> None:
    rows = [
        {"messages": [{**turn, "content": "no " * 99} for turn in row["messages"]]}
        for row in talks(1)
    ]
    with pytest.raises(StudyError, match="has a token to learn"):
        encode(tmp_path, freeze(tmp_path, rows), max_length=32)
    assert not (tmp_path / "t.arrow").exists()
    write_items(tmp_path / "none.parquet", [pair(0)])
    with pytest.raises(StudyError, match="no training items left"):
        encode(tmp_path, tmp_path / "none.parquet")


def test_a_set_that_is_refused_leaves_files_that_say_so(tmp_path: Path) -> None:
    write_items(tmp_path / "none.parquet", [pair(0)])
    with pytest.raises(StudyError) as error:
        encode(tmp_path, tmp_path / "none.parquet")
    path = encode(tmp_path, tmp_path / "none.parquet", by=encode_or_refuse, config={"x": 1})
    assert read_json(path.with_suffix(".json")) == {"dataset": "x", "refused": str(error.value)}
    with pytest.raises(RefusedError) as refused:
        StoredTokens(path)
    assert str(refused.value) == str(error.value)


def test_what_cannot_be_read_is_no_refusal(tmp_path: Path) -> None:
    (tmp_path / "i.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(UnavailableError, match="cannot be read"):
        encode(tmp_path, tmp_path / "i.parquet", by=encode_or_refuse)
    assert not list(tmp_path.glob("t.*"))


def test_a_refused_sets_reason_goes_on(tmp_path: Path) -> None:
    write_refused(tmp_path / "i.parquet", SCHEMA, "no label")
    with pytest.raises(RefusedError, match="no label"):
        encode(tmp_path, tmp_path / "i.parquet")
    path = encode(tmp_path, tmp_path / "i.parquet", by=encode_or_refuse)
    assert read_json(path.with_suffix(".json"))["refused"] == "no label"


def test_evaluated_items_and_demonstrations_are_not_encoded(tmp_path: Path) -> None:
    splits = ("evaluation", "train", "demonstration")
    write_items(tmp_path / "i.parquet", [pair(n, split) for n in range(9) for split in splits])
    tokens = StoredTokens(encode(tmp_path, tmp_path / "i.parquet", template=TEMPLATE))
    assert tokens.items == [f"train{n:03d}" for n in range(9)]


def encode_talks(tmp_path: Path, manifest: list[str], files: list[str]) -> None:
    """Encode three dialogues with the tokenizer that `manifest` names, or that is of `files`."""
    encode_set(
        "x",
        template=None,
        dialogue="tulu",
        max_length=8,
        frozen=str(freeze(tmp_path, talks(3))),
        manifest=manifest,
        files=files,
        tokens=str(tmp_path / "t.arrow"),
        counts=str(tmp_path / "t.json"),
    )


def test_a_config_without_a_context_is_reported(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "checkpoint")
    (tmp_path / "checkpoint" / "config.json").write_text('{"model_type": "mamba"}')
    with pytest.raises(StudyError, match="no context length"):
        encode_talks(tmp_path, [], [str(tmp_path / "checkpoint" / "tokenizer.json")])


def test_a_tokenizer_that_is_not_what_its_manifest_says_encodes_nothing(tmp_path: Path) -> None:
    checkpoint = save_checkpoint(tmp_path / "checkpoint")
    path = tmp_path / "checkpoint" / "config.json"
    path.write_text(path.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    with pytest.raises(UnavailableError, match=r"changed since(.|\n)*config.json"):
        encode_talks(tmp_path, [str(checkpoint)], [])


def test_a_checkpoints_own_template_lays_dialogues_out(tmp_path: Path) -> None:
    template = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"
    template += "{% if add_generation_prompt %}assistant: {% endif %}"
    items = freeze(tmp_path, talks(2))
    save_checkpoint(tmp_path / "checkpoint")
    with pytest.raises(StudyError, match="no chat template"):
        encode(tmp_path, items, dialogue="chat_template")
    (tmp_path / "checkpoint" / "chat_template.jinja").write_text(template)
    tokens = StoredTokens(encode(tmp_path, items, dialogue="chat_template"))[1]
    assert tiny_encoder().decode(tokens.ids) == "user: no 1\nassistant: yes\n"
    # The space that the template writes is part of the answer's first token.
    ((start, end),) = tokens.counted
    assert tiny_encoder().decode(tokens.ids[start:end]) == " yes\n"


@pytest.mark.parametrize(
    "config",
    [
        {"model_type": "olmo", "max_position_embeddings": 64},
        {"model_type": "gpt2", "n_positions": 64},
    ],
)
def test_the_context_is_known_by_each_of_its_names(tmp_path: Path, config: Any) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert context_of(tmp_path) == 64


def test_a_context_that_no_name_gives_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "mamba"}))
    with pytest.raises(StudyError, match="states no context length"):
        context_of(tmp_path)
