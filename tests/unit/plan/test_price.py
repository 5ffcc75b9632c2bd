"""Prices of jobs and budgets: what counts, what is shared, what is not known."""

import json
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from priced import BASE, FAMILY, FILES, ROOT, TUNED, basis, budget_for, dataset, study
from tiny import save_checkpoint, tiny_model
from transformers import OlmoConfig, OlmoForCausalLM

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.config.device import Range
from tuning_dynamics.config.family import PretrainFamily
from tuning_dynamics.config.load import load_study
from tuning_dynamics.config.study import ResolvedStudy
from tuning_dynamics.grid.grid import expand
from tuning_dynamics.plan.all_jobs import all_jobs
from tuning_dynamics.plan.price import CellPrice, Job, Price, Prices
from tuning_dynamics.plan.render_csv import checkpoint
from tuning_dynamics.plan.render_text import budget_text, header, hours, tokens
from tuning_dynamics.plan.sizes import (
    Known,
    NotKnown,
    built_size,
    local_size,
)


def prices(resolved: ResolvedStudy) -> Prices:
    """The prices of a whole study."""
    jobs = all_jobs(resolved, expand(resolved, "study.yaml"))
    return Prices(resolved, jobs, basis(resolved))


def price(resolved: ResolvedStudy, rule: str = "evaluate") -> Price:
    """The price of a study's first job of a rule."""
    return next(one for one in prices(resolved).each if one.job.rule == rule)


def by_checkpoint(resolved: ResolvedStudy) -> Counter[str]:
    """The number of priced jobs of each checkpoint."""
    parts = budget_for(resolved).parts(checkpoint)
    return Counter({part.name: part.jobs for part in parts})


def cells(resolved: ResolvedStudy) -> list[CellPrice]:
    """The prices of the cells of a study's first evaluation."""
    every = prices(resolved)
    return every.cell_prices(next(job for job in every.jobs if job.rule == "evaluate"))


def cell(folder: Path, eval_set: str, **keys: Any) -> float:
    """Likely seconds of an untuned cell."""
    return cells(study(folder, {**BASE, "eval_sets": [eval_set], **keys}))[0].seconds.mid


@pytest.fixture(autouse=True)
def _no_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Results are looked for in the working folder."""
    monkeypatch.chdir(tmp_path)


def test_options_cost_more_than_labels_and_texts_most(tmp_path: Path) -> None:
    labels = cell(tmp_path, "pairs")
    assert labels < cell(tmp_path, "choices") < cell(tmp_path, "texts")
    one = {"classification": ["free"]}
    assert cell(tmp_path, "pairs", predictions=one) > labels


def test_shared_demonstrations_are_read_once_and_overflowing_ones_each_time(
    tmp_path: Path,
) -> None:
    without = cell(tmp_path, "pairs")
    assert cell(tmp_path, "pairs", shots=[4]) < 1.5 * without
    # 31 demonstrations of 100 tokens do not fit: every prompt fills the context of 2,048.
    assert cell(tmp_path, "pairs", shots=[31]) > 10 * without


def test_methods_of_multiple_choice_share_a_pass(tmp_path: Path) -> None:
    methods = {"multiple_choice": ["likelihood", "likelihood_per_char", "likelihood_pmi"]}
    resolved = study(tmp_path, {**BASE, "eval_sets": ["choices"], "predictions": methods})
    first, second, third = (cell.seconds.mid for cell in cells(resolved))
    assert second == pytest.approx(0.35)  # what 500 items take outside the model
    assert second < third < first


def test_formats_share_the_pass_over_options_without_their_questions(tmp_path: Path) -> None:
    methods = {"multiple_choice": ["likelihood_pmi"]}
    block = {**BASE, "eval_sets": ["choices"], "predictions": methods, "shots": [0, 1]}
    resolved = study(tmp_path, block)
    first, second = (cell.seconds.mid for cell in cells(resolved))
    alone = cell(tmp_path, "choices", predictions={"multiple_choice": ["likelihood"]}, shots=[1])
    assert second == pytest.approx(alone)
    assert second < first


def test_each_draw_costs_what_the_first_does(tmp_path: Path) -> None:
    block = {**BASE, "eval_sets": ["pairs", "choices"], "shots": [0, 4]}
    one, three = (study(tmp_path, {**block, "draws": drawn}) for drawn in ([0], [0, 1, 2]))
    first, every = ([price.seconds.mid for price in cells(resolved)] for resolved in (one, three))
    # choices and pairs, each without demonstrations and then with three draws of them.
    assert len(every) == 8
    assert every[2:4] == [every[1]] * 2
    assert every[6:8] == [every[5]] * 2
    assert [every[place] for place in (0, 1, 4, 5)] == first
    jobs = [job.wildcards for job in all_jobs(three, expand(three, "x")) if job.rule == "draw"]
    named = [(job["dataset"], job["draw"]) for job in jobs]
    assert named == [("choices", "1"), ("choices", "2"), ("pairs", "1"), ("pairs", "2")]
    assert not [job for job in all_jobs(one, expand(one, "x")) if job.rule == "draw"]


def test_methods_of_each_draw_share_a_pass(tmp_path: Path) -> None:
    methods = {"multiple_choice": ["likelihood", "likelihood_per_char"]}
    block = {**BASE, "eval_sets": ["choices"], "predictions": methods, "shots": [2]}
    found = [price.seconds.mid for price in cells(study(tmp_path, {**block, "draws": [0, 1]}))]
    assert found[0] == found[2] > found[1] == found[3]


def test_an_evaluation_loads_once_and_makes_the_cells_that_it_is_given(tmp_path: Path) -> None:
    resolved = study(tmp_path, {**BASE, "eval_sets": ["pairs", "texts"]})
    every = prices(resolved)
    whole = price(resolved)
    pairs, texts = every.cell_prices(whole.job)
    # Imports, and 4 GB of weights read at 1 GB/s.
    assert whole.seconds.mid == pytest.approx(12 + 4 + pairs.seconds.mid + texts.seconds.mid)
    assert whole.memory == max(pairs.memory, texts.memory)
    one = every.of(replace(whole.job, cells=whole.job.cells[:1]))
    assert one.seconds.mid == pytest.approx(12 + 4 + pairs.seconds.mid)
    assert one.memory == pairs.memory
    none = every.of(replace(whole.job, cells=()))
    assert (none.seconds, none.memory, none.unknown) == (Range(), 0, "")
    # A price is that of the job, however often it is asked for.
    assert every.of(whole.job) == whole


def test_a_cell_that_is_made_alone_reads_its_options_itself(tmp_path: Path) -> None:
    methods = {"multiple_choice": ["likelihood", "likelihood_pmi"]}
    resolved = study(tmp_path, {**BASE, "eval_sets": ["choices"], "predictions": methods})
    every, job = prices(resolved), price(resolved).job
    both = every.cell_prices(job)
    alone = every.cell_prices(replace(job, cells=job.cells[1:]))
    assert alone[0].seconds.mid > both[1].seconds.mid


def test_evaluation_in_bf16_takes_less_time_and_memory(tmp_path: Path) -> None:
    single = price(study(tmp_path, evaluate={"dtype": "float32"}))
    half = price(study(tmp_path, evaluate={"dtype": "bfloat16"}))
    assert half.seconds.mid < single.seconds.mid
    assert half.memory < single.memory
    # The head of 50,000 x 2,048 stays in fp32.
    assert half.least > 2 * 1e9 + 2 * 50_000 * 2048


def test_a_batch_is_in_the_memory_that_evaluation_needs(tmp_path: Path) -> None:
    large = {"datasets/texts": dataset("summary", answer_tokens=30, evaluation=100_000)}
    block = {**BASE, "eval_sets": ["texts"]}
    memory = {
        tokens: price(study(tmp_path, block, files=large, execution=execution)).memory
        for tokens, execution in (
            (None, {}),
            (8192, {"batch_tokens": 8192}),
            (16384, {"batch_tokens": 16384}),
        )
    }
    each = 4 * 2048 * (2 * 16 + 24)
    assert 4e9 + 0.9 * 8192 * each < memory[8192] < 4e9 + 8192 * each
    assert memory[8192] < memory[16384] < memory[None] < 80e9
    # A cell of few items needs no more than they are.
    few = {"datasets/texts": dataset("summary", answer_tokens=30, evaluation=50)}
    assert price(study(tmp_path, block, files=few)).memory < memory[None]


def test_the_hours_of_gpus_that_share_a_model_add_up(tmp_path: Path) -> None:
    one = study(tmp_path, TUNED)
    two = study(tmp_path, TUNED, execution={"gpus_per_model": 2})
    alone, shared = price(one, "tune"), price(two, "tune")
    assert (alone.gpus, shared.gpus, price(two).gpus) == (1, 2, 1)
    assert shared.spent.mid == 2 * shared.seconds.mid > alone.spent.mid
    assert shared.least < alone.least
    hours = {part.name: part.hours.mid for part in budget_for(two).stages}
    assert hours["tune"] == pytest.approx(shared.spent.mid / 3600)


def test_items_are_capped_by_the_study(tmp_path: Path) -> None:
    whole = Known(study(tmp_path))
    assert whole.evaluated_items("pairs") == 500
    data = {"train_items": 300, "evaluation_items": 50}
    assert Known(study(tmp_path, data=data)).evaluated_items("pairs") == 50
    assert Known(study(tmp_path, data=data)).train_rows("pairs") == 300


@pytest.mark.parametrize(("own", "rows"), [("all", 968), (0.5, 484), (40, 40), (9999, 968)])
def test_a_train_sets_own_rows(tmp_path: Path, own: Any, rows: int) -> None:
    # 1,000 rows less 32 demonstrations.
    data = {"train_items": 300, "train_items_of": {"pairs": own}}
    assert Known(study(tmp_path, data=data)).train_rows("pairs") == rows


def write(path: str, document: dict[str, Any]) -> None:
    """A JSON file under results/priced/."""
    file = Path("results/priced") / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(document), encoding="utf-8")


def test_counts_of_frozen_data_win(tmp_path: Path) -> None:
    resolved = study(tmp_path)
    write("data/pairs/manifest.json", {"items": {"train": 77, "evaluation": 33}})
    known = Known(resolved)
    assert known.train_rows("pairs") == 77
    assert known.evaluated_items("pairs") == 33
    remade = Known(resolved, frozenset({"pairs"}))
    assert remade.evaluated_items("pairs") == 500


def test_a_split_that_was_frozen_before_it_was_asked_for_has_the_size_of_its_file(
    tmp_path: Path,
) -> None:
    resolved = study(tmp_path)
    unfrozen = Known(resolved).train_rows("pairs")
    write("data/pairs/manifest.json", {"items": {"train": 0, "evaluation": 33}})
    assert Known(resolved).train_rows("pairs") == unfrozen > 0


def test_a_damaged_file_is_as_none(tmp_path: Path) -> None:
    resolved = study(tmp_path)
    write("data/pairs/manifest.json", {})
    Path("results/priced/data/pairs/manifest.json").write_text("{", encoding="utf-8")
    assert Known(resolved).evaluated_items("pairs") == 500


def test_bytes_that_the_hub_says_win(tmp_path: Path) -> None:
    resolved = study(tmp_path)
    jobs = all_jobs(resolved, expand(resolved, "study.yaml"))
    assumed = budget_for(resolved, jobs).download
    assert (assumed.number, assumed.at_most) == (4e9, True)
    files = {"model.safetensors": {"bytes": 2000}, "pytorch_model.bin": {"bytes": 3000}}
    write("big/revisions.json", {"revisions": {"20": {"files": files}}})
    listed = budget_for(resolved, jobs).download
    assert (listed.number, listed.at_most) == (2000, False)


def test_tuning_grows_with_rows_and_shrinks_with_adapters(tmp_path: Path) -> None:
    once = price(study(tmp_path, TUNED), "tune")
    capped = price(study(tmp_path, TUNED, data={"train_items": 100}), "tune")
    small = price(study(tmp_path, {**TUNED, "recipes": ["small"]}), "tune")
    assert capped.seconds.mid < once.seconds.mid
    assert small.seconds.mid < once.seconds.mid
    assert small.memory < once.memory


def test_candidate_rates_are_runs_on_the_rows_that_are_not_held_out(tmp_path: Path) -> None:
    resolved = study(tmp_path, {**TUNED, "recipes": ["select"], "seeds": [0, 1, 2]})
    jobs = all_jobs(resolved, expand(resolved, "study.yaml"))
    assert Counter(job.rule for job in jobs)["try_rate"] == 2
    assert Counter(job.rule for job in jobs)["tune"] == 3
    trial, run = price(resolved, "try_rate").seconds.mid, price(resolved, "tune").seconds.mid
    # Imports, 4 GB of weights read at 1 GB/s; a variant's weights are written.
    start, written = 12 + 4, 4
    assert (trial - start) / (run - start - written) == pytest.approx(0.8, abs=0.01)


def test_trials_of_each_checkpoint_are_priced_as_those_of_the_last(tmp_path: Path) -> None:
    lr = {"candidates": [1e-5, 1e-6], "heldout": 0.2, "chosen_at": "each"}
    stage = {"id": "tune", "optim": {"lr": lr, "epochs": 1}}
    block = {**TUNED, "checkpoints": "all", "recipes": ["select"]}
    last = study(tmp_path, block)
    before, old = price(last, "try_rate").seconds, by_checkpoint(last)
    each = study(tmp_path, block, files={"recipes/select": {"stages": [stage]}})
    jobs = Counter(job.rule for job in all_jobs(each, expand(each, "study.yaml")))
    assert (jobs["try_rate_at_checkpoint"], jobs["choose_rate_at_checkpoint"]) == (4, 2)
    assert jobs["try_rate"] == 0
    assert price(each, "try_rate_at_checkpoint").seconds == before
    new = by_checkpoint(each)
    assert new - old == {"big/10": 2, "big/20": 2}
    assert old - new == {"big/rates": 2}


def test_counts_of_encoded_rows_win(tmp_path: Path) -> None:
    resolved = study(tmp_path, TUNED)
    known = Known(resolved)
    assert known.train_tokens("pairs", "big", "default") == 101
    # An answer and its end; all of a dialogue.
    assert known.counted_tokens("pairs", "big", "default") == 2
    talk = Known(study(tmp_path, {**TUNED, "train_sets": ["talk"]}))
    assert talk.counted_tokens("talk", "big", "tulu") == 100
    counts = {"examples": 10, "tokens": 333, "target_tokens": 25}
    write("data/pairs/tokens/big/default.json", counts)
    assert known.train_tokens("pairs", "big", "default") == 33.3
    assert known.counted_tokens("pairs", "big", "default") == 2.5


def test_rows_of_a_mix_are_relative_to_the_target(tmp_path: Path) -> None:
    mix = {"$target": 2, "talk": 1}
    stage = {"id": "tune", "data": {"mix": mix}, "optim": {"lr": 1e-5, "epochs": 1}}
    files = {"recipes/once": {"stages": [stage]}, "datasets/talk": dataset("instruction")}
    mixed = price(study(tmp_path, TUNED, files=files, data={"train_items": 400}), "tune")
    alone = price(study(tmp_path, TUNED, data={"train_items": 600}), "tune")
    assert mixed.seconds.mid == pytest.approx(alone.seconds.mid, rel=0.02)


def test_a_faster_device_takes_less_and_an_unknown_one_is_refused(tmp_path: Path) -> None:
    slow = price(study(tmp_path, TUNED), "tune").seconds.mid
    fast = price(study(tmp_path, TUNED, execution={"plan_for": "h200"}), "tune").seconds.mid
    assert fast < slow
    with pytest.raises(StudyError, match="plan_for"):
        basis(study(tmp_path, execution={"plan_for": "v100"}))


@pytest.mark.parametrize(
    ("name", "lacking", "reason"),
    [
        ("datasets/pairs", "size", "datasets/pairs.yaml gives no size"),
        ("families/big", "size", "families/big.yaml gives no size"),
    ],
)
def test_what_is_not_known_is_said_and_has_no_price(
    tmp_path: Path, name: str, lacking: str, reason: str
) -> None:
    without = {key: value for key, value in FILES[name].items() if key != lacking}
    resolved = study(tmp_path, TUNED, files={name: without})
    grid = expand(resolved, "study.yaml")
    budget = budget_for(resolved)
    assert reason in budget.unknown
    assert price(resolved).unknown == reason
    assert price(resolved).seconds.high == 0
    assert f"cost not known: {reason}" in header(budget, grid)
    assert reason in budget_text(budget, resolved, grid, {})
    assert "unknown" in budget_text(budget, resolved, grid, {})


def test_only_the_splits_that_are_used_must_be_known(tmp_path: Path) -> None:
    without = {**dataset("nli"), "size": {"train": 1000, "prompt_tokens": 100}}
    resolved = study(tmp_path, TUNED, files={"datasets/pairs": without})
    assert not price(resolved, "tune").unknown
    assert price(resolved).unknown == "datasets/pairs.yaml gives no size.evaluation"


def test_a_budget_adds_up_and_shrinks_with_its_jobs(tmp_path: Path) -> None:
    resolved = study(tmp_path, TUNED, {**BASE, "eval_sets": ["pairs", "texts"]})
    grid = expand(resolved, "study.yaml")
    jobs = all_jobs(resolved, grid)
    budget = budget_for(resolved, jobs)
    counts = {stage.name: stage.jobs for stage in budget.stages}
    other = counts.pop("other")
    assert counts == {"download": 2, "verify": 1, "tune": 1, "evaluate": 2}
    # Freeze 2 sets, encode 1; the overlaps, the 9 rules of the end, and `all`.
    assert other == 2 + 1 + 11
    seconds = sum(one.seconds.mid for one in Prices(resolved, jobs, basis(resolved)).each)
    assert budget.whole.hours.mid == pytest.approx(seconds / 3600)
    rest = budget_for(resolved, [job for job in jobs if job.rule != "tune"])
    assert rest.whole.hours.mid < budget.whole.hours.mid
    assert rest.disk.peak(1) < budget.disk.peak(1)
    assert [stage.name for stage in budget_for(resolved, [Job("scores")]).stages] == ["other"]
    measured = study(tmp_path, TUNED, evaluate={"text_loss": True})
    counts = {stage.name: stage.jobs for stage in budget_for(measured).stages}
    assert counts["evaluate"] == 2


def test_kept_weights_take_disk(tmp_path: Path) -> None:
    block = {**TUNED, "seeds": [0, 1, 2]}
    sizes = {}
    for keep in ("all", "none"):
        resolved = study(tmp_path, block, keep_weights=keep)
        sizes[keep] = budget_for(resolved).disk.peak(1)
    assert sizes["all"] - sizes["none"] == pytest.approx(2 * 4e9)


def test_states_of_all_stages_lie_on_disk_while_the_last_trains(tmp_path: Path) -> None:
    stages = FILES["recipes/once"]["stages"]
    second = {"recipes/once": {"stages": [*stages, {**stages[0], "id": "again"}]}}
    one = budget_for(study(tmp_path, TUNED)).disk
    two = budget_for(study(tmp_path, TUNED, files=second)).disk
    assert (one.tuned, one.states) == ((4e9,), (24e9,))
    assert (two.tuned, two.states) == ((4e9,), (36e9,))


def test_a_dropped_models_cell_takes_the_disk_of_its_training(tmp_path: Path) -> None:
    # The weights of one deleted cell are tuned again, and deleted again.
    resolved = study(tmp_path, {**TUNED, "seeds": [0, 1, 2]}, keep_weights="none")
    jobs = [job for job in all_jobs(resolved, expand(resolved, "f")) if "variant" in job.wildcards]
    one = [job for job in jobs if job.wildcards["variant"].endswith("seed1")]
    left = budget_for(resolved, one)
    assert [(stage.name, stage.jobs) for stage in left.stages] == [("tune", 1), ("evaluate", 1)]
    assert left.disk.peak(1) == left.disk.peak(4) == 4e9 + 24e9


def test_segments_of_pre_training_share_a_state() -> None:
    block = {**BASE, "family": "mini", "checkpoints": "all", "eval_sets": ["nli_people"]}
    resolved = load_study({"study": "s", "blocks": [block]}, ROOT, "s")
    disk = budget_for(resolved).disk
    segments = len(resolved.families["mini"].steps())
    weights = 4 * Known(resolved).size("mini").parameters
    assert disk.pretrained == segments * 4 * weights
    assert disk.states == (6 * weights,)


def test_a_model_too_large_for_the_device_is_reported(tmp_path: Path) -> None:
    large = {**FAMILY, "size": {**FAMILY["size"], "parameters": 8e9}}
    resolved = study(tmp_path, TUNED, files={"families/big": large})
    grid = expand(resolved, "f")
    assert "plan for a larger device" in budget_text(budget_for(resolved), resolved, grid, {})


def test_the_size_of_a_model_that_is_pre_trained_here_is_its_own() -> None:
    block = {**BASE, "family": "mini", "eval_sets": ["nli_people"]}
    resolved = load_study({"study": "s", "blocks": [block]}, ROOT, "s")
    family = resolved.families["mini"]
    assert isinstance(family, PretrainFamily)
    made = family.architecture
    with torch.device("meta"):
        model = OlmoForCausalLM(
            OlmoConfig(
                vocab_size=made.vocab_size,
                hidden_size=made.hidden_size,
                intermediate_size=made.intermediate_size,
                num_hidden_layers=made.layers,
                num_attention_heads=made.heads,
                tie_word_embeddings=True,
            )
        )
    assert built_size(made).parameters == sum(p.numel() for p in model.parameters())


def test_the_size_of_a_local_checkpoint_is_read_from_its_files(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "step5")
    size = local_size(tmp_path / "step5", "own")
    assert size.parameters == sum(p.numel() for p in tiny_model().parameters())
    assert (size.layers, size.hidden_size) == (2, 32)
    with pytest.raises(NotKnown, match=r"families/own\.yaml gives no size"):
        local_size(tmp_path / "step6", "own")


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("config.json", b'{"a":' * 100_000),
        ("config.json", b"[]"),
        ("config.json", b'{"num_hidden_layers": "2", "hidden_size": 32, "vocab_size": 9}'),
        ("model.safetensors", b"<html>a page that asks to log in"),
        ("model.safetensors", (2**63).to_bytes(8, "little") + b"{}"),
        ("model.safetensors", (500_000).to_bytes(8, "little") + b'{"a":' * 100_000),
        ("model.safetensors", (2).to_bytes(8, "little") + b"[]"),
        ("model.safetensors", (10).to_bytes(8, "little") + b'{"a": [1]}'),
        ("model.safetensors", (18).to_bytes(8, "little") + b'{"a":{"shape": 4}}'),
    ],
)
def test_a_local_checkpoint_of_odd_files_has_no_size(
    tmp_path: Path, file: str, content: bytes
) -> None:
    save_checkpoint(tmp_path)
    (tmp_path / file).write_bytes(content)
    with pytest.raises(NotKnown):
        local_size(tmp_path, "own")


def test_numbers_as_printed() -> None:
    assert hours(Range(0.01, 9.96, 1234.4)) == "10 (<0.1-1,234)"
    assert [tokens(n) for n in (0, 4.194304e9, 3.0955e12, 2.4576e6)] == [
        "0",
        "4.19B",
        "3.1T",
        "2.46M",
    ]


def test_planning_imports_nothing_heavy() -> None:
    # Snakemake imports some of them itself.
    code = """
import json, sys, snakemake.api
before = set(sys.modules)
import tuning_dynamics.plan.dry_run
print(json.dumps(sorted(set(sys.modules) - before)))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT / "workflow/scripts",
    )
    loaded = {name.split(".")[0] for name in json.loads(done.stdout)}
    assert loaded.isdisjoint({"torch", "transformers", "numpy", "pandas", "pyarrow", "datasets"})
