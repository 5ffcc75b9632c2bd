"""What jobs request from a cluster, from config and counts alone."""

from pathlib import Path
from typing import Any

import pytest
from priced import BASE, FAMILY, FILES, ROOT, TUNED, basis, dataset, study

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.config.study import ResolvedStudy
from tuning_dynamics.plan.all_jobs import all_jobs
from tuning_dynamics.plan.price import Prices
from tuning_dynamics.plan.resources import (
    LEAST_MINUTES,
    SAFETY,
    UNKNOWN_BYTES,
    UNKNOWN_MINUTES,
    Allocation,
)
from tuning_dynamics.run.all_jobs import Jobs

VARIANT = "big/20/once/pairs/seed0"
#: Rows of a train set that takes hours.
MANY = {"datasets/pairs": dataset("nli", train=2_000_000)}
ALL = {"train_items_of": {"pairs": "all"}}
BLOCKS: tuple[dict[str, Any], ...] = (TUNED, {**BASE, "eval_sets": ["pairs", "texts"]})


@pytest.fixture(autouse=True)
def _no_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Results are looked for in the working folder."""
    monkeypatch.chdir(tmp_path)


def asked(resolved: ResolvedStudy) -> Allocation:
    """What the jobs of a study ask for."""
    return Allocation(Jobs(resolved, "study.yaml"), ROOT)


def minutes(ask: Allocation, rule: str, attempt: int = 1, **wildcards: str) -> int:
    """A job's time limit."""
    return ask.runtime(rule)(wildcards, attempt)


def megabytes(ask: Allocation, rule: str, attempt: int = 1, **wildcards: str) -> int:
    """A job's memory."""
    return ask.memory(rule)(wildcards, attempt)


def test_a_time_limit_is_the_dear_end_with_room_and_grows(tmp_path: Path) -> None:
    resolved = study(tmp_path, *BLOCKS, files=MANY, data=ALL)
    jobs = [job for job in all_jobs(resolved, asked(resolved).jobs.grid) if job.rule == "tune"]
    high = Prices(resolved, jobs, basis(resolved)).each[0].seconds.high
    once = minutes(asked(resolved), "tune", variant=VARIANT)
    assert once == pytest.approx(SAFETY * high / 60, abs=1)
    assert once > LEAST_MINUTES
    assert minutes(asked(resolved), "tune", 3, variant=VARIANT) == 3 * once


def test_short_jobs_have_the_least(tmp_path: Path) -> None:
    ask = asked(study(tmp_path, *BLOCKS))
    assert minutes(ask, "freeze", dataset="pairs") == LEAST_MINUTES
    assert minutes(ask, "verify", family="big", step="20") == LEAST_MINUTES
    assert minutes(ask, "text_loss", variant=VARIANT) == LEAST_MINUTES


def test_an_evaluation_has_the_time_of_all_its_cells(tmp_path: Path) -> None:
    items = {"datasets/texts": dataset("summary", answer_tokens=30, evaluation=100_000)}
    sets = ["pairs", "texts"]
    alone = asked(study(tmp_path, {**BASE, "eval_sets": sets}, files=items))
    formats = ["default", "io", "instruct"]
    more = asked(study(tmp_path, {**BASE, "eval_sets": sets, "formats": formats}, files=items))
    one, three = (minutes(ask, "evaluate", variant="big/20/base") for ask in (alone, more))
    assert one > LEAST_MINUTES
    assert three == pytest.approx(3 * one, rel=0.05)


def test_an_evaluation_has_the_time_and_memory_of_what_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = {"datasets/texts": dataset("summary", answer_tokens=30, evaluation=100_000)}
    block = {**BASE, "eval_sets": ["pairs", "texts"]}
    ask = asked(study(tmp_path, block, files=items, execution={"device": "cpu"}))
    variant = {"variant": "big/20/base"}
    pairs, texts = ask.jobs.evaluate.due_cells("big/20/base")
    assert (pairs.eval_set, texts.eval_set) == ("pairs", "texts")
    found = []
    for due in ([pairs, texts], [texts], [pairs], []):
        monkeypatch.setattr(ask.jobs.evaluate, "due_cells", lambda _, due=due: due)
        found.append((minutes(ask, "evaluate", **variant), megabytes(ask, "evaluate", **variant)))
    (both, most), (slow, large), (fast, small), (least, bare) = found
    assert both >= slow > fast >= least == LEAST_MINUTES
    assert most == large > small > bare


def test_the_cells_of_a_variant_are_due_by_default(tmp_path: Path) -> None:
    jobs = asked(study(tmp_path, *BLOCKS)).jobs
    due = [
        cell for variant in (VARIANT, "big/20/base") for cell in jobs.evaluate.due_cells(variant)
    ]
    assert set(due) == set(jobs.grid.cells)
    with pytest.raises(StudyError, match="no such variant"):
        jobs.evaluate.due_cells("big/10/base")


def test_a_host_holds_the_weights_and_a_cpu_all_that_is_computed(tmp_path: Path) -> None:
    on_gpu = asked(study(tmp_path, *BLOCKS))
    on_cpu = asked(study(tmp_path, *BLOCKS, execution={"device": "cpu"}))
    assert (on_gpu.gpu, on_cpu.gpu) == (1, 0)
    # 4 GB of weights as file and as tensors, 4 GB of libraries.
    assert megabytes(on_gpu, "tune", variant=VARIANT) == 12_000
    # Weights, gradients and two moments of a billion: 16 GB, and activations.
    assert megabytes(on_cpu, "tune", variant=VARIANT) > 12_000 + SAFETY * 16_000
    assert megabytes(on_gpu, "tune", 2, variant=VARIANT) == 24_000


@pytest.mark.parametrize(
    ("execution", "gpu"),
    [
        ({}, 1),
        ({"plan_for": "cpu"}, 0),
        ({"plan_for": "cpu", "device": "cuda"}, 1),
        ({"plan_for": "h100", "device": "cpu"}, 0),
    ],
)
def test_a_gpu_is_asked_for_where_one_is_used(
    tmp_path: Path, execution: dict[str, str], gpu: int
) -> None:
    assert asked(study(tmp_path, execution=execution)).gpu == gpu


def test_gpus_that_share_a_model_are_asked_for_with_the_memory_of_their_processes(
    tmp_path: Path,
) -> None:
    one = asked(study(tmp_path, *BLOCKS))
    four = asked(study(tmp_path, *BLOCKS, execution={"gpus_per_model": 4}))
    on_cpu = asked(study(tmp_path, *BLOCKS, execution={"gpus_per_model": 4, "device": "cpu"}))
    assert (one.tuning_gpus, four.tuning_gpus, on_cpu.tuning_gpus) == (1, 4, 0)
    assert (four.gpu, four.tuning_processes, on_cpu.tuning_processes) == (1, 4, 4)
    # 4 GB of weights as file, and for each process 4 GB as tensors and 4 GB of libraries.
    assert megabytes(four, "tune", variant=VARIANT) == 36_000
    # A checkpoint is verified, and a variant evaluated, by one process on one GPU.
    evaluated = {"variant": VARIANT}
    assert megabytes(four, "evaluate", **evaluated) == megabytes(one, "evaluate", **evaluated)


@pytest.mark.parametrize(
    ("rule", "wildcards"),
    [
        ("tune", {"variant": VARIANT}),
        ("evaluate", {"variant": VARIANT}),
        ("freeze", {"dataset": "pairs"}),
        ("encode", {"dataset": "pairs", "family": "big", "format": "default"}),
    ],
)
def test_what_is_not_known_asks_for_plenty_and_fails_nothing(
    tmp_path: Path, rule: str, wildcards: dict[str, str]
) -> None:
    without = {key: value for key, value in FILES["datasets/pairs"].items() if key != "size"}
    ask = asked(study(tmp_path, *BLOCKS, files={"datasets/pairs": without}))
    assert minutes(ask, rule, **wildcards) == UNKNOWN_MINUTES
    assert megabytes(ask, rule, **wildcards) == UNKNOWN_BYTES / 1e6


def test_a_download_takes_its_bytes_and_a_large_split_its_rows(tmp_path: Path) -> None:
    large = {**FAMILY, "size": {**FAMILY["size"], "parameters": 8e9}}
    small, big = (
        asked(study(tmp_path, *BLOCKS, files=files))
        for files in ({}, {**MANY, "families/big": large})
    )
    for rule, wildcards in (
        ("download", {"family": "big", "step": "20"}),
        ("verify", {"family": "big", "step": "20"}),
        ("text_loss", {"variant": VARIANT}),
        ("freeze", {"dataset": "pairs"}),
    ):
        assert minutes(big, rule, **wildcards) > minutes(small, rule, **wildcards)
    assert megabytes(big, "freeze", dataset="pairs") > megabytes(small, "freeze", dataset="pairs")


def test_the_demo_asks_for_its_corpus() -> None:
    from tuning_dynamics.config.load import load_study, read_yaml

    file = ROOT / "config/config.yaml"
    ask = asked(load_study(read_yaml(file), ROOT, file))
    assert ask.gpu == 0
    assert minutes(ask, "corpus", family="mini") == LEAST_MINUTES
    assert megabytes(ask, "pretrain", family="mini", step="120") > 4000
    tuned = "mini/120/full/nli_people/seed0"
    assert minutes(ask, "text_loss", variant=tuned) == LEAST_MINUTES
    assert megabytes(ask, "text_loss", variant=tuned) > 4000
