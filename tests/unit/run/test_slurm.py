"""What a run on SLURM checks first, with stand-ins for SLURM's commands."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.run import slurm as cluster
from tuning_dynamics.run.slurm import end_orphans, jobs_not_started, require_cluster


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """A folder of commands that is the whole PATH; sinfo knows the partitions gpu and cpu."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    for tool in ("sbatch", "squeue", "scancel"):
        command(folder, tool, "exit 0")
    command(folder, "sinfo", "echo gpu; echo cpu")
    return folder


def command(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def partitions(tmp_path: Path, text: str) -> SimpleNamespace:
    """Snakemake's workflow, as far as its partition file."""
    file = tmp_path / "partitions.yaml"
    file.write_text(text)
    return SimpleNamespace(executor_settings=SimpleNamespace(partition_config=file))


@pytest.mark.usefixtures("slurm")
def test_a_cluster_with_all_that_is_named_passes(tmp_path):
    require_cluster(partitions(tmp_path, "partitions: {gpu: {max_gpu: 4}, cpu: {}}"), 1)


def test_no_sbatch_on_the_path_says_so(slurm, tmp_path):
    (slurm / "sbatch").unlink()
    with pytest.raises(StudyError, match=r"SLURM is not available(.|\n)*sbatch(.|\n)*login node"):
        require_cluster(partitions(tmp_path, "partitions: {gpu: {max_gpu: 4}}"), 1)


@pytest.mark.usefixtures("slurm")
def test_a_partition_that_the_cluster_lacks_is_named_with_those_it_has(tmp_path):
    workflow = partitions(tmp_path, "partitions: {gpu: {max_gpu: 4}, short: {}}")
    with pytest.raises(StudyError, match=r"short(.|\n)*cpu, gpu"):
        require_cluster(workflow, 1)


@pytest.mark.usefixtures("slurm")
def test_no_partition_with_gpus_is_refused_where_jobs_ask_for_one(tmp_path):
    workflow = partitions(tmp_path, "partitions: {gpu: {}, cpu: {}}")
    with pytest.raises(StudyError, match="max_gpu"):
        require_cluster(workflow, 1)
    require_cluster(workflow, 0)


def test_a_controller_that_does_not_answer_is_reported_in_its_words(slurm, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "ANSWER_WITHIN", 0.05)
    monkeypatch.setattr(cluster, "AGAIN", 0.01)
    command(slurm, "sinfo", "echo 'Unable to contact slurm controller' >&2; exit 1")
    with pytest.raises(StudyError, match="Unable to contact slurm controller"):
        require_cluster(partitions(tmp_path, "partitions: {cpu: {}}"), 0)


def test_a_controller_that_is_busy_is_asked_again(slurm, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "AGAIN", 0.01)
    command(
        slurm, "sinfo", f"[ -e {tmp_path}/asked ] && echo cpu && exit; : > {tmp_path}/asked; exit 1"
    )
    require_cluster(partitions(tmp_path, "partitions: {cpu: {}}"), 0)


def test_a_job_that_ends_before_it_is_cancelled_does_no_harm(slurm, tmp_path):
    note = tmp_path / "note.json"
    end_orphans(note, "first")
    command(slurm, "squeue", f"[ -e {tmp_path}/ended ] || echo 17")
    command(slurm, "scancel", f": > {tmp_path}/ended; echo 'Invalid job id' >&2; exit 1")
    end_orphans(note, "second")
    assert json.loads(note.read_text()) == {"run": "second"}


def test_jobs_of_an_earlier_run_are_ended_and_waited_for(slurm, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "PAUSE", 0.01)
    note = tmp_path / "note.json"
    end_orphans(note, "first")
    # The jobs are there until the third look after they were cancelled.
    command(
        slurm,
        "squeue",
        f'echo "$@" >> {tmp_path}/asked\n'
        f"[ -e {tmp_path}/left ] || exit 0\n"
        f'read left < {tmp_path}/left\n[ "$left" = 0 ] && exit 0\n'
        f"[ -e {tmp_path}/ended ] && echo $((left - 1)) > {tmp_path}/left\necho 17; echo 18",
    )
    command(slurm, "scancel", f'echo "$@" >> {tmp_path}/ended')
    (tmp_path / "left").write_text("3\n")
    end_orphans(note, "second")
    assert (tmp_path / "ended").read_text().startswith("--quiet 17 18\n")
    assert (tmp_path / "left").read_text() == "0\n"
    assert "--name=first" in (tmp_path / "asked").read_text()
    assert json.loads(note.read_text()) == {"run": "second"}


def test_jobs_that_do_not_end_stop_the_run(slurm, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "PAUSE", 0.01)
    monkeypatch.setattr(cluster, "PATIENCE", 0.05)
    note = tmp_path / "note.json"
    end_orphans(note, "first")
    command(slurm, "squeue", "echo 17")
    with pytest.raises(StudyError, match="did not end"):
        end_orphans(note, "second")
    assert json.loads(note.read_text()) == {"run": "first"}


@pytest.mark.usefixtures("slurm")
def test_a_run_on_this_machine_ends_them_too_and_leaves_no_note(tmp_path):
    note = tmp_path / "note.json"
    end_orphans(note, "first")
    end_orphans(note, None)
    assert not note.exists()


def test_jobs_that_may_be_left_where_slurm_is_not_stop_the_run(slurm, tmp_path):
    note = tmp_path / "note.json"
    end_orphans(note, "first")
    (slurm / "squeue").unlink()
    with pytest.raises(StudyError, match=r"may have left jobs(.|\n)*delete this file"):
        end_orphans(note, None)


def test_jobs_that_no_node_could_start_are_distinguished_from_others_that_wait(slurm):
    rows = ("7 launch failed requeued held", "8 Priority", "9 JobHeldUser", "10 (null)")
    command(slurm, "squeue", "; ".join(f"echo '{row}'" for row in rows))
    assert jobs_not_started("run") == ["7"]
