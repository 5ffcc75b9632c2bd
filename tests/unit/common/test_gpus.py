"""Where a job goes on without a GPU, and where it must not."""

import pytest

from tuning_dynamics.common import gpus
from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.common.gpus import Seen, require_gpu, unseen_gpu

SLURM = {"SLURM_JOB_ID": "7", "CUDA_VISIBLE_DEVICES": "0"}
FOR_GPUS, FOR_CPUS = "12.8", ""


@pytest.mark.parametrize(
    ("device", "asked", "environment", "seen", "todo"),
    [
        ("auto", 1, {}, Seen(FOR_CPUS, False), None),  # a laptop
        ("auto", 1, {}, Seen(FOR_GPUS, False), None),
        ("cpu", 1, SLURM, Seen(FOR_GPUS, True), None),  # as the study says
        ("auto", 0, SLURM, Seen(FOR_GPUS, True), None),  # statistics
        ("auto", 1, {}, Seen(FOR_CPUS, True), "install a torch for GPUs"),
        ("auto", 1, {}, Seen(FOR_GPUS, True), "built for, 12.8"),
        ("auto", 2, SLURM, Seen(FOR_GPUS, True), "compare the driver (nvidia-smi)"),
        ("auto", 1, SLURM, Seen(FOR_CPUS, True), "install a torch for GPUs"),
        ("auto", 1, SLURM, Seen(FOR_GPUS, False), "whether the node's driver runs"),
        ("auto", 1, {"CUDA_VISIBLE_DEVICES": ""}, Seen(FOR_GPUS, True), "unset CUDA_VISIBLE"),
        ("auto", 1, {"CUDA_VISIBLE_DEVICES": "-1"}, Seen(FOR_GPUS, True), "unset CUDA_VISIBLE"),
        (
            "auto",
            1,
            {**SLURM, "CUDA_VISIBLE_DEVICES": "NoDevFiles"},
            Seen(FOR_GPUS, True),
            "or ask SLURM for one",
        ),
    ],
)
def test_what_was_seen_decides(device, asked, environment, seen, todo):
    found = unseen_gpu(device, asked, environment, seen)
    assert (found is None) == (todo is None)
    assert todo is None or todo in found


def test_a_job_that_should_have_a_gpu_ends_with_what_to_do(monkeypatch, tmp_path):
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'GPU 0: NVIDIA A100 (UUID: x)'\n")
    tool.chmod(0o755)
    monkeypatch.setattr(gpus, "DEVICES", ())
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    torch = gpus.importlib.import_module("torch")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(StudyError, match=r"execution\.device(.|\n)*set execution\.device to cpu"):
        require_gpu("auto", 1)
    require_gpu("auto", 0)
    require_gpu("cpu", 1)
    tool.write_text("#!/bin/sh\necho 'No devices were found'\nexit 6\n")
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    require_gpu("auto", 1)
