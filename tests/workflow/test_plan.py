"""The budget as a user meets it: what stops a run, and what a dry run says of it."""

from pathlib import Path

from repository import Repository


def test_a_run_over_its_limit_starts_no_job(fresh: Repository) -> None:
    done = fresh.run("--config", "max_gpu_hours=0.001")
    assert done.returncode != 0
    assert "the run would cost more than max_gpu_hours" in done.stdout
    assert "--config max_gpu_hours=1)" in done.stdout
    assert not list(Path(fresh.folder, "results/smoke").rglob("*.json"))
    told = fresh.succeed("-n", "--quiet", "--config", "max_gpu_hours=0.001")
    assert "A run of this would be refused:" in told
    assert "refused" not in fresh.succeed("-n", "--quiet", "--config", "max_gpu_hours=10")


def test_a_limit_changes_no_result(copied: Repository) -> None:
    assert copied.planned("--config", "max_gpu_hours=5") == {}
    assert copied.planned("--config", "execution={plan_for: h100, price_per_hour: 2}") == {}


def test_an_unknown_device_is_told_in_one_screen(fresh: Repository) -> None:
    done = fresh.run("-n", "--config", "execution={plan_for: b200}")
    assert done.returncode != 0
    assert "known: a100, cpu, h100, h200, l40s, rtx4090" in done.stdout
    assert "Traceback" not in done.stdout
