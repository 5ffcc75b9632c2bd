"""Every split that a study uses has its source, commit, counts and digest in a table."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from unit.stats.test_noise import BASE, scores
from unit.stats.test_summaries import changes_of

from tuning_dynamics.common.atomic_files import write_json
from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.config.dataset import Dataset
from tuning_dynamics.config.load import dump_merged, load_study, read_yaml
from tuning_dynamics.config.study import ResolvedStudy
from tuning_dynamics.data.items import Item, write_items
from tuning_dynamics.grid.grid import expand
from tuning_dynamics.grid.merged_config import read_merged, split_rows
from tuning_dynamics.grid.splits import source_split, source_text, used_splits
from tuning_dynamics.run.all_jobs import Jobs
from tuning_dynamics.stats import provenance
from tuning_dynamics.stats.denominators import WeakBases, denominator_rows, weak_bases
from tuning_dynamics.stats.transfer import chance_of
from tuning_dynamics.tables.catalogue import columns_of
from tuning_dynamics.tables.tables import from_rows

ROOT = Path(__file__).parents[3]
SMOKE = ROOT / "tests/smoke/study.yaml"

GLUE: dict[str, Any] = {
    "blocks": [
        {
            "family": "pythia_14m",
            "checkpoints": "last",
            "recipes": ["base"],
            "eval_sets": ["rte", "gpt3_nli", "sciq_mc"],
            "shots": [0, 4],
        },
        {
            "family": "pythia_14m",
            "checkpoints": "last",
            "recipes": ["full"],
            "train_sets": ["mnli"],
            "eval_sets": ["rte"],
        },
    ],
    "study": "glue",
    "catalogue": ["config"],
}


def study(document: dict[str, Any]) -> ResolvedStudy:
    return load_study(document, ROOT, "study.yaml")


def used(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    resolved = study(document)
    rows = used_splits(resolved, expand(resolved, "study.yaml"))
    return {(row["dataset"], row["use"]): row for row in rows}


def test_used_splits_are_those_tuned_on_evaluated_or_shown() -> None:
    rows = used(GLUE)
    assert set(rows) == {
        ("gpt3_nli", "evaluation"),
        ("mnli", "train"),
        ("mnli", "demonstration"),
        ("rte", "evaluation"),
        ("rte", "demonstration"),
        ("sciq_mc", "evaluation"),
        ("sciq_mc", "demonstration"),
    }
    rte = rows["rte", "evaluation"]
    assert (rte["source"], rte["split"], rte["labels"]) == ("hub nyu-mll/glue rte", "validation", 2)
    assert rows["mnli", "demonstration"]["split"] == "train"
    assert rows["rte", "evaluation"]["training_split_scored"] == ""
    assert "no other split" in rows["gpt3_nli", "evaluation"]["training_split_scored"]


def test_the_sets_that_a_recipe_mixes_in_are_used() -> None:
    document = read_yaml(SMOKE)
    mixed = {name for name, use in used(document) if use == "train"}
    assert mixed >= {"instruct_world", "nli_people"}
    row = used(document)["nli_places", "evaluation"]
    assert (row["source"], row["split"]) == ("world nli_places", "evaluation")


def test_each_split_knows_a_model_of_each_family() -> None:
    document = read_yaml(SMOKE)
    resolved = study(document)
    grid = expand(resolved, "study.yaml")
    families = {point.family: [] for point in grid.checkpoints}
    for point in grid.checkpoints:
        families[point.family].append(point.step)
    for row in used_splits(resolved, grid):
        assert set(row["models"]) == set(families)
        for family, path in row["models"].items():
            assert f"/{family}/{min(families[family])}/" in path
            assert path in Jobs(resolved, "x").stats.dataset_files()


def test_a_study_without_demonstrations_has_none() -> None:
    document = {**GLUE, "blocks": [{**GLUE["blocks"][0], "shots": [0]}]}
    assert {use for _, use in used(document)} == {"evaluation"}


def test_the_splits_are_read_back_from_the_merged_config(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(
        dump_merged(study(GLUE).model_dump(mode="json")), encoding="utf-8"
    )
    assert split_rows(read_merged(str(tmp_path / "config.yaml"))) == list(used(GLUE).values())


def test_holes_of_a_series_are_given_in_tokens() -> None:
    olmo = {
        **GLUE,
        "blocks": [{**GLUE["blocks"][0], "family": "olmo_1b"}],
    }
    spec = Jobs(study(olmo), "x").stats.curve_spec()
    assert f'"olmo_1b":[[{117_850 * 4_194_304},{330_000 * 4_194_304}]]' in spec
    assert Jobs(study(GLUE), "x").stats.curve_spec() == '{"holes":{}}'


def dataset_rows(used: list[dict[str, Any]]) -> pd.DataFrame:
    """datasets.csv of sets that don't overlap."""
    return provenance.dataset_rows(used, from_rows([], "overlaps"))


def use(folder: Path, **changes: Any) -> dict[str, Any]:
    return {
        "dataset": "rte",
        "use": "evaluation",
        "task": "nli",
        "kind": "classification",
        "licence": "free",
        "source": "hub nyu-mll/glue rte",
        "split": "validation",
        "labels": 2,
        "training_split_scored": "",
        "manifest": str(folder / "manifest.json"),
        "items": str(folder / "items.parquet"),
        "models": {},
        **changes,
    }


def manifest(folder: Path, **changes: Any) -> None:
    document = {
        "hub": {"repo": "nyu-mll/glue", "revision": None, "commit": "c" * 40},
        "items": {"train": 90, "evaluation": 277, "demonstration": 10},
        "left_out": {"evaluation: repeated": 3, "train: label in drop": 2, "train: repeated": 1},
        "digest": dict.fromkeys(("train", "evaluation", "demonstration"), "d" * 64),
        "labels": {"train": {"no": 45, "yes": 45}, "evaluation": {"no": 177, "yes": 100}},
        **changes,
    }
    write_json(
        folder / "manifest.json", {key: v for key, v in document.items() if v is not Ellipsis}
    )


def test_a_row_has_commit_counts_and_digest(tmp_path: Path) -> None:
    manifest(tmp_path)
    table = dataset_rows([use(tmp_path), use(tmp_path, use="train", split="train")])
    assert list(table.columns) == list(columns_of("datasets"))
    scored, trained = (row for _, row in table.iterrows())
    assert (scored["revision"], scored["commit"], scored["items"]) == ("", "c" * 40, 277)
    assert (scored["left_out"], scored["chance"]) == ("repeated 3", 0.5)
    assert scored["digest"] == "d" * 16
    assert (trained["items"], trained["left_out"]) == (90, "label in drop 2; repeated 1")
    assert np.isnan(trained["chance"])


def test_items_that_spell_special_tokens_are_counted_by_family(tmp_path: Path) -> None:
    manifest(tmp_path)
    texts = {
        "plain": ({"a": "It rains < s > ."}, ["yes"], ["yes", "no"], []),
        "field": ({"a": "see </s>", "b": "<s>"}, ["yes"], ["yes", "no"], []),
        "gold": ({"a": "what ends it ?"}, ["</s>"], [], []),
        "option": ({"a": "what ends it ?"}, ["no"], ["no", "<|end|>"], []),
        "turn": ({}, [], [], [{"role": "user", "content": "say <|end|>\n</s>"}]),
    }
    write_items(
        tmp_path / "items.parquet",
        [
            *(Item(name, "evaluation", "c", *given) for name, given in texts.items()),
            Item("t", "train", "c", *texts["field"]),
        ],
    )
    models = {}
    named = {"amber": ["<s>", "</s>"], "jade": ["<|end|>"], "onyx": [], "opal": None}
    for family, names in named.items():
        models[family] = str(tmp_path / f"{family}.json")
        write_json(models[family], {"special_tokens": names} if names is not None else {})
    table = dataset_rows(
        [use(tmp_path, use=split, models=models) for split in ("evaluation", "train")]
    )
    assert table["special_tokens"].tolist() == [
        "amber 3; jade 2; opal not counted",
        "amber 1; opal not counted",
    ]
    del models["opal"]
    alone = dataset_rows([use(tmp_path, use="demonstration", models=models)])
    assert alone["special_tokens"].tolist() == [""]


def test_a_training_split_that_is_scored_says_why(tmp_path: Path) -> None:
    manifest(tmp_path)
    row = dataset_rows([use(tmp_path, training_split_scored="there is no other")]).iloc[0]
    assert row["training_split_scored"] == "there is no other"


def test_only_sets_of_the_hub_need_a_commit(tmp_path: Path) -> None:
    manifest(tmp_path, hub=...)
    assert dataset_rows([use(tmp_path, source="files")])["commit"].tolist() == [""]
    with pytest.raises(StudyError, match="lacks hub") as caught:
        dataset_rows([use(tmp_path)])
    assert "snakemake --force" in str(caught.value)
    manifest(tmp_path, digest=...)
    with pytest.raises(StudyError, match="lacks digest"):
        dataset_rows([use(tmp_path)])


def test_chance_of_options_is_a_mean_over_evaluated_items(tmp_path: Path) -> None:
    manifest(tmp_path)
    options = {"evaluation": [2, 4, 4], "train": [5, 5]}
    write_items(
        tmp_path / "items.parquet",
        [
            Item(f"{split}{k}", split, "c", {}, ["o0"], [f"o{o}" for o in range(count)])
            for split, counts in options.items()
            for k, count in enumerate(counts)
        ],
    )
    row = dataset_rows([use(tmp_path, kind="multiple_choice", labels=0)]).iloc[0]
    assert row["chance"] == pytest.approx((1 / 2 + 1 / 4 + 1 / 4) / 3)
    assert np.isnan(dataset_rows([use(tmp_path, kind="generation", labels=0)])["chance"].iloc[0])


def test_the_majority_is_the_share_of_the_commonest_evaluated_label(tmp_path: Path) -> None:
    manifest(tmp_path)
    splits = ("evaluation", "train")
    found = dataset_rows([use(tmp_path, use=split) for split in splits])["majority"]
    assert found[0] == pytest.approx(177 / 277)
    assert np.isnan(found[1])
    assert np.isnan(dataset_rows([use(tmp_path, kind="generation", labels=0)])["majority"].iloc[0])


def test_labels_that_no_manifest_counts_are_counted_from_the_items(tmp_path: Path) -> None:
    manifest(tmp_path, labels=...)
    golds = {"evaluation": ["no", "yes", "yes", "maybe"], "train": ["no"] * 9}
    write_items(
        tmp_path / "items.parquet",
        [
            Item(f"{split}{number}", split, "c", {}, [label])
            for split, labels in golds.items()
            for number, label in enumerate(labels)
        ],
    )
    assert dataset_rows([use(tmp_path)])["majority"].tolist() == [0.5]


def chances(**sets: float | None) -> Any:
    empty = {name: "" if kind == "str" else None for name, kind in columns_of("datasets").items()}
    rows = [
        {**empty, "dataset": name, "use": kind, "items": 1, "chance": value}
        for name, value in sets.items()
        for kind in ("evaluation", "demonstration")
    ]
    return from_rows(rows, "datasets")


def test_each_weak_base_counts_under_one_heading() -> None:
    bases = {"zero": 0.0, "tiny": 0.01, "chance": 0.52, "below": 0.4, "above": 0.7, "free": 0.3}
    changes = changes_of([("t", name, "k", base, 0.1) for name, base in bases.items()])
    rows = [
        {**BASE, "eval_set": name, "score": base, "ci_low": base - 0.05, "shots": shots}
        for name, base in bases.items()
        for shots, base in ((4, base), (0, base + 0.3))
    ]
    way = {"checkpoint": "10", "prediction": "greedy", "metric": "rouge_l"}
    table = scores(*({**row, **way} for row in rows))
    known = chances(zero=0.5, tiny=0.5, chance=0.5, below=0.5, above=0.5, free=None)
    table = denominator_rows(table, chance_of(known))
    assert weak_bases(changes, table) == WeakBases(6, 1, 1, 2)
    assert weak_bases(changes.iloc[:0], table) == WeakBases(0, 0, 0, 0)


def test_files_are_named_without_the_folders_of_their_machine() -> None:
    described = {
        "task": "nli",
        "domain": "x",
        "licence": "x",
        "source": {"files": {"train": "/home/ada/train.jsonl", "evaluation": "{data_root}/a.csv"}},
        "join": {"file": "/home/ada/texts.csv", "on": {"k": "k"}, "take": "t", "into": "text"},
    }
    dataset = Dataset.model_validate(described)
    assert source_text(dataset) == "files, joined with …/texts.csv"
    assert source_split(dataset, "train") == "…/train.jsonl"
    assert source_split(dataset, "evaluation") == "{data_root}/a.csv"
