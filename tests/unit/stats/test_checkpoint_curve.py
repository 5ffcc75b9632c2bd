"""Mislabelled checkpoints stand out from the curve; holes of a series are counted."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tuning_dynamics.common.atomic_files import write_json
from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.stats.checkpoint_curve import breaks, checkpoint_rows, gap
from tuning_dynamics.tables.catalogue import columns_of

#: Losses of twelve checkpoints, evenly spaced in log tokens, from 9 down to 2.4 nats.
SMOOTH = 2.0 + 7.0 * np.exp(-np.arange(12) / 4)


def named(losses: Any) -> list[int]:
    return [int(place) for place in np.flatnonzero(breaks(np.array(losses, dtype=float)))]


def with_weights_of(wrong: dict[int, int]) -> Any:
    """The curve with the loss of other checkpoints at some places."""
    losses = SMOOTH.copy()
    for place, other in wrong.items():
        losses[place] = SMOOTH[other]
    return losses


def test_a_smooth_curve_with_noise_is_whole() -> None:
    generator = np.random.default_rng(0)
    for _ in range(200):
        assert named(SMOOTH + generator.normal(0, 0.02, size=12)) == []


@pytest.mark.parametrize(
    ("wrong", "found"),
    [
        ({2: 7, 7: 2}, [2, 7]),  # two labels swapped
        ({3: 4, 4: 3}, [3, 4]),  # and of neighbours, of which either may be the wrong one
        ({1: 11}, [1]),  # an early checkpoint with the final weights
        ({0: 11}, [0]),
        ({10: 1}, [10]),  # a late one with early weights
        ({11: 0}, [11]),
        ({2: 11, 3: 11}, [2, 3]),  # two revisions with the final weights
    ],
)
def test_a_wrong_label_is_found(wrong: dict[int, int], found: list[int]) -> None:
    generator = np.random.default_rng(1)
    for _ in range(50):
        assert named(with_weights_of(wrong) + generator.normal(0, 0.01, size=12)) == found


def test_every_single_wrong_label_is_found_alone() -> None:
    for place in range(12):
        for other in range(12):
            if abs(place - other) > 2 and abs(SMOOTH[place] - SMOOTH[other]) > 0.6:
                assert named(with_weights_of({place: other})) == [place]


def test_a_rise_within_the_tolerance_is_none() -> None:
    assert named([3.0, 3.09]) == []
    assert named([3.0, 3.2]) == [0, 1]
    assert named([3.0]) == []


def manifest(folder: Path, step: int, loss: float, **more: Any) -> Path:
    path = folder / f"{more.get('family', 'toy')}{step}.json"
    write_json(
        path,
        {
            "family": "toy",
            "step": step,
            "tokens": step * 1000,
            "source": "pretrain",
            "digests": {"model.safetensors": "ab" * 32},
            "text_loss": loss,
            **more,
        },
    )
    return path


def test_one_checkpoint_is_a_table(tmp_path: Path) -> None:
    table = checkpoint_rows([manifest(tmp_path, 10, 3.0)], holes={})
    assert list(table.columns) == list(columns_of("checkpoints"))
    row = table.iloc[0]
    assert (row["checkpoint"], row["tokens"], row["source"]) == ("10", 10000, "pretrain")
    assert (row["repo"], row["commit"], row["breaks_curve"]) == ("", "", "")
    assert row["gap_before"] is pd.NA
    assert len(row["digest"]) == 16


def test_rows_are_by_tokens_and_each_family_has_its_own_curve(tmp_path: Path) -> None:
    hub = {"source": "hub", "repo": "a/b", "revision": "step9", "commit": "c" * 40}
    paths = [
        manifest(tmp_path, 200, 2.0),
        manifest(tmp_path, 9, 5.0),
        manifest(tmp_path, 30, 5.5),
        manifest(tmp_path, 100, 2.1),
        manifest(tmp_path, 9, 2.0, family="zoo", **hub),
    ]
    table = checkpoint_rows(paths, holes={})
    assert table["step"].tolist() == [9, 30, 100, 200, 9]
    assert table["breaks_curve"].tolist() == ["yes", "yes", "", "", ""]
    last = table.iloc[-1]
    assert (last["repo"], last["revision"], last["commit"]) == ("a/b", "step9", "c" * 40)


def test_equal_weights_have_equal_digests(tmp_path: Path) -> None:
    other = {"digests": {"model.safetensors": "cd" * 32}}
    paths = [
        manifest(tmp_path, 1, 3.0),
        manifest(tmp_path, 2, 3.0),
        manifest(tmp_path, 3, 3.0, **other),
    ]
    digests = checkpoint_rows(paths, holes={})["digest"].tolist()
    assert digests[0] == digests[1] != digests[2]


def test_a_hole_is_counted_before_the_checkpoint_that_follows_it(tmp_path: Path) -> None:
    paths = [manifest(tmp_path, step, 3.0 - step / 1000) for step in (100, 118, 330, 400)]
    table = checkpoint_rows(paths, holes={"toy": [[118_000, 330_000]], "zoo": [[0, 10]]})
    assert table["gap_before"].tolist() == [pd.NA, pd.NA, 212_000, pd.NA]


def test_holes_between_two_checkpoints_add_up() -> None:
    assert gap(5, 50, [[10, 20], [30, 45], [60, 90]]) == 25
    assert gap(15, 50, [[10, 20]]) is pd.NA


def test_a_manifest_that_lacks_a_key_is_refused(tmp_path: Path) -> None:
    path = manifest(tmp_path, 1, 3.0, source="hub", repo="a/b", revision="step1")
    with pytest.raises(StudyError, match="lacks commit") as caught:
        checkpoint_rows([path], holes={})
    assert f"snakemake --force {path}" in str(caught.value)
    write_json(path, {"family": "toy"})
    with pytest.raises(StudyError, match="text_loss"):
        checkpoint_rows([path], holes={})
