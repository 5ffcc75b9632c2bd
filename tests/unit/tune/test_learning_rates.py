"""Learning rates chosen on held-out training rows: what is read, what diverges, what is taken."""

import errno
import json
import shutil
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest
from tiny import pair, save_checkpoint

from tuning_dynamics.common.atomic_files import read_json, write_json
from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.common.variants import Variant
from tuning_dynamics.config.execution import Execution
from tuning_dynamics.config.load import load_study, read_yaml
from tuning_dynamics.config.recipe import Recipe, rate_name, selecting, with_rate
from tuning_dynamics.config.study import ResolvedStudy
from tuning_dynamics.data.items import Item, write_items
from tuning_dynamics.data.tokenize_set import encode_set
from tuning_dynamics.plan.all_jobs import all_jobs
from tuning_dynamics.run.all_jobs import Jobs
from tuning_dynamics.tune.learning_rates import Trial, choose_rate, try_rate
from tuning_dynamics.tune.sampler import hold_out
from tuning_dynamics.tune.stages import TrainSets

ROOT = Path(__file__).parents[3]
SMOKE = ROOT / "tests/smoke/study.yaml"
CHOICE = {"candidates": [1e-3, 2e-6], "heldout": 0.2}
TEMPLATE = "### Input_1: {a}\n### Input_2: {b}\n### Inference:"


def recipe(*rates: Any) -> Recipe:
    stages = [
        {"id": f"s{n}", "optim": {"lr": rate, "epochs": 1, "batch_size": 4}}
        for n, rate in enumerate(rates)
    ]
    return Recipe.model_validate({"stages": stages})


def train_rows() -> list[Item]:
    labels = ("entailment", "neutral", "contradiction")
    return [pair(n, "train", labels[n % 3]) for n in range(30)]


def trial(folder: Path, items: list[Item], chosen: Recipe) -> Any:
    """The result of a candidate on frozen items."""
    folder.mkdir(exist_ok=True)
    write_items(folder / "i.parquet", items)
    checkpoint = save_checkpoint(folder / "checkpoint")
    encode_set(
        "x",
        template=TEMPLATE,
        dialogue=None,
        max_length=128,
        frozen=str(folder / "i.parquet"),
        manifest=[str(checkpoint)],
        files=[],
        tokens=str(folder / "t.arrow"),
        counts=str(folder / "t.json"),
    )
    # Where a study is run from: a state's place follows from a result's.
    with chdir(folder):
        try_rate(
            chosen,
            TrainSets(
                {"x": folder / "t.arrow"}, {stage.id: {"$target": "x"} for stage in chosen.stages}
            ),
            place=Trial("tiny/1/r/x/rate", "r", "x"),
            seed=0,
            heldout=0.2,
            code="c",
            execution=Execution(device="cpu"),
            checkpoint=checkpoint,
            output=Path("results/s/tiny/rates/r/x/0.001.json"),
        )
    return read_json(folder / "results/s/tiny/rates/r/x/0.001.json")


def test_a_trial_has_a_loss_and_what_it_took(tmp_path: Path) -> None:
    result = trial(tmp_path, train_rows(), recipe(1e-3))
    assert result["rate"] == 1e-3
    assert 0 < result["loss"] < 20
    assert (result["stage"], result["stages"][0]["steps"]) == ("rate", 6)  # 24 of 30 rows
    assert not list(tmp_path.rglob("state.pt"))


def test_a_state_that_cannot_be_removed_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(folder: Path, ignore_errors: bool = False) -> None:
        if not ignore_errors:
            raise OSError(errno.EIO, "Input/output error", str(folder))

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "rmtree", failing)
        with pytest.raises(OSError, match="Input/output error"):
            trial(tmp_path, train_rows(), recipe(1e-3, 1e-3))
    assert list(tmp_path.rglob("state.pt"))
    trial(tmp_path, train_rows(), recipe(1e-3, 1e-3))
    assert not list(tmp_path.rglob("state.pt"))


def test_evaluated_items_are_never_read(tmp_path: Path) -> None:
    poison = [pair(n, "evaluation", "neutral", words=3000) for n in range(20)]
    poison += [Item("e", "evaluation", "e", {"wrong": "field"}, []), pair(3, "demonstration")]
    alone = trial(tmp_path / "1", train_rows(), recipe(1e-3))
    poisoned = trial(tmp_path / "2", [*poison, *train_rows()], recipe(1e-3))
    assert alone["loss"] == poisoned["loss"]
    assert alone["stages"][0]["losses"] == poisoned["stages"][0]["losses"]


def test_held_out_rows_are_not_trained_on(tmp_path: Path) -> None:
    result = trial(tmp_path, train_rows(), recipe(1e-3))
    _, held = hold_out(tmp_path / "t.arrow", 0.2, 0)
    all_tokens = read_json(tmp_path / "t.json")["tokens"]
    assert result["tokens"] == all_tokens - sum(len(held[k].ids) for k in range(6))


def test_earlier_stages_do_not_see_held_out_rows_either(tmp_path: Path) -> None:
    result = trial(tmp_path, train_rows(), recipe(1e-4, 1e-3))
    assert [stage["steps"] for stage in result["stages"]] == [6, 6]  # 24 of 30 rows
    assert result["rate"] == 1e-3


def test_a_diverged_trial_is_recorded(tmp_path: Path) -> None:
    result = trial(tmp_path, train_rows(), recipe(1e30))
    assert result["loss"] is None
    assert result["rate"] == 1e30


def trials(folder: Path, **losses: float | None) -> list[str]:
    for name, loss in losses.items():
        write_json(folder / f"{name}.json", {"rate": float(name.replace("_", "-")), "loss": loss})
    return [str(folder / f"{name}.json") for name in losses]


def test_the_lowest_loss_wins_and_the_smaller_of_equal_ones(tmp_path: Path) -> None:
    paths = trials(tmp_path, **{"2e_07": 1.5, "2e_06": 1.25, "2e_05": 1.25, "2e_04": None})
    choose_rate("r", paths, str(tmp_path / "rate.json"))
    assert read_json(tmp_path / "rate.json") == {
        "rate": 2e-06,
        "losses": {"2e-07": 1.5, "2e-06": 1.25, "2e-05": 1.25, "0.0002": None},
    }


def test_when_all_diverged_nothing_is_chosen(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="diverged at every candidate") as raised:
        choose_rate("r", trials(tmp_path, **{"1": None, "2": None}), str(tmp_path / "rate.json"))
    assert raised.value.file == "recipes/r.yaml"
    assert not (tmp_path / "rate.json").exists()


def test_a_rate_takes_the_candidates_place() -> None:
    chosen = with_rate(recipe(1e-4, CHOICE), 2e-6)
    assert [stage.optim.lr for stage in chosen.stages] == [1e-4, 2e-6]
    assert (selecting(recipe(1e-4, CHOICE)), selecting(chosen)) == ([1], [])
    assert [rate_name(rate) for rate in (2e-6, 1e-3, 1)] == ["2e-06", "0.001", "1.0"]


# --- jobs --------------------------------------------------------------------------------------


def study(chosen: Recipe, **changes: Any) -> Jobs:
    """The smoke study with a recipe in the place of `quick`."""
    resolved = load_study({**read_yaml(SMOKE), **changes}, ROOT, SMOKE)
    recipes = {**resolved.recipes, "quick": chosen}
    return Jobs(ResolvedStudy.model_validate({**dict(resolved), "recipes": recipes}), "x")


def test_one_rate_serves_all_checkpoints_and_seeds() -> None:
    jobs = study(recipe(CHOICE))
    quick = [variant for variant in jobs.grid.tuned if variant.recipe == "quick"]
    assert {(variant.step, variant.seed) for variant in quick} == {(0, 0), (0, 1), (40, 0), (40, 1)}
    folder = "results/smoke/tiny/rates/quick/nli_people"
    assert {path for v in quick for path in jobs.tune.chosen_rates(v)} == {f"{folder}/rate.json"}
    names = jobs.tune.trials("tiny", "quick", "nli_people")
    assert names == [f"{folder}/0.001.json", f"{folder}/2e-06.json"]
    assert jobs.tune.trial_checkpoint("tiny").step == 40
    assert set(names) < set(jobs.stats.metrics_files())
    (other,) = [variant for variant in jobs.grid.tuned if variant.recipe == "quick_lora"]
    assert jobs.tune.chosen_rates(other) == []


def test_another_candidate_changes_no_other_trial() -> None:
    more = study(recipe({**CHOICE, "candidates": [1e-3, 2e-6, 5e-6]}))
    for name in ("0.001", "2e-06"):
        specs = {
            jobs.tune.trial_spec("quick", "nli_people", name)
            for jobs in (study(recipe(CHOICE)), more)
        }
        assert len(specs) == 1
    assert json.loads(specs.pop())["recipe"]["stages"][0]["optim"]["lr"] == 2e-6


def test_a_trial_ends_with_the_stage_that_selects() -> None:
    jobs = study(recipe(1e-4, CHOICE, 1e-5))
    spec = json.loads(jobs.tune.trial_spec("quick", "nli_people", "2e-06"))
    assert [stage["id"] for stage in spec["recipe"]["stages"]] == ["s0", "s1"]
    assert (spec["seed"], spec["heldout"]) == (0, 0.2)


def test_two_stages_that_select_are_refused() -> None:
    with pytest.raises(StudyError, match="2 stages of recipe 'quick'"):
        study(recipe(CHOICE, CHOICE))


def test_a_template_is_part_of_the_encoded_sets_identity_alone() -> None:
    jobs = study(recipe(1e-3))
    (variant, *_) = jobs.grid.tuned
    assert "Inference" in jobs.data.encode_spec("tiny", "nli_people", "default")
    assert "Inference" not in jobs.tune.tune_spec(variant)
    assert "max_length" not in jobs.tune.tune_spec(variant)
    assert jobs.tune.train_tokens(variant) == [
        "results/smoke/data/nli_people/tokens/tiny/default.arrow"
    ]
    with pytest.raises(StudyError, match="no format 'fancy'"):
        jobs.data.encode_spec("tiny", "nli_people", "fancy")


def test_stages_and_mixes_name_their_encoded_sets() -> None:
    mixed = Recipe.model_validate(
        {
            "stages": [
                {
                    "id": "a",
                    "data": {"mix": {"$target": 1, "instruct_world": 0.5}},
                    "optim": {"lr": 1},
                },
                {
                    "id": "b",
                    "data": {"format": "io", "dialogue": "chat_template"},
                    "optim": {"lr": 1},
                },
            ]
        }
    )
    jobs = study(mixed)
    variant = next(v for v in jobs.grid.tuned if v.recipe == "quick")
    spec = json.loads(jobs.tune.tune_spec(variant))
    people, world = "nli_people/default", "instruct_world/tulu"
    assert spec["sets"] == [world, people, "nli_people/io"]
    assert spec["uses"] == {
        "a": {"$target": people, "instruct_world": world},
        "b": {"$target": "nli_people/io"},
    }


def test_a_sets_own_number_of_rows_changes_no_other_set() -> None:
    plain = study(recipe(1e-3))
    data = {**read_yaml(SMOKE)["data"], "train_items_of": {"instruct_world": "all"}}
    own = study(recipe(1e-3), data=data)
    assert plain.data.freeze_spec("nli_people") == own.data.freeze_spec("nli_people")
    assert json.loads(plain.data.freeze_spec("instruct_world"))["train_items"] == 48
    assert json.loads(own.data.freeze_spec("instruct_world"))["train_items"] == "all"


# --- a rate for each checkpoint ------------------------------------------------------------------

EACH = {**CHOICE, "chosen_at": "each"}
CHOICES = "results/smoke/tiny/rates/quick/nli_people"


def quick(jobs: Jobs) -> list[Variant]:
    return [variant for variant in jobs.grid.tuned if variant.recipe == "quick"]


def rate_jobs(jobs: Jobs) -> list[tuple[str, ...]]:
    planned = all_jobs(jobs.resolved, jobs.grid)
    return [(job.rule, *job.wildcards.values()) for job in planned if "_rate" in job.rule]


def test_another_place_to_choose_is_refused() -> None:
    with pytest.raises(ValueError, match="chosen_at"):
        recipe({**CHOICE, "chosen_at": "first"})


@pytest.mark.parametrize("choice", [CHOICE, {**CHOICE, "chosen_at": "last"}])
def test_a_choice_at_the_last_checkpoint_keeps_its_identity(choice: Any) -> None:
    jobs = study(recipe(1e-4, choice))
    (variant, *_) = quick(jobs)
    assert jobs.tune.tune_spec(variant) == (
        '{"recipe":{"stages":[{"id":"s0","optim":{"batch_size":4,"epochs":1,"lr":0.0001}},'
        '{"id":"s1","optim":{"batch_size":4,"epochs":1,'
        '"lr":{"candidates":[0.001,2e-06],"heldout":0.2}}}]},"seed":0,'
        '"sets":["nli_people/default"],'
        '"uses":{"s0":{"$target":"nli_people/default"},"s1":{"$target":"nli_people/default"}}}'
    )
    assert jobs.tune.trial_spec("quick", "nli_people", "2e-06") == (
        '{"heldout":0.2,'
        '"recipe":{"stages":[{"id":"s0","optim":{"batch_size":4,"epochs":1,"lr":0.0001}},'
        '{"id":"s1","optim":{"batch_size":4,"epochs":1,"lr":2e-06}}]},"seed":0,'
        '"sets":["nli_people/default"],'
        '"uses":{"s0":{"$target":"nli_people/default"},"s1":{"$target":"nli_people/default"}}}'
    )
    assert jobs.tune.chosen_rates(variant) == [f"{CHOICES}/rate.json"]
    assert jobs.tune.trial_key("tiny", "quick", "nli_people", "2e-06") == (
        "tiny/40/quick/nli_people/rate2e-06"
    )
    place = ("tiny", "quick", "nli_people")
    assert rate_jobs(jobs) == [
        ("try_rate", *place, "0.001"),
        ("try_rate", *place, "2e-06"),
        ("choose_rate", *place),
    ]


def test_each_checkpoint_may_have_its_own_trials_and_choice() -> None:
    jobs = study(recipe(EACH))
    rates = {(v.step, tuple(jobs.tune.chosen_rates(v))) for v in quick(jobs)}
    assert rates == {(step, (f"{CHOICES}/step{step}/rate.json",)) for step in (0, 40)}
    names = [f"{CHOICES}/step{step}/{name}.json" for step in (0, 40) for name in ("0.001", "2e-06")]
    assert jobs.tune.all_trials() == names
    assert jobs.tune.trials("tiny", "quick", "nli_people", "40") == names[2:]
    assert jobs.tune.trial_key("tiny", "quick", "nli_people", "0", "2e-06") == (
        "tiny/0/quick/nli_people/rate2e-06"
    )
    place = ("tiny", "quick", "nli_people")
    assert rate_jobs(jobs) == [
        job
        for step in ("0", "40")
        for job in (
            ("try_rate_at_checkpoint", *place, step, "0.001"),
            ("try_rate_at_checkpoint", *place, step, "2e-06"),
            ("choose_rate_at_checkpoint", *place, step),
        )
    ]
    assert (jobs.tune.selecting("last"), jobs.tune.selecting("each")) == ("(?!)", "(?:quick)")


def test_only_the_file_of_the_choice_differs_where_each_checkpoint_has_one() -> None:
    last, each = study(recipe(CHOICE)), study(recipe(EACH))
    for variant in quick(last):
        assert last.tune.tune_spec(variant) == each.tune.tune_spec(variant)
    specs = {jobs.tune.trial_spec("quick", "nli_people", "2e-06") for jobs in (last, each)}
    assert len(specs) == 1


def test_the_table_says_which_checkpoint_a_choice_is_for() -> None:
    place = ["tiny", "quick", "nli_people"]
    last, each = study(recipe(CHOICE)), study(recipe(EACH))
    assert json.loads(last.stats.rate_choices()) == [[*place, "all", "40"]]
    assert last.tune.rate_files() == [f"{CHOICES}/rate.json"]
    assert json.loads(each.stats.rate_choices()) == [[*place, s, s] for s in ("0", "40")]
    assert each.tune.rate_files() == [f"{CHOICES}/step{step}/rate.json" for step in (0, 40)]
    assert study(recipe(1e-3)).tune.rate_files() == []
    assert study(recipe(1e-3)).stats.rate_choices() == "[]"
