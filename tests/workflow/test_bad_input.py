"""Bad input: one-screen errors that name file, key, value and fix, and no number in any table.

Most mistakes are tested with the functions that the Snakefile and the jobs call. One of each group,
and all that need a model, go through the command line: exit code, log and screen are the same
for all of a group.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from put_back import put_back
from repository import ROOT, environment
from safetensors.torch import load_file, save_file
from snakemake.common.configfile import load_configfile

from tuning_dynamics.checkpoints.corpus import train_tokenizer
from tuning_dynamics.checkpoints.pretrain import build_model
from tuning_dynamics.checkpoints.verify import verify
from tuning_dynamics.common.errors import StudyError, refused_reason
from tuning_dynamics.common.job_log import failure_in
from tuning_dynamics.config.family import Architecture
from tuning_dynamics.data.freeze import freeze_from_spec
from tuning_dynamics.data.items import read_items
from tuning_dynamics.preflight.trial import try_model
from tuning_dynamics.run.all_jobs import Jobs
from tuning_dynamics.run.start import begin

#: Lines of an error that one screen shows.
SCREEN = 24

NLI = {"a": "It rains .", "b": "It is wet .", "g": "entailment"}
ROWS = [
    {**NLI, "b": f"It is {word} .", "g": label}
    for word, label in [
        ("wet", "entailment"),
        ("dry", "contradiction"),
        ("late", "neutral"),
        ("damp", "entailment"),
        ("sunny", "contradiction"),
    ]
]
DATASET: dict[str, Any] = {
    "task": "nli",
    "domain": "weather",
    "licence": "none",
    "source": {"files": {"evaluation": "rows.jsonl"}},
    "fields": {"a": "a", "b": "b"},
    "gold": {
        "field": "g",
        "labels": {name: name for name in ("entailment", "neutral", "contradiction")},
    },
}
BLOCK: dict[str, Any] = {
    "family": "tiny",
    "checkpoints": "last",
    "recipes": ["base"],
    "eval_sets": ["weather"],
}
STUDY: dict[str, Any] = {
    "study": "bad",
    "catalogue": ["config", "tests/catalogue", "FOLDER"],
    "world": {"people": 32, "documents": 200},
    "execution": {"device": "cpu"},
    "blocks": [BLOCK],
}
RECIPE: dict[str, Any] = {"stages": [{"id": "tune", "optim": {"lr": 1e-3, "epochs": 1}}]}
LOCAL: dict[str, Any] = {
    "source": "local",
    "path": "FOLDER/checkpoint",
    "tokens_per_step": 1,
    "checkpoints": {"steps": [7]},
}
FROZEN = "results/bad/data/weather/items.parquet"
IMPORTED = "results/bad/mine/7/checkpoint/manifest.json"
CELLS = "results/bad/mine/7/base/cells"


def jsonl(rows: list[Any]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


@dataclass
class Bad:
    """One mistake: the required text, and the difference from a study that runs."""

    says: list[str]
    study: dict[str, Any] = field(default_factory=dict)
    block: dict[str, Any] = field(default_factory=dict)
    dataset: dict[str, Any] = field(default_factory=dict)
    files: dict[str, Any] = field(default_factory=dict)
    spoil: Callable[[Path], None] | None = None


CONFIG = {
    "unknown_key": Bad(["bloks", "did you mean 'blocks'?"], study={"bloks": []}),
    "unknown_nested_key": Bad(["statistics.levl", "'level'"], study={"statistics": {"levl": 0.9}}),
    "wrong_type": Bad(["resamples", "'many'"], study={"statistics": {"resamples": "many"}}),
    "too_few_resamples": Bad(["resamples", "3"], study={"statistics": {"resamples": 3}}),
    "missing_key": Bad(["blocks.0.family", "add"], block={"family": None}),
    "unknown_family": Bad(["tinny", "did you mean 'tiny'?"], block={"family": "tinny"}),
    "unknown_dataset": Bad(["wether", "did you mean 'weather'?"], block={"eval_sets": ["wether"]}),
    "unknown_recipe": Bad(
        ["fulll", "did you mean 'full'?"],
        block={"recipes": ["fulll"], "train_sets": ["nli_people"]},
    ),
    "unknown_format": Bad(["blocks.0.formats", "fancy"], block={"formats": ["fancy"]}),
    "unknown_task": Bad(["nlli", "did you mean 'nli'?"], dataset={"task": "nlli"}),
    "unknown_prediction": Bad(
        ["predictions.classification", "'guess'"],
        block={"predictions": {"classification": ["guess"]}},
    ),
    "unknown_step": Bad(["blocks.0.checkpoints", "[30]"], block={"checkpoints": [30]}),
    "leaves_the_results_folder": Bad(["study", "'../evil'"], study={"study": "../evil"}),
    "shell_metacharacter": Bad(["study", "'a;rm'"], study={"study": "a;rm"}),
    "shell_metacharacter_in_a_set": Bad(["eval_sets", "x$(id)"], block={"eval_sets": ["x$(id)"]}),
    "family_named_as_a_folder": Bad(
        ["'data'", "rename"], block={"family": "data"}, files={"families/data.yaml": LOCAL}
    ),
    "set_named_as_pooled_rows": Bad(
        ["pool", "datasets/all.yaml"],
        block={"eval_sets": ["all"]},
        files={"datasets/all.yaml": DATASET},
    ),
    "repeated_value": Bad(["formats", "more than once"], block={"formats": ["io", "io"]}),
    "no_blocks": Bad(["blocks"], study={"blocks": []}),
    "recipe_without_train_sets": Bad(["train_sets"], block={"recipes": ["full"]}),
    "train_sets_without_recipe": Bad(["blocks.0.recipes"], block={"train_sets": ["nli_people"]}),
    "train_set_without_training_split": Bad(
        ["'weather' has no training split"], block={"recipes": ["full"], "train_sets": ["weather"]}
    ),
    "no_demonstrations": Bad(["take demonstrations from", "[4]"], block={"shots": [4]}),
    "nothing_to_evaluate": Bad(
        ["nothing to evaluate", "instruct_world"], block={"eval_sets": ["instruct_world"]}
    ),
    "missing_data_file": Bad(["does not exist", "rows.jsonl"], files={"rows.jsonl": None}),
    "no_checkpoint_folder": Bad(
        ["1 of 1 folders of checkpoints do not exist", "elsewhere"],
        block={"family": "mine"},
        files={"families/mine.yaml": {**LOCAL, "path": "FOLDER/elsewhere"}},
    ),
    "no_folder_of_one_step": Bad(
        ["1 of 2 folders of checkpoints do not exist", "checkpoint8"],
        block={"family": "mine", "checkpoints": "all"},
        files={
            "families/mine.yaml": {
                **LOCAL,
                "path": "FOLDER/checkpoint{step}",
                "checkpoints": {"steps": [7, 8]},
            },
            "checkpoint7/config.json": b"{}",
        },
    ),
    "braces_in_a_path": Bad(
        ["braces", "{x}"],
        block={"family": "mine"},
        files={"families/mine.yaml": {**LOCAL, "path": "FOLDER/{x}"}},
    ),
    "braces_in_the_path_of_a_data_file": Bad(
        ["braces", "{now}/rows.jsonl"],
        dataset={"source": {"files": {"evaluation": "FOLDER/{now}/rows.jsonl"}}},
    ),
    "format_with_a_field_that_the_set_lacks": Bad(
        ["fields that the set does not give: c", "formats.mine"],
        block={"formats": ["mine"]},
        dataset={"formats": {"mine": "{a} and {c}?"}},
    ),
    "format_that_cannot_be_read": Bad(
        ["cannot be read", "formats.mine"],
        block={"formats": ["mine"]},
        dataset={"formats": {"mine": "{a} and {b?"}},
    ),
    "tab_in_yaml": Bad(
        ["line 2", "spaces: YAML takes no tabs"],
        files={"datasets/weather.yaml": b"task: nli\n\tdomain: x\n"},
    ),
    "missing_catalogue": Bad(["catalogue", "'nowhere'"], study={"catalogue": ["nowhere"]}),
    "no_data_root": Bad(
        ["data_root"], dataset={"source": {"files": {"evaluation": "{data_root}/rows.jsonl"}}}
    ),
    "no_learning_rate": Bad(
        ["stages.0.optim.lr", "nli_people"],
        block={"recipes": ["mine"], "train_sets": ["nli_people"]},
        files={"recipes/mine.yaml": {"stages": [{"id": "a", "optim": {"lr": {"other": 1e-3}}}]}},
    ),
    "main_recipe_not_in_the_study": Bad(
        ["main_recipe", "'full'"],
        block={"recipes": ["base", "quick"], "train_sets": ["nli_people"]},
    ),
    "checkpoint_beyond_the_last_step": Bad(
        ["beyond the last step"],
        block={"family": "far"},
        files={
            "families/far.yaml": {
                **yaml.safe_load((ROOT / "tests/catalogue/families/tiny.yaml").read_text()),
                "checkpoints": {"steps": [99]},
            }
        },
    ),
    "template_ends_in_space": Bad(
        ["white space", "talk"],
        dataset={"task": "talk"},
        files={"tasks/talk.yaml": {"kind": "classification", "formats": {"default": "{a} "}}},
    ),
    "broken_yaml": Bad(["not valid YAML"], files={"datasets/weather.yaml": b"task: [nli\n"}),
    "repeated_yaml_key": Bad(
        ["task", "is given twice"], files={"datasets/weather.yaml": b"task: nli\ntask: nli\n"}
    ),
    "yaml_not_utf8": Bad(["not UTF-8"], files={"datasets/weather.yaml": b"task: \xff\n"}),
    "two_sources": Bad(
        ["exactly one of world, files, hub"],
        dataset={"source": {"files": {"evaluation": "rows.jsonl"}, "world": "nli_people"}},
    ),
}

DATA = {
    "corrupt_jsonl": Bad(
        ["line 2", "rows.jsonl", '{"a": 1'], files={"rows.jsonl": jsonl(ROWS[:1]) + b'{"a": 1\n'}
    ),
    "text_not_utf8": Bad(["not UTF-8", "byte 7"], files={"rows.jsonl": b'{"a": "\xff"}\n'}),
    "missing_field": Bad(["lacks a field", "key:   b"], files={"rows.jsonl": jsonl([{"a": "x"}])}),
    "empty_text": Bad(["no text", "line 1"], files={"rows.jsonl": jsonl([{**NLI, "b": " "}])}),
    "empty_split": Bad(["evaluation split", "is empty"], files={"rows.jsonl": b""}),
    "one_gold_value": Bad(
        ["the same gold label", "neutral"],
        files={"rows.jsonl": jsonl([{**row, "g": "neutral"} for row in ROWS])},
    ),
    "unknown_gold_value": Bad(
        ["not in labels", "'maybe'"], files={"rows.jsonl": jsonl([*ROWS, {**NLI, "g": "maybe"}])}
    ),
    "no_label_value": Bad(
        ["'no label' value", "-1"], files={"rows.jsonl": jsonl([*ROWS, {**NLI, "g": -1}])}
    ),
    "duplicate_items": Bad(
        ["have the same content", "duplicates"], files={"rows.jsonl": jsonl([*ROWS, ROWS[0]])}
    ),
    "duplicate_ids": Bad(
        ["have the same id", "duplicates"],
        dataset={"id_field": "n"},
        files={"rows.jsonl": jsonl([{**row, "n": "7"} for row in ROWS])},
    ),
    "evaluated_in_training": Bad(
        ["a training item is evaluated too", "duplicates"],
        dataset={"source": {"files": {"train": "rows.jsonl", "evaluation": "rows.jsonl"}}},
    ),
    "ragged_csv": Bad(
        ["line 3", "a different number of fields"],
        dataset={"source": {"files": {"evaluation": "rows.csv"}}},
        files={"rows.csv": b"a,b,g\nx,y,neutral\nx,y\n"},
    ),
    "damaged_parquet": Bad(
        ["parquet file is damaged"],
        dataset={"source": {"files": {"evaluation": "rows.parquet"}}},
        files={"rows.parquet": b"PAR1nothing"},
    ),
    "unknown_file_type": Bad(
        ["type is unknown", ".xml"],
        dataset={"source": {"files": {"evaluation": "rows.xml"}}},
        files={"rows.xml": b"<a/>"},
    ),
    "option_twice": Bad(
        ["the same option twice"],
        dataset={
            "task": "multiple_choice",
            "fields": {"question": "q"},
            "options": "o",
            "gold": {"field": "g"},
        },
        files={"rows.jsonl": jsonl([{"q": "Who ?", "o": ["x", "x"], "g": 0}])},
    ),
    "option_that_is_not_there": Bad(
        ["names an option that does not exist", "5"],
        dataset={
            "task": "multiple_choice",
            "fields": {"question": "q"},
            "options": "o",
            "gold": {"field": "g"},
        },
        files={"rows.jsonl": jsonl([{"q": "Who ?", "o": ["x", "y"], "g": 5}])},
    ),
    "unknown_world_set": Bad(
        ["no such set", "nli_martians"], dataset={"source": {"world": "nli_martians"}}
    ),
}


def rewrite(change: Callable[[dict[str, torch.Tensor]], None]) -> Callable[[Path], None]:
    """Change the tensors of the checkpoint's weights."""

    def spoil(folder: Path) -> None:
        path = folder / "checkpoint/model.safetensors"
        tensors = load_file(path)
        change(tensors)
        save_file(tensors, path, metadata={"format": "pt"})

    return spoil


def cut(folder: Path) -> None:
    path = folder / "checkpoint/model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])


def rename_class(folder: Path) -> None:
    path = folder / "checkpoint/config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**config, "architectures": ["LlamaForCausalLM"]}))


def pickle_only(folder: Path) -> None:
    weights = folder / "checkpoint/model.safetensors"
    weights.rename(weights.with_name("pytorch_model.bin"))


def not_finite(tensors: dict[str, torch.Tensor]) -> None:
    tensors["model.layers.0.mlp.up_proj.weight"][0, 0] = np.nan


WEIGHTS = {
    "truncated_safetensors": Bad(["weights cannot be loaded"], spoil=cut),
    "missing_weight_keys": Bad(
        ["missing keys", "up_proj"],
        spoil=rewrite(lambda tensors: tensors.__delitem__("model.layers.0.mlp.up_proj.weight")),
    ),
    "unexpected_weight_keys": Bad(
        ["unexpected keys", "stranger"],
        spoil=rewrite(lambda tensors: tensors.update(stranger=torch.ones(2))),
    ),
    "weights_not_finite": Bad(["not finite", "up_proj"], spoil=rewrite(not_finite)),
    "another_class": Bad(["config names ['LlamaForCausalLM']"], spoil=rename_class),
    "pickled_weights_only": Bad(["no safetensors weights"], spoil=pickle_only),
    "no_tokenizer": Bad(
        ["no fast tokenizer"], spoil=lambda folder: (folder / "checkpoint/tokenizer.json").unlink()
    ),
}

#: Errors in jobs that use a model: the required text, the job's output, its log.
#: Input that is refused together with the model: a cell that says so, and why.
REFUSED = {
    "colliding_labels": (
        ["begin with the same token", "'qa'"],
        f"{CELLS}/colliding/default/0shot/token_prob.parquet",
    ),
    "prompt_longer_than_the_context": (
        ["evaluate.truncation", "context"],
        f"{CELLS}/long/default/0shot/token_prob.parquet",
    ),
    "too_few_demonstrations": (
        ["demonstrations", "4"],
        f"{CELLS}/few/default/4shot/token_prob.parquet",
    ),
}
WILD = "results/bad/mine/7/wild/nli_people/seed0/manifest.json"
GOOD = f"{CELLS}/weather/default/0shot/token_prob.parquet"
TRAINED = {"recipes": ["base", "wild"], "train_sets": ["nli_people"], "eval_sets": ["nli_people"]}
#: A study that has all of these, and a valid cell.
WITH_MODEL = Bad(
    [],
    study={
        "data": {"train_items": 40},
        "statistics": {"main_recipe": "wild"},
        "blocks": [
            {**BLOCK, "family": "mine", "eval_sets": ["weather", "colliding", "long"]},
            {**BLOCK, "family": "mine", "eval_sets": ["few"], "shots": [4]},
            {**BLOCK, "family": "mine", **TRAINED},
        ],
    },
    files={
        "recipes/wild.yaml": {"stages": [{"id": "a", "optim": {"lr": 1e30}}]},
        "datasets/colliding.yaml": {
            **DATASET,
            "gold": {
                "field": "g",
                "labels": {"entailment": "qa", "neutral": "qb", "contradiction": "no"},
            },
        },
        "long.jsonl": jsonl([*ROWS, {**NLI, "a": "It rains . " * 100}]),
        "datasets/long.yaml": {**DATASET, "source": {"files": {"evaluation": "long.jsonl"}}},
        "train.jsonl": jsonl([{**row, "a": "It pours ."} for row in ROWS]),
        "datasets/few.yaml": {
            **DATASET,
            "source": {"files": {"train": "train.jsonl", "evaluation": "rows.jsonl"}},
        },
    },
)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in the Hugging Face format with a tiny random model."""
    folder = tmp_path_factory.mktemp("checkpoint")
    words = " ".join(f"{row['a']} {row['b']} {row['g']}" for row in ROWS)
    train_tokenizer([words] * 3, 300).save(str(folder / "tokenizer.json"))
    architecture = Architecture(
        vocab_size=300, hidden_size=16, intermediate_size=32, layers=1, heads=2, context=128
    )
    build_model(architecture, folder / "tokenizer.json", 0).save_pretrained(str(folder))
    return folder


def write(folder: Path, name: str, content: Any) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if content is None:
        path.unlink()
    elif isinstance(content, bytes):
        path.write_bytes(content)
    else:
        text = yaml.safe_dump(content).replace("FOLDER", str(folder))
        path.write_text(text, encoding="utf-8")


def prepare(folder: Path, bad: Bad, checkpoint: Path, family: str) -> None:
    """A study folder with one mistake in it."""
    block = {**BLOCK, "family": family, **bad.block}
    block = {key: value for key, value in block.items() if value is not None}
    write(folder, "rows.jsonl", jsonl(ROWS))
    write(folder, "datasets/weather.yaml", {**DATASET, **bad.dataset})
    write(folder, "families/mine.yaml", LOCAL)
    write(folder, "study.yaml", {**STUDY, "blocks": [block], **bad.study})
    (folder / "checkpoint").mkdir()
    for path in checkpoint.iterdir():
        (folder / "checkpoint" / path.name).write_bytes(path.read_bytes())
    for name, content in bad.files.items():
        write(folder, name, content)
    if bad.spoil is not None:
        bad.spoil(folder)


@pytest.fixture(autouse=True)
def _put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    put_back(monkeypatch)


def begun(config: dict[str, Any]) -> Jobs:
    """The jobs of a study, as the Snakefile begins it in the current folder."""
    workflow = SimpleNamespace(
        basedir=ROOT,
        configfiles=["study.yaml"],
        config_settings=SimpleNamespace(config={}),
        is_main_process=True,
        global_resources={"_nodes": SimpleNamespace(value=None)},
    )
    return begin(config, workflow)[0]


def freeze(config: dict[str, Any]) -> None:
    """What the job of FROZEN calls."""
    spec = json.loads(begun(config).data.freeze_spec("weather"))
    freeze_from_spec("weather", spec, config.get("data_root"), "items.parquet", "manifest.json")


def verified(config: dict[str, Any]) -> None:
    """What the job of IMPORTED calls."""
    spec = begun(config).checkpoints.checkpoint_spec("mine", 7)
    verify(
        "mine", spec, 7, downloaded=None, config=config, manifest="manifest.json", trial=try_model
    )


@pytest.fixture
def within(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder during a test; what `begin` sets is undone after it."""
    monkeypatch.chdir(tmp_path)
    for library in ("OMP", "OPENBLAS", "MKL"):
        monkeypatch.setenv(f"{library}_NUM_THREADS", "1")
    return tmp_path


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Snakemake as a user starts it on the folder's study."""
    return run_command(folder, "--configfile", "study.yaml", "--directory", str(folder), *arguments)


def run_command(
    folder: Path, *arguments: str, snakefile: Path = ROOT / "Snakefile"
) -> subprocess.CompletedProcess[str]:
    """Snakemake as a user starts it in a folder."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(snakefile), "--cores", "1"]
    return subprocess.run(
        [*command, *arguments],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=1800,
    )


def assert_says(says: list[str], error: str) -> None:
    """The error names the place, the value and the fix, and fits on one screen."""
    assert len(error.splitlines()) <= SCREEN, error
    for text in ("  file:", "  key:", "  value:", "  fix:", *says):
        assert text in error, f"{text!r} is not in\n{error}"


def last_error(text: str) -> str:
    """The screen that ends with a run's last error."""
    lines = text.splitlines()
    last = max((n for n, line in enumerate(lines) if line.startswith("  fix:")), default=None)
    assert last is not None, text
    return "\n".join(lines[max(0, last - SCREEN + 1) : last + 1])


def assert_screen(says: list[str], text: str) -> None:
    """A run, or a job's log, has the error on its last screen."""
    error = last_error(text)
    assert_says(says, error)
    assert "Traceback" not in error


def case(group: dict[str, Bad]) -> Any:
    return pytest.mark.parametrize("bad", group.values(), ids=group.keys())


@case(CONFIG)
def test_config(bad: Bad, within: Path, checkpoint: Path) -> None:
    prepare(within, bad, checkpoint, "tiny")
    with pytest.raises(SystemExit) as ended:
        begun(load_configfile("study.yaml"))
    assert isinstance(ended.value.code, str)  # Python prints it and exits with 1
    assert_says(bad.says, ended.value.code.strip())
    assert not Path("results").exists()


@case(DATA)
def test_data(bad: Bad, within: Path, checkpoint: Path) -> None:
    prepare(within, bad, checkpoint, "tiny")
    with pytest.raises(StudyError) as raised:
        freeze(load_configfile("study.yaml"))
    assert_says(bad.says, str(raised.value))
    assert not Path("items.parquet").exists()
    assert not Path("manifest.json").exists()


@case(WEIGHTS)
def test_weights(bad: Bad, within: Path, checkpoint: Path) -> None:
    prepare(within, bad, checkpoint, "mine")
    with pytest.raises(StudyError) as raised:
        verified(load_configfile("study.yaml"))
    assert_says(bad.says, str(raised.value))
    assert not Path("manifest.json").exists()


@pytest.mark.parametrize(
    ("bad", "arguments"),
    [
        (CONFIG["unknown_nested_key"], ["-n"]),
        (CONFIG["missing_data_file"], ["-n"]),
        (WEIGHTS["truncated_safetensors"], [IMPORTED]),
    ],
    ids=["config", "file", "weights"],
)
def test_command_line(bad: Bad, arguments: list[str], tmp_path: Path, checkpoint: Path) -> None:
    prepare(tmp_path, bad, checkpoint, "mine" if arguments == [IMPORTED] else "tiny")
    done = run(tmp_path, *arguments)
    assert done.returncode != 0, done.stdout
    assert_screen(bad.says, done.stdout)
    assert not list(tmp_path.glob("results/**/*.parquet"))
    assert not list(tmp_path.glob("results/**/manifest.json"))


def test_data_on_the_command_line(tmp_path: Path, checkpoint: Path) -> None:
    bad = DATA["corrupt_jsonl"]
    prepare(tmp_path, bad, checkpoint, "tiny")
    done = run(tmp_path, FROZEN)
    assert done.returncode == 0, done.stdout
    manifest = json.loads((tmp_path / FROZEN).with_name("manifest.json").read_text("utf-8"))
    assert_says(bad.says, manifest["refused"])
    with pytest.raises(StudyError, match="line"):
        read_items(tmp_path / FROZEN, "evaluation")


@pytest.fixture(scope="module")
def with_model(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path) -> tuple[Path, str]:
    """The folder of the study of WITH_MODEL after a run for all its outputs, and what it said."""
    folder = tmp_path_factory.mktemp("with_model")
    prepare(folder, WITH_MODEL, checkpoint, "mine")
    done = run(folder, WILD, *(target for _, target in REFUSED.values()))
    assert done.returncode != 0, done.stdout
    return folder, done.stdout


@pytest.mark.parametrize(("says", "target"), REFUSED.values(), ids=REFUSED.keys())
def test_a_refused_cell_says_why(
    says: list[str], target: str, with_model: tuple[Path, str]
) -> None:
    folder, _ = with_model
    reason = refused_reason(pq.read_schema(folder / target).metadata)
    assert reason is not None
    assert_says(says, reason)
    assert pq.read_metadata(folder / target).num_rows == 0


def test_training_that_diverges(with_model: tuple[Path, str]) -> None:
    folder, said = with_model
    log = folder / "results/bad/logs/tune/mine/7/wild/nli_people/seed0.log"
    text = log.read_text(encoding="utf-8")
    assert_screen(["not finite at step", "lower the learning rate"], text)
    assert str(failure_in(log)) in said
    assert not (folder / WILD).exists()


def test_what_has_no_mistake_runs_in_the_same_study(with_model: tuple[Path, str]) -> None:
    folder, _ = with_model
    done = run(folder, GOOD)
    assert done.returncode == 0, done.stdout
    assert (folder / GOOD).is_file()


def test_without_a_mistake_freezes_and_verifies(within: Path, checkpoint: Path) -> None:
    prepare(within, Bad([]), checkpoint, "mine")
    config = load_configfile("study.yaml")
    freeze(config)
    assert Path("items.parquet").is_file()
    verified(config)
    assert Path("manifest.json").is_file()
