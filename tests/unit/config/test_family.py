"""Families: which steps exist, which are taken, and where checkpoints are missing."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.config.family import HubFamily, Spacing, Steps, parse_steps
from tuning_dynamics.config.load import load_study

ROOT = Path(__file__).parents[3]
TO_100 = Steps(1, end=100)

#: The shape of OLMo-1B's series: dense, a hole of 212,000 steps, dense again.
HOLED = Steps(4_194_304, parse_steps(["1000..117000 by 1000", 117850, "330000..738000 by 1000"]))

HUB: dict[str, Any] = {
    "source": "hub",
    "repo": "a/b",
    "revision": "step{step}",
    "tokens_per_step": 10,
    "checkpoints": {"steps": [5]},
}


def test_steps_and_even_spacing_are_taken_together() -> None:
    assert Spacing(steps=[0], uniform=4).resolve(TO_100) == [0, 25, 50, 75, 100]
    assert Spacing(log_spaced=3).resolve(TO_100) == [1, 10, 100]
    assert Spacing(log_spaced=1).resolve(TO_100) == [100]
    assert Spacing(tokens=[1000.0]).resolve(Steps(100)) == [10]


def test_a_point_beyond_the_last_step_or_no_point_is_refused() -> None:
    with pytest.raises(ValueError, match="beyond the last"):
        Spacing(steps=[7]).resolve(Steps(1, end=5))
    with pytest.raises(ValueError, match="no checkpoint"):
        Spacing().resolve(Steps(1, end=5))
    with pytest.raises(ValueError, match="known last step"):
        Spacing(uniform=3).resolve(Steps(1))
    with pytest.raises(ValueError, match="key available"):
        Spacing(all=True).resolve(Steps(1))


def test_spacing_takes_the_nearest_step_that_there_is() -> None:
    assert Spacing(uniform=3).resolve(HOLED) == [330000, 492000, 738000]
    assert Spacing(tokens=[1e12]).resolve(HOLED) == [330000]
    assert Spacing(log_spaced=4).resolve(HOLED)[0] == 1000
    with pytest.raises(ValueError, match="no step 200000; the nearest is 117850"):
        Spacing(steps=[200000]).resolve(HOLED)
    assert Spacing(all=True).resolve(Steps(1, (0, 1, 4))) == [0, 1, 4]


def test_even_spacing_is_in_tokens_whatever_the_list_looks_like() -> None:
    # Every 70th row of such a list would take five of eight points after the hole.
    taken = Spacing(uniform=8).resolve(HOLED)
    tokens = [step * HOLED.tokens_per_step for step in taken]
    wanted = [tokens[-1] * k / 8 for k in range(1, 9)]
    hole = (117850 * HOLED.tokens_per_step, 330000 * HOLED.tokens_per_step)
    for asked in wanted:
        nearest = min(tokens, key=lambda token: abs(token - asked))
        assert abs(nearest - asked) <= max(500 * HOLED.tokens_per_step, (hole[1] - hole[0]) / 2)


def test_gaps_are_where_checkpoints_are_missing() -> None:
    assert HOLED.gaps() == [(117850, 330000)]
    assert Steps(1, tuple(range(0, 100, 5))).gaps() == []
    # Pythia's early points double, which is not a gap.
    assert Steps(1, (0, *(2**k for k in range(10)), *range(1000, 144000, 1000))).gaps() == []


def test_ranges_of_steps() -> None:
    assert parse_steps([0, "2..8 by 3", "10..12 by 1"]) == (0, 2, 5, 8, 10, 11, 12)
    for text in ("2-8", "2..8", "2..8 by 0"):
        with pytest.raises(ValueError, match="neither a step nor a range"):
            parse_steps([text])


def test_a_family_has_revisions_or_repositories() -> None:
    family = HubFamily.model_validate(
        {**HUB, "repo": None, "revision": "main", "repositories": {5: "a/x", 9: "a/y"}}
    )
    assert family.known.available == (5, 9)
    for wrong in ({"repo": None}, {"repositories": {1: "a/c"}}, {"revision": "main"}):
        with pytest.raises(ValueError, match=r"repositories"):
            HubFamily.model_validate({**HUB, **wrong})


def test_a_later_stage_counts_the_tokens_before_it() -> None:
    family = HubFamily.model_validate({**HUB, "tokens_before": 1000})
    assert family.tokens(5) == 1050


def study_of(tmp_path: Path, family: str) -> Any:
    (tmp_path / "families").mkdir(exist_ok=True)
    members = {"base_seed1": {"repo": "a/seed1"}}
    document = yaml.safe_dump({**HUB, "members": members})
    (tmp_path / "families" / "base.yaml").write_text(document, encoding="utf-8")
    block = {"family": family, "checkpoints": "all", "recipes": ["base"], "eval_sets": ["med"]}
    catalogue = ["config", str(tmp_path)]
    return load_study({"study": "x", "catalogue": catalogue, "blocks": [block]}, ROOT, "x.yaml")


def test_a_member_is_the_family_with_its_own_keys(tmp_path: Path) -> None:
    resolved = study_of(tmp_path, "base_seed1")
    assert resolved.families["base_seed1"].repo == "a/seed1"
    assert resolved.families["base_seed1"].tokens_per_step == 10
    assert study_of(tmp_path, "base").families["base"].repo == "a/b"
    with pytest.raises(StudyError, match=r"no file families/base_seed2\.yaml"):
        study_of(tmp_path, "base_seed2")
