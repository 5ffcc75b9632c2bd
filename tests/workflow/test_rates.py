"""Learning rates that the workflow chooses: its jobs, its choice, and what re-runs."""

import json

from repository import Repository

RECIPE = "tests/catalogue/recipes/quick_lora.yaml"
FOLDER = "results/smoke/tiny/rates/quick_lora/instruct_world"
TUNED = "results/smoke/tiny/40/quick_lora/instruct_world/seed0"


def test_a_rate_is_chosen_and_tuned_with(copied: Repository) -> None:
    weights = copied.folder / TUNED / "weights/adapter_model.safetensors"
    before = weights.read_bytes()
    copied.edit(RECIPE, "lr: 1e-3", "lr: {candidates: [1e-3, 1e+30], heldout: 0.2}")
    planned = copied.planned()
    assert (planned["try_rate"], planned["choose_rate"], planned["tune"]) == (2, 1, 1)
    copied.succeed(f"{TUNED}/manifest.json")
    chosen = json.loads((copied.folder / FOLDER / "rate.json").read_text(encoding="utf-8"))
    assert chosen["rate"] == 1e-3
    assert chosen["losses"]["1e+30"] is None
    assert chosen["losses"]["0.001"] > 0
    # The recipe had this rate before, and tuning itself holds no row out.
    assert weights.read_bytes() == before
    # Another candidate runs its own trial.
    copied.edit(RECIPE, "[1e-3, 1e+30]", "[1e-3, 1e+30, 2e-3]")
    assert copied.planned(f"{FOLDER}/rate.json") == {"try_rate": 1, "choose_rate": 1}


def test_each_checkpoint_may_choose_its_own_rate(fresh: Repository) -> None:
    recipe, lr = "tests/catalogue/recipes/quick.yaml", "lr: {candidates: [1e-3, 2e-3], heldout: 0.2"
    fresh.edit(recipe, "lr: 1e-3", f"{lr}}}")
    last = fresh.planned()
    fresh.edit(recipe, lr, f"{lr}, chosen_at: each")
    each = fresh.planned()
    assert (last["try_rate"], last["choose_rate"]) == (2, 1)
    assert (each["try_rate_at_checkpoint"], each["choose_rate_at_checkpoint"]) == (4, 2)
    assert last.total() + 3 == each.total()
    chosen = "results/smoke/tiny/rates/quick/nli_people/step0/rate.json"
    own = fresh.planned(chosen)
    assert (own["try_rate_at_checkpoint"], own["pretrain"]) == (2, 1)
