"""Architectures and kinds of tokenizers: the jobs' own functions against plain transformers.

    python benchmarks/models.py [--only llama,mamba] [--seed 0]
        [--out benchmarks/results/models.json]

Each architecture of transformers that can be made tiny is saved as a local folder with random
weights and a tokenizer. `verify` takes it or refuses it; where it is taken, it is scored (labels
with and without demonstrations, options), it generates, it is tuned for two steps (all weights; of
those that many studies use an adapter, too), and scored again. Plain transformers does the same on
one unpadded text at a time. Texts must be equal, and scores and losses to 1e-4 nats. Then each
kind of tokenizer, on three architectures. Exits with 1 if anything differs, or fails other than in
words.
"""

import argparse
import json
import platform
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "workflow/scripts"), str(ROOT / "tests/helpers")]

import torch  # noqa: E402
import transformers  # noqa: E402
from architectures import CONTEXT, NAMED, WITHOUT_CONTEXT, save, tiny  # noqa: E402
from matrix import compared, wrong  # noqa: E402
from model_tokenizers import KINDS  # noqa: E402
from tiny import tiny_encoder  # noqa: E402
from transformers.models.auto.modeling_auto import (  # noqa: E402
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
)

#: Architectures that each kind of tokenizer is tried on: packed, read whole, recurrent.
TOKENIZED = ("llama", "gpt_neo", "falcon_mamba")
ADAPTER = {"r": 4, "alpha": 8}
#: Larger ones are left out: their configs don't make them tiny.
LARGEST = 1_000_000

Row = dict[str, Any]


def cases(seed: int) -> Iterator[tuple[str, Callable[[Path], Row]]]:
    """The name of each case, and what it finds in an empty folder."""
    others = [name for name in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES if name not in NAMED]
    for name in [*NAMED, *others]:
        yield name, lambda folder, name=name: architecture(name, folder, seed)
    for name in TOKENIZED:
        for kind in KINDS:
            yield (
                f"{name}, {kind}",
                lambda folder, name=name, kind=kind: tokenized(name, kind, folder, seed),
            )


def architecture(name: str, folder: Path, seed: int) -> Row:
    """An architecture with the byte-level tokenizer: as it states its context, and tuned."""
    tokenizer = tiny_encoder().tokenizer
    made = made_tiny(name, seed)
    if isinstance(made, str):
        return {"left out": made}
    if name in WITHOUT_CONTEXT:
        save(made, tokenizer, folder / "without" / "model")
        unstated = compared(folder / "without")
        made.config.max_position_embeddings = CONTEXT
    save(made, tokenizer, folder / "model")
    found = compared(folder)
    if name in WITHOUT_CONTEXT:
        found["without a context"] = unstated
    if name in NAMED and "refused" not in found:
        found["adapter"] = compared(folder, ADAPTER)
    return found


def made_tiny(name: str, seed: int) -> Any:
    """The model, or why there is none."""
    try:
        with torch.device("meta"):
            size = sum(p.numel() for p in tiny(name, tiny_encoder().tokenizer).parameters())
        if size > LARGEST:
            return f"{size:,} weights with these settings"
        return tiny(name, tiny_encoder().tokenizer, seed=seed)
    except Exception as error:  # an architecture's own config, which needs settings of its own
        return f"not made: {type(error).__name__}: {' '.join(str(error).split())[:150]}"


def tokenized(name: str, kind: str, folder: Path, seed: int) -> Row:
    """A kind of tokenizer on an architecture."""
    made = KINDS[kind]()
    model = tiny(name, made.tokenizer, made.ends, seed)
    model.config.max_position_embeddings = CONTEXT
    made.write(save(model, made.tokenizer, folder / "model"))
    return compared(folder)


def checked(name: str, find: Callable[[Path], Row]) -> Row:
    """A case's row; what differs or fails is under `wrong`."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        try:
            row = find(Path(folder))
            told = [] if "left out" in row else wrong(row)
        except Exception as error:  # what this benchmark looks for
            row, told = {}, [f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"]
    if name in NAMED and "left out" in row:
        told = ["left out"]
    return {**row, **({"wrong": told} if told else {}), "seconds": round(time.monotonic() - began)}


def main() -> None:
    """Check the chosen cases."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default="", help="names of cases; all without it")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)
    wanted, rows = {name for name in arguments.only.split(",") if name}, {}
    for name, find in cases(arguments.seed):
        if not wanted or name in wanted:
            rows[name] = checked(name, find)
            print(name, json.dumps(rows[name]), file=sys.stderr, flush=True)
    found = summary(rows, arguments.seed)
    if arguments.out:
        arguments.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({key: value for key, value in found.items() if key != "cases"}, indent=1))
    if found["wrong"]:
        raise SystemExit(1)


def summary(rows: dict[str, Row], seed: int) -> dict[str, Any]:
    """Counts, what is wrong, and all rows."""
    taken = {name: row for name, row in rows.items() if "left out" not in row}
    return {
        "machine": platform.machine(),
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        "seed": seed,
        "seconds": sum(row["seconds"] for row in rows.values()),
        "compared": sum("refused" not in row for row in taken.values()),
        "refused": sorted(name for name, row in taken.items() if "refused" in row),
        "left_out": sorted(set(rows) - set(taken)),
        "wrong": {name: row["wrong"] for name, row in rows.items() if "wrong" in row},
        "cases": rows,
    }


if __name__ == "__main__":
    main()
