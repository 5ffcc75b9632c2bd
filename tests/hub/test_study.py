"""The paper's grid in miniature against a hub, with planted faults, to the report and again."""

import csv
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from repository import Repository, clone

from hub.models import NEVER, plant_transfers, publish_models
from hub.rows import publish_datasets
from hub.server import Hub

TOKEN = "hf_thisIsTheSecretOfTheTests"
STUDY = "tests/hub/study.yaml"

#: Steps of a family that must be refused, and what the error says.
REFUSED = {
    ("hub_olmo", 10): "step 10 has weight files of step 15",
    ("hub_olmo", 15): "step 15 has weight files of step 10",
    ("hub_olmo", 22): "cannot be downloaded",
    ("hub_olmo", 25): "step 25 has weight files of step 30",
    ("hub_neox", 15): "1 missing keys",
}


@dataclass(frozen=True)
class Ran:
    """The study's repository and hub, the output of the faulty run, and the files that it and the
    corrected one fetched."""

    repository: Repository
    hub: Hub
    faulty: str
    downloads: list[str]
    downloads_again: list[str]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    """The study with its faults run as far as it goes, then corrected and run to the report."""
    folder = tmp_path_factory.mktemp("hub")
    with Hub(folder / "repositories", token=TOKEN) as hub:
        publish_models(hub)
        publish_datasets(hub)
        plant_transfers(hub)
        variables = {**hub.environment(folder / "home"), "HF_HUB_OFFLINE": "0"}
        plain = clone(folder / "clone", STUDY)
        repository = Repository(plain.folder, STUDY, variables)
        done = repository.run("--keep-going")
        assert done.returncode != 0, done.stdout
        downloads = hub.downloads()
        correct(repository)
        repository.succeed()
        again = hub.downloads()[len(downloads) :]
        yield Ran(repository, hub, done.stdout, downloads, again)


def correct(repository: Repository) -> None:
    """Remove the refused steps from the study, as a user would."""
    families = "tests/hub/catalogue/families"
    repository.edit(f"{families}/hub_olmo.yaml", "{all: true}", "{steps: [0, 20, 30]}")
    repository.edit(f"{families}/hub_neox.yaml", "[15, 20]", "[20]")


def results(ran: Ran) -> Path:
    return ran.repository.folder / "results" / "hub"


def scores(ran: Ran) -> list[dict[str, str]]:
    with (results(ran) / "tables" / "scores.csv").open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize(("place", "said"), REFUSED.items())
def test_a_planted_fault_is_caught_and_named(ran: Ran, place: tuple[str, int], said: str) -> None:
    family, step = place
    logs = [
        (results(ran) / "logs" / rule / family / f"{step}.log") for rule in ("download", "verify")
    ]
    text = "".join(log.read_text(encoding="utf-8") for log in logs if log.is_file())
    assert said in text
    assert "fix:" in text
    assert not (results(ran) / family / str(step) / "checkpoint" / "manifest.json").exists()


def test_faults_harm_nothing_else(ran: Ran) -> None:
    failed = set(re.findall(r"^The job (\w+)/\S+ failed", ran.faulty, re.M))
    assert failed == {"download", "verify"}
    # What was fetched in the faulty run was not fetched again, and the corrected run made the rest.
    assert not [path for path in ran.downloads_again if path.endswith(".safetensors")]
    cells = {(row["family"], row["step"]) for row in scores(ran)}
    assert {("hub_olmo", "0"), ("hub_olmo", "20"), ("hub_neox", "20")} <= cells


def test_every_set_of_the_paper_is_scored(ran: Ran) -> None:
    study = yaml.safe_load((ran.repository.folder / STUDY).read_text(encoding="utf-8"))
    for block in study["blocks"][:2]:
        families = block["family"] if isinstance(block["family"], list) else [block["family"]]
        for family in families:
            rows = [r for r in scores(ran) if r["family"] == family and r["recipe"] == "base"]
            assert {row["eval_set"] for row in rows} >= set(block["eval_sets"])
    assert {row["prediction"] for row in scores(ran)} >= {"likelihood_pmi", "greedy", "token_prob"}
    assert (results(ran) / "report.html").is_file()


def test_only_needed_files_were_asked_for(ran: Ran) -> None:
    assert any(path.endswith("model.safetensors") for path in ran.downloads)
    for name in NEVER:
        asked = [path for path in ran.downloads if path.endswith(f"/{name}")]
        assert all("tiny/pickled" in path for path in asked), asked


def test_a_second_run_downloads_nothing(ran: Ran) -> None:
    before = len(ran.hub.requests)
    assert "Nothing to be done" in ran.repository.succeed()
    assert len(ran.hub.requests) == before


def test_checkpoints_are_pinned_and_recorded(ran: Ran) -> None:
    path = results(ran) / "hub_olmo" / "30" / "checkpoint" / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    assert manifest["revision"] == "step30-tokens3B"
    assert manifest["commit"] == ran.hub.commit("model", "tiny/olmo", "step30-tokens3B")
    assert manifest["tokens"] == 3_000_000_000
    later = results(ran) / "hub_olmo2_stage2_seed1" / "20" / "checkpoint" / "manifest.json"
    assert json.loads(later.read_text(encoding="utf-8"))["tokens"] == 5_000_000_000


def test_no_secret_is_in_any_file(ran: Ran) -> None:
    assert any(request.had_authorization for request in ran.hub.requests)
    written = [ran.repository.folder / name for name in ("results", ".snakemake")]
    for path in (path for folder in written for path in folder.rglob("*") if path.is_file()):
        assert TOKEN.encode() not in path.read_bytes(), path


def test_a_checkpoint_that_joins_has_nothing_tuned_or_encoded_again(
    ran: Ran, tmp_path: Path
) -> None:
    again = ran.repository.copy(tmp_path / "clone")
    families = "tests/hub/catalogue/families"
    again.edit(f"{families}/hub_olmo.yaml", "{steps: [0, 20, 30]}", "{steps: [0, 10, 20, 30]}")
    planned = again.planned("results/hub/tables/scores.csv")
    assert planned["download"] == planned["verify"] == 1
    assert planned["evaluate"] == 1
    assert not {"revisions", "tokenizer", "freeze", "encode", "tune"} & set(planned)


def test_a_dataset_and_a_family_are_one_file_each(ran: Ran, tmp_path: Path) -> None:
    again = ran.repository.copy(tmp_path / "clone")
    added = again.folder / "tests" / "hub" / "catalogue"
    (added / "families" / "mine.yaml").write_text(
        "source: hub\nrepo: tiny/neox\nrevision: step{step}\ntokens_per_step: 1.0e+8\n"
        "checkpoints: {steps: [10]}\n",
        encoding="utf-8",
    )
    (added / "datasets").mkdir(exist_ok=True)
    (added / "datasets" / "my_pairs.yaml").write_text(
        "task: paraphrase\ndomain: mine\nlicence: free use\n"
        "source:\n  hub:\n    id: google-research-datasets/paws\n    config: labeled_final\n"
        "    splits: {train: train, evaluation: test}\n"
        "fields: {a: sentence1, b: sentence2}\n"
        'gold: {field: label, labels: {"1": yes, "0": no}}\nduplicates: drop\n',
        encoding="utf-8",
    )
    path = again.folder / STUDY
    block = "  - {family: mine, checkpoints: all, recipes: [base], eval_sets: [my_pairs]}\n"
    path.write_text(path.read_text(encoding="utf-8") + block, encoding="utf-8")
    cell = "results/hub/mine/10/base/cells/my_pairs/default/0shot/token_prob.parquet"
    planned = again.planned(cell)
    wanted = "download verify freeze evaluate"
    assert planned == dict.fromkeys(wanted.split(), 1)
    again.succeed(cell)
    assert (again.folder / cell).is_file()
