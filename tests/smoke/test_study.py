"""The smoke study from start to report: every file is there and says what it should."""

import csv
import hashlib
import json
import re
from html import unescape
from pathlib import Path

from repository import Repository

TABLES = (
    *("scores", "changes", "unpaired", "seed_means", "sensitivity", "measures"),
    *("item_changes", "seed_agreement"),
    *("transfer", "denominators", "groups", "group_changes", "group_rules", "turning_points"),
    *("latent_gain", "format_trend", "forgetting", "noise", "findings"),
    *("checkpoints", "datasets", "cost"),
)

#: Files next to a model's weights that define how it computes.
DESCRIBED = ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json")


def table(repository: Repository, name: str, study: str = "smoke") -> list[dict[str, str]]:
    """A table's rows."""
    path = repository.folder / "results" / study / "tables" / f"{name}.csv"
    with path.open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_every_cell_of_the_grid_is_scored_once(smoke: Repository) -> None:
    rows = table(smoke, "scores")
    names = ("step", "recipe", "train_set", "seed", "eval_set", "format", "shots", "prediction")
    keys = {tuple(row[name] for name in names) for row in rows}
    assert len(rows) == len(keys) == 3 * 4 + 1 + 4 * 4 * 2 + 2


def test_scores_are_fractions_with_intervals_around_them(smoke: Repository) -> None:
    for row in table(smoke, "scores"):
        low, score, high = (float(row[name]) for name in ("ci_low", "score", "ci_high"))
        assert 0 <= low <= score <= high <= 1
        assert row["n"] == "12"


def test_base_has_no_role_but_for_benchmarks(smoke: Repository) -> None:
    for row in table(smoke, "scores"):
        if row["recipe"] == "base":
            assert row["train_set"] == row["seed"] == ""
            assert row["role"] in ("", "bench")
        else:
            assert row["role"] in ("id", "ood", "cross", "bench")


def test_changes_are_tuned_less_base(smoke: Repository) -> None:
    rows = table(smoke, "changes")
    assert len(rows) == 4 * 4 * 2 + 2
    for row in rows:
        difference = float(row["tuned_score"]) - float(row["base_score"])
        assert abs(float(row["change"]) - difference) < 1e-8


def test_each_model_is_loaded_once(smoke: Repository) -> None:
    records = list((smoke.folder / "results/smoke/tiny").rglob("evaluation.json"))
    assert len(records) == 8
    for path in records:
        record = json.loads(path.read_text(encoding="utf-8"))
        cells = list(path.parent.rglob("*.parquet"))
        assert record["loads"] == 1
        assert record["cells"] == len(cells)


def test_checkpoints_say_what_they_are(smoke: Repository) -> None:
    losses = []
    for step in (0, 20, 40):
        path = smoke.folder / f"results/smoke/tiny/{step}/checkpoint/manifest.json"
        manifest = json.loads(path.read_text(encoding="utf-8"))
        assert (manifest["step"], manifest["tokens"]) == (step, step * 4 * 64)
        assert set(manifest["digests"]) == {"model.safetensors", *DESCRIBED}
        losses.append(manifest["text_loss"])
    assert losses[0] > losses[1] > losses[2]


def test_the_report_is_self_contained_and_has_the_findings(smoke: Repository) -> None:
    results = smoke.folder / "results/smoke"
    found = table(smoke, "findings")
    assert {row["number"] for row in found} >= {"1", "2", "3", "4"}
    for page in ("report.html", "findings.html"):
        text = (results / page).read_text(encoding="utf-8")
        assert text.count("<article") == len(found)
        assert all(row["sentence"] in unescape(text) for row in found)
        assert not re.findall(r'<(?:img|script|link|iframe)[^>]* (?:src|href)="(?!data:)', text)
    for name in TABLES:
        assert (results / "tables" / f"{name}.parquet").is_file()


def test_snakemake_writes_its_own_report_of_every_table_and_figure(
    smoke: Repository, tmp_path: Path
) -> None:
    report = tmp_path / "own.html"
    smoke.succeed("--report", str(report))
    text = report.read_text(encoding="utf-8")
    results = smoke.folder / "results/smoke"
    shown = [*(results / "figures").rglob("*.svg"), *(results / "tables").glob("*.csv")]
    assert len(shown) > 2 * len(TABLES)
    for path in [*shown, results / "findings.html"]:
        assert str(path.relative_to(smoke.folder)) in text, path


def test_the_merged_config_has_the_defaults(smoke: Repository) -> None:
    text = (smoke.folder / "results/smoke/config.yaml").read_text(encoding="utf-8")
    assert "level: 0.95" in text
    assert "nli_places" in text


def test_nothing_of_a_finished_job_stays_under_scratch(smoke: Repository) -> None:
    left = (smoke.folder / "results/smoke/scratch").rglob("*")
    assert [path for path in left if not path.is_dir()] == []


def test_every_file_that_was_made_is_recorded_as_it_is(smoke: Repository) -> None:
    digests: dict[str, str] = {}
    for path in (smoke.folder / "results/smoke/records").rglob("*.json"):
        record = json.loads(path.read_text(encoding="utf-8"))
        if "units" in record:
            digests |= {
                name: text for unit in record["units"] for name, text in unit["outputs"].items()
            }
    made = [
        path
        for pattern in ("*/**/cells/**/*.parquet", "*/**/manifest.json", "tables/*.csv", "*.html")
        for path in (smoke.folder / "results/smoke").glob(pattern)
    ]
    assert len(made) > 60
    for path in made:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        assert digests[str(path.relative_to(smoke.folder))] == found, path


def test_two_seeds_differ(smoke: Repository) -> None:
    tuned = smoke.folder / "results/smoke/tiny/40/quick/nli_people"
    weights = [tuned / seed / "weights/model.safetensors" for seed in ("seed0", "seed1")]
    assert weights[0].read_bytes() != weights[1].read_bytes()
