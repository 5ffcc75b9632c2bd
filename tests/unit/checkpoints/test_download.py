"""A hub family's listing and downloads: which files, which revisions, what is refused."""

from pathlib import Path
from typing import Any

import pytest

from tuning_dynamics.checkpoints import download as downloads
from tuning_dynamics.checkpoints import listing as listings
from tuning_dynamics.checkpoints.listing import Listing
from tuning_dynamics.checkpoints.revisions import (
    refuse_shared_weights,
    revision_pattern,
    step_listing,
    wanted_file,
    weight_files,
)
from tuning_dynamics.common.atomic_files import read_json
from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.common.hub import HubError
from tuning_dynamics.config.base import canonical
from tuning_dynamics.config.family import HubFamily

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
    gone = {"problem": {"what": "gone", "value": "step1", "fix": "look"}}
    refuse_shared_weights("x", 2, listing(**{"1": gone}))


@pytest.mark.parametrize("other", ["3", "main"])
def test_nothing_is_taken_while_the_final_weights_are_unknown(other: str) -> None:
    gone = {"problem": {"what": "gone", "value": "x", "fix": "look"}}
    with pytest.raises(StudyError, match=f"step {other} cannot be compared with: gone"):
        refuse_shared_weights("x", 2, listing(**{other: gone}))


#: A hub of one repository: the commit of each ref, and the files of each commit.
Published = dict[str, dict[str, Any]]


def publish(monkeypatch: pytest.MonkeyPatch, hub: Published) -> list[str]:
    """Make `hub`, by ref, the hub; return its requests. Each ref has its own commit."""
    asked: list[str] = []

    def refs(repo: str) -> list[list[str]]:
        asked.append(repo)
        return [[ref, f"commit of {ref}"] for ref in hub]

    def files(repo: str, commit: str) -> dict[str, Any]:
        del repo
        asked.append(commit)
        found: dict[str, Any] = hub[commit.removeprefix("commit of ")]
        return found

    monkeypatch.setattr(listings, "_ask_refs", refs)
    monkeypatch.setattr(listings, "_ask_files", files)
    return asked


def published(**changes: Any) -> Published:
    """Three revisions with weights of their own; `main` is the last."""
    weights = {1: ("p", "q"), 2: ("r", "s"), 3: ("t", "u")}
    files = {f"step{step}": revision(*each)["files"] for step, each in weights.items()}
    return {**files, "main": files["step3"], **changes}


def fetched(tmp_path: Path, step: int = 1, pinned: Any = None, **spec: Any) -> dict[str, Any]:
    downloads.download(
        "x",
        canonical({**SPEC, **spec}),
        step,
        others=canonical({"checkpoints": {"steps": [1, 2]}}),
        listing=Listing(tmp_path / "listing"),
        output=str(tmp_path / "out.json"),
        pinned=pinned,
    )
    record: dict[str, Any] = read_json(tmp_path / "out.json")
    return record


def test_a_steps_own_problem_stops_its_download(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(monkeypatch, {"step2": published()["step2"]})
    with pytest.raises(StudyError, match="no revision of a/b matches step 1"):
        fetched(tmp_path)


def test_pickles_need_an_opt_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pickled = revision("p", name="pytorch_model.bin")["files"]
    publish(monkeypatch, published(step1=pickled, step2={}))
    with pytest.raises(StudyError, match="only pickled weights"):
        fetched(tmp_path)
    with pytest.raises(StudyError, match="has no weights"):
        fetched(tmp_path, step=2)


def test_a_duplicate_is_known_before_anything_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "_fetch", lambda *_: pytest.fail("a file was fetched"))
    publish(monkeypatch, published(step1=published()["step2"]))
    for step in (1, 2):
        with pytest.raises(StudyError, match="not what its name says"):
            fetched(tmp_path, step=step)


def test_a_step_keeps_the_commit_that_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = published(before=revision("v", "w")["files"])
    asked = publish(monkeypatch, moved)
    monkeypatch.setattr(downloads, "_fetch_compared", lambda *_: tmp_path)
    pinned = {"repo": "a/b", "revision": "step1", "commit": "commit of before"}
    assert fetched(tmp_path, pinned=pinned)["commit"] == "commit of before"
    assert "commit of step1" not in asked
    renamed = {**pinned, "revision": "other"}
    assert fetched(tmp_path, pinned=renamed)["commit"] == "commit of step1"
    assert fetched(tmp_path)["commit"] == "commit of step1"


def test_the_tokenizer_is_the_final_revisions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "_fetch_compared", lambda *_: tmp_path)
    asked = publish(monkeypatch, published())
    output, listing = str(tmp_path / "tokenizer.json"), Listing(tmp_path / "listing")
    downloads.download_tokenizer("x", canonical(SPEC), listing=listing, output=output)
    record = read_json(output)
    assert record["revision"] == "step3"
    assert record["files"] == {"config.json": "git:same"}
    assert asked == ["a/b", "commit of step3"]
    nothing = canonical({**SPEC, "revision": "epoch{step}"})
    with pytest.raises(StudyError, match="no revision that the family's pattern matches"):
        downloads.download_tokenizer("x", nothing, listing=listing, output=output)


def test_a_failure_of_another_step_stops_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = publish(monkeypatch, published())
    ask = listings._ask_files

    def fail(repo: str, commit: str) -> dict[str, Any]:
        found = ask(repo, commit)
        if commit == "commit of step2":
            raise HubError("too busy")
        return found

    monkeypatch.setattr(listings, "_ask_files", fail)
    monkeypatch.setattr(downloads, "_fetch_compared", lambda *_: tmp_path)
    for _ in range(3):
        fetched(tmp_path)
    # Its own job asks again, whatever happened to others.
    assert asked.count("commit of step2") == 1
    for _ in range(2):
        with pytest.raises(StudyError, match="too busy"):
            fetched(tmp_path, step=2)
    assert asked.count("commit of step2") == 3


def test_damaged_files_are_refused_and_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "snapshot"
    folder.mkdir()
    (folder / "config.json").write_bytes(b"{}")
    weights = folder / "model.safetensors"
    weights.write_bytes(b"abc")
    monkeypatch.setattr(downloads, "_fetch", lambda *_: folder)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    digest = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    good = revision(digest, name="model.safetensors")
    # The name that git gives to a file that holds {}.
    good["files"]["config.json"]["digest"] = "git:9e26dfeeb6e641a33dae4961196235bdb965b21b"
    publish(monkeypatch, published(step1=good["files"]))
    record = fetched(tmp_path)
    assert record["files"]["model.safetensors"] == digest
    assert record["bytes"] == 5
    weights.write_bytes(b"abd")
    with pytest.raises(StudyError, match="not match the hub"):
        fetched(tmp_path)
    assert not weights.exists()


def test_a_pattern_that_matches_nothing_is_reported(tmp_path: Path) -> None:
    family = HubFamily.model_validate({**SPEC, "checkpoints": {"steps": [1]}})
    hub = Listing(tmp_path)
    problem = step_listing(family, 1, {}, hub)["problem"]
    assert problem["what"] == "no ref of a/b matches the pattern of revisions"
    near = step_listing(family, 7, {5: [], 90: []}, hub)["problem"]
    assert "the nearest step is 5" in near["fix"]
