"""Manifests: the small files through which weights flow.

A checkpoint's manifest names the folder of its weights, their digests, step, tokens and loss
on a fixed text. A tuned variant's manifest is the same with the recipe, and an adapter where
only that was trained.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tuning_dynamics.data.encode import Encoder
from tuning_dynamics.study.errors import StudyError
from tuning_dynamics.study.files import file_digest, read_json


def weight_digests(folder: Path) -> dict[str, str]:
    """SHA-256 of each weight file of a folder, by name."""
    return {path.name: file_digest(path) for path in sorted(folder.glob("*.safetensors"))}


@dataclass(frozen=True)
class Weights:
    """Where a manifest says that weights lie; `adapter` is None for full weights."""

    folder: Path
    adapter: Path | None


def weights_of(manifest_path: str | Path) -> Weights:
    """The weights of a manifest; they are not looked at (see `unchanged_weights`)."""
    manifest = read_json(manifest_path)
    adapter = manifest.get("adapter")
    return Weights(Path(manifest["folder"]), Path(adapter) if adapter else None)


@contextmanager
def unchanged_weights(manifest_path: str | Path) -> Iterator[Weights]:
    """The weights of a manifest, for the block to load; their digests are taken beside it.

    StudyError at the block's end, however it ends, where the weights are gone or changed since.
    """
    weights, told = weights_of(manifest_path), read_json(manifest_path)["digests"]
    changed = weights.adapter or weights.folder
    # A thread: hashing leaves Python to others, and reads the files ahead of their loading.
    with ThreadPoolExecutor(1) as beside:
        digests = beside.submit(weight_digests, changed)
        try:
            yield weights
        finally:
            if digests.result() != told:
                raise StudyError(
                    "the weights are not those of the manifest (deleted, or changed since)",
                    file=changed,
                    value=manifest_path,
                    fix=f"make them again: snakemake --force {manifest_path}",
                ) from None


def text_loss(
    model: Any, encoder: Encoder, texts: list[str], context: int, device: torch.device
) -> float:
    """Mean cross-entropy in nats per token of texts, each cut into windows of the context."""
    total, counted = 0.0, 0
    with torch.inference_mode():
        for text in texts:
            ids = [*encoder.prompt(text), encoder.eos]
            for start in range(0, len(ids) - 1, context):
                window = torch.tensor([ids[start : start + context + 1]], device=device)
                logits = model(input_ids=window[:, :-1]).logits.float()
                loss = torch.nn.functional.cross_entropy(logits[0], window[0, 1:], reduction="sum")
                total, counted = total + float(loss), counted + window.shape[1] - 1
    return total / counted
