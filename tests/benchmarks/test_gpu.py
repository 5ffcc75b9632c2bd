"""What `benchmarks/gpu.py` does on a GPU, as a miniature on a CPU."""

import json
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "benchmarks"))

from sides.parts import Part, run_parts  # noqa: E402

ARCHITECTURES = ("Olmo", "Olmo2", "Llama", "GPTNeoX")
STEPS = ("short", "packed", "long", "two tokens")


def rows_of(path: Path) -> dict[tuple[str, str], Any]:
    """Results by part and by what of it was measured."""
    rows = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return {(row["part"], row["what"]): row for row in rows}


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Any]:
    """The results of the miniature."""
    out = tmp_path_factory.mktemp("gpu") / "gpu.jsonl"
    command = [sys.executable, "benchmarks/gpu.py", "--miniature", "--out", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(done.stdout.splitlines()) == len(rows_of(out))
    return rows_of(out)


def test_every_part_has_a_result(rows: dict[tuple[str, str], Any]) -> None:
    assert [one for one in rows.values() if "error" in one or "left_out" in one] == []
    assert rows.keys() == {
        ("machine", "rates"),
        *(("works", name) for name in ARCHITECTURES),
        ("works", "resumed from a state"),
        ("right", "losses, relative"),
        ("right", "scores, nats a token"),
        *(("steps", name) for name in STEPS),
        ("steps", "short, profiled"),
        ("steps", "optimiser and clipping alone"),
        ("scoring", "bf16"),
        ("scoring", "fp32"),
        ("decoding", "bf16"),
        ("whole job", "short"),
    }


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_architectures_are_packed_and_twice_the_same(
    rows: dict[tuple[str, str], Any], name: str
) -> None:
    row = rows["works", name]
    kept = ("tuned_packed", "scored_packed", "tuned_twice_equal", "scored_twice_equal")
    assert [row[one] for one in kept] == [True] * 4


def test_a_resumed_run_is_the_same(rows: dict[tuple[str, str], Any]) -> None:
    row = rows["works", "resumed from a state"]
    assert (row["resumed_from"], row["equal"]) == ([2], True)


@pytest.mark.parametrize("what", ["losses, relative", "scores, nats a token"])
def test_differences_are_small(rows: dict[tuple[str, str], Any], what: str) -> None:
    # On a CPU, fp32 is the reference itself; bf16 is computed in bf16 there too.
    row = rows["right", what]
    assert max(row["fp32"], row["tf32"]) <= row["bars"]["fp32"]
    assert 0 < row["bf16"] <= row["bars"]["bf16"]


def test_times_are_measured(rows: dict[tuple[str, str], Any]) -> None:
    for name in STEPS:
        assert min(rows["steps", name][one] for one in ("step_ms", "tokens_per_s")) > 0
    profile = rows["steps", "short, profiled"]
    assert profile["launches"] > 100
    assert len(profile["top"]) == 15
    assert sum(profile["top"].values()) <= profile["device_ms"] + 0.1
    assert rows["scoring", "bf16"]["items_8000_s"] > rows["scoring", "bf16"]["of_it_encoding_s"]


def test_a_failed_part_and_one_without_time_stop_no_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(_: object) -> dict[str, Any]:
        raise RuntimeError("no kernel")

    parts = [
        Part("a", "fails", 1, fails),
        Part("b", "long", 60, fails),
        Part("c", "works", 1, lambda _: {"seconds": 2.0}, {"seconds": 3}),
    ]
    run = SimpleNamespace(device=torch.device("cpu"))
    assert run_parts(parts, run, time.monotonic(), 30, tmp_path / "out") == 1
    failed, left_out, works = rows_of(tmp_path / "out").values()
    assert failed["error"] == "RuntimeError: no kernel"
    assert "in fails" in failed["frames"][-1]
    assert left_out["left_out"].startswith("it may take 60 s, ")
    assert works["seconds"] == 2
    assert "c, works: seconds 2 (bar 3), peak_gb" in capsys.readouterr().out
