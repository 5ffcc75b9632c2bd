"""The shipped dataset files: what the published study needs, on splits that have labels."""

from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hub.rows import CONFIGS, Config, split_rows

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.common.templates import names as template_fields
from tuning_dynamics.common.variants import Variant
from tuning_dynamics.config.dataset import Dataset, Task
from tuning_dynamics.config.load import load_study, parse, read_yaml
from tuning_dynamics.config.study import ResolvedStudy
from tuning_dynamics.data.dedup import Screen
from tuning_dynamics.data.items import Item
from tuning_dynamics.data.prompts import render
from tuning_dynamics.grid.grid import expand, role

ROOT = Path(__file__).parents[3]
CONFIG = ROOT / "config"
TASKS = {
    path.stem: parse(Task, read_yaml(path), path) for path in sorted((CONFIG / "tasks").iterdir())
}
PATHS = {path.stem: path for path in sorted((CONFIG / "datasets").glob("*.yaml"))}
DATASETS: dict[str, Dataset] = {
    name: parse(Dataset, read_yaml(path), path) for name, path in PATHS.items()
}
FROM_HUB = [name for name, dataset in DATASETS.items() if dataset.source.hub]

#: Train set -> evaluation sets of its task: in-domain, out-of-domain (the study's Table 1).
TABLE_1 = {
    "xsum": (["xsum", "xlsum_en"], ["cnn_dailymail"]),
    "socialiqa": (["socialiqa"], ["sciq", "tweetqa"]),
    "mnli": (["mnli", "mnli_mismatched"], ["rte", "gpt3_nli"]),
    "paws": (["paws"], ["qqp", "stsb"]),
}
BENCHMARKS = ["arc_easy", "arc_challenge", "openbookqa", "hellaswag", "boolq", "sciq_mc"]
INSTRUCTION = ["tulu_v2", "tulu_3"]
EVALUATED = [name for ids, ood in TABLE_1.values() for name in [*ids, *ood]]

#: Hub id -> splits whose labels are withheld.
WITHHELD = {
    "nyu-mll/glue": {"test", "test_matched", "test_mismatched"},
    "ucsbnlp/tweet_qa": {"test"},
    "Rowan/hellaswag": {"test"},
    "google/boolq": {"test"},
    "lighteval/siqa": {"test"},
}


def kind(name: str) -> Any:
    return TASKS[DATASETS[name].task].kind


# --- every file --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DATASETS)
def test_a_dataset_says_what_it_is_and_under_which_licence(name: str) -> None:
    first = PATHS[name].read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith("# ")
    assert DATASETS[name].licence.strip()
    assert DATASETS[name].task in TASKS


@pytest.mark.parametrize("name", DATASETS)
def test_a_dataset_has_the_three_formats_and_gives_their_fields(name: str) -> None:
    dataset = DATASETS[name]
    formats = {**TASKS[dataset.task].formats, **dataset.formats}
    if kind(name) == "instruction":
        assert dataset.messages
        return
    assert {"default", "io", "instruct"} <= set(formats)
    for template in formats.values():
        assert set(template_fields(template)) <= set(dataset.fields)
    assert set(dataset.optional) <= set(dataset.fields)


@pytest.mark.parametrize("name", FROM_HUB)
def test_no_split_without_labels_is_evaluated(name: str) -> None:
    dataset = DATASETS[name]
    assert dataset.source.hub is not None
    assert dataset.source.hub.splits.evaluation not in WITHHELD.get(dataset.source.hub.id, set())


@pytest.mark.parametrize("name", FROM_HUB)
def test_a_hub_dataset_is_ready_for_real_data_and_for_the_budget(name: str) -> None:
    dataset = DATASETS[name]
    assert dataset.source.hub is not None
    assert dataset.size is not None
    splits = dataset.source.hub.splits
    assert dataset.duplicates == "drop"
    assert (dataset.size.train is None) == (splits.train is None)
    assert (dataset.size.evaluation is None) == (splits.evaluation is None)
    assert (dataset.size.options > 1) == (kind(name) == "multiple_choice")
    assert dataset.demonstrations or splits.train
    assert dataset.demonstrations is None or dataset.demonstrations in DATASETS


# --- the published study -----------------------------------------------------------------------


def study(train: str, evaluation: list[str], catalogue: str = "config") -> ResolvedStudy:
    block = {
        "family": "mini",
        "checkpoints": "last",
        "recipes": ["full"],
        "train_sets": [train],
        "eval_sets": evaluation,
    }
    folders = list(dict.fromkeys([catalogue, "config"]))
    return load_study({"study": "x", "catalogue": folders, "blocks": [block]}, ROOT, "x.yaml")


def test_the_sets_of_the_published_study_are_here_with_their_roles() -> None:
    # 18 sets, of which SciQ is evaluated as question generation and as multiple choice.
    assert len(set(EVALUATED) | set(BENCHMARKS)) == 18 + 1
    for train, (same, other) in TABLE_1.items():
        resolved = study(train, [*EVALUATED, *BENCHMARKS])
        assert expand(resolved, "x.yaml").cells
        tuned = Variant("mini", 1, "full", train, 0)
        for name in EVALUATED:
            expected = "id" if name in same else "ood" if name in other else "cross"
            assert role(resolved, tuned, name) == expected, (train, name)
        for name in BENCHMARKS:
            assert role(resolved, tuned, name) == "bench"


@pytest.mark.parametrize("name", INSTRUCTION)
def test_the_instruction_sets_can_be_tuned_on(name: str) -> None:
    assert kind(name) == "instruction"
    assert expand(study(name, BENCHMARKS), "x.yaml").tuned


def test_label_words_are_those_of_the_published_study() -> None:
    inference = [["entailment"], ["neutral"], ["contradiction"]]
    for name in ("mnli", "mnli_mismatched", "gpt3_nli"):
        assert labels(name) == inference
    assert labels("rte") == [["entailment"], ["neutral", "contradiction"]]
    for name in ("paws", "qqp", "stsb"):
        assert sorted(labels(name)) == [["no"], ["yes"]]


def labels(name: str) -> list[list[str]]:
    gold = DATASETS[name].gold
    assert gold is not None
    return gold.label_groups()


# --- on rows in the hub's fields and types -----------------------------------------------------


def config_of(name: str) -> Config:
    hub = DATASETS[name].source.hub
    assert hub is not None
    (found,) = (
        config
        for config in CONFIGS
        if config.repo == hub.id and config.name == (hub.config or hub.data_dir or "default")
    )
    return found


def screened(name: str, split: str, split_role: str) -> tuple[Screen, list[Item]]:
    screen = Screen(name, DATASETS[name], kind(name), 0)
    rows = [
        row
        for row in split_rows(config_of(name), split)
        if not screen.dropped(row, "here", split_role)
    ]
    items = [screen.item(row, f"row {number}", split_role) for number, row in enumerate(rows)]
    return screen, [item for item in items if not screen.repeated(item, "here", split_role)]


def splits_of(name: str) -> Iterator[tuple[str, str]]:
    hub = DATASETS[name].source.hub
    assert hub is not None
    if hub.splits.train:
        yield "train", hub.splits.train
    if hub.splits.evaluation:
        yield "evaluation", hub.splits.evaluation


@pytest.mark.parametrize("name", FROM_HUB)
def test_the_hubs_rows_become_items(name: str) -> None:
    dataset = DATASETS[name]
    ids: list[set[str]] = []
    for split_role, split in splits_of(name):
        screen, items = screened(name, split, split_role)
        assert len(items) >= 24
        assert set(screen.left_out) <= {f"{split_role}: {field} in drop" for field in dataset.drop}
        screen.require_labels(items, split_role)
        for template in {**TASKS[dataset.task].formats, **dataset.formats}.values():
            assert len({render(template, item.fields) for item in items}) > len(items) / 2
        assert all(item.options.count(item.target) == 1 for item in items if item.options)
        ids.append({item.item for item in items})
    # A demonstration and an evaluated item are distinguished by id, so splits must not share any.
    assert not any(one & other for one, other in combinations(ids, 2))


def withheld_splits() -> list[tuple[str, str]]:
    return [
        (name, split)
        for name in FROM_HUB
        for split in config_of(name).splits
        if split in WITHHELD.get(config_of(name).repo, set())
    ]


@pytest.mark.parametrize(("name", "split"), withheld_splits())
def test_rows_of_a_withheld_split_are_refused(name: str, split: str) -> None:
    screen = Screen(name, DATASETS[name], kind(name), 0)
    for number, row in enumerate(split_rows(config_of(name), split), start=1):
        # TweetQA's answer is shown, so what is missing there is a text.
        with pytest.raises(StudyError, match=r"'no label' value|no text in a field(?s:.*)Answer"):
            screen.item(row, f"row {number}", "evaluation")


def test_question_generation_shows_the_right_answer_and_no_other() -> None:
    screen = Screen("socialiqa", DATASETS["socialiqa"], "generation", 0)
    for number, row in enumerate(split_rows(config_of("socialiqa"), "validation"), start=1):
        shown = screen.item(row, f"row {number}", "evaluation").fields
        assert shown["answer"] == row["answer" + "ABC"[int(row["label"]) - 1]]
    screen = Screen("sciq", DATASETS["sciq"], "generation", 0)
    rows = [row for row in split_rows(config_of("sciq"), "test") if row["support"]]
    for number, row in enumerate(rows, start=1):
        shown = screen.item(row, f"row {number}", "evaluation").fields
        assert shown == {"text": row["support"], "answer": row["correct_answer"]}


# --- training splits ---------------------------------------------------------------------------


def catalogue(folder: Path, splits: str, **keys: str) -> str:
    """A catalogue with the hub dataset `weather` on some splits."""
    lines = [
        "task: nli",
        "domain: x",
        "licence: x",
        f"source: {{hub: {{id: a/b, splits: {splits}}}}}",
        "fields: {a: a, b: b}",
        "gold: {field: g, labels: {x: x, y: y}}",
        *(f"{key}: {value}" for key, value in keys.items()),
    ]
    (folder / "datasets").mkdir()
    (folder / "datasets/weather.yaml").write_text("\n".join(lines), encoding="utf-8")
    return str(folder)


@pytest.mark.parametrize(
    "split", ["train", "train[:10%]", "training", "Train", "test+train", "train_matched"]
)
def test_a_training_split_is_not_evaluated_without_a_reason(tmp_path: Path, split: str) -> None:
    resolved = study("mnli", ["weather"], catalogue(tmp_path, f"{{evaluation: '{split}'}}"))
    with pytest.raises(StudyError, match="a training split is evaluated") as error:
        expand(resolved, "x.yaml")
    assert error.value.file == "datasets/weather.yaml"
    assert error.value.value == split


def test_a_reason_lets_a_training_split_be_evaluated(tmp_path: Path) -> None:
    folder = catalogue(tmp_path, "{evaluation: train}", only_training_split="there is no other")
    assert expand(study("mnli", ["weather"], folder), "x.yaml").cells


@pytest.mark.parametrize(
    ("train", "evaluation"),
    [("train", "train"), ("validation", "validation"), ("a", "a+b"), ("train[:9]", "x+train[:9]")],
)
def test_a_split_is_not_both_trained_on_and_evaluated(
    tmp_path: Path, train: str, evaluation: str
) -> None:
    splits = f"{{train: '{train}', evaluation: '{evaluation}'}}"
    folder = catalogue(tmp_path, splits, only_training_split="even so")
    for resolved in (study("mnli", ["weather"], folder), study("weather", ["mnli"], folder)):
        with pytest.raises(StudyError, match="the same split"):
            expand(resolved, "x.yaml")


def test_parts_of_a_training_split_may_be_evaluated_with_a_reason(tmp_path: Path) -> None:
    splits = "{train: 'train[10%:]', evaluation: 'train[:10%]'}"
    folder = catalogue(tmp_path, splits, only_training_split="there is no other")
    assert expand(study("weather", ["weather"], folder), "x.yaml").cells


def test_only_one_set_of_the_catalogue_is_evaluated_on_its_training_split() -> None:
    given = [name for name, dataset in DATASETS.items() if dataset.only_training_split]
    assert given == ["gpt3_nli"]
