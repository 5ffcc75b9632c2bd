"""Published scores: what is refused, and the resulting tables."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from published import CHECKPOINTS, LEARNED, NOT_LEARNED, SETS, TRAINED, paper_rows, write_rows
from synthetic import asked

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.config.load import dump_merged, load_merged, load_study
from tuning_dynamics.grid.published_table import OPTIONAL, REQUIRED, PublishedTable, read_layout
from tuning_dynamics.grid.pythia_table import COLUMNS
from tuning_dynamics.run.all_jobs import Jobs
from tuning_dynamics.run.parts import StudyPart
from tuning_dynamics.stats.binomial import share_interval
from tuning_dynamics.stats.published_tables import published_tables, write_published
from tuning_dynamics.stats.summarise import summary_tables
from tuning_dynamics.tables.tables import read_table

ROOT = Path(__file__).parents[3]


def tables_of(rows: list[dict[str, Any]], path: Path) -> dict[str, pd.DataFrame]:
    table = read_layout(str(write_rows(path / "scores.csv", rows)), "scores")
    return published_tables(table, 0.95, {"mnli": 1 / 3}, {"tulu": "instruction"})


def row(**changes: Any) -> dict[str, Any]:
    """A tuned row, with changes."""
    return {
        **{"family": "f", "checkpoint": "10", "step": 10, "tokens": 100, "recipe": "full"},
        **{"train_set": "t", "seed": 1, "eval_set": "a", "task": "nli", "kind": "classification"},
        **{"role": "ood", "format": "default", "shots": 0, "prediction": "token_prob"},
        **{"metric": "accuracy", "score": 0.5, **changes},
    }


def base(**changes: Any) -> dict[str, Any]:
    """The base row of `row()`, with changes."""
    untuned = {"recipe": "base", "train_set": "", "seed": "", "role": "", "shots": 4, "score": 0.4}
    return row(**{**untuned, **changes})


@pytest.mark.parametrize(
    ("rows", "column", "what"),
    [
        ([row(), base(), row(score=0.6)], "line 4, column eval_set", "lines 2 and 4 are the same"),
        ([row(score=51.2)], "score", "divide percentages by 100"),
        ([row(score=-0.1)], "score", "not between 0 and 1"),
        ([row(score="")], "score", "a value is missing"),
        ([row(score="n/a")], "score", "the value is not a number"),
        ([row(score="1_0")], "score", "the value is not a number"),
        ([row(score="nan")], "score", "the value is not a number"),
        ([row(tokens="4B")], "tokens", "the value is not a number"),
        ([row(tokens=1.5)], "tokens", "the value is not a count"),
        ([row(n=0)], "n", "a score needs items"),
        ([row(se=-0.1)], "se", "the standard error is below 0"),
        ([row(ci_low=0.4)], "ci_low", "an interval has one end"),
        ([row(ci_low=0.6, ci_high=0.4)], "ci_low", "not 0 <= low <= high <= 1"),
        ([row(recipe="base", role="")], "train_set", "base is not tuned"),
        ([base(seed=42)], "seed", "base is not tuned"),
        ([base(role="id")], "role", "the role of a set to base is not known"),
        ([row(train_set="")], "train_set", "train_set is missing"),
        ([row(role="own")], "role", "write one of id, ood, cross, bench"),
        ([row(role="")], "role", "the role of a set to a tuned model"),
        ([row(kind="instruction")], "kind", "the kind is not known"),
        ([row(family="EleutherAI/pythia")], "family", "the value is not a name"),
        ([row(family="tables")], "family", "the name is that of a folder"),
        ([row(checkpoint="all")], "checkpoint", "the name is that of pooled rows"),
        ([row(eval_set="all")], "eval_set", "the name is that of pooled rows"),
        ([row(train_set="a b")], "train_set", "the value is not a name"),
        ([base(), base(eval_set="b", tokens=90)], "line 3, column tokens", "has tokens 100 in"),
        ([base(), base(eval_set="b", step=9)], "line 3, column step", "has step 10 in line 2"),
        ([base(), base(checkpoint="20", step=20, tokens=90)], "tokens", "seen fewer tokens"),
        ([base(), row(kind="generation", role="cross")], "kind", "eval_set a has kind"),
        ([row(), row(role="cross", shots=4)], "role", "train_set t, eval_set a has role ood"),
        ([row(), row(eval_set="b", task="rte")], "task", "train_set t has task nli in line 2"),
        ([row(step="1e999")], "step", "too large"),
        ([row(step="9" * 5000)], "step", "too large"),
        ([row(step="1e19")], "step", "not a count"),
        ([row(se="1e999")], "se", "too large"),
        ([row(score="\u0661")], "score", "not a number"),
        ([row(shots="\u00b2")], "shots", "not a number"),
        ([row(draw=-1)], "draw", "the value is not a count"),
        ([row(draw=1)], "draw", "a prompt without demonstrations has no draw"),
        ([base(draw=1), base(draw=1)], "line 3, column eval_set", "lines 2 and 3 are the same"),
        ([base(draw=0), base(draw="")], "line 3, column eval_set", "lines 2 and 3 are the same"),
        ([row(format="Default")], "format", "no row has the format `default`"),
    ],
)
def test_what_could_give_a_wrong_number_is_refused(
    rows: list[dict[str, Any]], column: str, what: str, tmp_path: Path
) -> None:
    path = write_rows(tmp_path / "mine.csv", rows)
    with pytest.raises(StudyError) as error:
        read_layout(str(path), "scores")
    text = str(error.value)
    assert "mine.csv" in text
    assert column in (error.value.key or "")
    assert what in text
    assert text.count("\n") <= 5


def test_a_header_that_is_not_the_tables_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    for text, what in (
        ("", "lacks the columns family, checkpoint"),
        (",".join(REQUIRED), "the table has no rows"),
        (",".join(name for name in REQUIRED if name != "tokens"), "lacks the columns tokens"),
        (",".join([*REQUIRED, "rouge"]), "the column is not known"),
        (",".join([*REQUIRED[:-1], "scor"]), "did you mean 'score'?"),
        (",".join([*REQUIRED, "score"]), "the column is given twice"),
        (";".join(REQUIRED), "the column is not known"),
        (",".join(REQUIRED) + "\n1,2", "the line has 2 fields, and the header 16"),
        (",".join(REQUIRED) + '\n"1,2', "not CSV"),
    ):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(StudyError, match=what.replace("?", r"\?")):
            read_layout(str(path), "scores")
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(StudyError, match="not UTF-8"):
        read_layout(str(path), "scores")
    with pytest.raises(StudyError, match="does not exist"):
        read_layout(str(tmp_path / "none.csv"), "scores")


def test_unknown_values_and_columns_stay_unknown(tmp_path: Path) -> None:
    # As a spreadsheet may write them: a byte order mark, spaces, whole numbers with a point.
    rows = [base(), row(seed="42.0", eval_set=" a ")]
    path = write_rows(tmp_path / "few.csv", rows, REQUIRED)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    table = read_layout(str(path), "scores")
    unknown = [name for name in OPTIONAL if name != "draw"]
    assert all(found[name] in (None, "") for found in table.rows for name in unknown)
    assert [found["draw"] for found in table.rows] == [0, 0]
    assert [found["seed"] for found in table.rows] == [None, 42]
    assert {found["eval_set"] for found in table.rows} == {"a"}
    # A seed that is not given counts as one seed.
    without = read_layout(str(write_rows(path, [base(), row(seed="")])), "scores")
    assert without.rows[1]["seed"] == 0


def test_a_table_may_have_draws(tmp_path: Path) -> None:
    rows = [base(score=score, draw=draw) for draw, score in ((1, 0.5), (0, 0.3), (2, 0.1))]
    tables = tables_of([*rows, row(score=0.6)], tmp_path)
    assert tables["scores"]["draw"].tolist() == [0, 1, 2, 0]
    assert tables["changes"][["draw", "base_score"]].to_numpy().tolist() == [[0, 0.3]]
    means = tables["seed_means"].set_index("recipe")["score"]
    assert means.to_dict() == pytest.approx({"base": 0.3, "full": 0.6})
    assert tables["sensitivity"].empty


def test_changes_are_tuned_less_base_and_need_items_for_more(tmp_path: Path) -> None:
    rows = [
        base(score=0.4),
        base(score=0.1, shots=0),
        base(score=0.3, format="io"),
        row(score=0.5),
        row(score=0.5, format="io"),
        row(score=0.5, format="instruct"),
        row(score=0.5, metric="f1"),
        row(score=0.5, eval_set="b"),
        base(score=0.2, eval_set="c", format="io"),
        row(score=0.5, eval_set="c", role="ood"),
    ]
    tables = tables_of(rows, tmp_path)
    changes = tables["changes"].set_index(["format"])
    assert changes["change"].to_dict() == pytest.approx(
        {"default": 0.1, "io": 0.2, "instruct": 0.1}
    )
    assert changes["ratio"]["default"] == pytest.approx(0.25)
    for name in ("change_low", "change_high", "p_value", "q_value"):
        assert changes[name].isna().all()
    unpaired = tables["unpaired"].set_index(["eval_set", "metric"])["reason"]
    assert unpaired["a", "f1"] == "no base cell of this metric"
    assert unpaired["b", "accuracy"] == "no base cell of this eval set"
    assert unpaired["c", "accuracy"] == "base is evaluated in format io, not in default or default"
    assert len(changes) + len(unpaired) == 6


def test_intervals_over_seeds_remain(tmp_path: Path) -> None:
    values = [0.5, 0.52, 0.54, 0.49, 0.55]
    rows = [base(se=0.01), *(row(score=value, seed=seed) for seed, value in enumerate(values))]
    rows += [row(eval_set="b", seed=seed, score=0.5 + 0.1 * seed) for seed in (0, 1)]
    rows += [base(eval_set="b", ci_low=0.38, ci_high=0.43, se=0.01), base(eval_set="c", n=70)]
    rows += [base(eval_set="d", n=3), base(eval_set="e"), base(eval_set="f", n=70, metric="f1")]
    means = tables_of(rows, tmp_path)["seed_means"].set_index(["recipe", "eval_set"])
    mean, error = np.mean(values), np.std(values, ddof=1) / np.sqrt(5)
    found = means.loc["full", "a"]
    assert (found["seeds"], found["score"]) == (5, pytest.approx(mean))
    # Student's t with 4 degrees of freedom: 2.776.
    assert found["ci_low"] == pytest.approx(mean - 2.776445 * error, abs=1e-8)
    assert found["change_high"] == pytest.approx(mean - 0.4 + 2.776445 * error, abs=1e-8)
    two = means.loc["full", "b"]
    assert (two["seeds"], two["score"], two["change"]) == (2, 0.55, pytest.approx(0.15))
    # 1 degree of freedom: 12.706 times 0.1 / root 2 over root 2.
    assert two["change_low"] == pytest.approx(0.15 - 12.706205 * 0.05, abs=1e-6)
    assert means.loc[("base", "b"), ["change_low", "change_high"]].isna().all()
    # One score: as published, else of its standard error, else exact where 28 of 70 items are
    # right; none where .4 is no share of the items, where they are unknown, for another metric.
    assert means["ci_low"]["base", "b"] == 0.38
    assert means["ci_high"]["base", "a"] == pytest.approx(0.4 + 1.959964 * 0.01)
    low, high = share_interval(np.array([28]), 70, 0.95)
    assert (means["ci_low"]["base", "c"], means["ci_high"]["base", "c"]) == (low[0], high[0])
    for name in ("d", "e", "f"):
        assert np.isnan(means["ci_low"]["base", name])
    assert means["n"]["base", "c"] == 70
    assert means["seeds"].isna().to_dict() == {key: key[0] == "base" for key in means.index}


def test_what_of_the_spread_over_formats_is_chance_is_unknown(tmp_path: Path) -> None:
    rows = [base(), *(row(format=name, score=s) for name, s in (("io", 0.1), ("default", 0.5)))]
    rows += [row(format="io", eval_set="b"), base(eval_set="b")]
    (found,) = tables_of(rows, tmp_path)["sensitivity"].to_dict("records")
    assert (found["eval_set"], found["spread"]) == ("a", pytest.approx(0.4))
    assert (found["best"], found["worst"]) == ("default", "io")
    assert all(np.isnan(found[name]) for name in ("chance", "beyond_chance", "p_value"))


def test_checkpoints_and_datasets_are_those_of_the_table(tmp_path: Path) -> None:
    tables = tables_of(paper_rows(), tmp_path)
    checkpoints = tables["checkpoints"]
    assert checkpoints["checkpoint"].tolist() == list(CHECKPOINTS)
    assert checkpoints["tokens"].tolist() == [tokens for _, tokens, *_ in CHECKPOINTS.values()]
    assert set(checkpoints["source"]) == {"published"}
    datasets = tables["datasets"].set_index(["use", "dataset"])
    assert datasets["chance"]["evaluation", "mnli"] == pytest.approx(1 / 3)
    assert np.isnan(datasets["chance"]["evaluation", "paws"])
    trained = datasets.loc["train"]
    assert trained["kind"].to_dict() == {
        **{name: SETS[name][1] for name in TRAINED},
        "tulu": "instruction",
    }
    assert trained["task"]["mnli"] == "nli"


def test_a_train_set_without_sets_of_its_own_is_unknown_until_declared(tmp_path: Path) -> None:
    table = read_layout(str(write_rows(tmp_path / "scores.csv", paper_rows())), "scores")
    assert table.train_sets({})["tulu"] == ("unknown", "unknown")
    assert table.train_sets({"tulu": "instruction"})["tulu"] == ("instruction", "instruction")


def study(tmp_path: Path, rows: list[dict[str, Any]] | None = None, **changes: Any) -> Jobs:
    path = write_rows(tmp_path / "scores.csv", paper_rows() if rows is None else rows)
    config = {"study": "s", "scores": str(path), "statistics": {"main_recipe": "sft"}, **changes}
    return Jobs(load_study(config, ROOT, "my.yaml"), "my.yaml")


def test_a_study_of_a_table_plans_no_model(tmp_path: Path) -> None:
    jobs = study(tmp_path)
    assert not jobs.makes_cells
    wanted = set(jobs.wanted())
    assert wanted >= {"results/s/report.html", "results/s/config.yaml"}
    assert {path.split("/")[2] for path in wanted if path.count("/") > 2} == {"tables", "figures"}
    assert jobs.stats.metrics_files() == []
    assert len(jobs.grid.cells) == len(paper_rows())
    assert len(jobs.grid.tuned) == 8 * 4
    assert {point.step for point in jobs.grid.checkpoints} == {
        step for step, *_ in CHECKPOINTS.values()
    }
    names = {figure.name for figure in jobs.report.figures}
    assert {"base_by_checkpoint", "score_by_checkpoint.mnli", "score_by_checkpoint.tulu"} <= names
    assert "text_loss" not in names
    merged = tmp_path / "config.yaml"
    merged.write_text(dump_merged(jobs.resolved.model_dump(mode="json")), encoding="utf-8")
    assert load_merged(merged) == jobs.resolved


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"blocks": [{"family": "mini"}]}, "blocks"),
        ({"tune": {"max_length": 512}}, "remove tune"),
        ({"statistics": {"main_recipe": "full"}}, "set it to one of instruct, sft"),
        ({"published": {"chance": {"mnly": 0.3}}}, "the table has no such set"),
        ({"published": {"chance": {"mnli": 33}}}, "published.chance.mnli"),
        ({"published": {"train_kinds": {"mnli": "generation"}}}, "are of kind classification"),
        ({"published": {"layouts": "x"}}, "did you mean 'layout'?"),
        ({"scores": "{data_root}/x.csv"}, "add --config data_root=FOLDER"),
        ({"scores": "no.csv"}, "the file does not exist"),
        ({"scores": None}, "give `blocks`, the grid, or `scores`"),
    ],
)
def test_a_config_that_does_not_fit_its_table_is_refused(
    changes: dict[str, Any], what: str, tmp_path: Path
) -> None:
    with pytest.raises(StudyError) as error:
        study(tmp_path, **changes)
    assert what in str(error.value)


def test_a_table_is_not_run_in_parts(tmp_path: Path) -> None:
    jobs = study(tmp_path)
    with pytest.raises(StudyError, match="no cells to divide"):
        Jobs(jobs.resolved, "my.yaml", StudyPart(1, 4))


def test_only_the_files_content_counts(tmp_path: Path) -> None:
    jobs = study(tmp_path)
    (tmp_path / "other").mkdir()
    moved = study(tmp_path / "other", title="Another title")
    assert jobs.stats.published_spec() == moved.stats.published_spec()
    assert jobs.stats.published.digest == moved.stats.published.digest
    rows = paper_rows()
    rows[0]["score"] += 0.001
    assert study(tmp_path, rows).stats.published.digest != jobs.stats.published.digest


PYTHIA = "suite,model,setting,step,num_fewshot,task,metric,value,stderr,task_version,source_file"


def pythia(path: Path, *lines: str) -> PublishedTable:
    """A table in the Pythia layout; lines give model to stderr."""
    text = [PYTHIA, *(f"pythia-v1,{line},0,{number}.json" for number, line in enumerate(lines))]
    path.write_text("\n".join(text) + "\n", encoding="utf-8")
    return read_layout(str(path), "pythia_evals")


def test_the_pythia_suites_results_become_rows(tmp_path: Path) -> None:
    # 0.5 of 101 items: a standard error of sqrt(.25 / 100) = .05.
    table = pythia(
        tmp_path / "p.csv",
        "pythia-1.4b-deduped,zero-shot,3000,0,piqa,acc,0.5,0.05",
        "pythia-1.4b-deduped,five-shot,3000,5,piqa,acc_norm,0.5,0.05",
        "pythia-1b-bf16,zero-shot,512,0,lambada_openai,acc,0.0,0.0",
        "pythia-1b-bf16,zero-shot,512,0,lambada_openai,ppl,33.5,2.0",
        "pythia-1b-bf16,intervention,512,0,lambada_openai,acc,0.1,0.01",
        "pythia-70m-0.25MtokBS,five-shot,512,5,lambada_openai,acc,0.1,0.01",
        "pythia-1b-bf16,zero-shot,512,0,lambada_openai,acc,0.0,0.0",
    )
    first, second, third = table.rows
    assert (first["family"], first["tokens"]) == ("pythia_1_4b_deduped", 3000 * 2_097_152)
    assert (first["shots"], first["prediction"], first["n"], first["se"]) == (
        *(0, "likelihood", 101, 0.05),
    )
    assert (second["shots"], second["prediction"]) == (5, "likelihood_per_char")
    assert (third["family"], third["prediction"], third["n"]) == ("pythia_1b", "greedy", None)
    assert [text.split(" lines: ")[0] for text in table.left_out] == ["1"] * 4


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("pythia-70m,zero-shot,1,0,copa,acc,0.5,0.05", "the task can't be used"),
        ("pythia-70m,zero-shot,1,0,piqa,f1,0.5,0.05", "the metric can't be used"),
        ("olmo-1b,zero-shot,1,0,piqa,acc,0.5,0.05", "the model can't be used"),
        ("pythia-70m,zero-shot,main,0,piqa,acc,0.5,0.05", "the step can't be used"),
        ("pythia-70m,zero-shot,1,0,piqa,acc,oops,0.05", "the value is not a number"),
        ("pythia-70m,zero-shot,0,0,piqa,acc,0.6,0.05", "lines 2 and 3 give one cell two values"),
    ],
)
def test_what_has_no_place_in_it_is_refused(line: str, what: str, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=what):
        pythia(tmp_path / "p.csv", "pythia-70m,zero-shot,0,0,piqa,acc,0.5,0.05", line)


def test_the_tables_are_written_and_say_what_is_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_rows(tmp_path / "mine.csv", paper_rows())
    out = tmp_path / "tables"
    write_published(str(path), out, layout="scores", level=0.95, chance={}, train_kinds={})
    assert f"{len(paper_rows()):,} cells of" in capsys.readouterr().out
    scores = read_table(out / "scores.csv")
    assert len(scores) == len(paper_rows())
    assert scores[["n", "se", "ci_low"]].isna().all(axis=None)
    changes = read_table(out / "changes.csv")
    learned = changes[changes["eval_set"].isin(LEARNED)].groupby("checkpoint")["change"].mean()
    assert learned.to_dict() == pytest.approx(
        {label: change for label, (_, _, change, _) in CHECKPOINTS.items()}
    )


def test_summaries_are_the_papers_definitions(tmp_path: Path) -> None:
    # Any scores, base with 0 and 4 shots: against sums by hand.
    numbers = np.random.default_rng(0)
    rows = [{**found, "score": round(numbers.uniform(0.02, 0.95), 4)} for found in paper_rows()]
    rows += [{**found, "shots": 0, "score": 0.5} for found in rows if found["recipe"] == "base"]
    tables = tables_of(rows, tmp_path)
    groups = {"learned": list(LEARNED), "not_learned": list(NOT_LEARNED)}
    found = summary_tables(
        tables,
        asked(
            recipe="sft",
            train_sets=("mnli", "paws"),
            eval_sets=("xsum", "cnn", "tweetqa"),
            groups=groups,
            group_recipes=("sft", "instruct"),
            roles=("id", "ood", "bench"),
        ),
    )
    base = {
        (row["checkpoint"], row["eval_set"]): row["score"]
        for row in rows
        if row["recipe"] == "base" and row["shots"] == 4
    }
    before = [base[row["checkpoint"], row["eval_set"]] for row in rows]
    frame = pd.DataFrame(rows).assign(before=before)
    frame = frame[frame["recipe"] != "base"]
    frame = frame.assign(change=frame["score"] - frame["before"])
    named = frame["train_set"].isin(["mnli", "paws"]) & frame["eval_set"].isin(
        ["xsum", "cnn", "tweetqa"]
    )
    ratios = frame[named]["change"] / frame[named]["before"]
    transfer = found["transfer"].set_index(["statistic", "train_kind", "checkpoint"])["value"]
    for label, expected in ratios.groupby(frame["checkpoint"]).mean().items():
        assert transfer["mean_ratio", "classification", label] == pytest.approx(expected, abs=1e-12)
    assert transfer["mean_ratio", "classification", "all"] == pytest.approx(ratios.mean())
    own = frame[frame["role"] != "cross"]
    changes = found["group_changes"].set_index(["group", "checkpoint"])["mean_change"]
    for group, sets in groups.items():
        means = own[own["eval_set"].isin(sets)].groupby("checkpoint")["change"].mean()
        name = "other" if group == "not_learned" else group
        found_means = changes[name].drop("all").to_dict()
        assert found_means == pytest.approx(means.to_dict(), abs=1e-12)


@pytest.mark.parametrize(
    ("column", "value"), [("value", "nan"), ("stderr", "1e-999"), ("value", "1e999"), ("step", "²")]
)
def test_what_is_no_number_in_the_pythia_suites_table_is_refused(
    tmp_path: Path, column: str, value: str
) -> None:
    cells = dict(
        zip(
            COLUMNS,
            ["p", "pythia-70m", "zero-shot", "1", "0", "piqa", "acc", "0.5", "0.01", "0", "a"],
            strict=True,
        )
    )
    text = ",".join({**cells, column: value}.values())
    (tmp_path / "p.csv").write_text(f"{','.join(COLUMNS)}\n{text}\n", encoding="utf-8")
    if column == "stderr":
        assert read_layout(str(tmp_path / "p.csv"), "pythia_evals").rows[0]["n"] is None
        return
    with pytest.raises(StudyError) as caught:
        read_layout(str(tmp_path / "p.csv"), "pythia_evals")
    assert caught.value.key == f"line 2, column {'score' if column == 'value' else column}"


def test_a_line_is_where_its_record_begins_and_an_apostrophe_is_taken_off(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "mine.csv", [base(eval_set="'=a\nb"), base(eval_set="c", score=7)])
    with pytest.raises(StudyError) as caught:
        read_layout(str(path), "scores")
    assert caught.value.key == "line 4, column score"
    path = write_rows(tmp_path / "mine.csv", [base(eval_set="'=a"), base(eval_set="-0.5")])
    assert [row["eval_set"] for row in read_layout(str(path), "scores").rows] == ["=a", "-0.5"]
