"""Parts of a study by name, by force and by hand: what runs, why, and what is accepted."""

import json
import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

from repository import Repository, stages

SMOKE = Path("results/smoke")
TUNED = SMOKE / "tiny/40/quick/nli_people/seed0"
ADAPTED = SMOKE / "tiny/40/quick_lora/instruct_world/seed0"
CELL = TUNED / "cells/nli_places/io/0shot/token_prob.parquet"
ADDED = ADAPTED / "cells/nli_again/default/0shot/token_prob.parquet"
FINDINGS = SMOKE / "tables/findings.csv"

#: What follows from any cell's records, and from another text of the merged config.
FROM_CELLS = Counter(scores=1, summaries=1, cost=1, figures=1, findings=1, report=1)
FROM_CONFIG = Counter(merged_config=1, datasets=1) + FROM_CELLS

RATE = "recipes/quick_lora.yaml: stages.0.optim.lr 0.001 -> 0.002"


def record(repository: Repository, job: str) -> dict[str, Any]:
    """A job's record."""
    text = (repository.folder / SMOKE / f"records/{job}.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def reasons(text: str) -> dict[str, str]:
    """Results that are made again, by the output of a run or dry run: jobs and hours by reason."""
    reported = re.findall(r"^ *made again because (.*): (\d+ jobs?.*)$", text, re.M)
    for misleading in ("--rerun-triggers", "--cleanup-metadata", "Restored previous version"):
        assert misleading not in text
    return dict(reported)


def other_rate(repository: Repository) -> None:
    """Change the learning rate of one recipe of one tuned model."""
    repository.edit("tests/catalogue/recipes/quick_lora.yaml", "lr: 1e-3", "lr: 2e-3")


# --- targets -------------------------------------------------------------------------------------


def test_cells_are_targets_and_are_made_alone(copied: Repository) -> None:
    """A cell that was deleted, and one of a set that another variant is also evaluated on."""
    before = {path: path.read_bytes() for path in (copied.folder / TUNED).rglob("*.parquet")}
    (copied.folder / CELL).unlink()
    add_set(copied)
    text = copied.succeed("-n", str(CELL), str(ADDED))
    assert stages(text) == Counter(freeze=1, evaluate=2)
    assert f"\n  {'evaluate':<10} {2:>8} jobs" in text
    reported = reasons(text)
    assert reported[f"{CELL} is gone"].startswith("1 job")
    assert reported[f"{ADDED} is new"].startswith("1 job")

    assert reasons(copied.succeed(str(CELL), str(ADDED))) == reported
    for variant, cell in ((TUNED, CELL), (ADAPTED, ADDED)):
        log = copied.folder / SMOKE / f"logs/evaluate/{variant.relative_to(SMOKE)}.log"
        assert re.findall(r"^(\S+): .*items in", log.read_text(), re.M) == [str(cell)]
        assert log.read_text().count(": loaded in") == 1
    assert {path: path.read_bytes() for path in before} == before
    # What they took goes into the cost table; the new set's items are compared.
    assert stages(copied.succeed("-n")) == FROM_CONFIG + Counter(overlaps=1)


def add_set(repository: Repository) -> None:
    """Evaluate the model with an adapter on another set, which is nli_people by another name."""
    folder = repository.folder / "tests/catalogue/datasets"
    folder.mkdir()
    shutil.copy(repository.folder / "config/datasets/nli_people.yaml", folder / "nli_again.yaml")
    repository.edit(
        repository.study,
        "train_sets: [instruct_world]\n    eval_sets: [facts_qa]",
        "train_sets: [instruct_world]\n    eval_sets: [facts_qa, nli_again]",
    )


def test_options_of_snakemake_choose_what_runs(copied: Repository) -> None:
    for arguments, expected in (
        (["--forcerun", "figures"], Counter(figures=1, cost=1, report=1)),
        (["--force", str(FINDINGS)], Counter(findings=1)),
        # A cell is forced with all that its variant's evaluation makes.
        (["--forcerun", str(CELL)], Counter(evaluate=1) + FROM_CELLS),
    ):
        text = copied.succeed("-n", *arguments)
        assert stages(text) == expected
        assert len(reasons(text)) == 1
        assert "made again because the command asks for it" in text


def test_until_and_omit_from_leave_stages_out(copied: Repository) -> None:
    other_rate(copied)
    whole = copied.succeed("-n")
    assert stages(whole) == Counter(tune=1, evaluate=1) + FROM_CONFIG
    (rule,) = re.findall(r"^(evaluate_\w+) +1$", whole.split("total")[0], re.M)
    for arguments, expected in (
        (["--until", "tune"], Counter(tune=1)),
        (["--until", rule], Counter(tune=1, evaluate=1)),
        (["--omit-from", rule], Counter(tune=1, merged_config=1, datasets=1)),
        ([str(ADAPTED / "manifest.json")], Counter(tune=1)),
    ):
        text = copied.succeed("-n", *arguments)
        assert stages(text) == expected
        assert list(reasons(text)) == [RATE]


def test_a_run_leaves_out_and_forces_what_its_plan_says(copied: Repository) -> None:
    """The final check of a run, too, does not make again what was left out or forced."""
    runs = [record(copied, name)["units"][0]["run"] for name in ("findings/all", "figures/all")]
    text = copied.succeed("--forcerun", "findings", "--until", "findings")
    assert reasons(text) == {
        "the command asks for it (--force, --forcerun, --forceall)": "1 job",
    }
    again = [record(copied, name)["units"][0]["run"] for name in ("findings/all", "figures/all")]
    assert (again[0] != runs[0], again[1] == runs[1]) == (True, True)
    assert copied.planned() == {}
    copied.edit(copied.study, "resamples: 200", "resamples: 300")
    text = copied.succeed("--omit-from", "scores")
    assert stages(text) == Counter(merged_config=1, datasets=1)
    assert list(reasons(text)) == ["statistics.resamples 200 -> 300"]
    assert copied.planned() == FROM_CELLS


def test_inputs_made_again_alike_make_nothing_of_them_again(copied: Repository) -> None:
    """A job whose inputs were made again, to the same bytes, ends when it starts."""
    copied.edit(
        "workflow/scripts/tuning_dynamics/config/load.py",
        "sort_keys=False, allow_unicode=True",
        "allow_unicode=True, sort_keys=False, indent=2",
    )
    table = SMOKE / "tables/datasets.csv"
    assert stages(copied.succeed(str(table))) == Counter(merged_config=1, datasets=1)
    log = copied.folder / SMOKE / "logs/datasets/all.log"
    assert log.read_text(encoding="utf-8").endswith("current: nothing to make\n")
    # The page shows the config by the code that was edited.
    assert copied.planned() == Counter(report=1)


# --- why -----------------------------------------------------------------------------------------


def test_a_dry_run_says_why_results_are_made_again(copied: Repository) -> None:
    other_rate(copied)
    for cell in (CELL, TUNED / "cells/facts_qa/io/0shot/likelihood.parquet"):
        (copied.folder / cell).unlink()
    (copied.folder / FINDINGS).write_text("finding\n", encoding="utf-8")
    copied.edit(
        "workflow/scripts/tuning_dynamics/stats/noise.py",
        "other.tokens - one.tokens <",
        "abs(other.tokens - one.tokens) <",
    )
    reported = reasons(copied.succeed("-n"))
    (gone,) = (reason for reason in reported if reason.startswith("2 files are gone, such as "))
    assert set(reported) == {
        RATE,
        gone,
        f"{FINDINGS} is not what was made (damaged, or changed by hand)",
        "the code changed (stats/noise.py: _over_near_checkpoints)",
    }


# --- accepting -----------------------------------------------------------------------------------


def test_a_stage_is_accepted_and_the_report_says_so(copied: Repository) -> None:
    other_rate(copied)
    copied.succeed("--touch", "--until", "tune")
    (entry,) = record(copied, f"tune/{ADAPTED.relative_to(SMOKE)}")["accepted"]
    assert entry["output"] == str(ADAPTED / "manifest.json")
    assert entry["before"] != entry["now"]
    # Its cells are of the same weights; tables are made of the config as it is now.
    assert copied.planned() == FROM_CONFIG
    copied.succeed("--touch")
    text = copied.succeed()
    assert stages(text) == Counter(report=1)
    assert list(reasons(text)) == ["the report must state what was accepted"]
    page = (copied.folder / SMOKE / "report.html").read_text(encoding="utf-8")
    assert "Accepted by hand" in page
    assert re.search(
        rf"tune: 1 result; the first was made\s+with code and settings of digest {entry['before']}",
        page,
    )
    assert copied.planned() == {}


def test_targets_and_versions_are_accepted(copied: Repository) -> None:
    other_rate(copied)
    copied.edit("envs/train.yaml", "  - transformers=5.23.0", "  - transformers=5.24.1")
    copied.succeed("--touch", str(ADAPTED / "manifest.json"))
    assert "9 jobs (encode, pretrain, tune) ran with transformers" in copied.succeed("-n")
    copied.succeed("--touch", "--forcerun", "encode", "pretrain", "tune", "--until", "tune")
    text = copied.succeed("-n")
    assert "ran with" not in text
    assert stages(text) == FROM_CONFIG
    others = {
        entry["other"] for entry in record(copied, "encode/nli_people/tiny/default")["accepted"]
    }
    assert others == {"transformers"}


def test_results_of_unknown_origin_are_refused_until_they_are_accepted(copied: Repository) -> None:
    shutil.rmtree(copied.folder / SMOKE / "records")
    done = copied.run()
    assert done.returncode != 0
    assert (
        "The study cannot begin.\nthere is no record of what the results of 34 jobs were"
        in done.stdout
    )
    assert "(the same command with --touch)" in done.stdout
    assert not (copied.folder / SMOKE / "records").exists()
    assert "A run of this would be refused:\n  there is no record" in copied.succeed("-n")
    copied.succeed("--touch")
    assert copied.planned() == Counter(report=1)
