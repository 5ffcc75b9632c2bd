"""Targets that a study does not make."""

from pathlib import Path

import pytest

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.run.targets import require_targets

CELLS = "results/mine/pythia/{step}/base/cells/rte/default/0shot/token_prob.parquet"
FILES = [
    "results/mine/report.html",
    "results/mine/tables/scores.csv",
    "results/mine/tables/changes.csv",
    *(CELLS.format(step=step) for step in (0, 1000, 143000)),
]


def require(*asked: str) -> None:
    require_targets(asked, FILES.__contains__, ["all", "plan", "tune"], lambda: FILES, "mine")


def test_what_the_study_makes() -> None:
    require(*FILES)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ("results/mine/reprot.html", "did you mean 'results/mine/report.html'?"),
        ("results/mine/tables/score.csv", "did you mean 'results/mine/tables/scores.csv'?"),
        (CELLS.format(step=100), f"did you mean '{CELLS.format(step=1000)}'?"),
        (FILES[3].replace("rte", "rtee"), f"did you mean '{FILES[3]}'?"),
        ("plann", "did you mean 'plan'?"),
        ("nonsense/at/all", "`snakemake -n` lists"),
        ("results/other/report.html", "the file is of the study 'other'"),
        ("results/other/report.html", "--configfile config/studies/o.yaml"),
        ("results/unknown/report.html", "--configfile FILE"),
    ],
)
def test_what_it_does_not(
    asked: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("config/studies").mkdir(parents=True)
    Path("config/studies/o.yaml").write_text("study: other\n")
    with pytest.raises(StudyError) as raised:
        require(FILES[0], asked)
    assert says in str(raised.value)
    assert repr(asked) in str(raised.value)


def test_a_path_from_the_root_is_written_as_from_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StudyError, match=r"named from here: results/mine/report\.html"):
        require(str(tmp_path / "results/mine/report.html"))
