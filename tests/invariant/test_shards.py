"""Processes that share a model train it as one does, to rounding; and end together."""

import os
import signal
import sys
from collections.abc import Iterator
from multiprocessing import active_children, set_forkserver_preload
from pathlib import Path
from runpy import run_path
from typing import Any, Literal

import pytest
import torch
from safetensors.torch import load_file
from tiny import pair, save_checkpoint, tiny_model
from training import examples, settings

from tuning_dynamics.common.atomic_files import read_json, write_json
from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.config.execution import Execution
from tuning_dynamics.config.recipe import Recipe
from tuning_dynamics.data.items import write_items
from tuning_dynamics.data.tokenize_set import encode_set
from tuning_dynamics.engine import fsdp as shards
from tuning_dynamics.engine.launch import on_ranks
from tuning_dynamics.engine.loop import Batch, Interrupted, Scratch, Training, resume
from tuning_dynamics.engine.processes import SINGLE, Ranks
from tuning_dynamics.recipes.trainable.lora import Lora
from tuning_dynamics.recipes.trainable.lora import begin as with_adapter
from tuning_dynamics.tune.learning_rates import mean_loss
from tuning_dynamics.tune.sampler import EpochBatches
from tuning_dynamics.tune.stages import TrainSets
from tuning_dynamics.tune.variant import Files, tune_variant

CPU = torch.device("cpu")
TWO = Execution(gpus_per_model=2, device="cpu")

#: Two minibatches of eight, and one of one row, which leaves a process without any.
ROWS = examples()[:17]
SIGNALLED, LAST = 4, 6

CASES: dict[str, dict[str, Any]] = {
    "olmo": {},
    # In double precision: the bias of its keys changes no score, and AdamW makes the rounding error
    # of that gradient, which is zero, as large as a step.
    "gpt_neox": {"architecture": "gpt_neox", "dtype": torch.float64},
    "tied": {"tied": True},
    "adapter": {"adapter": True},
    "pulled": {"l2": 0.5},
    "passes": {"micro_batch": 2},
    "bf16": {"rate": 1e-3},
}
#: How far the numbers may be apart, as a share.
ROUNDING = {name: 1e-3 if name == "bf16" else 1e-5 for name in CASES}


def prepared(
    ranks: Ranks,
    architecture: str = "olmo",
    dtype: torch.dtype = torch.float32,
    micro_batch: int = 8,
    tied: bool = False,
    adapter: bool = False,
    l2: float = 0.0,
    rate: float = 1e-2,
) -> Training:
    model = tiny_model(architecture).to(dtype)
    if tied:
        model.lm_head.weight = model.model.embed_tokens.weight
    if adapter:
        model = with_adapter(model, Lora(r=2, alpha=4), 0)
    how = settings(micro_batch, rate=rate, l2=l2)
    return Training(ranks.ready(model), how, CPU, what="test", file="x", ranks=ranks)


def ran(
    training: Training,
    scratch: Scratch | None = None,
    ends: Literal["the first", "another", ""] = "",
) -> Training:
    """Train to the end, or until only the leading process, or only another one, gets a signal."""
    batches = EpochBatches(ROWS, 8, 0)

    def batch(step: int) -> Batch:
        if step == SIGNALLED - 1 and ends == ("the first" if training.ranks.leads else "another"):
            os.kill(os.getpid(), signal.SIGTERM)
        return batches.batch(step)

    training.run(batch, LAST, scratch)
    return training


def keep(training: Training, path: Path) -> None:
    """Write the parts of a finished run that must be equal."""
    weights = training.ranks.weights(training.model)
    heldout = mean_loss(training.model, ROWS[:3], 1, CPU, training.ranks)
    if training.ranks.leads:
        progress = training.progress
        numbers = [*progress.losses, heldout, progress.tokens, progress.target_tokens]
        torch.save({"weights": weights, "numbers": numbers}, path)


def resumed(ranks: Ranks, folder: Path) -> Training:
    training = prepared(ranks)
    resume(training, Scratch(folder, "identity"))
    assert training.progress.resumed_from == [SIGNALLED]
    return ran(training)


def run_of(name: str, ranks: Ranks) -> Training:
    """A case's whole run."""
    products = torch.autocast("cpu", torch.bfloat16, enabled=name == "bf16", cache_enabled=False)
    with products:
        return ran(prepared(ranks, **CASES[name]))


def all_cases(ranks: Ranks, _device: torch.device, folder: Path) -> None:
    """Every case, then a run ended by a signal, and a run that continues one process's state."""
    for name in CASES:
        keep(run_of(name, ranks), folder / f"{name}.pt")
    with pytest.raises(Interrupted) as ended:
        ran(prepared(ranks), Scratch(folder / "two", "identity"), ends="another")
    assert ended.value.code == 128 + signal.SIGTERM
    keep(resumed(ranks, folder / "one"), folder / "one then two.pt")


@pytest.fixture(scope="module", autouse=True)
def quick_start() -> Iterator[None]:
    """Processes as forks of one, which imports the libraries once; on a CPU that is harmless."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "START", "forkserver")
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        set_forkserver_preload([__name__, "torch._dynamo"])
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes wrote; one/ has a state of one, two/ of two, both after a signal."""
    torch.set_num_threads(1)
    made = tmp_path_factory.mktemp("shards")
    with pytest.raises(Interrupted):
        ran(prepared(SINGLE), Scratch(made / "one", "identity"), ends="the first")
    on_ranks(TWO, all_cases, made)
    return made


def agree(folder: Path, one: str, other: str, rounding: float = 1e-5) -> None:
    """The same to rounding."""
    a, b = (torch.load(folder / f"{name}.pt") for name in (one, other))
    assert a["numbers"] == pytest.approx(b["numbers"], rel=rounding)
    for name, weight in b["weights"].items():
        # Tied weights of several processes have one name.
        twin = "model.embed_tokens.weight" if name not in a["weights"] else name
        distance = float((a["weights"][twin] - weight).norm())
        assert distance <= rounding * float(weight.norm()), name


@pytest.mark.parametrize("name", CASES)
def test_two_processes_train_as_one(folder: Path, name: str) -> None:
    keep(run_of(name, SINGLE), folder / "alone.pt")
    agree(folder, name, "alone", ROUNDING[name])


def test_a_state_goes_on_in_any_number_of_processes(folder: Path) -> None:
    keep(resumed(SINGLE, folder / "two"), folder / "two then one.pt")
    agree(folder, "two then one", "olmo")
    agree(folder, "one then two", "olmo")


def fails(ranks: Ranks, _device: torch.device) -> None:
    if not ranks.leads:
        raise StudyError("one fails", key="k", value=[1], fix="correct it")
    ranks.wait()


def drops_out(ranks: Ranks, _device: torch.device) -> None:
    ranks.ready(with_adapter(tiny_model("olmo"), Lora(r=2, alpha=4, dropout=0.1), 0))


def dies(ranks: Ranks, _device: torch.device) -> None:
    if not ranks.leads:
        os.kill(os.getpid(), signal.SIGKILL)
    ranks.wait()


@pytest.mark.parametrize(
    ("work", "words"),
    [(fails, "one fails\n.*key"), (drops_out, "a model with dropout"), (dies, "was killed")],
)
def test_an_error_in_one_process_ends_all(work: Any, words: str) -> None:
    with pytest.raises(StudyError, match=words):
        on_ranks(TWO, work)
    assert not active_children()


def trains_until_signalled(ranks: Ranks, _device: torch.device, starter: int, folder: Path) -> None:
    training = prepared(ranks)
    batch = EpochBatches(ROWS, 8, 0).batch(0)

    def signalling(step: int) -> Batch:
        if step == 2 and ranks.leads:
            os.kill(starter, signal.SIGURG)
        return batch

    training.run(signalling, 5000, Scratch(folder, "identity"))


def test_a_signal_to_the_job_ends_all_its_processes(tmp_path: Path) -> None:
    with pytest.raises(Interrupted) as ended:
        on_ranks(TWO, trains_until_signalled, os.getpid(), tmp_path)
    assert ended.value.code == 128 + signal.SIGURG
    assert Scratch(tmp_path, "identity").load(CPU) is not None
    assert not active_children()


def tuned(folder: Path, execution: Execution, train: Any = "full") -> tuple[Any, Any]:
    """(weights, metrics) of a variant with a stage for each of two sets of rows."""
    folder.mkdir()
    manifest = save_checkpoint(folder / "checkpoint")
    write_json(manifest, {**read_json(manifest), "family": "tiny", "step": 1, "tokens": 1})
    labels = ("entailment", "neutral", "contradiction")
    write_items(folder / "i.parquet", [pair(n, "train", labels[n % 3]) for n in range(9)])
    encode_set(
        "x",
        template="### Input_1: {a}\n### Input_2: {b}\n### Inference:",
        dialogue=None,
        max_length=128,
        frozen=str(folder / "i.parquet"),
        manifest=[str(manifest)],
        files=[],
        tokens=str(folder / "t.arrow"),
        counts=str(folder / "t.json"),
    )
    stages = [{"id": f"s{n}", "train": train, "optim": {"lr": 1e-3}} for n in range(2)]
    made = Files(
        manifest,
        *(folder / name for name in ("weights", "made.json", "metrics.json")),
        folder / "scratch",
    )
    tune_variant(
        Recipe.model_validate({"stages": stages}),
        TrainSets({"x": folder / "t.arrow"}, {f"s{n}": {"$target": "x"} for n in range(2)}),
        key="tiny/1/r/x/seed0",
        seed=0,
        code="c",
        execution=execution,
        files=made,
    )
    return load_file(made.weights / "model.safetensors"), read_json(made.metrics)


def test_a_variant_is_tuned_by_as_many_as_the_config_says(tmp_path: Path) -> None:
    one, metrics_of_one = tuned(tmp_path / "one", Execution(device="cpu"))
    two, metrics_of_two = tuned(tmp_path / "two", TWO)
    assert one.keys() == two.keys()
    for name, weight in one.items():
        assert float((two[name] - weight).norm()) <= 1e-5 * float(weight.norm()), name
    assert (metrics_of_one["devices"], metrics_of_two["devices"]) == (1, 2)
    assert metrics_of_one["tokens"] == metrics_of_two["tokens"]
    assert read_json(tmp_path / "two/weights/config.json")["architectures"] == ["OlmoForCausalLM"]
    assert not list(tmp_path.rglob("state.pt"))


def test_adapters_that_are_merged_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="would be merged"):
        tuned(tmp_path / "x", TWO, {"lora": {"r": 2}})


@pytest.mark.parametrize("stub", ["tune_variant.py", "tune_try_rate.py"])
def test_processes_that_start_read_the_stub_and_run_nothing(stub: str) -> None:
    # As multiprocessing does in a new interpreter; there is no `snakemake` to be found.
    run_path(str(Path(__file__).parents[2] / "workflow/scripts" / stub), run_name="__mp_main__")
