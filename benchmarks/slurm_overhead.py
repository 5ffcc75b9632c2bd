"""What a study on SLURM takes besides its models' work, per variant.

    python benchmarks/slurm_overhead.py --folder FOLDER

runs tests/slurm/study.yaml, undisturbed, on the one-machine cluster of `make slurm-test` (root,
Debian's SLURM) and prints, for each job of a variant, its seconds in the allocation and those of
them that are model work: training (metrics.json) and making cells (evaluation.json, without
loading). The rest is two starts of Snakemake, imports and loading. Besides: how long
jobs that were alone in their allocation had ended before Snakemake noticed (polling), and the
run's seconds in all. Other load on the machine lengthens all of it.
"""

import argparse
import re
import statistics
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [
    str(ROOT / folder)
    for folder in ("workflow/scripts", "tests", "tests/helpers", "tests/workflow")
]

from repository import Repository, clone, environment  # noqa: E402
from slurm.campaign import ON_CLUSTER, results_of  # noqa: E402
from slurm.cluster import cluster  # noqa: E402

from tuning_dynamics.common.atomic_files import read_json  # noqa: E402

STUDY = "tests/slurm/study.yaml"


def jobs_of(log: Path) -> dict[str, dict[str, str]]:
    """SLURM's record of each job that ended, by id."""
    lines = [dict(re.findall(r"(\w+)=(\S*)", line)) for line in log.read_text().splitlines()]
    return {line["JobId"]: line for line in lines}


def seconds(job: dict[str, str]) -> float:
    """From a job's start to its end."""
    start, end = (datetime.fromisoformat(job[key]) for key in ("StartTime", "EndTime"))
    return (end - start).total_seconds()


def variants(results: Path, jobs: dict[str, dict[str, str]]) -> list[dict[str, Any]]:
    """A row per variant: seconds of its job, of training and of answering."""
    rows = []
    for evaluated in sorted(results.rglob("evaluation.json")):
        key = evaluated.parent.relative_to(results)
        log = (results / "logs" / "evaluate" / f"{key}.log").read_text()
        found = re.match(r"SLURM job (\d+)", log)
        assert found is not None, log
        cost, trained = read_json(evaluated), evaluated.with_name("metrics.json")
        rows.append(
            {
                "variant": str(key),
                "cells": cost["cells"],
                "job": seconds(jobs[found[1]]),
                "training": read_json(trained)["seconds"] if trained.is_file() else 0.0,
                "answering": cost["seconds"] - cost["load_seconds"],
            }
        )
    return rows


def noticed(driver: str, jobs: dict[str, dict[str, str]]) -> list[float]:
    """Seconds between the ends of jobs and Snakemake's word of them."""
    sent = dict(re.findall(r"^Job (\d+) has been submitted with SLURM jobid (\d+)", driver, re.M))
    words = re.findall(r"^\[(\w{3} .+ \d{4})\]\nFinished jobid: (\d+)", driver, re.M)
    return [
        (
            datetime.strptime(when, "%a %b %d %H:%M:%S %Y")
            - datetime.fromisoformat(jobs[sent[job]]["EndTime"])
        ).total_seconds()
        for when, job in words
        if job in sent
    ]


def run(repository: Repository) -> tuple[str, float]:
    """What Snakemake says of the whole study on the cluster, and its seconds."""
    command = [sys.executable, "-m", "snakemake", *ON_CLUSTER, "--configfile", repository.study]
    began = time.monotonic()
    done = subprocess.run(
        command,
        cwd=repository.folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout, time.monotonic() - began


def main() -> None:
    """Run, measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True, help="for the cluster and the study")
    folder = parser.parse_args().folder
    with cluster(folder / "cluster") as where:
        repository = clone(folder / "study", STUDY)
        driver, whole = run(repository)
        jobs = jobs_of(where.folder / "jobs.log")
    rows = variants(results_of(repository), jobs)
    for row in rows:
        row["besides"] = row["job"] - row["training"] - row["answering"]
        print(
            f"{row['variant']:<40} {row['cells']:>3} cells  job {row['job']:5.0f} s  "
            f"training {row['training']:5.1f}  answering {row['answering']:5.1f}  "
            f"besides {row['besides']:5.1f}"
        )
    for name, tuned in (("untuned", False), ("tuned", True)):
        besides = [row["besides"] for row in rows if bool(row["training"]) is tuned]
        print(
            f"besides, {name}: median {statistics.median(besides):.1f} s, most {max(besides):.1f}"
        )
    late = noticed(driver, jobs)
    print(f"noticed after: median {statistics.median(late):.0f} s, most {max(late):.0f} s")
    print(f"SLURM jobs: {len(jobs)}, of {len(rows)} variants {len(rows)}; the run: {whole:.0f} s")


if __name__ == "__main__":
    main()
