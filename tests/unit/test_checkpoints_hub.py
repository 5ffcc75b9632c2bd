"""A hub family's listing and downloads: which files, which revisions, what is refused."""

from pathlib import Path
from typing import Any

import pytest

from tuning_dynamics.checkpoints import download as downloads
from tuning_dynamics.checkpoints import revisions
from tuning_dynamics.checkpoints.revisions import (
    refuse_shared_weights,
    revision_pattern,
    wanted_file,
    weight_files,
)
from tuning_dynamics.study.errors import StudyError
from tuning_dynamics.study.families import HubFamily
from tuning_dynamics.study.files import read_json, write_json
from tuning_dynamics.study.identity import canonical

SPEC = {
    "source": "hub",
    "repo": "a/b",
    "revision": "step{step}",
    "tokens_per_step": 10,
}


def revision(*digests: str, name: str = "model-0000{}-of-00002.safetensors") -> dict[str, Any]:
    files = {name.format(k): {"digest": d, "bytes": 3} for k, d in enumerate(digests, start=1)}
    files["config.json"] = {"digest": "git:same", "bytes": 2}
    return {"repo": "a/b", "revision": "step", "commit": "c", "files": files}


def listing(equal: list[list[int]] | None = None, **changes: dict[str, Any]) -> dict[str, Any]:
    revisions = {"1": revision("p", "q"), "2": revision("r", "s"), "3": revision("t", "u")}
    return {
        "steps": [1, 2, 3],
        "final": 3,
        "equal_weights": equal or [],
        "revisions": {**revisions, **changes},
    }


def test_revisions_are_matched_never_composed() -> None:
    pattern = revision_pattern("step{step}-tokens{tokens}B")
    match = pattern.fullmatch("step738000-tokens3094B")
    assert match is not None
    assert match["step"] == "738000"
    assert pattern.fullmatch("main") is None
    assert revision_pattern("stage1-step{step}-*").fullmatch("stage1-step5-x") is not None
    padded = revision_pattern("ckpt_{step}").fullmatch("ckpt_007")
    assert padded is not None
    assert int(padded["step"]) == 7


def test_only_what_a_run_needs_is_wanted() -> None:
    for path in ("config.json", "model.safetensors", "model-00001-of-00002.safetensors"):
        assert wanted_file(path)
    for path in (
        "optimizer.pt",
        "training_args.bin",
        "modeling_x.py",
        "onnx/model.onnx",
        "tf_model.h5",
        "original/model.safetensors",
        "README.md",
    ):
        assert not wanted_file(path)


def test_safetensors_go_before_pickles() -> None:
    both = {
        "model.safetensors": {"digest": "a"},
        "pytorch_model.bin": {"digest": "b"},
    }
    assert weight_files(both) == {"model.safetensors": "a"}
    assert weight_files({"pytorch_model.bin": {"digest": "b"}}) == {"pytorch_model.bin": "b"}


def test_revisions_with_weights_of_their_own_pass() -> None:
    for step in (1, 2, 3):
        refuse_shared_weights("x", step, listing())


@pytest.mark.parametrize("changed", [{"1": revision("t", "u")}, {"1": revision("p", "u")}])
def test_the_final_weights_or_one_shard_of_them_are_refused(changed: Any) -> None:
    # Whole ranges of revisions of published repositories carry them.
    with pytest.raises(StudyError, match="step 1 has weight files of step 3"):
        refuse_shared_weights("x", 1, listing(**changed))
    refuse_shared_weights("x", 2, listing(**changed))
    refuse_shared_weights("x", 3, listing(**changed))


def test_of_two_equal_steps_neither_can_be_trusted() -> None:
    found = listing(**{"1": revision("r", "s")})
    for step in (1, 2):
        with pytest.raises(StudyError, match="not what its name says"):
            refuse_shared_weights("x", step, found)


def test_the_weights_of_main_are_refused_too() -> None:
    with pytest.raises(StudyError, match="weight files of step main"):
        refuse_shared_weights("x", 2, listing(main=revision("r", "s")))


def test_declared_groups_and_unreadable_revisions_are_let_be() -> None:
    found = listing([[1, 2]], **{"1": revision("r", "s")})
    refuse_shared_weights("x", 1, found)
    refuse_shared_weights("x", 2, listing(**{"1": {"problem": {"what": "gone"}}}))


def fetched(tmp_path: Path, found: dict[str, Any], **spec: Any) -> None:
    write_json(tmp_path / "listing.json", found)
    text = canonical({**SPEC, **spec})
    paths = {"listing": str(tmp_path / "listing.json"), "output": str(tmp_path / "out.json")}
    downloads.download("x", text, 1, **paths)


def test_a_steps_own_problem_stops_its_download(tmp_path: Path) -> None:
    problem = {"what": "no revision matches step 1", "value": "step{step}", "fix": "look"}
    with pytest.raises(StudyError, match="no revision matches step 1"):
        fetched(tmp_path, listing(**{"1": {"problem": problem}}))


def test_pickles_need_an_opt_in(tmp_path: Path) -> None:
    pickled = listing(**{"1": revision("p", name="pytorch_model.bin")})
    with pytest.raises(StudyError, match="pickled weights only"):
        fetched(tmp_path, pickled)
    with pytest.raises(StudyError, match="has no weights"):
        fetched(tmp_path, listing(**{"1": revision()}))


def test_damaged_files_are_refused_and_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "snapshot"
    folder.mkdir()
    (folder / "config.json").write_bytes(b"{}")
    weights = folder / "model.safetensors"
    weights.write_bytes(b"abc")
    monkeypatch.setattr(downloads, "_fetch", lambda *_: folder)
    digest = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    good = revision(digest, name="model.safetensors")
    # The name that git gives to a file that holds {}.
    good["files"]["config.json"]["digest"] = "git:9e26dfeeb6e641a33dae4961196235bdb965b21b"
    fetched(tmp_path, listing(**{"1": good}))
    record = read_json(tmp_path / "out.json")
    assert record["files"]["model.safetensors"] == digest
    assert record["bytes"] == 5
    weights.write_bytes(b"abd")
    with pytest.raises(StudyError, match="not what the hub says"):
        fetched(tmp_path, listing(**{"1": good}))
    assert not weights.exists()


def test_a_pattern_that_matches_nothing_is_told_as_that() -> None:
    family = HubFamily.model_validate({**SPEC, "checkpoints": {"steps": [1]}})
    problem = revisions._described(family, 1, {})["problem"]
    assert problem["what"] == "no ref of a/b matches the pattern of revisions"
    near = revisions._described(family, 7, {5: [], 90: []})["problem"]
    assert "the nearest step there is 5" in near["fix"]
