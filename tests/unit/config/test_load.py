"""The typed config: every shipped file is valid, the schemas are in step, imports stay light."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
import yaml

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.common.paths import Paths
from tuning_dynamics.common.variants import Setting, Variant, parse_variant, variant_key
from tuning_dynamics.config.base import canonical
from tuning_dynamics.config.dataset import Dataset, Task
from tuning_dynamics.config.family import Family
from tuning_dynamics.config.json_schema import MODELS, schema
from tuning_dynamics.config.load import (
    dump_merged,
    load_merged,
    load_study,
    parse,
    published_config,
    read_yaml,
)
from tuning_dynamics.config.recipe import Recipe
from tuning_dynamics.config.statistics import TestColumn
from tuning_dynamics.config.study import ResolvedStudy, Study
from tuning_dynamics.engine.loop import scratch
from tuning_dynamics.grid.grid import expand, role, unpaired_cells
from tuning_dynamics.grid.merged_config import cell_rows, read_merged
from tuning_dynamics.run.all_jobs import Jobs
from tuning_dynamics.tables.columns import KEY_COLUMNS

ROOT = Path(__file__).parents[3]
CONFIG = ROOT / "config"
SMOKE = ROOT / "tests/smoke/study.yaml"


def smoke(**changes: object) -> ResolvedStudy:
    return load_study({**read_yaml(SMOKE), **changes}, ROOT, SMOKE)


@pytest.mark.parametrize("name", MODELS)
def test_the_schemas_are_in_step_with_the_models(name: str) -> None:
    assert (ROOT / f"workflow/schemas/{name}.json").read_text(encoding="utf-8") == schema(name)


@pytest.mark.parametrize(
    ("part", "model"),
    [("datasets", Dataset), ("tasks", Task), ("families", Family), ("recipes", Recipe)],
)
def test_every_shipped_file_is_valid(part: str, model: object) -> None:
    paths = sorted((CONFIG / part).glob("*.yaml"))
    assert paths
    for path in paths:
        parse(model, read_yaml(path), path)


def test_every_shipped_study_expands() -> None:
    # Those of published tables, which are not shipped, have no blocks.
    shipped = [path for path in (CONFIG / "studies").glob("*.yaml") if "blocks" in read_yaml(path)]
    for path in [CONFIG / "config.yaml", *shipped]:
        resolved = load_study({**read_yaml(path), "data_root": "data"}, ROOT, path)
        grid = Jobs(resolved, str(path)).grid
        assert grid.cells
        assert unpaired_cells(grid) == []


def test_families_of_tests_are_given_by_key_columns() -> None:
    # step and tokens say no more than checkpoint.
    assert set(get_args(TestColumn)) == set(KEY_COLUMNS) - {"step", "tokens"}
    with pytest.raises(StudyError, match="test_families"):
        smoke(statistics={"main_recipe": "quick", "test_families": ["recipe", "p_value"]})


def test_cells_are_unique_and_of_the_grid() -> None:
    resolved = smoke()
    cells = expand(resolved, "x").cells
    assert len(cells) == len(set(cells)) == 3 * 4 + 1 + 4 * 4 * 2 + 2
    twice = smoke(blocks=read_yaml(SMOKE)["blocks"] * 2)
    assert expand(twice, "x").cells == cells


def test_yes_and_no_are_words_and_exponents_are_numbers(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("labels: {yes: yes, no: off}\nlr: 2e-6\nsteps: 10\non: true\n")
    assert read_yaml(path) == {
        "labels": {"yes": "yes", "no": "off"},
        "lr": 2e-6,
        "steps": 10,
        "on": True,
    }


BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40))


@pytest.mark.parametrize(
    ("text", "key", "what"),
    [
        (BOMB, "line", "1,000,000 values"),
        ("a: &a [*a]", "line 1", "or no end"),
        ("b: 1\na: &a {b: *a}", "line 2", "or no end"),
        ("a: " + "[" * 5000, "(top level)", "nested too deeply"),
        ("a: " + "{a: " * 2000, "(top level)", "nested too deeply"),
        ("".join(" " * n + "- \n" for n in range(600)), "(top level)", "nested too deeply"),
        ("b: 1\na: !!python/object/apply:os.system ['ls']", "line 2", "is not read"),
        ("a: !!set {x, y}", "line 1", "is not read"),
        ("a: !!int x", "line 1", "is not read"),
        ("a: !!bool maybe", "line 1", "is not read"),
        ("a: !!binary abc=", "line 1", "is not read"),
        ("a: !own x", "line 1", "is not read"),
        ('a: "\\ud800"', "line 1", "no character"),
        ('b: 1\na: "\\0"', "line 2", "no character"),
        ("b: 1\na:\n\t- x", "line 3", "cannot start any token"),
        ("a: 1\na: 2", "line 2", "given twice"),
        ("{a: 1, b: {c: 1, c: 1}}", "line 1", "given twice"),
        ("? [a]\n: b", "line 1", "unhashable"),
        ("a: *b", "line 1", "undefined alias"),
        ("a: 1\n---\nb: 1", "line 2", "single document"),
        ("a: " + "9" * 5000, "", "not valid YAML"),
        ("- a", "(top level)", "keys and values"),
        ("", "(top level)", "keys and values"),
    ],
)
def test_yaml_that_ends_in_no_study_is_refused(
    tmp_path: Path, text: str, key: str, what: str
) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(StudyError) as caught:
        read_yaml(path)
    assert what in str(caught.value)
    assert key in str(caught.value.key)
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("key", [5, None, "it's", "\ud800", "\x1b[31m", "x" * 10_000, (1, 2)])
def test_a_key_of_any_kind_is_named(key: object) -> None:
    with pytest.raises(StudyError, match="the key is not known") as caught:
        parse(Study, {"study": "x", key: 1}, "x.yaml")
    text = str(caught.value)
    assert text.isprintable() or text.replace("\n", "").isprintable()
    assert len(text) < 1000


SET = {"task": "x", "domain": "x", "licence": "x", "source": {"files": {"evaluation": "a.jsonl"}}}


@pytest.mark.parametrize(
    "template", ["{a.__class__}", "{a[0]}", "{0}", "{}", "{a!r}", "{a:>9999999999}", "{a", "a}"]
)
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("formats.default", lambda text: {"formats": {"default": f"{text}."}}),
        ("compose.both", lambda text: {"compose": {"both": text}}),
        ("fields.a", lambda text: {"fields": {"a": f"answer{text}"}}),
        ("gold.field", lambda text: {"gold": {"field": f"answer{text}"}}),
        ("id_field", lambda text: {"id_field": text}),
    ],
)
def test_templates_are_checked_when_they_are_loaded(
    key: str, value: Callable[[str], dict[str, object]], template: str
) -> None:
    with pytest.raises(StudyError, match=r"not the name of a field|cannot be read") as caught:
        parse(Dataset, {**SET, **value(template)}, "x.yaml")
    assert caught.value.key == key
    if key == "formats.default":
        with pytest.raises(StudyError, match=r"not the name of a field|cannot be read"):
            parse(Task, {"kind": "generation", **value(template)}, "x.yaml")


def test_a_capital_is_for_composed_fields_alone() -> None:
    parse(Dataset, {**SET, "compose": {"a": "{b!c}"}, "fields": {"a": "x.{b}.y"}}, "x.yaml")
    with pytest.raises(StudyError, match=r"write \{field\}"):
        parse(Dataset, {**SET, "formats": {"default": "{b!c}."}}, "x.yaml")


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/home/ada/data/train.jsonl", "…/train.jsonl"),
        ("~/data", "…/data"),
        ("C:\\Users\\ada\\train.csv", "…/train.csv"),
        ("{data_root}/train.jsonl", "{data_root}/train.jsonl"),
        ("data/train.jsonl", "data/train.jsonl"),
    ],
)
def test_a_config_is_published_without_the_makers_folders(
    tmp_path: Path, path: str, shown: str
) -> None:
    document = {
        "study": {"data_root": path, "catalogue": [path], "title": "/title"},
        "datasets": {"x": {"source": {"files": {"train": path}}, "join": {"file": path}}},
        "tasks": {"x": {"formats": {"default": "/no_think {a}"}}},
        "families": {"x": {"path": path, "corpus": {"files": [path]}}},
    }
    (tmp_path / "config.yaml").write_text(dump_merged(document), encoding="utf-8")
    found = yaml.safe_load(published_config(tmp_path / "config.yaml"))
    dataset, family = found["datasets"]["x"], found["families"]["x"]
    assert found["study"] == {"data_root": shown, "catalogue": [shown], "title": "/title"}
    assert [dataset["source"]["files"]["train"], dataset["join"]["file"]] == [shown, shown]
    assert family == {"path": shown, "corpus": {"files": [shown]}}
    assert found["tasks"] == document["tasks"]


def test_the_merged_config_reads_back(tmp_path: Path) -> None:
    resolved = smoke()
    path = tmp_path / "config.yaml"
    path.write_text(dump_merged(resolved.model_dump(mode="json")), encoding="utf-8")
    assert load_merged(path) == resolved
    rows = cell_rows(read_merged(str(path)))
    assert len(rows) == len(expand(resolved, "x").cells)
    assert {row["path"] for row in rows} == set(Jobs(resolved, "x").evaluate.cell_files())


def test_roles() -> None:
    resolved = smoke()
    tuned = Variant("tiny", 40, "quick", "nli_people", 0)
    base = Variant("tiny", 40, "base", "", None)
    found = {name: role(resolved, tuned, name) for name in resolved.datasets}
    assert found["nli_people"] == "id"
    assert found["nli_places"] == "ood"
    assert found["summary_people"] == "cross"
    assert role(resolved, base, "nli_people") == ""


@pytest.mark.parametrize(
    "variant",
    [Variant("a-b", 0, "base", "", None), Variant("a", 12, "full", "set_1", 3)],
)
def test_variants_survive_their_path(variant: Variant) -> None:
    assert parse_variant(variant_key(variant)) == variant


def test_what_is_no_variant_is_refused() -> None:
    with pytest.raises(ValueError, match="not a variant"):
        parse_variant("a/b/base")


def test_scratch_lies_outside_the_outputs() -> None:
    path = Paths("s").variant_file("f/1/full/t/seed0", "manifest.json")
    assert scratch(path) == Path("results/s/scratch/f/1/full/t/seed0")


def test_identity_leaves_defaults_and_execution_out() -> None:
    study = {"study": "x", "blocks": [read_yaml(SMOKE)["blocks"][0]]}
    plain = canonical(Study.model_validate(study))
    assert plain == canonical(Study.model_validate({**study, "seed": 0}))
    assert plain != canonical(Study.model_validate({**study, "seed": 1}))
    setting = Setting("nli_people", "io", 0, 0, "token_prob")
    one, other = (
        Jobs(smoke(execution={"batch_tokens": number}), "x").evaluate.setting_spec(setting)
        for number in (64, 99)
    )
    assert one == other
    # Cells of studies that do not set a dtype are the same as before the key existed.
    assert "dtype" not in json.loads(one)
    half = {**read_yaml(SMOKE).get("evaluate", {}), "dtype": "bfloat16"}
    assert json.loads(Jobs(smoke(evaluate=half), "x").evaluate.setting_spec(setting)) == {
        **json.loads(one),
        "dtype": "bfloat16",
    }


def test_another_format_changes_no_other_cells_spec() -> None:
    blocks = read_yaml(SMOKE)["blocks"]
    more = [*blocks[:2], {**blocks[2], "formats": ["default", "io", "instruct"]}, blocks[3]]
    before, after = Jobs(smoke(), "x"), Jobs(smoke(blocks=more), "x")
    for cell in before.grid.cells:
        one, other = (jobs.evaluate.setting_spec(cell.setting) for jobs in (before, after))
        assert one == other
    for variant in before.grid.tuned:
        assert before.tune.tune_spec(variant) == after.tune.tune_spec(variant)


def test_the_cell_of_another_study_is_refused() -> None:
    jobs = Jobs(smoke(), "study.yaml")
    with pytest.raises(StudyError, match="no such variant"):
        jobs.variant("tiny/20/quick/nli_people/seed0")


HEAVY = ("torch", "transformers", "numpy", "pandas", "pyarrow", "datasets", "tokenizers")


@pytest.mark.parametrize(
    ("before", "module", "heavy"),
    [
        # Snakemake imports some of them itself.
        ("snakemake.api", "tuning_dynamics.run.start", HEAVY),
        ("sys", "tuning_dynamics.identity.job", (*HEAVY, "pydantic", "yaml", "snakemake")),
        ("sys", "tuning_dynamics.data.world", HEAVY),
    ],
)
def test_light_modules_import_nothing_heavy(
    before: str, module: str, heavy: tuple[str, ...]
) -> None:
    code = f"""
import json, sys, {before}
before = set(sys.modules)
import {module}
print(json.dumps(sorted(set(sys.modules) - before)))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT / "workflow/scripts",
    )
    assert not {name.split(".")[0] for name in json.loads(done.stdout)} & set(heavy)


def test_stubs_and_rules_stay_small() -> None:
    for path in (ROOT / "workflow/scripts").glob("*.py"):
        assert len(path.read_text().splitlines()) <= 20, path
    for path in (ROOT / "workflow/rules").glob("*.smk"):
        assert len(path.read_text().splitlines()) <= 160, path
    assert len((ROOT / "Snakefile").read_text().splitlines()) <= 70
