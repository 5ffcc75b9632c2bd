"""A command that can't work: its config files, and targets that options take."""

from pathlib import Path

import pytest

from tuning_dynamics.run.command import check_command

STUDY = "study: x\nblocks: []\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with files to name."""
    monkeypatch.chdir(tmp_path)
    Path("config/studies").mkdir(parents=True)
    Path("config/config.yaml").write_text(STUDY)
    Path("config/studies/pythia.yaml").write_text(STUDY)
    Path("mine.yaml").write_text(STUDY)
    Path("mine.json").write_text('{\n\t"study": "x"}')
    Path("tab.yaml").write_text("study: x\nblocks:\n\t- family: y\n")
    Path("twice.yaml").write_text(f"{STUDY}blocks: []\n")
    Path("list.yaml").write_text("- study\n")
    Path("empty.yaml").write_text("")
    Path("latin.yaml").write_bytes("study: caf\xe9\n".encode("latin-1"))
    Path("open.yaml").write_text("blocks: [a\n")
    Path("results/x").mkdir(parents=True)
    Path("results/x/report.html").write_text("<html>")
    Path("results/x/config.yaml").write_text(STUDY)
    return tmp_path


@pytest.mark.parametrize(
    "command",
    [
        "",
        "-n -q",
        "--configfile mine.yaml",
        "--configfile mine.json",
        "--configfile mine.yaml config/config.yaml -n",
        "--configfile mine.yaml -- results/x/report.html",
        "results/x/report.html --configfiles mine.yaml",
        "--config seed=1 part=2/3 --configfile mine.yaml -n",
        "-C seed=1",
        "--configfile results/x/config.yaml",
    ],
)
def test_commands_that_work(command: str) -> None:
    check_command(command.split())


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("--configfile mnie.yaml", ["does not exist", "did you mean 'mine.yaml'?"]),
        ("--configfile pythia.yaml", ["did you mean 'config/studies/pythia.yaml'?"]),
        ("--configfile=studies/pythia.yml", ["does not exist", "config/studies/pythia.yaml"]),
        ("--configfile nowhere/at_all", ["does not exist", "config/config.yaml"]),
        ("--configfile config", ["is a folder"]),
        ("--configfile tab.yaml -q", ["line 3", "spaces: YAML takes no tabs"]),
        ("--configfile twice.yaml", ["'blocks' is given twice", "line 3"]),
        ("--configfile open.yaml", ["not valid YAML", "line 2"]),
        ("--configfile list.yaml", ["must hold keys and values"]),
        ("--configfile empty.yaml", ["must hold keys and values"]),
        ("--configfile latin.yaml", ["not UTF-8"]),
        (
            "--configfile mine.yaml results/x/report.html",
            ["has taken results/x/report.html", "--configfile mine.yaml -- results/x/report.html"],
        ),
        (
            "-n --configfile mine.yaml results/x/config.yaml",
            ["snakemake -n --configfile mine.yaml -- results/x/config.yaml"],
        ),
        ("--configfile mine.yaml plan", ["--configfile mine.yaml -- plan"]),
        (
            "--configfile mine.yaml --config seed=1 results/x/report.html -n",
            ["key:   --config\n", "--config seed=1 -n -- results/x/report.html"],
        ),
        ("-C seed=1 plan", ["-C seed=1 -- plan"]),
    ],
)
def test_commands_that_cannot_work(command: str, says: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        check_command(command.split())
    text = str(ended.value.code)
    for part in ("  file:", "  key:", "  value:", "  fix:", *says):
        assert part in text
