"""Evaluated items in training rows are found however they are written, and nothing else is."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest
from leakage import KINDS, PLACES, SCRIPTS, WAYS, Writer, items, planted, tells_itself, with_ngram

from tuning_dynamics.data.items import SCHEMA, Item, write_items, write_refused
from tuning_dynamics.data.overlap import Index, Overlap
from tuning_dynamics.data.overlap_rows import overlap_rows
from tuning_dynamics.data.text_windows import signed, squashed


def counts(evaluated: Iterable[Item], rows: Iterable[Item]) -> tuple[int, int, int]:
    """How many items are found as exact, near and part."""
    found: Overlap = Index({"own": list(evaluated)}).overlaps(rows, ["own"])["own"]
    return found.exact, found.near, found.part


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("script", SCRIPTS)
def test_planted_items_are_found_and_no_other(script: str, kind: str) -> None:
    writer = Writer(script, 7, 1000)
    evaluated, others = items(kind, writer, 40), items(kind, writer, 40, "train")
    index = Index({"own": evaluated})

    def found(rows: Iterable[Item]) -> Overlap:
        return index.overlaps([*others, *rows], ["own"])["own"]

    assert found([]) == Overlap(0, 0, 0, "")
    for number, place in enumerate(PLACES):
        # Each place in half of the ways, and all ways over the kinds and scripts.
        for way in [*WAYS][number % 2 :: 2]:
            rows = [planted(item, place, way, writer) for item in evaluated[:5]]
            exact = 5 if PLACES[place].answer or tells_itself(kind) else 0
            example = evaluated[0].item if exact else ""
            assert found(rows) == Overlap(exact, 0, 0, example), (place, way)


@pytest.mark.parametrize("kind", ["pair", "text", "reading"])
def test_thirteen_words_in_a_row_are_near_and_twelve_are_not(kind: str) -> None:
    writer = Writer("accents", 3, 1000)
    evaluated, others = items(kind, writer, 40), items(kind, writer, 40, "train")
    for words, near in ((13, 5), (12, 0)):
        rows = [with_ngram(item, writer, words) for item in evaluated[:5]]
        assert counts(evaluated, [*others, *rows]) == (0, near, 0)


def made(gold: str = "yes", **fields: str) -> Item:
    return Item(str(fields), "evaluation", "", fields, [gold])


def said(*turns: str) -> Item:
    return Item(
        "d", "train", "", {}, messages=[{"role": "user", "content": turn} for turn in turns]
    )


PREMISE = "Two girls walk down a long street and look at items in the store windows"
FRIENDS = "Two friends walk together to their big new house"


@pytest.mark.parametrize(
    ("evaluated", "row", "expected"),
    [
        # One text of two is another item: pairs share premises.
        (made(a=PREMISE, b=FRIENDS), made(a=PREMISE, b="They sleep."), (0, 0, 1)),
        # A sentence that goes on is another one; in a dialogue 8 words need no end.
        (made(a=PREMISE, b=FRIENDS), made(a=PREMISE, b=f"{FRIENDS} today"), (0, 0, 1)),
        (made(a=PREMISE, b=FRIENDS), said(f"If {PREMISE} then {FRIENDS} or not"), (1, 0, 0)),
        # A text that is part of the other one must stand there twice.
        (made(a=PREMISE, b="Two girls walk"), made(a=PREMISE, b="Two girls sleep"), (0, 0, 1)),
        (made(a=PREMISE, b=PREMISE), made(a=PREMISE, b="They sleep."), (0, 0, 1)),
        (made(a=PREMISE, b="Two girls walk"), made(x="Two girls walk!", y=PREMISE), (1, 0, 0)),
        # Short items: the same answer, the same signs, a sentence of its own.
        (made("2", q="4 / 2 ="), made("2", q="4-2="), (0, 0, 0)),
        (made("2", q="4 - 2 ="), made("2", q="4\u22122="), (1, 0, 0)),
        (made("2", q="4 - 2 ="), made("3", q="4 - 2 ="), (0, 0, 0)),
        (made("2", q="4 - 2 ="), made("2", q="14 - 23 ="), (0, 0, 0)),
        (
            made("Tolby", q="Where was Mira born?"),
            said("Hi. Where was MIRA born", "In Tolby."),
            (1, 0, 0),
        ),
        (
            made("Tolby", q="Where was Mira born?"),
            said("Where was Mirabel born?", "Tolby"),
            (0, 0, 0),
        ),
        (made("yes", q="yes"), said("Yes, it is so."), (0, 0, 0)),
        # Scripts without spaces.
        (
            made("x", q="北京是中华人民共和国的首都吗请回答"),
            said("你好。北京是中华人民共和国的首都吗请回答。谢谢"),
            (1, 0, 0),
        ),
    ],
)
def test_what_counts_as_the_same_item(
    evaluated: Item, row: Item, expected: tuple[int, int, int]
) -> None:
    assert counts([evaluated], [row]) == expected


def test_words_that_most_items_share_do_not_count() -> None:
    template = (
        "Read the passage below with care and then answer the question that follows it in one word"
    )
    evaluated = [made(rule=template, q=f"{template}: number {n} of them?") for n in range(30)]
    rows = [made(rule=template, q=f"{template}: letter {n} of them?") for n in range(90)]
    assert counts(evaluated, rows) == (0, 0, 0)
    # Without its template the item is the same.
    assert counts(evaluated, [*rows, made(q=f"{template}: number 3 of them?")]) == (1, 0, 0)


def test_texts_are_compared_without_form() -> None:
    assert squashed(
        "\u201cNa\u0131\u0308ve\u201d  CAFE\u0301s\u00ad\u200b \uff11\u00bd!"
    ) == squashed("na\u0131\u0308ve caf\u00e9s 11\u20442")
    assert signed("3 - 4") == signed("3\u20134") != signed("3 + 4") != signed("3.4")
    assert (
        squashed("well-known, don't") == squashed("wellknown dont") == squashed("well known don t")
    )


def frozen(folder: Path, **sets: Iterable[Item] | None) -> Mapping[str, str]:
    """Frozen items by dataset; None is a set that was refused."""
    for name, own in sets.items():
        if own is None:
            write_refused(folder / name, SCHEMA, "its rows are wrong")
        else:
            write_items(folder / name, own)
    return {name: str(folder / name) for name in sets}


def test_each_pair_of_sets_has_a_row_and_refused_ones_no_counts(tmp_path: Path) -> None:
    writer = Writer("latin", 1, 1000)
    evaluated = items("text", writer, 20)
    rows = [planted(item, "fields", "case", writer) for item in evaluated]
    shown = [
        Item(f"s{place}", "demonstration", "", item.fields, item.gold)
        for place, item in enumerate(evaluated[:4])
    ]
    files = frozen(tmp_path, own=[*evaluated, *shown], other=rows, bad=None)
    pairs = [
        {"eval_set": "own", "dataset": "other", "use": "train", "known": "a test of leakage"},
        {"eval_set": "own", "dataset": "own", "use": "demonstration", "shots": 3},
        {"eval_set": "own", "dataset": "own", "use": "train"},
        {"eval_set": "own", "dataset": "bad", "use": "train"},
        {"eval_set": "bad", "dataset": "other", "use": "train"},
    ]
    found = overlap_rows(pairs, files)
    named = [(row["items"], row["rows"], row["exact"], row["example"]) for row in found]
    assert named[:3] == [
        (20, 20, 20, "evaluation-0"),
        (20, 3, 3, "evaluation-0"),
        (20, 0, 0, ""),
    ]
    assert named[3:] == [(None, None, None, "")] * 2
    assert [row["known"] for row in found] == ["a test of leakage", *[""] * 4]


def test_demonstrations_of_several_draws_count_once(tmp_path: Path) -> None:
    writer = Writer("latin", 1, 1000)
    evaluated = items("text", writer, 20)
    shown = [
        Item(f"s{place}", "demonstration", "", item.fields, item.gold)
        for place, item in enumerate(evaluated[:6])
    ]
    files = frozen(tmp_path, own=[*evaluated, *shown])
    for draw, order in ((1, [5, 0, 1, 2, 3, 4]), (2, [4, 5, 0, 1, 2, 3])):
        path = tmp_path / f"draw{draw}"
        write_items(path, [shown[place] for place in order])
        files = {**files, f"own/{draw}": str(path)}
    write_refused(tmp_path / "draw3", SCHEMA, "too few demonstrations")
    files = {**files, "own/3": str(tmp_path / "draw3")}

    def found(*draws: int) -> tuple[object, object]:
        pair = {"eval_set": "own", "dataset": "own", "use": "demonstration", "shots": 2}
        (row,) = overlap_rows([{**pair, "draws": list(draws)}], files)
        return row["rows"], row["exact"]

    assert found(0) == found(1) == found(2) == (2, 2)
    assert found(0, 1) == (3, 3)  # s0, s1, s5
    assert found(0, 1, 2) == (4, 4)
    # A draw that there is none of shows nothing, and hides nothing of the others.
    assert found(0, 3) == (2, 2)
    assert found(3) == (None, None)


def test_sets_that_do_not_fit_together_are_compared_in_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = Writer("latin", 2, 1000)
    sets = {name: items("pair", writer, 10) for name in "abc"}
    rows = [planted(item, "dialogue", "verbatim", writer) for item in sets["b"]]
    files = frozen(tmp_path, **sets, train=rows)
    pairs = [{"eval_set": name, "dataset": "train", "use": "train"} for name in sets]
    whole = overlap_rows(pairs, files)
    assert [row["exact"] for row in whole] == [0, 10, 0]
    monkeypatch.setattr("tuning_dynamics.data.overlap_rows.HELD", 1)
    monkeypatch.setattr("tuning_dynamics.data.overlap.HASHED", 500)
    assert overlap_rows(pairs, files) == whole
