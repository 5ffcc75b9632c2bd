"""Freeze and encode a large generated set of dialogues, and measure the memory that each takes.

    python benchmarks/encode_messages.py --tokenizer tokenizer.json --folder FOLDER --rows 900000

Both jobs run in processes of their own, as in the workflow. Told are their seconds, the largest
resident memory (which counts pages of mapped files that the system may drop at any time) and
the largest anonymous memory (which it may not). FOLDER gets about 7 GB for 900,000 rows; delete
it afterwards. Linux only.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

TEXT = (
    "the of and to in a is that for it was on are as with they be at one have this from by hot "
    "word but what some we can out other were all there when up use your how said an each she "
    "which do their time if will way about many then them write would like so these her long "
    "make thing see him two has look more day could go come did number sound no most people my "
    "over know water than call first who may down side been now find any new work part take get "
    "place made live where after back little only round man year came show every good me give "
    "our under name very through just form sentence great think say help low line differ turn "
    "cause much mean before move right boy old too same tell does set three want air well also "
    "play small end put home read hand port large spell add even land here must big high such "
    "follow act why ask men change went light kind off need house picture try us again animal "
    "point mother world near build self earth father head stand own page should country found "
    "answer school grow study still learn plant cover food sun four between state keep eye never"
)
WORDS = TEXT.split()


def sentences(rng: random.Random, count: int) -> list[str]:
    """Sentences of 6 to 24 words."""
    chosen = (rng.choices(WORDS, k=rng.randint(6, 24)) for _ in range(count))
    return [f"{' '.join(words).capitalize()}." for words in chosen]


def row(number: int, rng: random.Random, known: list[str]) -> dict[str, Any]:
    """A dialogue of one to five exchanges; lengths have a long tail, as real ones do."""
    messages = []
    for turn in range(rng.choice((1, 1, 2, 2, 3, 5))):
        asked = rng.choices(known, k=1 + int(rng.expovariate(1 / 3)))
        told = rng.choices(known, k=1 + int(rng.lognormvariate(1.9, 0.8)))
        messages.append({"role": "user", "content": f"{number}.{turn}: {' '.join(asked)}"})
        messages.append({"role": "assistant", "content": "\n".join(told)})
    return {"id": f"row{number}", "messages": messages}


def generate(path: Path, rows: int) -> None:
    """Write the rows as JSONL."""
    rng = random.Random(0)
    known = sentences(rng, 5000)
    with path.open("w", encoding="utf-8") as stream:
        for number in range(rows):
            stream.write(json.dumps(row(number, rng, known)) + "\n")


def checkpoint(folder: Path, tokenizer: Path) -> Path:
    """A checkpoint's manifest whose folder has a tokenizer and a config, and no weights."""
    folder.mkdir(exist_ok=True)
    (folder / "tokenizer.json").write_bytes(tokenizer.read_bytes())
    config = {"model_type": "gpt_neox", "max_position_embeddings": 2048, "eos_token_id": 0}
    (folder / "config.json").write_text(json.dumps(config))
    manifest = folder / "manifest.json"
    manifest.write_text(json.dumps({"folder": str(folder)}))
    return manifest


def freeze(folder: Path) -> None:
    """The job of the rule freeze."""
    from tuning_dynamics.data.freeze import freeze_from_spec

    dataset = {
        "task": "instruction",
        "domain": "generated",
        "licence": "none",
        "source": {"files": {"train": str(folder / "rows.jsonl")}},
        "messages": "messages",
        "duplicates": "drop",
    }
    spec = {"dataset": dataset, "kind": "instruction", "seed": 0}
    spec |= {"train_items": "all", "evaluation_items": None}
    freeze_from_spec("generated", spec, None, folder / "items.parquet", folder / "manifest.json")


def encode(folder: Path) -> None:
    """The job of the rule encode."""
    from tuning_dynamics.data.tokenize_set import encode_set

    encode_set(
        "generated",
        template=None,
        dialogue="tulu",
        max_length=2048,
        frozen=str(folder / "items.parquet"),
        manifest=[str(folder / "checkpoint" / "manifest.json")],
        files=[],
        tokens=str(folder / "tulu.arrow"),
        counts=str(folder / "tulu.json"),
    )


def read(folder: Path) -> None:
    """What a tuning job reads: 20,000 examples in a shuffled order, as minibatches of 8."""
    from tuning_dynamics.data.token_store import StoredTokens
    from tuning_dynamics.tune.examples import StoredExamples
    from tuning_dynamics.tune.sampler import EpochBatches, mix

    stored = StoredExamples(StoredTokens(folder / "tulu.arrow"))
    batches = EpochBatches(mix({"$target": stored}, {"$target": 1.0}, 0), 8, 0)
    for step in range(2500):
        batches.batch(step)


JOBS = {"freeze": freeze, "encode": encode, "read": read}


def anonymous_mb(process: int) -> Iterator[float]:
    """A process's anonymous memory in MiB, while it can be read."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            yield int(line.split()[1]) / 1024


def measure(job: str, arguments: argparse.Namespace) -> None:
    """Run a job in a process of its own, and tell what it took."""
    command = [sys.executable, __file__, "--folder", str(arguments.folder), "--job", job]
    started, anonymous = time.monotonic(), 0.0
    # Nothing of this process's own memory is counted: it starts small and stays so.
    child = subprocess.Popen(command)
    while True:
        ended, status, usage = os.wait4(child.pid, os.WNOHANG)
        if ended:
            break
        anonymous = max([anonymous, *anonymous_mb(child.pid)])
        time.sleep(0.05)
    child.returncode = os.waitstatus_to_exitcode(status)
    print(
        f"{job}: {time.monotonic() - started:.0f} s, resident at most "
        f"{usage.ru_maxrss / 1024:.0f} MiB, anonymous at most {anonymous:.0f} MiB",
        flush=True,
    )
    if child.returncode:
        sys.exit(child.returncode)


def main() -> None:
    """Generate, freeze, encode and read; or one job of these."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--tokenizer", type=Path)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--job", choices=JOBS)
    arguments = parser.parse_args()
    if arguments.job:
        JOBS[arguments.job](arguments.folder)
        return
    if arguments.tokenizer is None:
        parser.error("--tokenizer names a tokenizer.json")
    arguments.folder.mkdir(parents=True, exist_ok=True)
    generate(arguments.folder / "rows.jsonl", arguments.rows)
    checkpoint(arguments.folder / "checkpoint", arguments.tokenizer)
    for job in JOBS:
        measure(job, arguments)
    for name in ("manifest.json", "tulu.json"):
        print(name, (arguments.folder / name).read_text())
    for path in sorted(arguments.folder.iterdir()):
        print(f"{path.name}: {path.stat().st_size / 2**20:.0f} MiB")


if __name__ == "__main__":
    main()
