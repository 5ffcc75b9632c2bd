"""Published tables in layouts of their own: the OLMo ladder, and ways of tuning one model."""

import math
from pathlib import Path
from typing import Any

import pytest

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.config.load import load_study, read_yaml
from tuning_dynamics.grid.ladder_table import BATCH, STEP, TOKENS
from tuning_dynamics.grid.peft_table import COLUMNS
from tuning_dynamics.grid.published_table import PublishedTable, read_layout, read_published

ROOT = Path(__file__).parents[3]

ARC = "eval/downstream/arc_easy_val_rc_5shot_len_norm"
LETTERS = "eval/downstream/boolq_val_mc_5shot_acc"
SOFT = "eval/downstream_soft/arc_easy_val_rc_5shot_soft"
LOSS = "eval/pile-validation/CrossEntropyLoss"
BITS = "eval/downstream_bpb/arc_easy_val_rc_5shot_bpb"
LOG = "eval/downstream_soft_log/arc_easy_val_rc_5shot_soft_log"

RUN: dict[str, str] = {
    **{STEP: "200", BATCH: "1000", TOKENS: "200000.0"},
    **{ARC: "0.5", LETTERS: "0.25", SOFT: "0.75", LOSS: "6.1", BITS: "1.5", LOG: "-1.4"},
    **{"optim/learning_rate_group0": "0.0005"},
}


def ladder_file(path: Path, *rows: dict[str, str]) -> str:
    """A run's table, with RUN's columns replaced by those of the rows."""
    lines = [{**RUN, **row} for row in rows]
    text = [",".join(lines[0]), *(",".join(line.values()) for line in lines)]
    path.write_text("\n".join(text) + "\n", encoding="utf-8")
    return str(path)


def ladder(path: Path, *rows: dict[str, str]) -> PublishedTable:
    return read_layout(ladder_file(path, *rows), "olmo_ladder")


def test_a_runs_scores_become_rows_of_a_family(tmp_path: Path) -> None:
    table = ladder(tmp_path / "190M-1xC.csv", {}, {STEP: "400", TOKENS: "400000"})
    assert len(table.rows) == 6
    arc, letters, soft = table.rows[:3]
    assert (arc["family"], arc["checkpoint"], arc["tokens"]) == ("190M-1xC", "200", 200_000)
    assert (arc["eval_set"], arc["shots"], arc["format"]) == ("arc_easy_val", 5, "default")
    assert (arc["recipe"], arc["prediction"], arc["metric"], arc["score"]) == (
        *("base", "likelihood_per_char", "accuracy", 0.5),
    )
    assert (letters["format"], letters["prediction"], letters["score"]) == (
        "mc",
        "likelihood",
        0.25,
    )
    assert (soft["eval_set"], soft["prediction"], soft["metric"]) == (
        *("arc_easy_val", "soft", "probability"),
    )
    assert [row["step"] for row in table.rows[3:]] == [400] * 3
    assert table.left_out == (
        "1 column: a log-probability is not a score from 0 to 1",
        "1 column: a loss is not a score from 0 to 1",
        "1 column: bits per byte are not a score from 0 to 1",
        "1 column: not an evaluation",
    )


def test_tokens_are_steps_times_the_batch_where_the_table_has_none(tmp_path: Path) -> None:
    table = ladder(tmp_path / "run.csv", {TOKENS: ""}, {STEP: "0", TOKENS: "0"})
    assert {row["tokens"] for row in table.rows} == {200_000, 0}


def test_what_was_not_evaluated_at_a_step_is_left_out_and_counted(tmp_path: Path) -> None:
    table = ladder(tmp_path / "run.csv", {ARC: ""}, {STEP: "400", TOKENS: "", ARC: "", SOFT: ""})
    assert [row["eval_set"] for row in table.rows] == ["boolq_val", "arc_easy_val", "boolq_val"]
    assert "3 values: not evaluated at this step" in table.left_out


@pytest.mark.parametrize(
    ("row", "key", "what"),
    [
        ({ARC: "1.5"}, f"line 3, column {ARC}", "the score is not between 0 and 1"),
        ({SOFT: "-0.1"}, f"line 3, column {SOFT}", "the score is not between 0 and 1"),
        ({ARC: "nan"}, f"line 3, column {ARC}", "the value is not a number"),
        ({STEP: "1.5"}, f"line 3, column {STEP}", "the value is not a count"),
        ({STEP: ""}, f"line 3, column {STEP}", "a value is missing"),
        ({BATCH: "x"}, f"line 3, column {BATCH}", "the value is not a number"),
        ({TOKENS: "400001"}, f"line 3, column {TOKENS}", "not steps times the batch, 400000"),
        ({STEP: "200", TOKENS: ""}, "line 3, column eval_set", "are the same cell"),
    ],
)
def test_a_bad_value_of_a_run_is_named_by_line_and_column(
    row: dict[str, str], key: str, what: str, tmp_path: Path
) -> None:
    with pytest.raises(StudyError) as error:
        ladder(tmp_path / "run.csv", {}, {STEP: "400", TOKENS: "400000", **row})
    assert error.value.key == key
    assert what in str(error.value)
    assert error.value.fix


@pytest.mark.parametrize(
    "column",
    [
        "eval/downstream/arc_easy_val_rc_5shot_f1",
        "eval/downstream/arc_easy_val_5shot_acc",
        "eval/downstreams/arc_easy_val_rc_5shot_acc",
        "note",
    ],
)
def test_an_unknown_column_of_a_run_is_refused(column: str, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="the column is not known") as error:
        ladder(tmp_path / "run.csv", {column: "0.5"})
    assert column in str(error.value)


def test_a_run_without_steps_or_batch_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    path.write_text(f"{STEP},{ARC}\n1,0.5\n", encoding="utf-8")
    with pytest.raises(StudyError, match=f"lacks the columns {BATCH}"):
        read_layout(str(path), "olmo_ladder")
    path.write_text(f"{STEP},{BATCH},{ARC},{ARC}\n1,1,0.5,0.6\n", encoding="utf-8")
    with pytest.raises(StudyError, match="given twice"):
        read_layout(str(path), "olmo_ladder")


def test_several_runs_are_one_table_of_several_families(tmp_path: Path) -> None:
    files = [ladder_file(tmp_path / f"{name}.csv", {}) for name in ("one", "two")]
    table = read_layout(files, "olmo_ladder")
    assert table.files == tuple(files)
    assert table.named == "one.csv and 1 more"
    assert [row["family"] for row in table.rows] == ["one"] * 3 + ["two"] * 3
    assert table.left_out[0].startswith("one.csv: 1 column")
    # The digest is of all contents, wherever the files lie.
    (tmp_path / "moved").mkdir()
    moved = [ladder_file(tmp_path / f"moved/{name}.csv", {}) for name in ("one", "two")]
    assert read_layout(moved, "olmo_ladder").digest == table.digest
    changed = [moved[0], ladder_file(tmp_path / "moved/two.csv", {ARC: "0.6"})]
    assert read_layout(changed, "olmo_ladder").digest != table.digest
    with pytest.raises(StudyError, match="two files are of family one"):
        read_layout([files[0], moved[0]], "olmo_ladder")


def test_other_layouts_are_one_file(tmp_path: Path) -> None:
    files = [ladder_file(tmp_path / f"{name}.csv", {}) for name in ("one", "two")]
    with pytest.raises(StudyError, match="layout scores is one file") as error:
        read_layout(files, "scores")
    assert error.value.key == "scores"


WAY: dict[str, str] = {
    **dict.fromkeys(COLUMNS, ""),
    "experiment": "lora/llama-3.2-3B-rank32",
    "test_accuracy": repr(660 / 1319),
    "forgetting": "0.05",
    "seed": "0",
    "model": "meta-llama/Llama-3.2-3B",
}


def peft(path: Path, *rows: dict[str, str]) -> PublishedTable:
    lines = [",".join(COLUMNS), *(",".join({**WAY, **row}.values()) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return read_layout(str(path), "peft_methods")


def test_a_way_of_tuning_has_an_accuracy_and_a_score_on_the_text(tmp_path: Path) -> None:
    table = peft(tmp_path / "p.csv", {}, {"experiment": "ia3/llama-3.2-3B-lr_0.001"})
    base, accuracy, text, *_ = table.rows
    assert table.recipes == ["ia3-lr_0.001", "lora-rank32"]
    assert (accuracy["family"], accuracy["tokens"]) == ("Llama-3_2-3B", 9 * 10**12)
    assert (accuracy["eval_set"], accuracy["role"], accuracy["n"]) == ("gsm8k", "id", 1319)
    assert accuracy["score"] == pytest.approx(660 / 1319)
    assert (text["eval_set"], text["role"]) == ("held_out_text", "cross")
    assert text["score"] == pytest.approx(math.exp(-0.05), abs=1e-15)
    # The untuned model once, on the text alone, where its score is 1 by definition.
    assert (base["recipe"], base["eval_set"], base["score"], base["seed"]) == (
        *("base", "held_out_text", 1, None),
    )
    assert len(table.rows) == 5
    assert table.train_sets({}) == {"metamathqa": ("math", "generation")}


@pytest.mark.parametrize(
    ("row", "column", "what"),
    [
        ({"test_accuracy": "0.5"}, "test_accuracy", "no such share"),
        ({"test_accuracy": "1.01"}, "test_accuracy", "no such share"),
        ({"test_accuracy": ""}, "test_accuracy", "a value is missing"),
        ({"test_accuracy": "high"}, "test_accuracy", "not a number"),
        ({"forgetting": "-0.01"}, "forgetting", "the loss on the text fell"),
        ({"forgetting": ""}, "forgetting", "a value is missing"),
        ({"model": "meta-llama/Llama-3.1-8B"}, "model", "the model can't be used"),
        ({"experiment": "lora/other-rank32"}, "experiment", "names no way of tuning"),
        ({"experiment": "lora"}, "experiment", "names no way of tuning"),
        ({"seed": "x"}, "seed", "not a number"),
        ({}, "eval_set", "are the same cell"),
    ],
)
def test_a_bad_value_of_a_way_is_named_by_line_and_column(
    row: dict[str, str], column: str, what: str, tmp_path: Path
) -> None:
    with pytest.raises(StudyError) as error:
        peft(tmp_path / "p.csv", {}, row)
    assert error.value.key == f"line 3, column {column}"
    assert what in str(error.value)


def test_the_shipped_studies_name_files_below_data_root(tmp_path: Path) -> None:
    (tmp_path / "ref_olmo_ladder").mkdir()
    config: dict[str, Any] = read_yaml(ROOT / "config/studies/olmo_ladder.yaml")
    columns = {
        f"eval/downstream/{name}_rc_5shot_acc": "0.5" for name in config["published"]["chance"]
    }
    for name in config["scores"]:
        ladder_file(Path(name.replace("{data_root}", str(tmp_path))), columns)
    config["data_root"] = str(tmp_path)
    table = read_published(load_study(config, ROOT, "olmo_ladder.yaml").study, "olmo_ladder.yaml")
    families = {row["family"] for row in table.rows}
    assert len(families) == 8
    reruns = config["statistics"]["reruns"]
    assert {*reruns, *reruns.values()} <= families
    peft_config = read_yaml(ROOT / "config/studies/peft_methods.yaml")
    assert peft_config["statistics"]["main_recipe"] in peft(tmp_path / "p.csv", {}).recipes
