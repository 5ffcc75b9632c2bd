"""Shipped families: every file and member loads, and says what is published of it."""

from pathlib import Path

import pytest

from tuning_dynamics.config.family import HubFamily
from tuning_dynamics.config.load import load_study, read_yaml
from tuning_dynamics.config.study import ResolvedStudy
from tuning_dynamics.grid.grid import expand
from tuning_dynamics.plan.render_text import checkpoint_lines

ROOT = Path(__file__).parents[3]
FILES = {
    path.stem: read_yaml(path)
    for path in sorted((ROOT / "config/families").glob("*.yaml"))
    if read_yaml(path)["source"] == "hub"
}
NAMES = [name for stem, file in FILES.items() for name in (stem, *file.get("members", {}))]

#: Tokens at the last checkpoint that is listed, as published.
PUBLISHED = {
    "olmo_1b": 3.095e12,
    "olmo_1b_0724": 3.049e12,
    "olmo2_1b": 4.0e12,
    "olmo2_1b_stage2_ingredient3": 4.05e12,
    "olmo2_1b_early": 77.6e9,
    "pythia_12b": 299.9e9,
    "pythia_410m_seed9": 299.9e9,
    "tinyllama": 3.0e12,
    "amber": 1.2556e12,
    "smollm2_360m": 3.77e12,
    "smollm2_1_7b": 10.5e12,
    "smollm3_3b_stage3": 11.14e12,
    "llama3_8b": 15e12,
}


def load(*names: str) -> ResolvedStudy:
    """A study of the untuned families."""
    block = {
        "family": list(names),
        "checkpoints": "all",
        "recipes": ["base"],
        "eval_sets": ["nli_people"],
    }
    return load_study({"study": "families", "blocks": [block]}, ROOT, "study.yaml")


def hub(name: str) -> HubFamily:
    """A family by name."""
    family = load(name).families[name]
    assert isinstance(family, HubFamily)
    return family


@pytest.mark.parametrize("name", NAMES)
def test_a_family_resolves_and_knows_its_size(name: str) -> None:
    family = hub(name)
    assert family.steps()
    assert family.size is not None
    size = family.size
    embeddings = size.vocab_size * size.hidden_size  # once where they are the head too
    blocks = [size.parameters - embeddings, size.parameters - 2 * embeddings]
    # A block is 2 to 4 d² of attention and 8 to 17 d² of feed-forward.
    assert any(9 < weights / (size.layers * size.hidden_size**2) < 20 for weights in blocks)


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("pythia")])
def test_pythia_has_the_weights_that_its_architecture_makes(name: str) -> None:
    size = hub(name).size
    assert size is not None
    d = size.hidden_size
    made = 2 * size.vocab_size * d + size.layers * (12 * d * d + 13 * d) + 2 * d
    assert size.parameters == pytest.approx(made, rel=1e-3)


@pytest.mark.parametrize(("name", "tokens"), PUBLISHED.items())
def test_the_last_checkpoint_has_seen_the_published_tokens(name: str, tokens: float) -> None:
    family = hub(name)
    last = family.known.last
    assert last is not None
    assert family.tokens(last) == pytest.approx(tokens, rel=0.01)


def test_listed_steps() -> None:
    assert len(hub("olmo_1b").known.available) == 351
    assert len(hub("olmo2_1b").known.available) == 195
    assert len(hub("pythia_70m_seed3").known.available) == 154
    assert len(hub("pythia_410m_seed6").known.available) == 153
    assert 88000 not in hub("pythia_410m_seed6").known.available
    assert len(hub("pythia_2_8b").known.available) == 69
    assert 0 not in hub("pythia_2_8b").known.available
    assert len(hub("pythia_2_8b_deduped").steps()) == 12
    assert {50000, 58000}.isdisjoint(hub("pythia_12b").known.available)


def test_members_differ_where_they_should() -> None:
    assert hub("pythia_160m_seed4").repo == "EleutherAI/pythia-160m-seed4"
    assert hub("pythia_1_4b_deduped").repo == "EleutherAI/pythia-1.4b-deduped"
    second = hub("olmo2_1b_stage2_ingredient2")
    assert second.revision.startswith("stage2-ingredient2-")
    assert second.tokens(0) == hub("olmo2_1b").tokens(1907359)


def test_the_papers_checkpoints_are_taken() -> None:
    paper = {1000, 18000, 342000, 424000, 505000, 592000, 738000, 738020}
    assert paper < set(hub("olmo_1b").steps())


def test_a_gap_is_shown_and_equal_families_share_a_line() -> None:
    names = ["olmo_1b", "pythia_410m", "pythia_410m_seed1", "pythia_410m_seed2"]
    resolved = load(*names)
    lines = checkpoint_lines(resolved, expand(resolved, "study.yaml"))
    assert lines == [
        "olmo_1b: 12 at 4.19B to 3.1T tokens; no checkpoint exists between step 117,850 and "
        "330,000",
        "pythia_410m and 1 more: 154 at 0 to 300B tokens",
        "pythia_410m_seed2: 153 at 0 to 300B tokens",
    ]
