"""What re-runs: nothing after a copy, and exactly what a change to the study can affect."""

import json
import os
import re
import shutil
from collections import Counter
from pathlib import Path

from repository import Repository

#: What follows from any cell's records.
FROM_CELLS = Counter(scores=1, summaries=1, cost=1, figures=1, findings=1, report=1)
#: Further jobs that follow from another text of the merged config.
CONFIG = Counter(merged_config=1, datasets=1)
#: All of the smoke study: 3 base and 5 tuned models, each evaluated by a job of its own.
EVERYTHING = (
    Counter(corpus=1, pretrain=3, freeze=5, encode=2, tune=5, evaluate=8)
    + Counter(checkpoints=1, overlaps=1)
    + CONFIG
    + FROM_CELLS
)

CELL = "results/smoke/tiny/40/quick/nli_people/seed0/cells/nli_places/io/0shot/token_prob.parquet"


def test_a_finished_study_runs_nothing(smoke: Repository) -> None:
    assert smoke.planned() == {}


def test_each_result_has_a_record_and_the_code_that_made_it(smoke: Repository) -> None:
    folder = smoke.folder / "results/smoke/records"
    jobs = [path for path in folder.glob("*/**/*.json") if path.parent.name != "code"]
    units = [unit for path in jobs for unit in json.loads(path.read_text())["units"]]
    assert len(jobs) == sum(EVERYTHING.values())
    for path in (file for unit in units for file in unit["outputs"]):
        assert (smoke.folder / path).exists()
    codes = {path.stem for path in (folder / "code").iterdir()}
    assert codes >= {unit["code"] for unit in units} - {""}


def test_a_copy_with_other_times_runs_nothing(copied: Repository) -> None:
    """Newer code, settings and inputs, and older outputs."""
    for path in [*copied.folder.rglob("*.py"), *copied.folder.rglob("*.yaml")]:
        path.touch()
    for path in copied.folder.glob("results/smoke/tables/*"):
        os.utime(path, (1, 1))
    for path in copied.folder.glob("results/smoke/data/*/*.parquet"):
        path.touch()
    assert copied.planned() == {}


def test_a_folder_of_results_is_current_in_another_checkout(
    smoke: Repository, fresh: Repository
) -> None:
    shutil.copytree(smoke.folder / "results/smoke", fresh.folder / "results/smoke")
    assert fresh.planned() == {}
    fresh.edit("tests/catalogue/recipes/quick_lora.yaml", "lr: 1e-3", "lr: 2e-3")
    assert fresh.planned() == Counter(tune=1, evaluate=1) + CONFIG + FROM_CELLS


def test_what_was_deleted_is_made_again(copied: Repository) -> None:
    """Also where nothing needs it: it is what the study was run for."""
    tuned = CELL.partition("/cells/")[0]
    for file in ("tables/checkpoints.csv", "figures/tiny/base_by_checkpoint.svg"):
        (copied.folder / "results/smoke" / file).unlink()
    (copied.folder / tuned / "manifest.json").unlink()
    shutil.rmtree(copied.folder / tuned.replace("seed0", "seed1") / "weights")
    planned = copied.planned()
    assert planned["tune"] == planned["evaluate"] == 2
    assert planned["checkpoints"] == planned["figures"] == 1
    assert "pretrain" not in planned


def test_an_added_set_runs_where_it_is_evaluated(copied: Repository) -> None:
    add_set(copied)
    copied.edit(
        copied.study,
        "eval_sets: [nli_people, nli_places, facts_qa, summary_people]\n    shots",
        "eval_sets: [nli_people, nli_places, facts_qa, summary_people, nli_again]\n    shots",
    )
    found = Counter(freeze=1, overlaps=1, evaluate=3)
    assert copied.planned() == found + CONFIG + FROM_CELLS


def test_more_draws_of_demonstrations_evaluate_the_new_ones_alone(copied: Repository) -> None:
    copied.edit(
        copied.study,
        "summary_people]\n    shots: [2]\n",
        "summary_people]\n    shots: [2]\n    draws: [0, 1]\n",
    )
    # Demonstrations of 3 sets, which a fourth borrows from.
    found = Counter(draw=3, overlaps=1, evaluate=3)
    assert copied.planned() == found + CONFIG + FROM_CELLS
    assert "made again because 12 files are new, such as " in copied.succeed("-n")
    base = "results/smoke/tiny/0/base/cells"
    copied.succeed(f"{base}/nli_people/default/2shot_draw1/token_prob.parquet")
    log = copied.folder / "results/smoke/logs/evaluate/tiny/0/base.log"
    made = re.findall(r"default/(\S+)/\w+\.parquet: 12 items", log.read_text(encoding="utf-8"))
    assert made == ["2shot_draw1"] * 4


def add_set(repository: Repository) -> None:
    """Another set of the catalogue, nli_again."""
    folder = repository.folder / "tests/catalogue/datasets"
    folder.mkdir()
    shutil.copy(repository.folder / "config/datasets/nli_people.yaml", folder / "nli_again.yaml")


def test_another_template_runs_what_shows_it(copied: Repository) -> None:
    # Five sets are of two tasks of texts in pairs; both formats are evaluated, one is tuned on.
    copied.edit("config/tasks/nli.yaml", 'io: "{a} {b}"', 'io: "{a}, {b}"')
    assert copied.planned() == Counter(evaluate=4) + CONFIG + FROM_CELLS


def test_another_seed_of_the_world_runs_everything(copied: Repository) -> None:
    copied.edit(copied.study, "people: 32,", "people: 32, seed: 1,")
    assert copied.planned() == EVERYTHING


def test_what_is_left_out_of_the_study_runs_its_tables_alone(copied: Repository) -> None:
    copied.edit(copied.study, "    seeds: [0, 1]\n", "    seeds: [0]\n")
    assert copied.planned() == CONFIG + FROM_CELLS
    assert Path(copied.folder, CELL.replace("seed0", "seed1")).exists()


def test_what_the_grid_lacks_is_refused(copied: Repository) -> None:
    done = copied.run("-n", "results/smoke/tiny/20/quick/nli_people/seed0/manifest.json")
    assert done.returncode != 0
    assert "the study's grid has no such variant" in done.stdout
