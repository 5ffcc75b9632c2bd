"""`make slurm-test`: a study on a real one-machine cluster, some of its jobs hit by faults.

Not part of `make test`: it needs root, and Debian's SLURM installed.
"""

import json
import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import pyarrow.parquet as pq
import pytest
import yaml
from repository import Repository, clone

from slurm.campaign import ON_CLUSTER, Campaign, Disturbed, outcomes, results_of, small_disk, tables
from slurm.cluster import ETC, NODES, Cluster, cluster, run
from slurm.faults import CELL
from slurm.processes import alive, processes
from tuning_dynamics.common.errors import refused_reason
from tuning_dynamics.run.start import SLURM_RUN

STUDY = "tests/slurm/study.yaml"
#: One of each kind, in this order: faults that later jobs wait for cost time.
FAULTS = ("second_run", "driver_killed", "evaluation_killed", "trainer_killed", "cancelled_running")
TUNED, BASE = "loopback/300/brief/facts_qa/seed0", "loopback/600/base"

#: Sets that are added to the finished study: a good one, one that is refused for its content when
#: it is frozen, and one when it is evaluated.
ADDED = ("nli_reworded", "unlabelled", "lengthy")
ROW = {"a": "It rains.", "b": "It is wet.", "g": "entailment"}
SPOILT = {
    "unlabelled": [ROW, {**ROW, "a": "It snows.", "g": "unheard of"}],
    "lengthy": [ROW, {**ROW, "a": "It snows . " * 400, "g": "neutral"}],
}
LABELS = ("entailment", "neutral", "contradiction")
DATASET = {
    "task": "nli",
    "domain": "weather",
    "licence": "none",
    "fields": {"a": "a", "b": "b"},
    "gold": {"field": "g", "labels": dict(zip(LABELS, LABELS, strict=True))},
}
BLOCK = f"""\
  - family: loopback
    checkpoints: last
    recipes: [base]
    eval_sets: [{", ".join(ADDED)}]
"""

#: A command that ends with this text need only be repeated: SLURM was too busy.
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
        print(summary_of(loopback, repository), flush=True)
        yield repository, result


@dataclass
class Again:
    """A run on the cluster of the finished study: what it said, and how often it sent each rule."""

    said: str

    @property
    def sent(self) -> list[str]:
        """The names of the SLURM jobs, in order."""
        return re.findall(r"has been submitted with SLURM jobid .*slurm_logs/([^/]+)/", self.said)


def again(repository: Repository, *arguments: str) -> Again:
    """Run the rest of `arguments` on the cluster; it must succeed."""
    return Again(repository.succeed(*ON_CLUSTER, *arguments))


def evaluated(repository: Repository, variant: str) -> tuple[int, int]:
    """Loads of the model and cells made, by the log of a variant's last evaluation."""
    log = results_of(repository) / "logs" / "evaluate" / f"{variant}.log"
    text = log.read_text(encoding="utf-8")
    return text.count(": loaded in "), text.count(CELL)


def summary_of(where: Cluster, repository: Repository) -> str:
    """A line for each SLURM job: id, how it ended, its node and GPUs, and what it ran.

    What a job ran is left out if its logs are those of a later attempt.
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
    """Snakemake's output before each of its early ends."""
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


def test_a_deleted_cell_is_evaluated_alone(ran: tuple[Repository, Disturbed]) -> None:
    repository, _ = ran
    cell = f"results/cluster/{TUNED}/cells/facts_qa/io/0shot/likelihood.parquet"
    before = (repository.folder / cell).read_bytes()
    (repository.folder / cell).unlink()
    (sent,) = again(repository, cell).sent
    assert sent.startswith("group_variant_evaluate_")
    assert not sent.endswith("tune")
    assert evaluated(repository, TUNED) == (1, 1)
    assert (repository.folder / cell).read_bytes() == before
    # What it took goes into the cost table.
    assert set(repository.planned()) == {"cost", "report"}


def test_refused_sets_cost_their_own_cells_and_are_not_tried_again(
    ran: tuple[Repository, Disturbed],
) -> None:
    repository, _ = ran
    catalogue = repository.folder / "tests/catalogue/datasets"
    catalogue.mkdir()
    for name, rows in SPOILT.items():
        (catalogue / f"{name}.jsonl").write_text(
            "".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8"
        )
        files = {"evaluation": f"tests/catalogue/datasets/{name}.jsonl"}
        text = yaml.safe_dump({**DATASET, "source": {"files": files}})
        (catalogue / f"{name}.yaml").write_text(text, encoding="utf-8")
    study = repository.folder / STUDY
    study.write_text(study.read_text(encoding="utf-8") + BLOCK, encoding="utf-8")
    cells = [f"{BASE}/cells/{name}/default/0shot/token_prob.parquet" for name in ADDED]
    run = again(repository, *(f"results/cluster/{cell}" for cell in cells))
    evaluation, *others = sorted(run.sent)
    assert evaluation.startswith("group_variant_evaluate_")
    assert others == ["rule_freeze"] * len(ADDED)
    assert evaluated(repository, BASE) == (1, 1)
    reasons = [
        refused_reason(pq.read_schema(results_of(repository) / cell).metadata) for cell in cells
    ]
    assert reasons[0] is None
    assert "label" in str(reasons[1])
    assert "context" in str(reasons[2])
