"""Reasons to refuse a run before it begins, on one screen."""

from pathlib import Path
from typing import Any

import pytest
from priced import FAMILY, FILES, ROOT, TUNED, basis, budget_for, study

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.config.device import device_of
from tuning_dynamics.plan.limits import refused


@pytest.fixture(autouse=True)
def _no_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Results are looked for in the working folder."""
    monkeypatch.chdir(tmp_path)


def refusal(folder: Path, **keys: Any) -> StudyError | None:
    """Why a run of the study TUNED would not begin."""
    resolved = study(folder, TUNED, **keys)
    return refused(budget_for(resolved), resolved.study)


def test_a_run_within_its_limit_begins(tmp_path: Path) -> None:
    assert refusal(tmp_path) is None
    assert refusal(tmp_path, max_gpu_hours=100) is None


def test_a_run_that_costs_more_says_what_is_dear_and_what_to_do(tmp_path: Path) -> None:
    error = refusal(tmp_path, max_gpu_hours=0.01)
    assert error is not None
    shown = str(error)
    assert "planned: " in shown
    assert "A100 80GB GPU-hours" in shown
    assert shown.index(" tune ") < shown.index(" evaluate ")
    assert "--config max_gpu_hours=1; a run is not" in shown
    assert shown.count("\n") < 15


def test_what_is_not_known_is_refused_only_under_a_limit(tmp_path: Path) -> None:
    without = {key: value for key, value in FILES["datasets/pairs"].items() if key != "size"}
    files = {"datasets/pairs": without}
    assert refusal(tmp_path, files=files) is None
    error = refusal(tmp_path, files=files, max_gpu_hours=100)
    assert error is not None
    assert "the cost of 2 jobs is not known" in str(error)
    assert "datasets/pairs.yaml gives no size" in str(error)


def test_a_job_that_cannot_fit_is_refused_where_there_is_a_gpu(tmp_path: Path) -> None:
    large = {**FAMILY, "size": {**FAMILY["size"], "parameters": 8e9}}
    error = refusal(tmp_path, files={"families/big": large})
    assert error is not None
    assert "but the A100 80GB has 80 GB" in str(error)
    assert "execution.gpus_per_model" in str(error)
    files = {"families/big": large}
    assert refusal(tmp_path, files=files, execution={"device": "cpu"}) is None
    assert refusal(tmp_path, files=files, execution={"plan_for": "h200"}) is not None
    shared = {"plan_for": "h200", "gpus_per_model": 2}
    assert refusal(tmp_path, files=files, execution=shared) is None


def test_a_job_that_may_fit_is_not_refused(tmp_path: Path) -> None:
    # Every text at 2,048 tokens would not fit; texts of about 100 tokens do.
    resolved = study(tmp_path, TUNED, execution={"plan_for": "rtx4090"})
    budget = budget_for(resolved)
    assert budget.device.memory is not None
    assert budget.least < budget.device.memory < budget.memory
    assert refused(budget, resolved.study) is None


def test_an_unknown_device_names_the_known_ones_and_a_file(tmp_path: Path) -> None:
    resolved = study(tmp_path, execution={"plan_for": "b200"})
    with pytest.raises(StudyError) as caught:
        basis(resolved)
    shown = str(caught.value)
    assert "a100, cpu, h100, h200, l40s, rtx4090" in shown
    assert "devices/b200.yaml" in shown
    assert shown.count("\n") < 10


def test_a_file_adds_a_device(tmp_path: Path) -> None:
    facts = "name: B200\nbf16: 2.25e15\nfp32: 80e12\nbandwidth: 8e12\nmemory: 180e9\nwatts: 1000\n"
    resolved = study(tmp_path, execution={"plan_for": "b200"})
    (tmp_path / "devices").mkdir()
    (tmp_path / "devices/b200.yaml").write_text(facts)
    device = device_of(resolved.study, ROOT)
    assert (device.name, device.unit, device.known_as) == ("B200", "GPU-hours", [])
    (tmp_path / "devices/b200.yaml").write_text(facts.replace("8e12", "fast"))
    with pytest.raises(StudyError, match="bandwidth"):
        device_of(resolved.study, ROOT)


def test_what_only_plans_is_not_in_the_merged_config(tmp_path: Path) -> None:
    execution = {"plan_for": "h100", "price_per_hour": 2.5}
    changed = study(tmp_path, max_gpu_hours=50, execution=execution)
    assert changed.model_dump(mode="json") == study(tmp_path).model_dump(mode="json")


def test_a_devices_own_names_are_those_whose_peak_is_known() -> None:
    from tuning_dynamics.config.device import Device
    from tuning_dynamics.config.load import parse, read_yaml
    from tuning_dynamics.engine.hardware import PEAK_FLOPS

    for path in (ROOT / "config/devices").glob("*.yaml"):
        device = parse(Device, read_yaml(path), path)
        for name in set(device.known_as) - {"cpu"}:
            assert PEAK_FLOPS[name] == pytest.approx(device.bf16, rel=0.01)
    assert "NVIDIA H100 PCIe" not in PEAK_FLOPS
