"""The budget as a user sees it: what stops a run, and what a dry run prints about it."""

import csv
import shutil
import subprocess
from collections import Counter
from pathlib import Path

from repository import Repository

from tuning_dynamics.config.device import device_of
from tuning_dynamics.config.load import load_study, read_yaml
from tuning_dynamics.grid.grid import expand
from tuning_dynamics.plan.all_jobs import all_jobs
from tuning_dynamics.plan.basis import Basis
from tuning_dynamics.plan.budget import budget_of


def test_a_run_over_its_limit_starts_no_job(fresh: Repository) -> None:
    done = fresh.run("--config", "max_gpu_hours=0.001")
    assert done.returncode != 0
    assert "the estimated cost of the run is over max_gpu_hours" in done.stdout
    assert "--config max_gpu_hours=1; a run is not" in done.stdout
    assert not list(Path(fresh.folder, "results/smoke").rglob("*.json"))
    printed = fresh.succeed("-n", "--quiet", "--config", "max_gpu_hours=0.001")
    assert "A run of this would be refused:" in printed
    assert "refused" not in fresh.succeed("-n", "--quiet", "--config", "max_gpu_hours=10")


def test_a_limit_changes_no_result(copied: Repository) -> None:
    assert copied.planned("--config", "max_gpu_hours=5") == {}
    assert copied.planned("--config", "execution={plan_for: h100, price_per_hour: 2}") == {}


def test_an_unknown_device_is_reported_on_one_screen(fresh: Repository) -> None:
    done = fresh.run("-n", "--config", "execution={plan_for: b200}")
    assert done.returncode != 0
    assert "known: a100, cpu, h100, h200, l40s, rtx4090" in done.stdout
    assert "Traceback" not in done.stdout


def test_a_plan_imports_nothing_that_computes(fresh: Repository) -> None:
    python, *command = fresh.command("-n", "--quiet", "all")
    done = subprocess.run(
        [python, "-X", "importtime", *command],
        cwd=fresh.folder,
        capture_output=True,
        text=True,
        check=True,
    )
    found = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "tuning_dynamics.plan.dry_run" in found
    # Snakemake itself imports pandas, where it is installed.
    assert found.isdisjoint({"scipy", "sklearn", "matplotlib", "torch", "transformers"})


def rows(path: Path) -> dict[tuple[str, str], dict[str, str]]:
    """A budget's rows by kind and name."""
    with path.open(encoding="utf-8", newline="") as stream:
        return {(row["by"], row["name"]): row for row in csv.DictReader(stream)}


def test_plan_writes_the_budget_of_what_a_run_would_do(fresh: Repository) -> None:
    planned = fresh.planned()
    fresh.succeed("plan")
    folder = fresh.folder / "results/smoke/plan"
    found = rows(folder / "budget.csv")
    assert found["stage", "tune"]["jobs"] == str(planned["tune"])
    assert found["stage", "evaluate"]["jobs"] == str(planned["evaluate"])
    # `all` does nothing, and counts as Snakemake counts it.
    assert found["total", "all"]["jobs"] == str(sum(planned.values()) + 1)
    assert "Budget of the rest of smoke" in (folder / "budget.html").read_text()
    assert fresh.planned() == planned


def test_half_a_study_is_priced_as_what_is_left(copied: Repository) -> None:
    variant = "results/smoke/tiny/40/quick/nli_people/seed1"
    shutil.rmtree(copied.folder / variant)
    counts = copied.planned()
    assert counts["tune"] == counts["evaluate"] == 1
    copied.succeed("plan")
    left = rows(copied.folder / "results/smoke/plan/budget.csv")
    assert left["stage", "tune"]["jobs"] == "1"
    assert left["stage", "evaluate"]["jobs"] == "1"
    assert ("stage", "pretrain") not in left
    # The rest of five tuned models costs about a fifth of them.
    resolved = load_study(read_yaml(copied.folder / copied.study), copied.folder, copied.study)
    grid = expand(resolved, copied.study)
    whole = budget_of(
        resolved, grid, all_jobs(resolved, grid), Basis(device_of(resolved.study, copied.folder))
    )
    tune = next(part for part in whole.stages if part.name == "tune")
    assert 0.1 < float(left["stage", "tune"]["hours"]) / tune.hours.mid < 0.3


def test_the_jobs_of_a_whole_study_are_those_that_a_dry_run_plans(fresh: Repository) -> None:
    resolved = load_study(read_yaml(fresh.folder / fresh.study), fresh.folder, fresh.study)
    jobs = all_jobs(resolved, expand(resolved, fresh.study))
    counts = Counter(job.rule for job in jobs if job.rule != "all")
    assert counts == fresh.planned()


def test_a_run_calibrates_the_next_budget(copied: Repository) -> None:
    cpu = ("--config", "execution={plan_for: cpu, device: cpu}")
    assert "no cost table" not in copied.succeed("calibrate", *cpu)
    text = (copied.folder / "config/calibration/cpu.yaml").read_text(encoding="utf-8")
    assert "study: smoke" in text
    assert str(copied.folder) not in text
    assert copied.planned(*cpu) == {}
    shutil.rmtree(copied.folder / "results/smoke/tiny")
    printed = copied.succeed("-n", "--quiet", *cpu)
    assert "calibrated with " in printed
    again = copied.run("calibrate", "--config", "execution={plan_for: h100}")
    assert again.returncode != 0
    assert "the study did not run on H100" in again.stdout


def test_the_cost_table_has_every_job_and_its_plan(smoke: Repository) -> None:
    table = smoke.folder / "results/smoke/tables/cost.csv"
    with table.open(encoding="utf-8", newline="") as stream:
        found = list(csv.DictReader(stream))
    counts = Counter(row["stage"] for row in found)
    assert (counts["tune"], counts["evaluate"], counts["pretrain"]) == (5, 8, 4)
    assert counts["statistics"] == 5
    assert {row["stage"] for row in found} == {
        *("data", "pretrain", "tune", "evaluate", "statistics", "report")
    }
    for row in found:
        modelled = row["stage"] in ("tune", "evaluate") or row["job"].startswith("tiny/")
        if modelled and row["job"] != "tiny/corpus":
            assert float(row["planned_seconds"]) > 0, row
        assert float(row["seconds"]) > 0, row
