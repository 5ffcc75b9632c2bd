"""What each kind of process costs before it does anything of use, in CPU seconds.

    python benchmarks/startup.py --folder FOLDER [--runs 5] [--out benchmarks/results/startup.json]

Each process is started as in a run, on an OLMo of a few thousand weights: trainers by Snakemake
from a rule with `script:`, servers and clients by their shell commands. Counted are the CPU
seconds (user and system) up to a trainer's first optimiser step, a server's first answered cell,
and a client's end, by the kernel's account. `nothing` is an empty stub that Snakemake starts: what
Snakemake and the interpreter take of a trainer's seconds. A second series of runs, which
benchmarks/probe/ watches, splits them; `rest` is what is in no part, such as the step or the cell.
Linux only.
"""

import argparse
import json
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
sys.path[:0] = [str(SCRIPTS), str(ROOT / "tests")]

import torch  # noqa: E402
import transformers  # noqa: E402
from tiny import pair, request, save_checkpoint, tiny_encoder  # noqa: E402

from tuning_dynamics.data.encode import tokenizer_digest  # noqa: E402
from tuning_dynamics.data.items import write_items  # noqa: E402
from tuning_dynamics.data.sequences import completions  # noqa: E402
from tuning_dynamics.data.tokens import write_tokens  # noqa: E402
from tuning_dynamics.study.files import read_json, write_json  # noqa: E402
from tuning_dynamics.study.identity import canonical  # noqa: E402

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
        manifest="results/s/{{variant}}/manifest.json",
        weights=directory("results/s/{{variant}}/weights"),
        metrics="results/s/{{variant}}/metrics.json",
    wildcard_constraints:
        variant=".+",
    params:
        spec=lambda wildcards: {specs!r}[wildcards.variant.split("/")[2]],
        code="x",
    log:
        "logs/{{variant}}.txt",
    script:
        "{scripts}/tune_variant.py"

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


def prepare(folder: Path) -> None:
    """A checkpoint, items, an encoded train set and a Snakefile."""
    save_checkpoint(folder / "checkpoint")
    manifest = folder / "checkpoint" / "manifest.json"
    write_json(manifest, {**read_json(manifest), "family": "tiny", "step": 1, "tokens": 8})
    write_items(folder / "items.parquet", [pair(number) for number in range(8)])
    template = request(folder, folder).template
    train = [pair(number, "train") for number in range(8)]
    digest = tokenizer_digest(folder / "checkpoint")
    write_tokens(folder / "tokens.arrow", completions(train, template, tiny_encoder(), 256), digest)
    specs = {name: tune_spec(trained) for name, trained in TRAINED.items()}
    (folder / "Snakefile").write_text(SNAKEFILE.format(specs=specs, scripts=SCRIPTS))
    (folder / "nothing.py").write_text(NOTHING)


def tune_spec(trained: Any) -> str:
    """The spec of a tuning job of one step."""
    stage = {"id": "tune", "train": trained, "optim": {"lr": 1e-5, "epochs": 1, "batch_size": 8}}
    uses = {"tune": {"$target": 0}}
    return canonical({"recipe": {"stages": [stage]}, "uses": uses, "seed": 0})


def cpu_seconds(pid: int) -> float:
    """CPU seconds of a running process so far, all threads, in steps of 10 ms."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
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
    """Snakemake, making a target."""
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--quiet", "all", "--", target]
    return subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.DEVNULL)


def trainer(kind: str) -> Measured:
    """A trainer up to the end of its first step."""

    def measure(folder: Path, run: int, environment: dict[str, str]) -> tuple[int, float]:
        variant = f"tiny/1/{kind}/nli/seed{run}"
        log = folder / "logs" / f"{variant}.txt"
        log.unlink(missing_ok=True)
        process = snakemake(folder, f"results/s/{variant}/manifest.json", environment)
        job = wait(lambda: running("tune_variant.py", folder), process)
        wait(lambda: log.is_file() and "step 1 of 1" in log.read_text(), process)
        seconds = cpu_seconds(job)
        if process.wait():
            raise RuntimeError(log.read_text())
        return job, seconds

    return measure


def nothing(folder: Path, run: int, environment: dict[str, str]) -> tuple[int, float]:
    """An empty stub, which writes its own seconds."""
    target = folder / f"{run}.nothing"
    target.unlink(missing_ok=True)
    if snakemake(folder, target.name, environment).wait():
        raise RuntimeError(f"Snakemake failed to make {target}")
    pid, seconds = target.read_text().split()
    return int(pid), float(seconds)


def server(variant: str, manifest: str) -> Measured:
    """A server up to its first answer."""

    def measure(folder: Path, run: int, environment: dict[str, str]) -> tuple[int, float]:
        with serving(folder, f"{variant}{run}", manifest, environment) as process:
            ask(folder, f"{variant}{run}", run, environment)
            return process.pid, cpu_seconds(process.pid)

    return measure


def client(folder: Path, run: int, environment: dict[str, str]) -> tuple[int, float]:
    """A client from its start to its end, with a server that still loads its model."""
    with serving(folder, f"c{run}", "checkpoint/manifest.json", {**os.environ}):
        return ask(folder, f"c{run}", run, environment)


class serving:  # noqa: N801
    """A server, ended with the block."""

    def __init__(
        self, folder: Path, variant: str, manifest: str, environment: dict[str, str]
    ) -> None:
        address = folder / "served" / variant / "server.json"
        address.parent.mkdir(parents=True, exist_ok=True)
        stub, log = str(SCRIPTS / "evaluate_serve.py"), str(folder / f"{variant}.log")
        settings = ["cpu", "8192", "float32", "x", variant, manifest, str(address), "0", log]
        self.process = subprocess.Popen(
            [sys.executable, stub, *settings], cwd=folder, env=environment
        )

    def __enter__(self) -> "subprocess.Popen[bytes]":
        return self.process

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait()


def ask(folder: Path, variant: str, run: int, environment: dict[str, str]) -> tuple[int, float]:
    """Have a server answer a cell; the client's pid and CPU seconds."""
    asked = vars(request(folder / "items.parquet", folder / "x"))
    given = ("items", "demonstrations", "out")
    spec = json.dumps({name: value for name, value in asked.items() if name not in given})
    place = folder / "served" / variant
    command = [sys.executable, str(SCRIPTS / "evaluate_cell.py"), spec]
    files = [folder / "items.parquet", place / "server.json", place / f"{run}.parquet"]
    process = subprocess.Popen(
        [*command, *map(str, files), str(place / "log")], cwd=folder, env=environment
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError((place / "log").read_text())
    return process.pid, usage.ru_utime + usage.ru_stime


LORA = "results/s/tiny/1/lora/nli/seed0/manifest.json"
KINDS: dict[str, Measured] = {
    "nothing": nothing,
    "client": client,
    "trainer, full": trainer("full"),
    "trainer, LoRA": trainer("lora"),
    "server": server("base", "checkpoint/manifest.json"),
    "server, LoRA": server("lora", LORA),
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
            # The first round reads all files from disk, and leaves an adapter to serve.
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
        print(f"{row['process']:<15} {row['cpu_seconds']:>6.2f}")
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
