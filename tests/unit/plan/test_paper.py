"""docs/cost.md compares the paper's hours with the cost model's, line by line."""

import re
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import pytest
from priced import ROOT

from tuning_dynamics.common.variants import Cell, Variant, parse_variant
from tuning_dynamics.config.device import Device, Range, device_of, total
from tuning_dynamics.config.family import ModelSize
from tuning_dynamics.config.load import load_study, parse, read_yaml
from tuning_dynamics.grid.grid import role
from tuning_dynamics.plan.all_jobs import all_jobs
from tuning_dynamics.plan.basis import Basis
from tuning_dynamics.plan.equations import Step, step_seconds, training_flops
from tuning_dynamics.plan.price import LIKELY, Prices
from tuning_dynamics.plan.render_text import hours
from tuning_dynamics.run.all_jobs import Jobs

SETS = {"xsum": "XSum", "socialiqa": "SocialIQA", "mnli": "MNLI", "paws": "PAWS"}
ROLES = {"id": "in-domain evaluation", "ood": "out-of-domain evaluation", "cross": "cross-task"}

STUDIES = ("olmo_1b", "olmo_1b_release")

#: A step of instruction tuning: 8 dialogues of 870 tokens through OLMo-1B.
OLMO = ModelSize(parameters=1.177e9, layers=16, hidden_size=2048, vocab_size=50304, context=2048)
DIALOGUES = Step(8, 870, 870, 8, OLMO.parameters)
H200: Device = parse(Device, read_yaml(ROOT / "config/devices/h200.yaml"), "h200.yaml")


def group(variant: Variant) -> str:
    """How the lines begin that a variant is in."""
    if variant.train_set == "tulu_v2":
        return "instruction tuning"
    return SETS.get(variant.train_set, "untuned")


def line(jobs: Jobs, cell: Cell) -> str:
    """The line of docs/cost.md that a cell is in."""
    name = group(cell.variant)
    placed = role(jobs.resolved, cell.variant, cell.eval_set)
    if name in ("instruction tuning", "untuned"):
        return f"{name}: {'tasks' if placed != 'bench' else 'benchmarks'}"
    if cell.format != "default":
        return f"{name}: formats"
    return "SFT: benchmarks" if placed == "bench" else f"{name}: {ROLES[placed]}"


def planned(name: str, device: str, dtype: str) -> dict[str, Range]:
    """Hours of each line of a study on a device, and of all."""
    file = ROOT / f"config/studies/{name}.yaml"
    config = read_yaml(file)
    config["execution"] = {"plan_for": device}
    config["evaluate"] = {**config["evaluate"], "dtype": dtype}
    jobs = Jobs(load_study(config, ROOT, file), str(file))
    basis = Basis(device_of(jobs.resolved.study, ROOT))
    lines: dict[str, list[Range]] = defaultdict(list)
    prices = Prices(jobs.resolved, all_jobs(jobs.resolved, jobs.grid), basis)
    for job in prices.jobs:
        if job.rule == "tune":
            name = group(parse_variant(job.wildcards["variant"]))
            lines[f"{name}: training"].append(prices.of(job).spent)
        elif job.rule == "evaluate":
            lines["loading models"].append(prices.loading(job))
            for cell, price in zip(job.cells, prices.cell_prices(job), strict=True):
                lines[line(jobs, cell)].append(price.seconds)
    sums = {label: total(own) / 3600 for label, own in lines.items()}
    whole = total(price.spent for price in prices.each) / 3600
    assert total(sums.values()).mid == pytest.approx(whole.mid)
    return {**sums, "all": whole}


_CELL = r" ([^|]*?) \|"


def table(columns: int) -> dict[str, tuple[str, ...]]:
    """The rows of the document's table of so many columns, by the first."""
    text = (ROOT / "docs/cost.md").read_text(encoding="utf-8")
    found = re.findall(rf"^\|{_CELL * columns}$", text, re.M)
    return {label: tuple(others) for label, *others in found[1:] if not label.startswith("--")}


@pytest.fixture(autouse=True)
def _no_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Results are looked for in the working folder, and would make the cost more exact."""
    monkeypatch.chdir(tmp_path)


def test_the_papers_lines_add_up_to_its_total() -> None:
    paper = {label: float(row[0].replace(",", "")) for label, row in table(6).items() if row[0]}
    assert paper.pop("all") == 1067
    assert sum(paper.values()) == pytest.approx(1067, abs=0.5)


@pytest.mark.parametrize(
    ("column", "name", "device", "dtype"),
    [
        (1, "olmo_1b_release", "a100", "float32"),
        (2, "olmo_1b_release", "h200", "bfloat16"),
        (3, "olmo_1b", "a100", "float32"),
        (4, "olmo_1b", "h200", "bfloat16"),
    ],
)
def test_the_planned_lines_are_those_of_the_cost_model(
    column: int, name: str, device: str, dtype: str
) -> None:
    lines = {label: hours(span) for label, span in planned(name, device, dtype).items()}
    assert {label: row[column] for label, row in table(6).items() if row[column]} == lines


def test_the_hours_by_share_of_the_peak_are_those_of_the_cost_model(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The row of the likely share is the table's above; of the others the first and the last."""
    rows = table(5)
    for share in ("30 %", "60 %"):
        stated = replace(LIKELY, bf16_use=float(share.removesuffix(" %")) / 100)
        monkeypatch.setattr("tuning_dynamics.plan.price.CASES", (stated, stated, stated))
        spans = planned("olmo_1b_release", "h200", "bfloat16")
        step = step_seconds(OLMO, DIALOGUES, H200, stated)
        used = training_flops(OLMO, DIALOGUES) / step / H200.bf16
        tuning, whole = spans["instruction tuning: training"].mid, spans["all"].mid
        assert rows[share] == (
            f"{step:.3f} s",
            f"{used:.0%}".replace("%", " %"),
            f"{tuning:.0f}",
            f"{whole:.0f}",
        )


def test_the_readme_has_the_hours_that_the_studies_state() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \|.*\| (\S+ \(\S+\) [AH]\d+) \|$",
        (ROOT / "README.md").read_text(encoding="utf-8"),
        re.M,
    )
    assert len(rows) == 5
    for name, stated in rows:
        text = (ROOT / f"config/studies/{name}.yaml").read_text(encoding="utf-8")
        plain = stated.replace("\N{EN DASH}", "-")
        assert f" {plain} hours, " in text
    both = [hours(planned(name, "h200", "bfloat16")["all"]).split()[0] for name in STUDIES]
    stated = "has those of an H200 in bf16: {} hours for `olmo_1b`, {} for `olmo_1b_release`"
    assert stated.format(*both) in " ".join(
        (ROOT / "README.md").read_text(encoding="utf-8").split()
    )
