"""The tests' cluster never touches another one."""

from pathlib import Path

import pytest

from slurm import cluster


@pytest.fixture
def other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine that has a cluster's configuration, and on which no command may be run."""

    def refuse(*command: str, check: bool = True) -> str:
        raise AssertionError((command, check))

    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "slurm.conf").symlink_to("/nowhere/slurm.conf")
    monkeypatch.setattr(cluster, "ETC", tmp_path / "etc")
    monkeypatch.setattr(cluster, "run", refuse)
    monkeypatch.setattr(cluster.shutil, "which", lambda name: f"/usr/sbin/{name}")
    monkeypatch.setattr(cluster.os, "geteuid", lambda: 0)
    return tmp_path


def test_it_does_not_start_while_another_runs(other: Path) -> None:
    with (
        pytest.raises(cluster.NoClusterError, match="left alone"),
        cluster.cluster(other / "ours"),
    ):
        pass
    assert (other / "etc" / "slurm.conf").is_symlink()


def test_it_does_not_stop_another(other: Path) -> None:
    cluster.Cluster(other / "ours").stop()
    assert (other / "etc" / "slurm.conf").is_symlink()
