"""What each kind of process costs before it does anything of use, in CPU seconds.

    python benchmarks/startup.py --folder FOLDER [--runs 5] [--out benchmarks/results/startup.json]

Each process is started as in a run, by Snakemake from a rule with `script:`, on an OLMo of a few
thousand weights. Counted are the CPU seconds (user and system) up to a trainer's first optimiser
step, an evaluation's first cell, and the end of a job that is current, by the kernel's account.
`nothing` is an empty stub: what Snakemake and the interpreter take of the others' seconds. A second
series of runs, which benchmarks/probe/ watches, splits them; `rest` is what is in no part, such as
the step or the cell. Linux only.
"""

import argparse
import os
import platform
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = ROOT / "workflow" / "scripts"
sys.path[:0] = [str(ROOT / p) for p in ("tests", "tests/helpers")]

import torch  # noqa: E402
import transformers  # noqa: E402
from tiny import pair, request, save_checkpoint, tiny_encoder  # noqa: E402

from tuning_dynamics.common.atomic_files import read_json, write_json  # noqa: E402
from tuning_dynamics.common.paths import Paths  # noqa: E402
from tuning_dynamics.data.items import write_items  # noqa: E402
from tuning_dynamics.data.sequences import completions  # noqa: E402
from tuning_dynamics.data.token_store import write_tokens  # noqa: E402
from tuning_dynamics.data.tokenizer import tokenizer_digest  # noqa: E402
from tuning_dynamics.identity.canonical import canonical  # noqa: E402
from tuning_dynamics.identity.code_digest import remember  # noqa: E402
from tuning_dynamics.identity.job import Planned, write_plan  # noqa: E402
from tuning_dynamics.identity.units import JobView, cells_param, stage_rule  # noqa: E402
from tuning_dynamics.run.environments import asked_for  # noqa: E402

TICKS = os.sysconf("SC_CLK_TCK")
#: A process that has not come so far after this many seconds has failed.
PATIENCE = 120

#: Recipes of the trainers: one step on eight examples.
TRAINED: dict[str, Any] = {"full": "full", "lora": {"lora": {"r": 8, "alpha": 16}}}

SNAKEFILE = """
rule tune:
    input:
        checkpoint="checkpoint/manifest.json",
        tokens=["tokens.arrow"],
        rates=[],
    output:
        manifest=update("results/s/{{variant}}/manifest.json"),
        weights=update(directory("results/s/{{variant}}/weights")),
        metrics=update("results/s/{{variant}}/metrics.json"),
    wildcard_constraints:
        variant=".+",
    params:
        spec=lambda wildcards: {specs!r}[wildcards.variant.split("/")[2]],
    log:
        "results/s/logs/tune/{{variant}}.log",
    script:
        "{scripts}/tune_variant.py"

rule evaluate_1:
    input:
        manifest=lambda wildcards: {manifests!r}[wildcards.variant],
        frozen=["items.parquet"],
    output:
        cells=[update("results/s/{{variant}}/cells/one.parquet")],
        metrics=update("results/s/{{variant}}/evaluation.json"),
    wildcard_constraints:
        variant=".+",
    params:
        cells=lambda _: {cells!r},
    log:
        "results/s/logs/evaluate/{{variant}}.log",
    script:
        "{scripts}/evaluate_variant.py"

rule nothing:
    output:
        "{{run}}.nothing",
    script:
        "nothing.py"
"""

NOTHING = """
import os
import time

with open(snakemake.output[0], "w") as stream:
    stream.write(f"{os.getpid()} {time.process_time()}")
"""

#: A kind of process: starts one, and returns its pid and the CPU seconds it took.
Measured = Callable[[Path, int, dict[str, str]], tuple[int, float]]

PATHS = Paths("s")
#: The manifest that each evaluated variant's weights flow through.
MANIFESTS = {
    "tiny/1/base": "checkpoint/manifest.json",
    "tiny/1/lora/nli/seed0": "results/s/tiny/1/lora/nli/seed0/manifest.json",
}


def prepare(folder: Path) -> None:
    """A checkpoint, items, an encoded train set, a Snakefile, and what a run has planned."""
    os.chdir(folder)
    save_checkpoint(Path("checkpoint"))
    manifest = Path("checkpoint", "manifest.json")
    write_json(manifest, {**read_json(manifest), "family": "tiny", "step": 1, "tokens": 8})
    write_items("items.parquet", [pair(number) for number in range(8)])
    template = request(folder, folder).template
    train = [pair(number, "train") for number in range(8)]
    digest = tokenizer_digest(folder / "checkpoint")
    write_tokens("tokens.arrow", completions(train, template, tiny_encoder(), 256), digest)
    specs = {name: tune_spec(trained) for name, trained in TRAINED.items()}
    text = SNAKEFILE.format(specs=specs, scripts=SCRIPTS, manifests=MANIFESTS, cells=cells_spec())
    Path("Snakefile").write_text(text)
    Path("nothing.py").write_text(NOTHING)
    plan(specs)


def plan(specs: dict[str, str]) -> None:
    """What a run leaves for its jobs: what was planned, and what is known of the code."""
    views = [training(name, spec) for name, spec in specs.items()]
    views += [evaluation(variant) for variant in MANIFESTS]
    envs = {"tune_variant.py": "train", "evaluate_variant.py": "evaluate"}
    jobs = {}
    for view in views:
        environment = str(ROOT / "envs" / f"{envs[view.stub]}.yaml")
        jobs[view.name] = Planned(view.stub, view.planned(), environment, False, [])
    versions = {name: asked_for(name) for name in {job.environment for job in jobs.values()}}
    write_plan(PATHS.planned, "startup", jobs, versions)
    remember()


def training(name: str, spec: str) -> JobView:
    """The job of a trainer, as it sees itself."""
    variant = f"tiny/1/{name}/nli/seed0"
    inputs = {"checkpoint": ["checkpoint/manifest.json"], "tokens": ["tokens.arrow"], "rates": []}
    files = ("manifest.json", "weights", "metrics.json")
    outputs = [PATHS.variant_file(variant, file) for file in files]
    return JobView("tune", (variant,), "tune_variant.py", {"spec": spec}, inputs, outputs)


def evaluation(variant: str) -> JobView:
    """The job of an evaluation, as it sees itself."""
    inputs = {"manifest": [MANIFESTS[variant]], "frozen": ["items.parquet"]}
    files = ("cells/one.parquet", "evaluation.json")
    outputs = [PATHS.variant_file(variant, file) for file in files]
    params = {"cells": cells_spec()}
    return JobView("evaluate_1", (variant,), "evaluate_variant.py", params, inputs, outputs)


def cells_spec() -> str:
    """The param of an evaluation of one cell."""
    asked = vars(request(Path("items.parquet"), Path("x")))
    given = ("items", "demonstrations", "out")
    spec = canonical({name: value for name, value in asked.items() if name not in given})
    return cells_param([{"spec": spec, "items": "items.parquet", "demonstrations": ""}])


def tune_spec(trained: Any) -> str:
    """The spec of a tuning job of one step."""
    stage = {"id": "tune", "train": trained, "optim": {"lr": 1e-5, "epochs": 1, "batch_size": 8}}
    uses = {"tune": {"$target": 0}}
    return canonical({"recipe": {"stages": [stage]}, "uses": uses, "seed": 0})


def cpu_seconds(pid: int) -> float:
    """CPU seconds of a process so far, all threads, in steps of 10 ms; 0 where it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS


def running(stub: str, folder: Path) -> int | None:
    """The process that runs a stub for the Snakemake in a folder."""
    for path in Path("/proc").glob("[0-9]*"):
        try:
            words = (path / "cmdline").read_text().split("\0")
            here = (path / "cwd").readlink() == folder
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue  # it has ended since, or is somebody else's
        # Not the shell around it, whose command has the name too.
        if here and len(words) > 1 and words[1].endswith(stub):
            return int(path.name)
    return None


def wait(found: Callable[[], Any], process: "subprocess.Popen[bytes]") -> Any:
    """What `found` returns once it is true; RuntimeError where the process ends before."""
    deadline = time.monotonic() + PATIENCE
    while True:
        if value := found():
            return value
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"failed: {process.args}")
        time.sleep(0.002)


def snakemake(folder: Path, target: str, environment: dict[str, str]) -> "subprocess.Popen[bytes]":
    """Snakemake, making a target whether it is there or not."""
    options = ["--cores", "1", "--quiet", "all", "--force"]
    return subprocess.Popen(
        [sys.executable, "-m", "snakemake", *options, "--", target],
        cwd=folder,
        env=environment,
        stderr=subprocess.DEVNULL,
    )


def job(view: JobView, says: str, *, current: bool = False) -> Measured:
    """A job's process until its log says something; its outputs are made, unless `current`."""

    def measure(folder: Path, run: int, environment: dict[str, str]) -> tuple[int, float]:
        del run
        log = Path(PATHS.log(stage_rule(view.rule), *view.wildcards))
        log.unlink(missing_ok=True)
        if not current:
            Path(PATHS.record(view.name)).unlink(missing_ok=True)
        process = snakemake(folder, view.outputs[-1], environment)
        pid = wait(lambda: running(view.stub, folder), process)
        seconds = [0.0]

        def said() -> bool:
            seconds.append(cpu_seconds(pid))
            return log.is_file() and says in log.read_text()

        wait(said, process)
        seconds.append(cpu_seconds(pid))
        if process.wait():
            raise RuntimeError(log.read_text())
        return pid, max(seconds)

    return measure


def nothing(folder: Path, run: int, environment: dict[str, str]) -> tuple[int, float]:
    """An empty stub, which writes its own seconds."""
    target = folder / f"{run}.nothing"
    target.unlink(missing_ok=True)
    if snakemake(folder, target.name, environment).wait():
        raise RuntimeError(f"Snakemake failed to make {target}")
    pid, seconds = target.read_text().split()
    return int(pid), float(seconds)


FULL, LORA = (training(name, tune_spec(trained)) for name, trained in TRAINED.items())
BASE, ADAPTER = map(evaluation, MANIFESTS)
KINDS: dict[str, Measured] = {
    "nothing": nothing,
    "trainer, full": job(FULL, "step 1 of 1"),
    "current": job(FULL, "current: nothing", current=True),
    "trainer, LoRA": job(LORA, "step 1 of 1"),
    "evaluation": job(BASE, " items in "),
    "evaluation, LoRA": job(ADAPTER, " items in "),
}


def measure(folder: Path, runs: int) -> Iterator[dict[str, Any]]:
    """Of each kind the median CPU seconds, all of them, and the median of each part."""
    plain = {**os.environ, "OMP_NUM_THREADS": "1"}
    probed = {
        **plain,
        "PYTHONPATH": str(ROOT / "benchmarks" / "probe"),
        "STARTUP_PROBE": str(folder),
    }
    seconds: dict[str, list[float]] = defaultdict(list)
    parts: dict[str, list[dict[str, float]]] = defaultdict(list)
    # One kind after the other in each round, so that a busy minute falls on all of them.
    for run in range(runs + 1):
        for name, kind in KINDS.items():
            _, whole = kind(folder, 2 * run, plain)
            pid, watched = kind(folder, 2 * run + 1, probed)
            # The first round reads all files from disk.
            if run:
                seconds[name].append(whole)
                split = read_json(folder / f"{pid}.json")
                parts[name].append({**split, "rest": watched - sum(split.values())})
    for name in KINDS:
        names = {part for split in parts[name] for part in split}
        shares = {p: median(split.get(p, 0.0) for split in parts[name]) for p in names}
        yield {
            "process": name,
            "cpu_seconds": round(median(seconds[name]), 2),
            "runs": [round(value, 2) for value in seconds[name]],
            "parts": {
                part: round(value, 3)
                for part, value in sorted(shares.items(), key=lambda pair: -pair[1])
                if value >= 0.01
            },
        }


def main() -> None:
    """Measure, print a table, write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/startup.json")
    options = parser.parse_args()
    folder = options.folder.resolve()
    prepare(folder)
    load = os.getloadavg()[0]
    rows = list(measure(folder, options.runs))
    for row in rows:
        print(f"{row['process']:<17} {row['cpu_seconds']:>6.2f}")
        print("".join(f"    {part:<28} {value:>6.2f}\n" for part, value in row["parts"].items()))
    machine = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "load": round(load, 1),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }
    write_json(options.out, {**machine, "processes": rows})


if __name__ == "__main__":
    main()
