"""What re-runs: nothing after a copy, and exactly what a change can affect."""

from collections import Counter

from repository import Repository

#: The smoke study: 3 base checkpoints x 4 sets and 1 more; 4 tuned variants x 4 sets x 2
#: formats; 1 variant x 1 set x 2 prediction methods.
CELLS = 3 * 4 + 1 + 4 * 4 * 2 + 2
VARIANTS = 3 + 4 + 1

#: What follows from any cell's records.
FROM_CELLS = Counter(
    {
        "scores": 1,
        "summaries": 1,
        "cost": 1,
        "figures": 1,
        "findings": 1,
        "report": 1,
    }
)


def test_a_finished_study_runs_nothing(smoke: Repository) -> None:
    assert smoke.planned() == {}


def test_a_copy_with_other_times_runs_nothing(copied: Repository) -> None:
    assert copied.planned() == {}


def test_a_touched_module_and_config_run_nothing(copied: Repository) -> None:
    for path in [*copied.folder.rglob("*.py"), *copied.folder.rglob("*.yaml")]:
        if "results" not in path.parts:
            path.touch()
    assert copied.planned() == {}


def test_a_comment_and_a_docstring_run_nothing(copied: Repository) -> None:
    copied.edit(
        "workflow/scripts/tuning_dynamics/engine/loop.py",
        '"""One optimiser step\'s examples',
        '"""The examples of one optimiser step',
    )
    assert copied.planned() == {}


def test_an_edited_caption_or_template_makes_the_report_alone(copied: Repository) -> None:
    for file in (
        "workflow/report/table_scores.rst",
        "workflow/scripts/tuning_dynamics/report/page/style.css",
    ):
        path = copied.folder / file
        text = path.read_text(encoding="utf-8")
        path.write_text(f"{text}\n", encoding="utf-8")
        assert copied.planned() == {"report": 1}
        path.write_text(text, encoding="utf-8")


def test_an_edited_statistic_runs_statistics_only(copied: Repository) -> None:
    copied.edit(
        "workflow/scripts/tuning_dynamics/stats/bootstrap.py",
        "np.random.default_rng(seed).integers",
        "np.random.default_rng(seed + 1).integers",
    )
    assert copied.planned() == FROM_CELLS


def test_a_deleted_cell_runs_alone_with_what_follows(copied: Repository) -> None:
    cell = "results/smoke/tiny/40/quick/nli_people/seed0/cells/nli_places/io/0shot"
    (copied.folder / cell / "token_prob.parquet").unlink()
    assert copied.planned() == Counter({"serve": 1, "cell": 1}) + FROM_CELLS
    copied.succeed()
    assert copied.planned() == {}


def test_an_added_dataset_runs_its_own_cells(copied: Repository) -> None:
    datasets = copied.folder / "tests/catalogue/datasets"
    datasets.mkdir(exist_ok=True)
    text = (copied.folder / "config/datasets/nli_people.yaml").read_text(encoding="utf-8")
    (datasets / "nli_again.yaml").write_text(text, encoding="utf-8")
    copied.edit(
        copied.study,
        "eval_sets: [nli_people, nli_places, facts_qa, summary_people]\n    shots",
        "eval_sets: [nli_people, nli_places, facts_qa, summary_people, nli_again]\n    shots",
    )
    own = Counter(freeze=1, check=1, serve=3, cell=3, merged_config=1, datasets=1)
    assert copied.planned() == own + FROM_CELLS


def test_another_learning_rate_tunes_its_recipe_only(copied: Repository) -> None:
    copied.edit("tests/catalogue/recipes/quick_lora.yaml", "lr: 1e-3", "lr: 2e-3")
    planned = copied.planned()
    assert planned["tune"] == 1
    assert planned["serve"] == 1
    assert planned["cell"] == 2
    assert "pretrain" not in planned


def test_another_seed_of_the_world_runs_everything(copied: Repository) -> None:
    copied.edit(copied.study, "people: 32,", "people: 32, seed: 1,")
    planned = copied.planned()
    assert planned["corpus"] == 1
    assert planned["pretrain"] == 3
    assert planned["tune"] == 5
    assert planned["cell"] == CELLS


def test_what_the_grid_lacks_is_refused(copied: Repository) -> None:
    done = copied.run("-n", "results/smoke/tiny/20/quick/nli_people/seed0/manifest.json")
    assert done.returncode != 0
    assert "the study's grid has no such variant" in done.stdout
