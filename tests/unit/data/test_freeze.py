"""Freezing: stable ids, seeded subsets, demonstrations apart from what is evaluated."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tuning_dynamics.common.errors import RefusedError, StudyError, UnavailableError
from tuning_dynamics.config.dataset import Dataset
from tuning_dynamics.data.freeze import freeze_from_spec, freeze_or_refuse
from tuning_dynamics.data.items import Item, read_items
from tuning_dynamics.data.prompts import dialogue, few_shot, render
from tuning_dynamics.data.sources import look_up, read_split

LABELS = ("entailment", "neutral", "contradiction")


def rows(count: int, start: int = 0) -> list[dict[str, Any]]:
    return [
        {"a": f"premise {n}", "b": "hypothesis", "g": LABELS[n % 3], "n": str(n)}
        for n in range(start, start + count)
    ]


def freeze(
    folder: Path,
    train: list[Any],
    evaluation: list[Any],
    by: Callable[..., None] = freeze_from_spec,
    **changes: Any,
) -> Path:
    """The items file of rows of two splits; `by` is what freezes them."""
    for name, content in (("train", train), ("evaluation", evaluation)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in content))
    spec = {
        "dataset": {
            "task": "nli",
            "domain": "x",
            "licence": "x",
            "source": {
                "files": {
                    "train": str(folder / "train.jsonl"),
                    "evaluation": str(folder / "evaluation.jsonl"),
                }
            },
            "fields": {"a": "a", "b": "b"},
            "gold": {"field": "g", "labels": {label: label for label in LABELS}},
            **changes.pop("dataset", {}),
        },
        "kind": "classification",
        "seed": 0,
        "train_items": 1000,
        "evaluation_items": None,
        **changes,
    }
    by("x", spec, None, folder / "items.parquet", folder / "manifest.json")
    return folder / "items.parquet"


def test_ids_do_not_depend_on_the_rows_order(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "2").mkdir()
    one = freeze(tmp_path / "1", rows(30, 100), rows(30))
    other = freeze(tmp_path / "2", rows(30, 100), rows(30)[::-1])
    assert read_items(one, "evaluation") == read_items(other, "evaluation")


def test_demonstrations_are_balanced_and_apart(tmp_path: Path) -> None:
    path = freeze(tmp_path, rows(300, 100), rows(30))
    demonstrations = read_items(path, "demonstration")
    assert len(demonstrations) == 30
    for k in (3, 6, 9):
        assert set(Counter(item.target for item in demonstrations[:k]).values()) == {k // 3}
    ids = {item.item for item in demonstrations}
    assert not ids & {item.item for item in read_items(path, "train")}
    assert not ids & {item.item for item in read_items(path, "evaluation")}


def test_subsets_follow_the_seed(tmp_path: Path) -> None:
    found = []
    for n, seed in enumerate((0, 0, 1)):
        (tmp_path / str(n)).mkdir()
        path = freeze(
            tmp_path / str(n),
            rows(100, 100),
            rows(40),
            seed=seed,
            train_items=20,
            evaluation_items=10,
        )
        found.append(
            [item.item for split in ("train", "evaluation") for item in read_items(path, split)]
        )
    assert found[0] == found[1] != found[2]
    assert len(found[0]) == 30


def test_repeats_are_dropped_and_counted_on_request(tmp_path: Path) -> None:
    freeze(
        tmp_path,
        [*rows(30, 100), *rows(3)],
        [*rows(30), *rows(2)],
        dataset={"duplicates": "drop"},
    )
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["left_out"] == {"evaluation: repeated": 2, "train: evaluated too": 3}
    assert manifest["items"]["evaluation"] == 30


def test_options_are_shuffled_by_item_and_gold_follows(tmp_path: Path) -> None:
    questions = [{"q": f"q {n} ?", "o": ["right", "b", "c", "d"], "g": 0} for n in range(60)]
    path = freeze(
        tmp_path,
        [{**row, "q": f"t{row['q']}"} for row in questions],
        questions,
        kind="multiple_choice",
        dataset={
            "task": "multiple_choice",
            "fields": {"question": "q"},
            "options": "o",
            "gold": {"field": "g"},
        },
    )
    places = Counter(item.options.index("right") for item in read_items(path, "evaluation"))
    assert set(places) == {0, 1, 2, 3}
    assert all(item.gold == ["right"] for item in read_items(path, "evaluation"))


def test_look_up_descends_and_names_fields_by_value() -> None:
    row = {"choices": {"text": ["x", "y"]}, "many": [{"t": 1}, {"t": 2}], "answer1": "z", "l": 1}
    assert look_up(row, "choices.text.1", "f") == "y"
    assert look_up(row, "many.t", "f") == [1, 2]
    assert look_up(row, "answer{l}", "f") == "z"
    with pytest.raises(StudyError, match="lacks a field"):
        look_up(row, "choices.label", "f")


def test_prompts() -> None:
    assert render("{a} and {b}:", {"a": "x", "b": "{y}"}) == "x and {y}:"
    assert few_shot([("Q: 1\nA:", "one")], "Q: 2\nA:") == "Q: 1\nA: one\n\nQ: 2\nA:"
    with pytest.raises(StudyError, match="does not give: c"):
        render("{c}", {"a": "x"})


def test_dialogues_count_the_assistants_turns_only() -> None:
    turns = [("user", "Hi"), ("assistant", "Hello ."), ("user", "Bye"), ("assistant", "Bye .")]
    segments = dialogue([{"role": role, "content": content} for role, content in turns])
    assert [s.text[a:b] for s in segments for a, b in s.counted] == ["Hello .", "Bye ."]
    assert "".join(segment.text + "</s>" * segment.ends for segment in segments) == (
        "<|user|>\nHi\n<|assistant|>\nHello .</s>\n<|user|>\nBye\n<|assistant|>\nBye .</s>"
    )


def test_an_item_survives_its_file(tmp_path: Path) -> None:
    from tuning_dynamics.data.items import write_items

    item = Item("1", "train", "c", {"a": "é \u2028"}, ["x", "y"], ["x"], [{"role": "user"}])
    write_items(tmp_path / "i.parquet", [item])
    assert read_items(tmp_path / "i.parquet", "train") == [item]


def test_a_join_does_not_depend_on_the_order_of_its_keys(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"s": "tale", "parts": "1, 3", "q": "who ?"}\n')
    parts = [{"s": "tale", "n": str(n), "text": f"part {n}"} for n in (1, 2, 3)]
    (tmp_path / "parts.jsonl").write_text("".join(json.dumps(part) + "\n" for part in parts))
    for on in ({"s": "s", "parts": "n"}, {"parts": "n", "s": "s"}):
        dataset = Dataset.model_validate(
            {
                "task": "question_generation",
                "domain": "x",
                "licence": "x",
                "source": {"files": {"evaluation": str(tmp_path / "rows.jsonl")}},
                "join": {
                    "file": str(tmp_path / "parts.jsonl"),
                    "on": on,
                    "each": "parts",
                    "take": "text",
                    "into": "passage",
                },
            }
        )
        ((_, row),) = read_split("x", dataset, "evaluation", None, {}) or []
        assert row["passage"] == "part 1 part 3"


def test_a_row_with_its_right_option_twice_is_left_out_where_repeats_are(tmp_path: Path) -> None:
    found = [{"q": f"which {n} ?", "o": ["a", "b" if n else "a"], "k": "0"} for n in range(4)]
    choice = {"fields": {"question": "q"}, "options": "o", "gold": {"field": "k"}}
    changes: dict[str, Any] = {"kind": "multiple_choice"}
    with pytest.raises(StudyError, match="same option twice"):
        freeze(tmp_path, found[1:2], found, dataset=choice, **changes)
    dropped = {**choice, "duplicates": "drop"}
    path = freeze(tmp_path, found[1:2], found, dataset=dropped, **changes)
    assert len(read_items(path, "evaluation")) == 3
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["left_out"]["evaluation: right option twice"] == 1


def test_a_path_through_a_missing_field_is_reported() -> None:
    with pytest.raises(StudyError, match="a row lacks a field"):
        look_up({"a": 1}, "answer{letter}", "x.yaml")


def test_data_that_are_refused_leave_files_that_say_so(tmp_path: Path) -> None:
    wrong = [*rows(29), {**rows(1)[0], "g": "maybe"}]
    with pytest.raises(StudyError) as error:
        freeze(tmp_path, rows(30, 100), wrong)
    assert not (tmp_path / "items.parquet").exists()
    path = freeze(tmp_path, rows(30, 100), wrong, by=freeze_or_refuse)
    written = json.loads((tmp_path / "manifest.json").read_text())
    assert written == {"dataset": "x", "refused": str(error.value)}
    with pytest.raises(RefusedError) as refused:
        read_items(path, "evaluation")
    assert str(refused.value) == str(error.value)


def test_data_that_pass_are_the_same_either_way(tmp_path: Path) -> None:
    found = []
    for by in (freeze_from_spec, freeze_or_refuse):
        folder = tmp_path / by.__name__
        folder.mkdir()
        found.append(freeze(folder, rows(30, 100), rows(30), by).read_bytes())
    assert found[0] == found[1]


def test_a_source_that_cannot_be_read_is_no_refusal(tmp_path: Path) -> None:
    source = {"files": {"train": "{data_root}/t.jsonl", "evaluation": "{data_root}/e.jsonl"}}
    with pytest.raises(UnavailableError):
        freeze(tmp_path, [], [], by=freeze_or_refuse, dataset={"source": source})
    assert not (tmp_path / "manifest.json").exists()


def test_one_pass_names_all_rows_that_cannot_be_used(tmp_path: Path) -> None:
    good = rows(1)[0]
    bad = [{**good, "b": ""}, {**good, "g": "-1"}, {**good, "a": None}]
    with pytest.raises(StudyError) as caught:
        freeze(tmp_path, rows(30, 100), [*rows(5), *bad])
    lines = str(caught.value).splitlines()
    assert lines[0] == "3 rows can't be used:"
    named = [line.partition("has" if "has" in line else "holds")[0].strip() for line in lines[1:4]]
    assert named == [f"line {number} of evaluation.jsonl" for number in (6, 7, 8)]
    assert lines[4].startswith("  file:")


def test_of_many_rows_some_are_named_and_all_counted(tmp_path: Path) -> None:
    bad = [{**row, "g": "maybe"} for row in rows(50)]
    with pytest.raises(StudyError) as caught:
        freeze(tmp_path, rows(30, 100), bad)
    lines = str(caught.value).splitlines()
    assert lines[0] == "50 rows can't be used:"
    assert lines[21] == "  and 30 more"


def test_a_file_that_breaks_off_is_named_with_its_rows(tmp_path: Path) -> None:
    def with_a_broken_line(*arguments: Any) -> None:
        path = tmp_path / "evaluation.jsonl"
        path.write_text(path.read_text() + '{"a": 1, "a": 2}\n')
        freeze_from_spec(*arguments)

    with pytest.raises(StudyError) as caught:
        freeze(tmp_path, rows(30, 100), [{**rows(1)[0], "b": None}], with_a_broken_line)
    assert "2 rows can't be used" in str(caught.value)
    assert "the key 'a' is given twice" in str(caught.value)


def test_one_pass_names_what_is_wrong_in_both_splits(tmp_path: Path) -> None:
    train, evaluation = rows(30, 100), rows(9)
    train[3]["a"], train[20]["g"] = None, "maybe"
    evaluation[8]["b"] = 0.5
    train.append(evaluation[0])
    evaluation.append(evaluation[1])
    with pytest.raises(StudyError) as caught:
        freeze(tmp_path, train, evaluation)
    text = str(caught.value)
    assert text.startswith("5 rows can't be used:")
    for place in (
        *("line 9 of evaluation.jsonl has no text", "the second at line 10 of evaluation.jsonl"),
        *("line 4 of train.jsonl", "line 21 of train.jsonl", "that of line 31 of train.jsonl"),
    ):
        assert place in text


@pytest.mark.parametrize("key", ["id_field", "context_field"])
def test_half_a_character_in_an_id_is_refused(tmp_path: Path, key: str) -> None:
    broken = [*rows(5), {**rows(6)[5], "n": "\ud800"}]
    with pytest.raises(StudyError, match=r"line 6 of \S+ holds half of a character"):
        freeze(tmp_path, rows(30, 100), broken, dataset={key: "n"})


def test_ids_of_two_types_are_the_same_id(tmp_path: Path) -> None:
    twice = [{**rows(2)[0], "n": 1}, {**rows(2)[1], "n": "1"}]
    with pytest.raises(StudyError, match="the same id, the second at line 2"):
        freeze(tmp_path, rows(30, 100), twice, dataset={"id_field": "n"})


JOIN = {"on": {"k": "k"}, "take": "t", "into": "text"}


@pytest.mark.parametrize(
    ("row", "text", "what"),
    [
        ({"k": 1.0}, '{"k": "1.0", "t": "x"}', "line 1 of rows.jsonl has no text or whole number"),
        ({"k": ["x"]}, '{"k": "x", "t": "x"}', "line 1 of rows.jsonl has no text"),
        ({"k": "x"}, '{"k": "x", "t": {"a": 1}}', "line 1 of texts.jsonl has no text"),
        ({"k": "x"}, '{"k": "x", "t": ["a", "b"]}', "line 1 of texts.jsonl has no text"),
        ({"k": "x"}, '{"k": "x", "t": null}', "line 1 of texts.jsonl has no text"),
        ({"k": "x", "text": "own"}, '{"k": "x", "t": "x"}', "the name that joined texts get"),
        ({"k": "y"}, '{"k": "x", "t": "x"}', "line 1 of rows.jsonl has no match"),
    ],
)
def test_what_is_joined_is_text(tmp_path: Path, row: Any, text: str, what: str) -> None:
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n")
    (tmp_path / "texts.jsonl").write_text(text + "\n")
    files = {"files": {"evaluation": "{data_root}/rows.jsonl"}}
    join = {**JOIN, "file": "{data_root}/texts.jsonl"}
    described = {"task": "x", "domain": "x", "licence": "x", "source": files, "join": join}
    with pytest.raises(StudyError, match=what):
        list(
            read_split("x", Dataset.model_validate(described), "evaluation", str(tmp_path), {})
            or []
        )
