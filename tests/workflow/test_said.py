"""What a run says at bad moments: plain, with `-q`, and as `make demo` runs it.

Each moment is a command as a user gives it, from the study's own folder.
"""

import os
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from repository import ROOT
from test_bad_input import (
    BLOCK,
    CELLS,
    DATASET,
    IMPORTED,
    LOCAL,
    NLI,
    RECIPE,
    ROWS,
    SCREEN,
    Bad,
    assert_screen,
    checkpoint,
    cut,
    jsonl,
    prepare,
    run_command,
    write,
)

from tuning_dynamics.common.errors import refused_reason

__all__ = ["checkpoint"]  # a fixture

TUNED_CELLS, WEATHER = "results/bad/mine/7", "seed0/cells/weather/default/0shot"

MODES = {"plain": [], "quiet": ["-q"], "demo": ["--quiet", "rules", "reason", "host"]}
STUDY = ["--configfile", "study.yaml"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path) -> Path:
    """A study's folder, in which only the weights are damaged, and what else may be named."""
    folder = tmp_path_factory.mktemp("study")
    prepare(folder, Bad([], spoil=cut), checkpoint, "mine")
    write(folder, "tab.yaml", b"study: bad\nblocks:\n\t- family: mine\n")
    write(folder, "typo.yaml", b"study: bad\nbloks: []\n")
    return folder


def quiet(name: str, arguments: list[str]) -> list[str]:
    """Arguments in a mode, which take no target with them."""
    options, _, targets = " ".join(arguments).partition(" -- ")
    return [*MODES[name], *options.split(), *(["--", *targets.split()] if targets else [])]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--configfile", "stdy.yaml"], ["does not exist", "did you mean 'study.yaml'?"]),
        (["--configfile", "tab.yaml"], ["tab.yaml", "line 3", "YAML takes no tabs"]),
        (
            [*STUDY, "results/bad/report.html"],
            ["has taken results/bad/report.html", "study.yaml -- results/bad/report.html"],
        ),
        (["--configfile", "typo.yaml"], ["typo.yaml", "bloks", "did you mean 'blocks'?"]),
        ([*STUDY, "--", "results/bad/reprot.html"], ["did you mean 'results/bad/report.html'?"]),
    ],
    ids=["no_config_file", "tab", "swallowed", "unknown_key", "unknown_target"],
)
def test_a_command_that_cannot_begin(
    arguments: list[str], says: list[str], mode: str, folder: Path
) -> None:
    done = run_command(folder, *quiet(mode, arguments))
    assert done.returncode == 1
    assert_screen(says, done.stdout)
    assert "Traceback" not in done.stdout
    assert not list(folder.glob("results/**/*.parquet"))


@pytest.mark.parametrize("mode", MODES)
def test_a_failed_job_shows_its_own_error_and_what_is_left(mode: str, folder: Path) -> None:
    done = run_command(folder, *quiet(mode, [*STUDY, "--", IMPORTED]))
    assert done.returncode == 1
    said = done.stdout
    log = "results/bad/logs/verify/mine/7.log"
    shown = said.partition("The job verify/mine/7 failed.\n")[2].partition("\nComplete log")[0]
    assert_screen(["weights cannot be loaded", "*.safetensors"], shown)
    assert shown.endswith(f"  log:   {log}")
    assert said.count("*.safetensors") == 1
    assert "Of 1 jobs 0 are done, 1 failed, 0 are left:" in said
    end = said.partition("Of 1 jobs")[2]
    assert f"verify/mine/7: the weights cannot be loaded ({log})" in end
    assert f"-- {IMPORTED}" in end
    for raw in ("CalledProcessError", "Traceback", ".snakemake/scripts"):
        assert raw not in said
    assert len(end.splitlines()) < SCREEN


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([*STUDY, "--config", "seed=1", "all"], "--config seed=1 -- all"),
        ([*STUDY, "--until", "verfy"], "did you mean 'verify'?"),
        ([*STUDY, "--", "results/other/report.html"], "the study 'other'"),
        ([*STUDY, "--forcerun", "results/bad/tables/score.csv"], "tables/scores.csv'?"),
    ],
    ids=["config", "until", "other_study", "forcerun"],
)
def test_other_targets(arguments: list[str], says: str, folder: Path) -> None:
    done = run_command(folder, "-q", *arguments)
    assert done.returncode == 1
    assert_screen([says], done.stdout)


def test_results_that_are_a_file(tmp_path: Path, checkpoint: Path) -> None:
    prepare(tmp_path, Bad([]), checkpoint, "mine")
    (tmp_path / "results").write_text("notes")
    done = run_command(tmp_path, "-q", *STUDY)
    assert_screen(["a file is in the place of a folder of results"], done.stdout)


@pytest.mark.parametrize("name", ["{b} of a b's", '-n %s "$x" é'])
def test_a_study_runs_in_a_folder_of_any_name(name: str, tmp_path: Path, checkpoint: Path) -> None:
    """What it reads lies elsewhere: Snakemake takes braces in a path of an input for a wildcard."""
    prepare(tmp_path, Bad([]), checkpoint, "mine")
    own = tmp_path / name
    own.mkdir()
    shutil.copy(tmp_path / "study.yaml", own)
    shutil.copy(tmp_path / "rows.jsonl", own)
    done = run_command(own, "-q", *STUDY, "--", "results/bad/data/weather/items.parquet")
    assert done.returncode == 0, done.stdout
    assert "Done: results/bad/data/weather/items.parquet" in done.stdout
    assert pq.read_metadata(own / "results/bad/data/weather/items.parquet").num_rows == len(ROWS)


def test_a_repository_in_a_folder_with_braces(folder: Path, tmp_path: Path) -> None:
    own = tmp_path / "of {mine}"
    own.mkdir()
    for part in ("workflow", "config", "profiles", "envs"):
        (own / part).symlink_to(ROOT / part)
    shutil.copyfile(ROOT / "Snakefile", own / "Snakefile")
    done = run_command(folder, "-n", "-q", *STUDY, snakefile=own / "Snakefile")
    assert_screen(["the path of the repository has braces"], done.stdout)


@pytest.mark.parametrize("path", ["slurm", "../slurm"])
def test_the_cluster_profile_from_another_folder(
    path: str, tmp_path: Path, checkpoint: Path
) -> None:
    prepare(tmp_path, Bad([]), checkpoint, "mine")
    relative = os.path.relpath(ROOT, tmp_path)
    profile = path.replace("..", relative) if path.startswith("..") else str(ROOT / path)
    done = run_command(tmp_path, "-n", "-q", *STUDY, "--profile", profile)
    assert done.returncode == 0, done.stdout
    assert "Budget of what would run" in done.stdout


def test_the_cluster_profile_without_a_cluster(
    tmp_path: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the repository, for a study elsewhere: the partitions are found, SLURM is not."""
    prepare(tmp_path, Bad([]), checkpoint, "mine")
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("bash", "sh", "uname", "which"):
        (tools / name).symlink_to(str(shutil.which(name)))
    monkeypatch.setenv("PATH", str(tools))
    study = ["--configfile", str(tmp_path / "study.yaml"), "--directory", str(tmp_path)]
    done = run_command(ROOT, "-q", "--profile", "slurm", *study)
    assert done.returncode == 1
    assert "SLURM is not available" in done.stdout
    assert "'sbatch'" in done.stdout
    assert "leave out --profile slurm to run here" in done.stdout


def test_a_dry_run_names_fields_that_the_rows_lack(tmp_path: Path, checkpoint: Path) -> None:
    bad = Bad([], dataset={"fields": {"a": "sentence_a", "b": "b"}, "id_field": "key.id"})
    prepare(tmp_path, bad, checkpoint, "mine")
    done = run_command(tmp_path, "-n", "-q", *STUDY)
    assert done.returncode == 0, done.stdout
    assert_screen(
        ["the set weather will be refused", "fields.a, id_field", "'sentence_a, key.id'"],
        done.stdout,
    )


# --- one bad set costs its own cells -----------------------------------------------------------

BAD_ROW = {**NLI, "b": " "}
TRAIN = [{**row, "a": f"It pours {hour} ."} for hour in ("now", "late") for row in ROWS]


def files(**places: str) -> dict[str, object]:
    return {**DATASET, "source": {"files": places}}


TUNED = {**BLOCK, "family": "mine"}

#: Sets of which one file has a bad row: of the evaluation, of training, of demonstrations, and of
#: a mixture.
SEVERAL = Bad(
    [],
    dataset={"source": {"files": {"train": "train.jsonl", "evaluation": "rows.jsonl"}}},
    study={
        "statistics": {"main_recipe": "quick"},
        "blocks": [
            {**BLOCK, "family": "mine", "eval_sets": ["weather", "broken"]},
            {**BLOCK, "family": "mine", "eval_sets": ["lent"], "shots": [2]},
            {**TUNED, "recipes": ["quick"], "train_sets": ["weather", "untrained"]},
            {**TUNED, "recipes": ["mixed"], "train_sets": ["weather"]},
        ],
    },
    files={
        "families/mine.yaml": LOCAL,
        "train.jsonl": jsonl(TRAIN),
        "bad.jsonl": jsonl([*ROWS, BAD_ROW]),
        "bad_train.jsonl": jsonl([*TRAIN, {**BAD_ROW, "a": "It pours ."}]),
        "recipes/quick.yaml": RECIPE,
        "recipes/mixed.yaml": {
            "stages": [{**RECIPE["stages"][0], "data": {"mix": {"$target": 1, "untrained": 1}}}]
        },
        "datasets/broken.yaml": files(evaluation="bad.jsonl"),
        "datasets/untrained.yaml": files(train="bad_train.jsonl"),
        "datasets/lender.yaml": files(train="bad_train.jsonl"),
        "datasets/lent.yaml": {**files(evaluation="rows.jsonl"), "demonstrations": "lender"},
    },
)


#: Cells, with why they are refused.
CELLS_OF = {
    f"{CELLS}/weather/default/0shot": None,
    f"{CELLS}/broken/default/0shot": "line 6 of bad.jsonl has no text in a field",
    f"{CELLS}/lent/default/2shot": "line 11 of bad_train.jsonl has no text in a field",
    f"{TUNED_CELLS}/quick/weather/{WEATHER}": None,
    f"{TUNED_CELLS}/quick/untrained/{WEATHER}": "line 11 of bad_train.jsonl has no text in a field",
    f"{TUNED_CELLS}/mixed/weather/{WEATHER}": "line 11 of bad_train.jsonl has no text in a field",
}


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path) -> Path:
    folder = tmp_path_factory.mktemp("several")
    prepare(folder, SEVERAL, checkpoint, "mine")
    cells = [f"{cell}/token_prob.parquet" for cell in CELLS_OF]
    done = run_command(folder, "-q", *STUDY, "--", *cells)
    assert done.returncode == 0, done.stdout
    return folder


@pytest.mark.parametrize(("cell", "why"), CELLS_OF.items())
def test_one_bad_set_costs_its_own_cells(cell: str, why: str | None, several: Path) -> None:
    path = several / cell / "token_prob.parquet"
    reason = refused_reason(pq.read_schema(path).metadata)
    assert (reason is None) == (why is None)
    assert why is None or why in str(reason)
    assert pq.read_metadata(path).num_rows == (0 if why else len(ROWS))
