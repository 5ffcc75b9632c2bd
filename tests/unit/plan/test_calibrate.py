"""A calibration makes a second run's total correct, and applies only to what it has seen."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from priced import BASE, FAMILY, ROOT, TUNED, basis, study

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.common.rules import RULES
from tuning_dynamics.config.study import ResolvedStudy
from tuning_dynamics.plan.all_jobs import all_jobs
from tuning_dynamics.plan.basis import Basis, basis_of
from tuning_dynamics.plan.budget import budget_of
from tuning_dynamics.plan.calibrate import Taken, averaged, calibrate, fitted, spread
from tuning_dynamics.plan.calibration import Calibration, calibration_path
from tuning_dynamics.plan.price import LIKELY
from tuning_dynamics.plan.recorded import planned
from tuning_dynamics.plan.render_text import budget_text
from tuning_dynamics.run.all_jobs import Jobs

BLOCKS: tuple[dict[str, Any], ...] = (
    {**TUNED, "seeds": [0, 1, 2], "eval_sets": ["pairs", "texts"]},
    {**BASE, "eval_sets": ["pairs", "texts"]},
)
HEADER = "stage,job,planned_seconds,seconds,gpu,peak_memory_mb,tokens,tokens_per_second,mfu"
A100 = "NVIDIA A100-SXM4-80GB"


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Results are looked for in the working folder, calibrations in a catalogue of their own."""
    monkeypatch.chdir(tmp_path)


def small(folder: Path, *blocks: dict[str, Any], **keys: Any) -> ResolvedStudy:
    """A study whose first catalogue folder is the test's own."""
    resolved = study(folder, *(blocks or BLOCKS), **keys)
    own = resolved.study.model_copy(update={"catalogue": [str(folder), str(ROOT / "config")]})
    return resolved.model_copy(update={"study": own})


def run(resolved: ResolvedStudy, *, start: float, factor: float, gpu: str = A100) -> float:
    """Write the cost table of a run whose jobs took start + factor x their planned work, and 3 s
    where no equation plans them; returns its seconds."""
    rows, total = [HEADER], 0.0
    for record, price in planned(Jobs(resolved, "f"), basis(resolved)):
        modelled = RULES[record.job.rule].priced_as is not None
        work = price.seconds.mid - LIKELY.start
        seconds = start + factor * work if modelled else 3.0
        counted = f"1000,{1000 / (factor * work):.9g}" if modelled else ","
        name = gpu if modelled else ""
        rows.append(f"{record.stage},{record.name},,{seconds:.9g},{name},1,{counted},")
        total += seconds
    path = Path("results/priced/tables/cost.csv")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(rows) + "\n")
    return total


def made(resolved: ResolvedStudy) -> Calibration:
    """The calibration that a study's cost table makes."""
    calibrate(resolved.study.model_dump(), ROOT)
    found = basis_of(resolved.study, ROOT).calibration
    assert found is not None
    return found


def total(resolved: ResolvedStudy, on: Basis) -> float:
    """Likely seconds of all rows of a study's cost table."""
    every = planned(Jobs(resolved, "f"), on)
    return sum(price.seconds.mid + price.host.mid for _, price in every)


def test_start_and_factor_are_found_and_another_study_is_planned_right(tmp_path: Path) -> None:
    resolved = small(tmp_path)
    run(resolved, start=30, factor=2.5)
    calibration = made(resolved)
    for kind in ("tune", "evaluate"):
        fit = calibration.fits[kind]
        assert (fit.start, fit.factor) == pytest.approx((30, 2.5), rel=0.01)
    assert calibration.rules["freeze"].seconds == calibration.rules["verify"].seconds == 3
    second = small(tmp_path, *BLOCKS, data={"train_items": 300, "evaluation_items": 100})
    actual = run(second, start=30, factor=2.5)
    uncalibrated = total(second, basis(second))
    assert total(second, basis_of(second.study, ROOT)) == pytest.approx(actual, rel=0.01)
    assert abs(uncalibrated / actual - 1) > 0.3


def test_few_jobs_leave_much_room(tmp_path: Path) -> None:
    resolved = small(tmp_path)
    run(resolved, start=30, factor=2.5)
    calibration = made(resolved)
    one, three = calibration.rules["verify"], calibration.fits["tune"]
    assert (one.low, one.high) == pytest.approx((0.5, 2), rel=0.01)
    assert one.low < three.low < 1 < three.high < one.high


def test_models_of_other_sizes_are_priced_by_equations(tmp_path: Path) -> None:
    resolved = small(tmp_path)
    run(resolved, start=30, factor=2.5)
    made(resolved)
    large = {**FAMILY, "size": {**FAMILY["size"], "parameters": 5e9}}
    other = small(tmp_path, *BLOCKS, files={"families/big": large}, execution={"plan_for": "h200"})
    (tmp_path / "calibration/a100.yaml").rename(tmp_path / "calibration/h200.yaml")
    jobs = [job for job in all_jobs(other, Jobs(other, "f").grid) if RULES[job.rule].priced_as]
    grid = Jobs(other, "f").grid
    by_runs = budget_of(other, grid, jobs, basis_of(other.study, ROOT))
    assert by_runs.calibrated == 0
    assert by_runs.whole.hours == budget_of(other, grid, jobs, basis(other)).whole.hours
    assert "is not of these models' sizes" in budget_text(by_runs, other, grid, {})


def test_the_budget_says_what_it_rests_on(tmp_path: Path) -> None:
    resolved = small(tmp_path)
    run(resolved, start=30, factor=2.5)
    calibration = made(resolved)
    grid = Jobs(resolved, "f").grid
    budget = budget_of(resolved, grid, all_jobs(resolved, grid), basis_of(resolved.study, ROOT))
    shown = budget_text(budget, resolved, grid, {})
    assert f"calibrated with {calibration.jobs} jobs of study priced on " in shown
    assert "core-hours" in shown
    without = budget_text(budget_of(resolved, grid, [], basis(resolved)), resolved, grid, {})
    assert "after a run, `snakemake calibrate`" in without


def test_tables_grow_with_cells(tmp_path: Path) -> None:
    resolved = small(tmp_path)
    run(resolved, start=30, factor=2.5)
    made(resolved)
    seconds = {}
    for formats in (["default"], ["default", "io", "instruct"]):
        more = small(tmp_path, *({**block, "formats": formats} for block in BLOCKS))
        prices = planned(Jobs(more, "f"), basis_of(more.study, ROOT))
        hosts = {record.job.rule: price.host.mid for record, price in prices}
        seconds[len(formats)] = (hosts["scores"], hosts["freeze"])
    assert seconds == {1: (3, 3), 3: (9, 3)}


def test_the_file_is_for_people_and_names_no_place(tmp_path: Path) -> None:
    resolved = small(tmp_path)
    run(resolved, start=30, factor=2.5)
    made(resolved)
    text = calibration_path(resolved.study, ROOT).read_text()
    assert text.startswith("# How long jobs take on this device")
    assert str(tmp_path) not in text
    assert yaml.safe_load(text)["machine"].startswith(A100)


def test_what_cannot_calibrate_is_refused(tmp_path: Path) -> None:
    resolved = small(tmp_path)
    with pytest.raises(StudyError, match="no cost table"):
        made(resolved)
    run(resolved, start=30, factor=2.5, gpu="NVIDIA H100 PCIe")
    with pytest.raises(StudyError, match="did not run on A100") as caught:
        made(resolved)
    assert "NVIDIA H100 PCIe" in str(caught.value)
    Path("results/priced/tables/cost.csv").write_text(HEADER + "\n")
    with pytest.raises(StudyError, match="no job of a model"):
        made(resolved)


def test_a_broken_calibration_is_refused(tmp_path: Path) -> None:
    resolved = small(tmp_path)
    (tmp_path / "calibration").mkdir()
    (tmp_path / "calibration/a100.yaml").write_text("device: a100\nfits: {}\n")
    with pytest.raises(StudyError, match=r"a100\.yaml"):
        basis_of(resolved.study, ROOT)


def test_a_long_start_leaves_work_and_a_short_job_a_mean() -> None:
    jobs = [Taken(1.0, 2.0, 2.0, 1e6), Taken(1.0, 2.0, 2.0, 1e6)]
    fit = fitted(jobs, 0.0)
    assert fit.start == pytest.approx(1.9)
    assert fit.start + fit.factor * 1.0 == pytest.approx(2.0)
    # Without a start of their own jobs get the usual one.
    assert fitted([Taken(1.0, 20.0, None, 1e6)], 12.0).start == 12
    assert averaged([0.0, 0.0]).seconds > 0


def test_a_spread_holds_one_and_narrows() -> None:
    assert spread([1.0]) == (0.5, 2.0)
    low, high = spread([0.8, 0.9, 1.0, 1.1, 1.2] * 20)
    assert 0.7 < low < 0.8
    assert 1.2 < high < 1.4
