"""Check an existing checkpoint, from a local folder or a download, by loading it."""

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from tuning_dynamics.checkpoints.check import check_folder, check_text, check_tokens, loaded
from tuning_dynamics.checkpoints.load import load_model
from tuning_dynamics.checkpoints.manifest import model_digests, text_loss
from tuning_dynamics.common.atomic_files import read_json, whole_folder, write_json
from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.common.paths import fill_root
from tuning_dynamics.config.family import HubFamily, LocalFamily, PretrainFamily, family_of
from tuning_dynamics.data.tokenizer import Encoder, context_of, load_encoder
from tuning_dynamics.engine.hardware import prepare_device

#: Every checkpoint that was not pre-trained here records its loss on this text, so that a series of
#: them shows a mislabelled one.
FIXED_TEXT = Path(__file__).with_name("fixed_text.txt")

#: Takes a model, its tokenizer and their folder; raises StudyError for a model that can't be used.
Trial = Callable[[Any, Encoder, Path], None]


def verify(
    name: str,
    spec: str,
    step: int,
    *,
    downloaded: str | None,
    config: dict[str, Any],
    manifest: str,
    trial: Trial,
) -> None:
    """Load a checkpoint, refuse it if it would silently be another model, write its manifest.

    It is loaded on the CPU, so that its loss on the text does not depend on a GPU. `downloaded` is
    the record of a hub family's download, `config` the study's. The weights stay where they are;
    pickled ones are written as safetensors next to the manifest. `trial` is called with the model,
    its tokenizer and their folder, and raises StudyError if later jobs can't compute the model.
    StudyError also as for `load_model`.
    """
    family = family_of(spec, step)
    assert not isinstance(family, PretrainFamily), name
    record: dict[str, Any] = {"family": name, "step": step, "tokens": family.tokens(step)}
    if isinstance(family, LocalFamily):
        folder = _local_folder(name, family, step, config.get("data_root"))
        record["source"] = "local"
    else:
        origin = read_json(str(downloaded))
        folder = Path(origin["folder"])
        _require_folder(folder, str(downloaded))
        record |= {"source": "hub", **{key: origin[key] for key in ("repo", "revision", "commit")}}
    _load_and_write(record, folder, family, Path(manifest), trial)


def _local_folder(name: str, family: LocalFamily, step: int, data_root: str | None) -> Path:
    file = f"families/{name}.yaml"
    folder = Path(fill_root(family.path.replace("{step}", str(step)), data_root, file))
    if not folder.is_dir():
        raise StudyError(
            "the checkpoint's folder does not exist",
            file=file,
            key="path",
            value=str(folder),
            fix="check path, data_root and the step",
        )
    return folder


def _require_folder(folder: Path, downloaded: str) -> None:
    if not folder.is_dir():
        raise StudyError(
            "the downloaded files are gone from the hub client's cache",
            file=folder,
            value=downloaded,
            fix=f"download them again: snakemake --force {downloaded}",
        )


def _load_and_write(
    record: dict[str, Any],
    folder: Path,
    family: LocalFamily | HubFamily,
    manifest: Path,
    trial: Trial,
) -> None:
    # A few hundred tokens: a GPU would mostly be held for the start of the job.
    device = prepare_device("cpu")
    pickled = isinstance(family, HubFamily) and family.pickles
    check_folder(folder)
    model = loaded(partial(load_model, folder, None, device, pickled=pickled), folder)
    if not list(folder.glob("*.safetensors")):
        folder = _converted(model, folder, manifest.with_name("safetensors"))
    texts = FIXED_TEXT.read_text(encoding="utf-8").strip().split("\n\n")
    encoder = load_encoder(folder)
    check_tokens(model, encoder, folder)
    check_text(encoder, folder)
    trial(model, encoder, folder)
    write_json(
        manifest,
        {
            **record,
            # As the study names it: a relative path stays valid in a copied or moved checkout.
            "folder": str(folder),
            "adapter": None,
            "digests": model_digests(folder),
            "special_tokens": encoder.special.names,
            "text_loss": text_loss(model, encoder, texts, context_of(folder), device),
        },
    )


def _converted(model: Any, source: Path, target: Path) -> Path:
    """The model as safetensors in `target`, with its tokenizer: no later job reads pickles."""
    with whole_folder(target) as folder:
        model.save_pretrained(str(folder))
        for path in source.glob("*"):
            if path.name.startswith(("tokenizer", "special_tokens", "chat_template")):
                shutil.copyfile(path, folder / path.name)
    return target
