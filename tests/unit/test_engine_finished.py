"""What a training job wrote is put back, whole and of the same identity only."""

from pathlib import Path

import pytest

from tuning_dynamics.engine.finished import Finished


def written(folder: Path) -> list[Path]:
    """A job's outputs: a folder and a file."""
    (folder / "weights").mkdir(parents=True)
    (folder / "weights" / "model.safetensors").write_text("w")
    (folder / "manifest.json").write_text("m")
    return [folder / "weights", folder / "manifest.json"]


@pytest.fixture
def outputs(tmp_path: Path) -> list[Path]:
    return written(tmp_path / "job")


def test_kept_outputs_come_back_after_they_were_deleted(outputs, tmp_path):
    finished = Finished(tmp_path / "scratch", "a", outputs)
    finished.keep()
    (outputs[0] / "model.safetensors").unlink()
    outputs[0].rmdir()
    outputs[1].unlink()
    assert finished.recall()
    assert (outputs[0] / "model.safetensors").read_text() == "w"
    assert outputs[1].read_text() == "m"


def test_they_take_the_place_of_half_written_ones(outputs, tmp_path):
    finished = Finished(tmp_path / "scratch", "a", outputs)
    finished.keep()
    (outputs[0] / "model.safetensors").unlink()
    (outputs[0] / "half").write_text("h")
    assert finished.recall()
    assert [path.name for path in outputs[0].iterdir()] == ["model.safetensors"]


def test_another_identity_is_not_put_back(outputs, tmp_path):
    Finished(tmp_path / "scratch", "a", outputs).keep()
    outputs[1].unlink()
    assert not Finished(tmp_path / "scratch", "b", outputs).recall()
    assert not outputs[1].exists()


def test_a_job_that_was_killed_while_it_kept_has_kept_nothing(outputs, tmp_path):
    finished = Finished(tmp_path / "scratch", "a", outputs)
    finished.keep()
    (finished.folder / "identity").unlink()
    assert not finished.recall()


def test_kept_outputs_take_no_space_of_their_own(outputs, tmp_path):
    finished = Finished(tmp_path / "scratch", "a", outputs)
    finished.keep()
    kept = finished.folder / "weights" / "model.safetensors"
    assert kept.stat().st_ino == (outputs[0] / "model.safetensors").stat().st_ino


def test_later_outputs_take_the_place_of_earlier_ones(tmp_path):
    first = written(tmp_path / "job")
    Finished(tmp_path / "scratch", "a", first).keep()
    first[1].unlink()
    first[1].write_text("later")
    Finished(tmp_path / "scratch", "b", first).keep()
    assert not Finished(tmp_path / "scratch", "a", first).recall()
    assert Finished(tmp_path / "scratch", "b", first).recall()
    assert first[1].read_text() == "later"


def test_dropped_outputs_are_gone(outputs, tmp_path):
    finished = Finished(tmp_path / "scratch", "a", outputs)
    finished.keep()
    Finished.drop(tmp_path / "scratch")
    assert not finished.recall()
    Finished.drop(tmp_path / "scratch")  # and once more, as after a server that came later
