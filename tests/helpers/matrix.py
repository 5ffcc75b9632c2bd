"""A checkpoint by the jobs' functions against plain transformers: how far they differ."""

from collections.abc import Sequence
from contextlib import chdir
from pathlib import Path
from typing import Any

from as_jobs import answered, tuned, verified
from plainly import Plain

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.data.items import Item
from tuning_dynamics.data.tokenizer import load_encoder

#: Largest difference of scores and losses, in nats, that is rounding.
NEAR = 1e-4

LABELS = ("entailment", "neutral", "yes")
NAMES = ("Ada", "Tom", "the baker", "a painter near the river", "it")

#: A word that is said for each thing that is compared.
Found = dict[str, Any]


def item(number: int, split: str) -> Item:
    """An item of its own length, which is a classification and a question with options."""
    fields = {
        "a": f"{NAMES[number % 5]} was born in house {number}{' near the river' * (number % 4)}.",
        "b": f"{NAMES[(number + 2) % 5]} paints {split} {number}.",
    }
    gold = [LABELS[number % 3]]
    return Item(f"{split}{number}", split, f"s{number}", fields, gold, list(LABELS))


TRAIN = [item(number, "train") for number in range(6)]
EVALUATED = [item(number, "evaluation") for number in range(10, 16)]
SHOWN = [item(number, "demonstration") for number in range(20, 23)]


def compared(folder: Path, adapter: dict[str, Any] | None = None) -> Found:
    """What `verify` refuses, or the largest differences of scores, losses and scores after tuning;
    texts must be equal. With `adapter`, settings of one, that is tuned instead of all weights.

    `folder` holds `model`, the checkpoint; results are written next to it.
    """
    with chdir(folder):
        model, out = Path("model"), Path("results")
        try:
            manifest = verified(model, out / "x")
        except StudyError as refused:
            return {"refused": str(refused)}
        plain = Plain(model)
        found: Found = {"ids": _same_ids(model, plain)}
        if adapter is None:
            found["scores"] = _apart(manifest, plain, out / "base")
        try:
            train = {"lora": adapter} if adapter else "full"
            after, losses = tuned(manifest, model, TRAIN, out / "t" / "quick", train)
        except StudyError as refused:
            return {**found, "tuning refused": str(refused)}
        if adapter is not None:
            plain.adapt(adapter["r"], adapter["alpha"])
        found["losses"] = _worst(losses, plain.tune(TRAIN))
        found["tuned scores"] = _apart(after, plain, out / "tuned")
        return found


def wrong(found: Found) -> list[str]:
    """What differs by more than rounding."""
    return [f"{name}: {value}" for name, value in found.items() if _differs(name, value)]


def _differs(name: str, value: Found | bool | str | float) -> bool:
    if isinstance(value, dict):
        return bool(wrong(value))
    if isinstance(value, bool):
        return not value
    return "refused" not in name if isinstance(value, str) else not value <= NEAR


def _same_ids(folder: Path, plain: Plain) -> bool:
    texts = [text for one in EVALUATED for text in (*one.fields.values(), f"\n\n{one.gold[0]} ")]
    encoder = load_encoder(folder)
    return all(encoder.prompt(text) == plain.prompt(text) for text in texts)


def _apart(manifest: Path, plain: Plain, out: Path) -> float | str:
    """The largest difference of scores, or a text that differs."""
    ours = answered(manifest, EVALUATED, SHOWN, LABELS, out)
    theirs = plain.answer(EVALUATED, SHOWN, LABELS)
    worst = 0.0
    for rows, others in zip(ours, theirs, strict=True):
        for (said, scores), (other, expected) in zip(rows, others, strict=True):
            if said != other:
                return f"{said!r} for {other!r}"
            worst = max(worst, _worst(scores, expected))
    return worst


def _worst(found: Sequence[float], expected: Sequence[float]) -> float:
    return max((abs(a - b) for a, b in zip(found, expected, strict=True)), default=0.0)
