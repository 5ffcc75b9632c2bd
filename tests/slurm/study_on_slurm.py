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
from tuning_dynamics.study.begin import SLURM_RUN

STUDY = "tests/slurm/study.yaml"
#: One of each sort, in this order: those that what follows waits for cost time.
FAULTS = ("second_run", "driver_killed", "evaluation_killed", "trainer_killed", "cancelled_running")
#: A command that ends so, in its own words, need only be given again: SLURM was too busy.
BUSY = ("SLURM jobs of an earlier run did not end", "SLURM does not answer")

#: How a job's own log begins on a cluster.
BEGAN = re.compile(r"SLURM job (?P<job>\d+) on node (?P<node>\w+), GPUs (?P<gpus>\S+)\n")


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
        print(told(loopback, repository), flush=True)
        yield repository, result


def told(where: Cluster, repository: Repository) -> str:
    """A line for each SLURM job: id, how it ended, its node and GPUs, and what it ran.

    What a job ran is not told where its logs are those of a later attempt.
    """
    logs = results_of(repository) / "logs"
    places: dict[str, str] = {}
    ran: dict[str, list[str]] = {}
    for path in sorted(logs.rglob("*.log")):
        said = BEGAN.match(path.read_text(encoding="utf-8", errors="replace"))
        if said:
            places[said["job"]] = f"{said['node']} GPUs {said['gpus']}"
            ran.setdefault(said["job"], []).append(str(path.relative_to(logs).with_suffix("")))
    lines = []
    for job, states in sorted(where.ended().items(), key=lambda ended: int(ended[0])):
        what = ran.get(job, ["(logs of a later job)"])
        more = f" and {len(what) - 1} more" if len(what) > 1 else ""
        place = places.get(job, "")
        lines.append(f"job {job:>3}  {', '.join(states):<12} {place:<16} {what[-1]}{more}")
    return "\n".join(lines)


def last_words(driver_log: str) -> list[str]:
    """What Snakemake said before each early end of it."""
    *ended, _ = re.split(r"(?m)^=== \S+ Snakemake ended with .*$", driver_log)
    return [text[-6000:] for text in ended]


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
    # No job is left, so nothing is to be ended wherever the results go on.
    assert not (results_of(repository) / SLURM_RUN).exists()
    assert len(tables(repository)["scores.csv"].splitlines()) == 1 + 3 * 6 + 3 * 2 * 6 * 2


def test_faults_were_survived(ran: tuple[Repository, Disturbed]) -> None:
    repository, result = ran
    assert tuple(fault.kind for fault in result.faults) == FAULTS
    assert "refused" in [fault.hit.what for fault in result.faults]
    # The command is given again for Snakemake that was killed; retries do the rest.
    said = last_words((repository.folder / "driver.log").read_text("utf-8", errors="replace"))
    assert len(said) == len(result.errors) == result.commands - 1
    assert result.errors[0] == "-9"
    for words in said[1:]:
        assert any(busy in words for busy in BUSY), words


def test_logs_say_which_slurm_job_and_gpu(
    loopback: Cluster, ran: tuple[Repository, Disturbed]
) -> None:
    repository, _ = ran
    ended = loopback.ended()
    for path in (results_of(repository) / "logs" / "tune").rglob("*.log"):
        said = BEGAN.match(path.read_text(encoding="utf-8"))
        assert said, path
        assert said["node"] in ("gpu1", "gpu2")
        assert said["gpus"].isdigit()
        assert ended[said["job"]][-1] == "COMPLETED"
