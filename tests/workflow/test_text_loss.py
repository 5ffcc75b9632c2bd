"""The loss of tuned models on the fixed text: its jobs and table; no model is tuned for it."""

import csv
import json
import shutil
from collections import Counter

import pytest
from repository import Repository
from test_upgrade import FROM_CONFIG

TABLE = "results/smoke/tables/text_losses.csv"
LORA = "results/smoke/tiny/40/quick_lora/instruct_world/seed0"
CELL = f"{LORA}/cells/facts_qa/default/0shot/likelihood.parquet"


def ask(repository: Repository, *more: str) -> None:
    """Turn the option on, with more lines of the study's file."""
    lines = "\n".join(["text_tokens: 8, text_loss: true}", *more])
    repository.edit(repository.study, "text_tokens: 8}", lines)


def rows(repository: Repository) -> list[dict[str, str]]:
    with (repository.folder / TABLE).open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_the_option_adds_a_job_per_tuned_model_and_runs_no_other_model(copied: Repository) -> None:
    assert rows(copied) == []
    ask(copied)
    assert copied.planned() == Counter(text_loss=5, checkpoints=1) + FROM_CONFIG
    copied.succeed(TABLE)
    found = rows(copied)
    assert [(row["step"], row["recipe"], row["seed"]) for row in found] == [
        *(("0", "quick", seed) for seed in "01"),
        *(("40", "quick", seed) for seed in "01"),
        ("40", "quick_lora", "0"),
    ]
    for row in found:
        path = copied.folder / f"results/smoke/tiny/{row['step']}/checkpoint/manifest.json"
        manifest = json.loads(path.read_text(encoding="utf-8"))
        assert float(row["base_loss"]) == pytest.approx(manifest["text_loss"], rel=1e-8)
        change = float(row["tuned_loss"]) - float(row["base_loss"])
        assert 0 < abs(change) < 1
        assert float(row["change"]) == pytest.approx(change, abs=1e-7)
    # The run for the tables of a study in parts takes the losses as current.
    assert copied.planned("--config", "part=tables/2") == FROM_CONFIG
    # Tuning again at another rate measures that model again, and no other.
    copied.edit("tests/catalogue/recipes/quick_lora.yaml", "lr: 1e-3", "lr: 2e-3")
    planned = copied.planned()
    assert (planned["tune"], planned["evaluate"], planned["text_loss"]) == (1, 1, 1)


def test_a_study_from_nothing_has_the_jobs_only_if_asked(fresh: Repository) -> None:
    without = fresh.planned()
    ask(fresh)
    assert fresh.planned() == without + Counter(text_loss=5)
    assert without["text_loss"] == 0


def test_tables_of_parts_are_refused_without_the_losses(copied: Repository) -> None:
    ask(copied)
    refused = copied.run("--config", "part=tables/2")
    assert refused.returncode != 0
    assert "5 of 5 losses on the fixed text are missing or not current" in refused.stdout


def test_weights_that_are_not_kept_live_until_the_loss_is_known(copied: Repository) -> None:
    ask(copied, "keep_weights: none")
    copied.edit("tests/catalogue/recipes/quick_lora.yaml", "lr: 1e-3", "lr: 2e-3")
    # A cell alone measures the loss too: its model would have to be tuned again for it.
    copied.succeed(CELL)
    assert not (copied.folder / LORA / "weights").exists()
    assert (copied.folder / LORA / "text_loss.json").is_file()
    planned = copied.planned()
    assert (planned["tune"], planned["text_loss"]) == (0, 4)


def test_no_model_is_tuned_again_for_its_loss_alone(copied: Repository) -> None:
    ask(copied, "keep_weights: none")
    shutil.rmtree(copied.folder / LORA / "weights")
    words = "the loss on the fixed text of 1 tuned models needs their weights, which were deleted"
    refused = copied.run()
    assert refused.returncode != 0
    assert words in refused.stdout
    assert f"file:  {LORA}/weights" in refused.stdout
    assert "A run of this would be refused:\n  " + words in copied.succeed("-n")
    assert words not in copied.succeed("-n", "--forcerun", "tune")
