"""Manifests: the small files that stand for weights between jobs.

A checkpoint's manifest has the folder of its weights, their digests, step, tokens and loss on a
fixed text. A tuned variant's manifest also has the recipe, and the adapter if only that was
trained.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tuning_dynamics.common.atomic_files import file_digest, read_json
from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.common.model_files import model_files
from tuning_dynamics.data.tokenizer import Encoder


def model_digests(folder: Path) -> dict[str, str]:
    """SHA-256 of each file in a folder that the model is read from, by name: weights, config,
    tokenizer, adapter, generation settings."""
    return {name: file_digest(folder / name) for name in model_files(folder)}


@dataclass(frozen=True)
class Weights:
    """The folders of a manifest's weights; `adapter` is None for full weights."""

    folder: Path
    adapter: Path | None


def weights_of(manifest_path: str | Path) -> Weights:
    """The weights of a manifest; they are not verified (see `unchanged_weights`).

    Those under an adapter are where their checkpoint's own manifest says: they may have moved.
    """
    manifest = read_json(manifest_path)
    adapter = manifest.get("adapter")
    checkpoint = manifest.get("checkpoint")
    folder = read_json(checkpoint)["folder"] if checkpoint else manifest["folder"]
    return Weights(Path(folder), Path(adapter) if adapter else None)


@contextmanager
def unchanged_weights(manifest_path: str | Path) -> Iterator[Weights]:
    """The weights of a manifest, for the block to load; their digests are computed in parallel.

    StudyError at the block's end, however it ends, if the weights are gone or have changed.
    """
    weights, recorded = weights_of(manifest_path), _recorded_digests(manifest_path)
    # A thread: hashing releases the GIL, and reads the files before they are loaded.
    with ThreadPoolExecutor(1) as hashing:
        found = {folder: hashing.submit(model_digests, folder) for folder in recorded}
        try:
            yield weights
        finally:
            for folder, digests in found.items():
                there = _as_recorded(digests.result(), recorded[folder])
                if there != recorded[folder]:
                    maker = _maker(folder, manifest_path)
                    raise _changed(folder, recorded[folder], there, maker) from None


def _maker(folder: Path, manifest_path: str | Path) -> str | Path:
    """The manifest of the job that made a folder of the model: its adapter, or the weights under
    it."""
    manifest = read_json(manifest_path)
    under = manifest.get("checkpoint") if str(folder) != manifest.get("adapter") else None
    return under or manifest_path


def _as_recorded(found: dict[str, str], recorded: dict[str, str]) -> dict[str, str]:
    """The digests of a folder's files; only of the weights if a manifest of 0.5.0 lists no
    others."""
    weights_alone = all(name.endswith(".safetensors") for name in recorded)
    return {name: digest for name, digest in found.items() if name in recorded or not weights_alone}


def _recorded_digests(manifest_path: str | Path) -> dict[Path, dict[str, str]]:
    """The digests in a manifest, by folder: of the weights, and of an adapter."""
    manifest, weights = read_json(manifest_path), weights_of(manifest_path)
    if weights.adapter is None:
        return {weights.folder: manifest["digests"]}
    base = {weights.folder: manifest["base"]} if "base" in manifest else {}
    return {**base, weights.adapter: manifest["digests"]}


def _changed(
    folder: Path, recorded: dict[str, str], found: dict[str, str], manifest: str | Path
) -> StudyError:
    names = sorted(name for name in {*recorded, *found} if recorded.get(name) != found.get(name))
    return StudyError(
        "the model's files do not match the manifest (deleted, or changed since)",
        file=folder,
        key=names[0],
        value=names,
        fix=f"make them again: snakemake --force {manifest}",
    )


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
                logits = model(input_ids=window[:, :-1], use_cache=False).logits.float()
                loss = torch.nn.functional.cross_entropy(logits[0], window[0, 1:], reduction="sum")
                total, counted = total + float(loss), counted + window.shape[1] - 1
    return total / counted
