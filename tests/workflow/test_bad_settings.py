"""Mistakes in the files of a study: each is refused with file, line, key, value and fix.

A case is an edit of one file of a study that runs. `#!` ends the line that the error must name.
"""

import json
import textwrap
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from put_back import put_back
from repository import ROOT
from snakemake.common.configfile import load_configfile

from tuning_dynamics.run.start import begin

#: Lines of an error that one screen shows.
SCREEN = 24

FILES = {
    "study.yaml": """
        study: bad
        title: Mistakes
        seed: 0
        catalogue: [config, tests/catalogue, FOLDER]
        world: {people: 32, documents: 200}
        data: {train_items: 4}
        statistics: {resamples: 200, main_recipe: gentle}
        execution: {device: cpu}
        blocks:
          - family: [mine, far]
            checkpoints: last
            recipes: [base, gentle]
            train_sets: [weather]
            seeds: [0]
            eval_sets: [weather, weather2]
            formats: [default]
            shots: [0]
    """,
    "families/mine.yaml": """
        source: local
        path: FOLDER/checkpoint
        tokens_per_step: 1
        checkpoints: {steps: [7]}
    """,
    "families/far.yaml": """
        source: hub
        repo: tiny/far
        revision: step{step}
        available: [0, 1000..3000 by 1000]
        tokens_per_step: 1e6
        checkpoints: {all: true}
    """,
    "recipes/gentle.yaml": """
        stages:
          - id: tune
            train: {lora: {r: 8, alpha: 16}}
            data: {mix: {$target: 1, nli_people: 0.5}}
            optim: {lr: 1e-3, epochs: 1}
    """,
    "tasks/talk.yaml": """
        kind: classification
        formats:
          default: "{a} {b}"
    """,
    "datasets/weather.yaml": """
        task: talk
        domain: weather
        licence: none
        source:
          files: {train: train.jsonl, evaluation: rows.jsonl}
        fields: {a: a, b: b}
        gold:
          field: g
          labels: {wet: wet, dry: dry}
    """,
    "datasets/weather2.yaml": """
        task: talk
        domain: weather2
        licence: none
        source:
          files: {evaluation: rows.jsonl}
        fields: {a: a, b: b}
        gold:
          field: g
          labels: {wet: wet, dry: dry}
    """,
    "train.jsonl": """{"a": "x", "b": "y", "g": "wet"}""",
    "rows.jsonl": """{"a": "x", "b": "z", "g": "wet"}""",
}
STUDY, FAMILY, HUB = "study.yaml", "families/mine.yaml", "families/far.yaml"
RECIPE, TASK = "recipes/gentle.yaml", "tasks/talk.yaml"
DATASET, OTHER = "datasets/weather.yaml", "datasets/weather2.yaml"

Case = tuple[str, str, str, list[str]]

#: File, text that is there once, text in its place, what the error says.
CASES: dict[str, Case] = {
    # Numbers.
    "negative_count": (STUDY, "seed: 0", "seed: -1 #!", ["key:   seed", "-1", "or equal to 0"]),
    "boolean_for_a_count": (STUDY, "seed: 0", "seed: true #!", ["seed", "True", "whole number"]),
    "text_for_a_count": (STUDY, "seed: 0", 'seed: "3" #!', ["seed", "'3'", "without quotes"]),
    "fraction_for_a_count": (STUDY, "seed: 0", "seed: 1.5 #!", ["seed", "1.5", "whole number"]),
    "octal_looking": (STUDY, "seed: 0", "seed: 010 #!", ["seed", "'010'"]),
    "time_looking": (STUDY, "seed: 0", "seed: 12:30 #!", ["seed", "'12:30'"]),
    "grouped_digits": (STUDY, "seed: 0", "seed: 1_000 #!", ["seed", "'1_000'"]),
    "seed_beyond_32_bits": (STUDY, "seed: 0", "seed: 4294967296 #!", ["seed", "4294967296"]),
    "tuning_seed_beyond_32_bits": (STUDY, "seeds: [0]", "seeds: [0, 99999999999] #!", ["seeds.1"]),
    "boolean_in_a_list": (STUDY, "shots: [0]", "shots: [0, true] #!", ["shots.1", "True"]),
    "infinite": (RECIPE, "lr: 1e-3", "lr: 1e400", ["stages.0.optim.lr", "inf"]),
    "not_a_number": (RECIPE, "lr: 1e-3", "lr: .nan", ["stages.0.optim.lr", "nan"]),
    "zero_rate": (RECIPE, "lr: 1e-3", "lr: 0", ["stages.0.optim.lr", "greater than 0"]),
    "boolean_for_a_rate": (RECIPE, "lr: 1e-3", "lr: true", ["stages.0.optim.lr", "True"]),
    "no_coverage": (
        STUDY,
        "resamples: 200",
        "level: 1",
        ["statistics.level", "less than 1"],
    ),
    "one_resample": (STUDY, "resamples: 200", "resamples: 1", ["statistics.resamples", "100"]),
    "negative_alpha_of_learning": (
        STUDY,
        "resamples: 200",
        "learned_alpha: -0.1",
        ["statistics.learned_alpha"],
    ),
    "share_of_items": (
        STUDY,
        "{train_items: 4}",
        "{train_items: 0.5} #!",
        ["data.train_items", "0.5"],
    ),
    "share_above_one": (
        STUDY,
        "{train_items: 4}",
        "{train_items_of: {weather: 1.5}} #!",
        ["data.train_items_of.weather", "1.5"],
    ),
    "no_documents": (STUDY, "documents: 200", "documents: 0", ["world.documents", "0"]),
    "endless_hours": (STUDY, "title: Mistakes", "max_gpu_hours: .inf #!", ["max_gpu_hours"]),
    "negative_price": (
        STUDY,
        "device: cpu",
        "price_per_hour: -1",
        ["execution.price_per_hour", "-1"],
    ),
    # Axes.
    "empty_axis": (STUDY, "seeds: [0]", "seeds: [] #!", ["blocks.0.seeds", "[]"]),
    "empty_list_of_sets": (
        STUDY,
        "eval_sets: [weather, weather2]",
        "eval_sets: [] #!",
        ["blocks.0.eval_sets"],
    ),
    "null": (STUDY, "formats: [default]", "formats: #!", ["blocks.0.formats", "(empty)", "list"]),
    "null_block": (
        STUDY,
        "blocks:",
        "blocks:\n          - #!",
        ["blocks.0", "(empty)", "key: value"],
    ),
    "text_for_a_list": (
        STUDY,
        "seeds: [0]",
        "seeds: 0 #!",
        ["blocks.0.seeds", "list"],
    ),
    "repeated_seed": (STUDY, "seeds: [0]", "seeds: [0, 0] #!", ["seeds", "more than once"]),
    "unknown_keyword": (
        STUDY,
        "checkpoints: last",
        "checkpoints: first #!",
        ["blocks.0.checkpoints", "'last'"],
    ),
    "near_key_of_a_block": (
        STUDY,
        "shots: [0]",
        "shot: [0] #!",
        ["blocks.0.shot", "did you mean 'shots'"],
    ),
    "base_named_in_train_sets": (
        STUDY,
        "train_sets: [weather]",
        "train_sets: [base] #!",
        ["datasets", "'base'"],
    ),
    "cells_of_one_set_twice": (
        STUDY,
        "eval_sets: [weather, weather2]",
        "eval_sets: [weather, weather] #!",
        ["eval_sets", "more than once: weather"],
    ),
    "unknown_statistics_set": (
        STUDY,
        "main_recipe: gentle",
        "main_recipe: gentle, transfer: {eval_sets: [wether]}",
        ["statistics.transfer.eval_sets", "did you mean 'weather'"],
    ),
    "set_in_both_groups": (
        STUDY,
        "main_recipe: gentle",
        "main_recipe: gentle, groups: {learned: [weather], not_learned: [weather]}",
        ["statistics.groups", "both groups"],
    ),
    "metric_of_no_column": (
        STUDY,
        "resamples: 200",
        "test_families: [model]",
        ["statistics.test_families.0", "model"],
    ),
    # Names.
    "name_with_a_slash": (STUDY, "study: bad", "study: a/b #!", ["study", "'a/b'", "letters"]),
    "name_with_dots": (STUDY, "study: bad", "study: .. #!", ["study", "'..'"]),
    "empty_name": (STUDY, "study: bad", 'study: "" #!', ["study", "''"]),
    "long_name": (STUDY, "study: bad", f"study: {'a' * 65} #!", ["study", "at most 64"]),
    "lookalike_name": (STUDY, "study: bad", "study: b\u0430d #!", ["study", "letters"]),
    "name_with_a_line_break": (STUDY, "study: bad", 'study: "bad\\n" #!', ["study", "letters"]),
    "number_for_a_name": (STUDY, "study: bad", "study: 7 #!", ["study", "7", "in quotes"]),
    "study_named_as_the_comparisons": (STUDY, "study: bad", "study: compare #!", ["study"]),
    "unknown_format_name": (TASK, '  default: "{a} {b}"', '  a b: "{a}" #!', ["formats.a b"]),
    "stage_with_a_space": (RECIPE, "id: tune", "id: tune it #!", ["stages.0.id", "tune it"]),
    # Files.
    "repeated_key": (
        STUDY,
        "seed: 0",
        "seed: 0\n        seed: 1",
        ["given twice", "key:   line 5"],
    ),
    "tab": (TASK, "  default:", "\tdefault:", ["not valid YAML", "line 4"]),
    "no_mapping": (DATASET, "task: talk", "- a\n- b\n#", ["not valid YAML"]),
    "list_for_a_file": (TASK, FILES[TASK], "- a", ["must hold keys and values"]),
    "empty_file": (TASK, FILES[TASK], "", ["must hold keys and values"]),
    "two_documents": (TASK, "kind: classification", "kind: a\n---\nkind: b", ["not valid YAML"]),
    "unknown_tag": (TASK, "kind: classification", "kind: !!python/name:os.system x", ["not valid"]),
    "unknown_anchor": (TASK, "kind: classification", "kind: *here", ["not valid YAML", "line"]),
    "missing_key_of_a_stage": (
        RECIPE,
        "id: tune\n",
        "train: full #!\n#",
        ["stages.0.id", "missing", "add id"],
    ),
    "catalogue_that_is_a_file": (
        STUDY,
        "tests/catalogue, FOLDER]",
        "FOLDER, rows.jsonl] #!",
        ["catalogue", "rows.jsonl"],
    ),
    # Families.
    "unknown_source": (
        FAMILY,
        "source: local",
        "source: localy #!",
        ["source", "'localy'", "'local'"],
    ),
    "key_of_another_source": (FAMILY, "tokens_per_step: 1", "repo: a/b #!\n#", ["repo"]),
    "no_tokens": (FAMILY, "tokens_per_step: 1", "tokens_per_step: 0 #!", ["tokens_per_step"]),
    "negative_step": (FAMILY, "steps: [7]", "steps: [-7]", ["checkpoints.steps.0", "-7"]),
    "step_twice": (FAMILY, "steps: [7]", "steps: [7, 7]", ["checkpoints.steps", "more than once"]),
    "no_checkpoint": (FAMILY, "{steps: [7]}", "{} #!", ["checkpoints", "names no checkpoint"]),
    "all_of_a_local_family": (FAMILY, "steps: [7]", "all: true", ["checkpoints", "available"]),
    "steps_that_share_a_folder": (
        FAMILY,
        "checkpoint\n        tokens_per_step: 1\n        checkpoints: {steps: [7]}",
        "same #!\n        tokens_per_step: 1\n        checkpoints: {steps: [7, 8]}",
        ["path", "{step}"],
    ),
    "range_without_steps": (HUB, "by 1000]", "by 0] #!", ["available", "by 0"]),
    "range_reversed": (HUB, "1000..3000", "3000..1000", ["available", "3000..1000"]),
    "range_misspelt": (HUB, "1000..3000 by 1000", "1000-3000", ["available", "1000-3000"]),
    "range_overlaps": (HUB, "[0, 1000", "[1000, 1000", ["available", "1000"]),
    "endless_range": (HUB, "1000..3000 by 1000", "0..99999999999999 by 1", ["available"]),
    "no_repository": (HUB, "repo: tiny/far", "repo: https://hf.co/tiny/far #!", ["repo", "https"]),
    "repository_elsewhere": (HUB, "repo: tiny/far", "repo: ../../far #!", ["repo", "../../far"]),
    "revision_without_step": (HUB, "step{step}", "main", ["revision needs {step}"]),
    "step_that_is_not_there": (HUB, "{all: true}", "{steps: [5]} #!", ["checkpoints", "no step 5"]),
    # Recipes.
    "same_stage_twice": (
        RECIPE,
        "stages:",
        "stages:\n          - {id: tune, optim: {lr: 1e-3}}",
        ["more than once: tune"],
    ),
    "no_stage": (RECIPE, FILES[RECIPE], "stages: [] #!", ["stages", "[]"]),
    "rank_0": (RECIPE, "r: 8", "r: 0", ["stages.0.train.lora.r", "greater than 0"]),
    "alpha_nan": (RECIPE, "alpha: 16", "alpha: .nan", ["stages.0.train.lora.alpha"]),
    "near_key_of_an_adapter": (
        RECIPE,
        "alpha: 16",
        "alfa: 16",
        ["stages.0.train.lora.alfa", "did you mean 'alpha'"],
    ),
    "unknown_kind": (RECIPE, "{lora: {r: 8, alpha: 16}}", "lorra #!", ["stages.0.train", "lorra"]),
    "near_kind": (
        RECIPE,
        "{lora: {r",
        "{lorra: {r",
        ["stages.0.train.lorra", "did you mean 'lora'"],
    ),
    "unknown_regulariser": (
        RECIPE,
        "    data:",
        "    reg: {l3: 1} #!\n            data:",
        ["stages.0.reg", "l3"],
    ),
    "weight_0": (RECIPE, "nli_people: 0.5", "nli_people: 0", ["data.mix.nli_people", "0"]),
    "weight_negative": (RECIPE, "$target: 1", "$target: -1", ["data.mix.$target", "-1"]),
    "weight_nan": (RECIPE, "$target: 1", "$target: nan", ["data.mix.$target", "'nan'"]),
    "empty_mix": (RECIPE, "{$target: 1, nli_people: 0.5}", "{}", ["stages.0.data.mix"]),
    "near_target": (RECIPE, "$target: 1", "target: 1", ["data.mix", "'target'"]),
    "unknown_set_in_a_mix": (RECIPE, "nli_people: 0.5", "nli_peple: 1", ["nli_people"]),
    "no_candidates": (
        RECIPE,
        "lr: 1e-3",
        "lr: {candidates: []}",
        ["optim.lr.candidates", "[]"],
    ),
    "one_candidate": (
        RECIPE,
        "lr: 1e-3",
        "lr: {candidates: [1e-3]}",
        ["optim.lr.candidates"],
    ),
    "equal_candidates": (
        RECIPE,
        "lr: 1e-3",
        "lr: {candidates: [1e-3, 0.001]}",
        ["candidates", "more than once"],
    ),
    "rates_of_no_set": (RECIPE, "lr: 1e-3", "lr: {}", ["stages.0.optim.lr", "weather"]),
    "unknown_schedule": (
        RECIPE,
        "epochs: 1",
        "schedule: linaer",
        ["optim.schedule", "'linaer'", "'linear'"],
    ),
    "warm_up_beyond_the_run": (RECIPE, "epochs: 1", "warmup: 2", ["optim.warmup", "2"]),
    "no_epoch": (RECIPE, "epochs: 1", "epochs: 0", ["optim.epochs", "0"]),
    "unknown_training_format": (
        RECIPE,
        "data: {mix",
        "data: {format: fancy, mix",
        ["format", "fancy"],
    ),
    # Tasks and datasets.
    "unknown_kind_of_task": (
        TASK,
        "kind: classification",
        "kind: classify #!",
        ["kind", "classify"],
    ),
    "no_default_format": (TASK, "formats:\n          d", "formats: #!\n          f", ["'default'"]),
    "empty_format": (TASK, '"{a} {b}"', '""', ["formats.default", "a format is not empty"]),
    "unknown_metric": (
        DATASET,
        "domain: weather",
        "domain: weather\n        metric: acuracy #!",
        ["'acuracy'", "accuracy, exact_match, f1"],
    ),
    "near_key_of_a_dataset": (DATASET, "fields:", "feilds:", ["feilds", "did you mean 'fields'"]),
    "no_split": (
        OTHER,
        "{evaluation: rows.jsonl}",
        "{} #!",
        ["source.files", "neither a train"],
    ),
    "demonstrations_of_an_absent_set": (
        OTHER,
        "licence: none",
        "licence: none\n        demonstrations: wether #!",
        ["wether", "'weather'"],
    ),
    "demonstrations_of_another_task": (
        OTHER,
        "licence: none",
        "licence: none\n        demonstrations: facts_qa #!",
        ["demonstrations", "facts_qa"],
    ),
    "no_gold_field": (DATASET, "gold:\n          field: g", "gold: #!", ["gold.field", "missing"]),
    "label_twice": (DATASET, "dry: dry", "dry: [dry, wet]", ["gold", "words of its own"]),
    "empty_label": (DATASET, "dry: dry", 'dry: ""', ["gold", "''"]),
    "no_labels": (DATASET, "{wet: wet, dry: dry}", "{}", ["gold", "labels"]),
    "one_label": (DATASET, "{wet: wet, dry: dry}", "{wet: wet}", ["gold", "labels"]),
    "no_gold": (
        OTHER,
        "gold:\n          field: g\n          labels: {wet: wet, dry: dry}",
        "#",
        ["gold"],
    ),
    "labels_and_threshold": (
        DATASET,
        "labels: {",
        "threshold: {above: 1, yes: a, no: b}\n          labels: {x: y, #!\n",
        ["gold.labels", "either labels or threshold"],
    ),
    "number_for_a_licence": (DATASET, "licence: none", "licence: 4 #!", ["licence", "4", "text"]),
    "expression_that_is_none": (
        DATASET,
        "licence: none",
        'licence: none\n        clean: [{pattern: "(", replacement: ""}] #!',
        ["clean.0", "regular expression"],
    ),
    "unknown_duplicates": (
        DATASET,
        "licence: none",
        "licence: none\n        duplicates: keep #!",
        ["'refuse'", "'drop'"],
    ),
    "size_of_nothing": (
        DATASET,
        "licence: none",
        "licence: none\n        size: {prompt_tokens: 0} #!",
        ["size.prompt_tokens", "greater than 0"],
    ),
}


@pytest.fixture
def within(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder during a test; what `begin` sets is undone after it."""
    put_back(monkeypatch)
    monkeypatch.chdir(tmp_path)
    for library in ("OMP", "OPENBLAS", "MKL"):
        monkeypatch.setenv(f"{library}_NUM_THREADS", "1")
    return tmp_path


def prepare(folder: Path, edited: str = "", old: str = "", new: str = "") -> int:
    """Write the study with an edit in one file; returns the wrong line's number: the one that ends
    with `#!`, else the edit's first."""
    place = 0
    for name, text in FILES.items():
        written = textwrap.dedent(text).replace("FOLDER", str(folder))
        if name == edited:
            assert text.count(old) == 1, f"{old!r} is in {name} {text.count(old)} times"
            place = text.partition(old)[0].count("\n") + 1
            written = textwrap.dedent(text.replace(old, new)).replace("FOLDER", str(folder))
            lines = written.splitlines()
            place = next((n for n, line in enumerate(lines, 1) if line.endswith("#!")), place)
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(written, encoding="utf-8")
    (folder / "checkpoint").mkdir(exist_ok=True)
    return place


def study_workflow(settings: dict[str, Any]) -> Any:
    """What `begin` asks of Snakemake's workflow."""
    return SimpleNamespace(
        basedir=ROOT,
        configfiles=[STUDY],
        config_settings=SimpleNamespace(config=settings),
        is_main_process=True,
        global_resources={"_nodes": SimpleNamespace(value=None)},
    )


def refusal(**settings: Any) -> str:
    """The text with which the study of the current folder ends when it begins."""
    with pytest.raises(SystemExit) as ended:
        begin({**load_configfile(STUDY), **settings}, study_workflow(settings))
    assert isinstance(ended.value.code, str)  # Python prints it and exits with 1
    return ended.value.code.strip()


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_mistake_is_refused_with_its_place(case: Case, within: Path) -> None:
    file, old, new, says = case
    line = prepare(within, file, old, new)
    error = refusal()
    assert len(error.splitlines()) <= SCREEN, error
    # What is wrong with a file as a whole is on no line of a key.
    whole = any(what in error for what in ("not valid YAML", "must hold keys", "needs the key"))
    place = file if whole else f"{file}, line {line}\n"
    for text in (place, "  file:", "  key:", "  value:", "  fix:", *says):
        assert text in error, f"{text!r} is not in\n{error}"
    assert not Path("results").exists()


#: A value of `--config`, as Snakemake hands it on, and what the error says.
GIVEN: dict[str, tuple[dict[str, Any], list[str]]] = {
    "boolean_seed": ({"seed": True}, ["seed", "True"]),
    "infinite_limit": ({"max_gpu_hours": float("inf")}, ["max_gpu_hours", "inf"]),
    "limit_that_is_no_number": ({"max_gpu_hours": float("nan")}, ["max_gpu_hours", "nan"]),
    "near_key": ({"sed": 1}, ["sed", "did you mean 'seed'"]),
    "text_in_a_mapping": ({"statistics": {"resamples": "many"}}, ["statistics.resamples", "many"]),
    "fraction_in_a_mapping": ({"data": {"train_items": "2.5"}}, ["data.train_items", "2.5"]),
    "no_blocks": ({"blocks": []}, ["blocks"]),
    "folder_elsewhere": ({"study": "../evil"}, ["study", "'../evil'"]),
    "number_for_a_folder": ({"data_root": 3}, ["data_root", "3"]),
    "part_beyond_the_last": ({"part": "3/2"}, ["part", "3/2", "part=1/24"]),
    "part_0": ({"part": "0/2"}, ["part", "0/2"]),
    "part_of_nothing": ({"part": "tables"}, ["part", "'tables'"]),
    "more_parts_than_checkpoints": ({"part": "1/9"}, ["part", "at most 2 parts"]),
    "one_side": ({"side_a": "results/one"}, ["side_a", "results/one"]),
    "no_cell": ({"cell": "results/one/x.parquet"}, ["cell", "results/one/x.parquet"]),
}


@pytest.mark.parametrize(("settings", "says"), GIVEN.values(), ids=GIVEN.keys())
def test_a_mistake_on_the_command_line_is_refused(
    settings: dict[str, Any], says: list[str], within: Path
) -> None:
    prepare(within)
    error = refusal(**settings)
    assert len(error.splitlines()) <= SCREEN, error
    for text in ("  file:", "  key:", "  value:", "  fix:", *says):
        assert text in error, f"{text!r} is not in\n{error}"
    assert not Path("results").exists()


@pytest.mark.parametrize("taken", ["results", "results/bad", "results/bad/records"])
def test_a_file_in_the_place_of_results_is_refused(taken: str, within: Path) -> None:
    prepare(within)
    Path(taken).parent.mkdir(parents=True, exist_ok=True)
    Path(taken).touch()
    error = refusal()
    for text in (f"  file:  {taken}\n", "  key:   study", "  value: 'bad'", "move it away"):
        assert text in error, error
    assert Path(taken).is_file()


def test_json_is_read_too(within: Path) -> None:
    prepare(within)
    study = json.dumps(load_configfile(STUDY), indent="\t")
    Path(STUDY).write_text(study.replace('"Mistakes"', '"\\ud83d\\ude00"'), encoding="utf-8")
    assert begin(load_configfile(STUDY), study_workflow({}))[0].resolved.study.title == "\U0001f600"
    Path(STUDY).write_text(study.replace('"title"', '"study"'), encoding="utf-8")
    assert "given twice" in refusal()


def test_the_command_line_and_the_file_are_read_alike(within: Path) -> None:
    prepare(within, STUDY, "seed: 0", "seed: 3")
    settings = {"statistics": {"level": "9e-1", "main_recipe": "gentle"}}
    config = {**load_configfile(STUDY), **settings}
    jobs, _ = begin(config, study_workflow(settings))
    assert jobs.resolved.study.seed == 3
    assert (jobs.resolved.study.statistics.level, config["statistics"]["level"]) == (0.9, 0.9)
    assert jobs.resolved.study.statistics.resamples == 200
