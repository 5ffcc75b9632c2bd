"""`make slurm-test`: a study on a real one-machine cluster, some of its jobs hit by faults.

No file of `make test`: it needs root, and Debian's SLURM installed.
"""

import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from repository import Repository, clone

from slurm.campaign import Campaign, Disturbed, outcomes, results_of, small_disk, tables
from slurm.cluster import ETC, NODES, Cluster, cluster, run
from slurm.processes import alive, processes

STUDY = "tests/slurm/study.yaml"
#: One of each sort, in this order: those that what follows waits for cost time.
FAULTS = ("second_run", "driver_killed", "server_killed", "trainer_killed", "cancelled_running")


@pytest.fixture(scope="module")
def loopback(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The cluster; after its last test nothing of it is left."""
    with cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running
        daemons = running.daemons()
    assert len(daemons) == 4
    assert not any(map(alive, daemons))
    assert not [process for process in processes() if process.node in NODES]
    assert not (ETC / "slurm.conf").exists()


@pytest.fixture(scope="module")
def local(
    loopback: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator["Future[Repository]"]:
    """The study, run on this machine alone, while the jobs of `loopback` are waited for."""
    assert loopback.folder.is_dir()

    def run_study() -> Repository:
        repository = clone(tmp_path_factory.mktemp("local") / "study", STUDY)
        repository.succeed()
        return repository

    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(run_study)


@pytest.fixture(scope="module")
def ran(
    loopback: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Repository, Disturbed]]:
    """The study, run on the cluster while faults hit it."""
    folder = tmp_path_factory.mktemp("slurm") / "study"
    with small_disk(folder / "results"):
        repository = clone(folder, STUDY)
        campaign = Campaign(loopback, repository, iter([[kind] for kind in FAULTS]), seed=0, gap=10)
        result = campaign.run(len(FAULTS))
        outcomes(result, loopback, repository)
        yield repository, result


def test_the_cluster_is_up_and_knows_its_gpus(loopback: Cluster) -> None:
    assert loopback.states() == dict.fromkeys(NODES, "idle")
    seen = run("srun", "-p", "gpu", "--gpus=2", "sh", "-c", "echo $CUDA_VISIBLE_DEVICES")
    assert re.fullmatch(r"\d,\d\n", seen)


def test_tables_are_those_of_a_local_run(
    local: "Future[Repository]", ran: tuple[Repository, Disturbed]
) -> None:
    repository, _ = ran
    assert tables(repository) == tables(local.result())
    assert repository.planned() == {}
    assert len(tables(repository)["scores.csv"].splitlines()) == 1 + 3 * 6 + 3 * 2 * 6 * 2


def test_faults_were_survived(ran: tuple[Repository, Disturbed]) -> None:
    _, result = ran
    assert tuple(fault.kind for fault in result.faults) == FAULTS
    assert "refused" in [fault.hit.what for fault in result.faults]
    # Once for Snakemake that was killed; retries do the rest.
    assert result.commands == 2, result.errors


def test_logs_say_which_slurm_job_and_gpu(
    loopback: Cluster, ran: tuple[Repository, Disturbed]
) -> None:
    repository, _ = ran
    ended = loopback.ended()
    for path in (results_of(repository) / "logs" / "tune").rglob("*.log"):
        first = path.read_text(encoding="utf-8").splitlines()[0]
        said = re.fullmatch(r"SLURM job (\d+) on node (gpu\d), GPUs (\d)", first)
        assert said, first
        assert ended[said[1]][-1] == "COMPLETED"
