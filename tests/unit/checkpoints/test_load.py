"""Loading weights: pickles need an opt-in, code of a repository is never run."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import save_checkpoint, tiny_model

from tuning_dynamics.checkpoints.load import load_model
from tuning_dynamics.checkpoints.manifest import unchanged_weights
from tuning_dynamics.checkpoints.verify import verify
from tuning_dynamics.common.atomic_files import read_json, write_json
from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.config.base import canonical
from tuning_dynamics.preflight.trial import try_model

CPU = torch.device("cpu")


def pickled(folder: Path, content: Any = None) -> Path:
    """A tiny checkpoint whose weights are a pickle."""
    save_checkpoint(folder)
    (folder / "model.safetensors").unlink()
    state = tiny_model().state_dict() if content is None else content
    torch.save(state, folder / "pytorch_model.bin")
    return folder


def test_pickles_are_read_where_they_are_allowed_only(tmp_path: Path) -> None:
    folder = pickled(tmp_path / "x")
    with pytest.raises(StudyError, match="no safetensors weights"):
        load_model(folder, None, CPU)
    loaded = load_model(folder, None, CPU, pickled=True)
    for name, value in tiny_model().state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value)


class Attack:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> Any:
        return (Path.touch, (Path("pickle_was_run"),))


def test_a_pickle_that_runs_code_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = pickled(tmp_path / "x", {"weights": Attack()})
    with pytest.raises(StudyError, match="the weights cannot be loaded"):
        load_model(folder, None, CPU, pickled=True)
    assert not (tmp_path / "pickle_was_run").exists()


def test_a_model_that_needs_its_own_code_is_refused(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "x")
    path = tmp_path / "x" / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    mapped = {"AutoModelForCausalLM": "modeling_x.X", "AutoConfig": "modeling_x.C"}
    path.write_text(json.dumps({**config, "model_type": "new_kind", "auto_map": mapped}))
    (tmp_path / "x" / "modeling_x.py").write_text("raise RuntimeError('run')\n")
    with pytest.raises(StudyError, match="code from its repository"):
        load_model(tmp_path / "x", None, CPU)


def test_pickles_become_safetensors_next_to_the_manifest(tmp_path: Path) -> None:
    folder = pickled(tmp_path / "cache")
    record = {"folder": str(folder), "repo": "a/b", "revision": "main", "commit": "c" * 40}
    (tmp_path / "download.json").write_text(json.dumps(record), encoding="utf-8")
    spec = {"source": "hub", "repositories": {"7": "a/b"}, "tokens_per_step": 2, "pickles": True}
    verify(
        "x",
        canonical(spec),
        7,
        downloaded=str(tmp_path / "download.json"),
        config={},
        manifest=str(tmp_path / "out" / "manifest.json"),
        trial=try_model,
    )
    manifest = read_json(tmp_path / "out" / "manifest.json")
    assert manifest["folder"] == str(tmp_path / "out" / "safetensors")
    read = {"model.safetensors", "config.json", "generation_config.json", "tokenizer.json"}
    assert set(manifest["digests"]) == read
    assert manifest["tokens"] == 14
    assert load_model(Path(manifest["folder"]), None, CPU) is not None
    assert (tmp_path / "out" / "safetensors" / "tokenizer.json").is_file()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_one_value_that_is_not_finite_is_refused(tmp_path: Path, value: float) -> None:
    model = tiny_model()
    model.model.layers[1].mlp.up_proj.weight.data[3, 4] = value
    model.save_pretrained(tmp_path)
    with pytest.raises(StudyError, match=r"not finite[^$]*layers.1.mlp.up_proj"):
        load_model(tmp_path, None, CPU)


def test_large_values_are_no_fault(tmp_path: Path) -> None:
    model = tiny_model()
    model.model.layers[1].mlp.up_proj.weight.data[:] = torch.finfo(torch.float32).max
    model.save_pretrained(tmp_path)
    load_model(tmp_path, None, CPU)


def test_missing_weights_are_reported(tmp_path: Path) -> None:
    manifest = save_checkpoint(tmp_path / "x")
    (tmp_path / "x" / "model.safetensors").unlink()
    with (
        pytest.raises(StudyError, match="deleted, or changed since"),
        unchanged_weights(manifest) as weights,
    ):
        load_model(weights.folder, weights.adapter, CPU)


def adapter_over(checkpoint: Path, folder: Path) -> Path:
    """The manifest of an adapter (an empty folder) that was trained over a checkpoint."""
    folder.mkdir()
    stored = read_json(checkpoint)
    manifest = {"folder": stored["folder"], "adapter": str(folder), "digests": {}}
    under = {"base": stored["digests"], "checkpoint": str(checkpoint)}
    write_json(folder / "manifest.json", {**manifest, **under})
    return folder / "manifest.json"


def test_weights_under_an_adapter_lie_where_their_checkpoint_says_now(tmp_path: Path) -> None:
    checkpoint = save_checkpoint(tmp_path / "x")
    manifest = adapter_over(checkpoint, tmp_path / "adapter")
    (tmp_path / "x").rename(tmp_path / "moved")
    moved = tmp_path / "moved" / "manifest.json"
    write_json(moved, {**read_json(moved), "folder": str(tmp_path / "moved")})
    write_json(manifest, {**read_json(manifest), "checkpoint": str(moved)})
    with unchanged_weights(manifest) as weights:
        assert (weights.folder, weights.adapter) == (tmp_path / "moved", tmp_path / "adapter")


def test_weights_under_an_adapter_that_changed_are_not_made_by_tuning_it_again(
    tmp_path: Path,
) -> None:
    checkpoint = save_checkpoint(tmp_path / "x")
    manifest = adapter_over(checkpoint, tmp_path / "adapter")
    (tmp_path / "x" / "model.safetensors").unlink()
    with (
        pytest.raises(StudyError, match=re.escape(f"snakemake --force {checkpoint}")),
        unchanged_weights(manifest),
    ):
        pass
