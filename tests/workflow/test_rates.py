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
