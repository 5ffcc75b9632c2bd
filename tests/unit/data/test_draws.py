"""Draws of demonstrations: seeded, balanced over labels, and different from one another."""

import random
from collections import Counter
from pathlib import Path

import pytest
from tiny import pair

from tuning_dynamics.common.errors import RefusedError, StudyError, UnavailableError
from tuning_dynamics.data.demonstrations import choose_demonstrations
from tuning_dynamics.data.draws import draw_or_refuse, drawn_demonstrations
from tuning_dynamics.data.items import SCHEMA, Item, read_items, write_items, write_refused

LABELS = ("entailment", "neutral", "contradiction")


def pool(train: int = 400) -> list[Item]:
    """The demonstrations that freezing sets apart of so many training items."""
    items = [pair(number, "train", LABELS[number % 3]) for number in range(train)]
    return choose_demonstrations(items, "classification", random.Random("0 demonstrations"))[0]


def ids(items: list[Item]) -> list[str]:
    return [item.item for item in items]


@pytest.mark.parametrize("seed", [0, 7])
def test_draws_are_orders_of_all_demonstrations_that_begin_differently(seed: int) -> None:
    found = pool()
    draws = [found] + [
        drawn_demonstrations(found, "classification", seed, draw) for draw in range(1, 32)
    ]
    assert all(sorted(ids(draw)) == sorted(ids(found)) for draw in draws)
    assert len({draw[0].item for draw in draws}) == len(found) == 32
    # Five shots of five draws show other sets of demonstrations, not only another order.
    assert len({frozenset(ids(draw[:5])) for draw in draws[:5]}) == 5


def test_labels_alternate_for_every_number_of_shots() -> None:
    found = pool()
    for draw in range(1, 6):
        targets = [item.target for item in drawn_demonstrations(found, "classification", 0, draw)]
        for shots in range(1, 31):  # of 32, ten of each of three labels
            counts = Counter(targets[:shots])
            assert max(counts.values()) - min(counts[label] for label in LABELS) <= 1


def test_a_draw_depends_on_seed_and_number_alone() -> None:
    found = pool()
    one = ids(drawn_demonstrations(found, "classification", 0, 2))
    assert one == ids(drawn_demonstrations(found, "classification", 0, 2))
    assert one != ids(drawn_demonstrations(found, "classification", 1, 2))
    # As it is now: another order would evaluate the cells of finished studies again.
    assert one[:4] == ["train157", "train023", "train174", "train364"]


def test_without_labels_all_demonstrations_take_turns() -> None:
    found = [Item(str(n), "demonstration", "", {"text": "x"}, [f"answer {n}"]) for n in range(8)]
    drawn = drawn_demonstrations(found, "generation", 0, 1)
    assert sorted(ids(drawn)) == sorted(ids(found))
    # By answers, of which each has its own, the order would be that of a round of labels.
    assert ids(drawn) != ids(found)


def test_a_pool_as_large_as_the_shots_differs_in_order_alone() -> None:
    found = pool(40)
    assert len(found) == 4
    draws = [drawn_demonstrations(found, "classification", 0, draw) for draw in (1, 2, 3)]
    assert len({tuple(ids(draw)) for draw in (found, *draws)}) == 4
    with pytest.raises(StudyError, match=r"begins with another demonstration.* has 4\n") as caught:
        drawn_demonstrations(found, "classification", 0, 4)
    assert (caught.value.key, caught.value.value) == ("draws", 4)
    assert "draws below 4" in caught.value.fix


def test_the_file_of_a_draw(tmp_path: Path) -> None:
    frozen, drawn = str(tmp_path / "items.parquet"), tmp_path / "2.parquet"
    items = [*(pair(number) for number in range(3)), *pool()]
    write_items(frozen, items)
    draw_or_refuse(frozen, str(drawn), kind="classification", seed=0, draw=2)
    expected = drawn_demonstrations(pool(), "classification", 0, 2)
    assert read_items(drawn, "demonstration") == expected
    assert read_items(drawn, "evaluation") == []


def test_why_there_is_no_draw_stands_in_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frozen, drawn = tmp_path / "items.parquet", tmp_path / "3.parquet"
    asked = {"kind": "classification", "seed": 0, "draw": 3}
    write_items(frozen, pool(20))
    draw_or_refuse(str(frozen), str(drawn), **asked)
    with pytest.raises(RefusedError, match="the set has 2"):
        read_items(drawn, "demonstration")
    assert capsys.readouterr().out.startswith("refused\n")
    # A set that was refused has no draws either, for the same reason.
    write_refused(frozen, SCHEMA, "its rows are wrong")
    draw_or_refuse(str(frozen), str(drawn), **asked)
    with pytest.raises(RefusedError, match="its rows are wrong"):
        read_items(drawn, "demonstration")


def test_items_that_cannot_be_read_are_no_refusal(tmp_path: Path) -> None:
    (tmp_path / "items.parquet").write_bytes(b"PAR1")
    with pytest.raises(UnavailableError):
        draw_or_refuse(
            str(tmp_path / "items.parquet"),
            str(tmp_path / "1.parquet"),
            kind="classification",
            seed=0,
            draw=1,
        )
    assert not (tmp_path / "1.parquet").exists()
