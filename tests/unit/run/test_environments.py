"""Environments: the tested versions everywhere, and in each all that its jobs import."""

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from repository import ROOT

from tuning_dynamics.common.paths import SCRIPTS
from tuning_dynamics.config.load import read_yaml

ENVS = {path.stem: path for path in (ROOT / "envs").glob("*.yaml")}
#: A package's name in requirements.txt, where conda's is another.
PYPI = {
    "pytorch": "torch",
    "huggingface_hub": "huggingface-hub",
    "pyyaml": "PyYAML",
    "snakemake-minimal": "snakemake",
}
#: A package's name in envs/, where what is imported is another.
CONDA = {
    "rouge_score": "rouge-score",
    "sklearn": "scikit-learn",
    "snakemake": "snakemake-minimal",
    "torch": "pytorch",
    "yaml": "pyyaml",
}
#: Packages of an environment that its jobs do not import themselves, and why.
FURTHER = {
    "data": {},
    "train": {
        "jinja2": "transformers fills chat templates with it",
        "peft": "recipes/trainable/lora.py tunes with it",
    },
    "evaluate": {"numpy": "transformers and peft import it"},
    "stats": {},
    "plan": {
        "pygments": "Snakemake's report shows code with it",
        "snakemake-executor-plugin-slurm": "Snakemake submits jobs with it",
    },
}
#: Rules that run nothing.
NO_JOBS = {"all"}
#: What stands for the rules that a loop makes, one for each set of cells.
IN_A_LOOP = "evaluate"


def pins(env: str) -> dict[str, str]:
    """Versions of an environment by conda's names, Python's included."""
    listed = read_yaml(ENVS[env])["dependencies"]
    assert all(re.fullmatch(r"[\w-]+=[\d.]+", pin) for pin in listed), listed
    return dict(pin.split("=") for pin in listed)


def versions() -> dict[str, str]:
    """Versions of requirements.txt."""
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    listed = [line for line in lines if not line.startswith("#")]
    assert all(re.fullmatch(r"[\w-]+==[\d.]+", line) for line in listed), listed
    return dict(line.split("==") for line in listed)


def rules() -> dict[str, str]:
    """The text of every rule of the workflow."""
    found: dict[str, str] = {}
    for path in [ROOT / "Snakefile", *(ROOT / "workflow/rules").glob("*.smk")]:
        parts = re.split(r"^ *(?:rule|checkpoint)( \w+)?:$", path.read_text("utf-8"), flags=re.M)
        names = [(name or IN_A_LOOP).strip() for name in parts[1::2]]
        assert not found.keys() & {*names}
        found |= dict(zip(names, parts[2::2], strict=True))
        for whole, name in re.findall(
            r"^use rule (\w+) as (\w+) with:$", path.read_text("utf-8"), re.M
        ):
            found[name] = found[whole]
    return found


def environment_of(rule: str, text: str) -> str:
    """The environment that a rule names."""
    named = re.findall(r'^ +conda:\n +"\.\./\.\./envs/(\w+)\.yaml"', text, re.M)
    assert len(named) == 1, f"rule {rule} names {named}"
    assert named[0] in ENVS, rule
    return str(named[0])


def stub_of(rule: str, text: str) -> str:
    """The stub that a rule runs."""
    named = re.findall(r'^ +script:\n +"\.\./scripts/(\w+\.py)"', text, re.M)
    assert len(named) == 1, f"rule {rule} runs {named}"
    return str(named[0])


def jobs() -> dict[str, tuple[str, str]]:
    """Environment and stub of every rule that has jobs."""
    return {
        rule: (environment_of(rule, text), stub_of(rule, text))
        for rule, text in rules().items()
        if rule not in NO_JOBS
    }


@cache
def named(path: Path) -> frozenset[str]:
    """What a module imports, lazily too, by full dotted names; of a recipe's kinds, which are read
    with a study, only what they import at once."""
    names: set[str] = set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body if "recipes" in path.parts else ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(names)


def foreign(path: Path) -> set[str]:
    """Packages that a module imports: not of Python, not of this project."""
    names = {name.split(".")[0] for name in named(path)}
    found = names - set(sys.stdlib_module_names) - {"tuning_dynamics"}
    return {CONDA.get(name, name) for name in found}


def kinds(path: Path) -> Iterator[Path]:
    """The modules that a module finds by the names of kinds."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", None) == "Modules":
            for package in (arg.value for arg in node.args if isinstance(arg, ast.Constant)):
                yield from SCRIPTS.joinpath(*str(package).split(".")).glob("*.py")


def behind(path: Path, seen: set[Path], *, all_kinds: bool) -> set[Path]:
    """A module and all of the project's that it imports."""
    if path not in seen:
        seen.add(path)
        for name in named(path):
            parts = name.split(".")
            places = [SCRIPTS.joinpath(*parts[:k]) for k in (-1, len(parts))]
            modules = [at.with_suffix(".py") for at in places]
            for file in (*modules, *(at / "__init__.py" for at in places)):
                if file.is_file():
                    behind(file, seen, all_kinds=all_kinds)
        for file in kinds(path) if all_kinds else ():
            behind(file, seen, all_kinds=all_kinds)
    return seen


def imported(*stubs: str, all_kinds: bool = True) -> set[str]:
    """Packages that stubs and all project modules behind them import, by conda's names."""
    files: set[Path] = set()
    for stub in stubs:
        behind(SCRIPTS / stub, files, all_kinds=all_kinds)
    return set().union(*map(foreign, files))


@pytest.mark.parametrize("env", ENVS)
def test_an_environment_pins_the_tested_versions(env: str) -> None:
    found = pins(env)
    assert found.pop("python") == "3.11"
    assert found
    tested = versions()
    assert {name: tested.get(PYPI.get(name, name)) for name in found} == found


def test_every_tested_package_is_in_an_environment() -> None:
    pinned = {PYPI.get(name, name) for env in ENVS for name in pins(env)}
    assert set(versions()) == pinned - {"python"}


def test_every_job_has_an_environment() -> None:
    assert set(rules()) >= {*NO_JOBS, IN_A_LOOP}
    assert {env for env, _ in jobs().values()} == set(ENVS) - {"plan"}
    assert {stub for _, stub in jobs().values()} == {path.name for path in SCRIPTS.glob("*.py")}


def test_the_page_lists_the_rules_of_each_environment() -> None:
    page = (ROOT / "docs/environments.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `envs/(\w+)\.yaml` \| ([\w, ]+) \|", page, re.M)
    stated = {env: sorted(names.split(", ")) for env, names in listed}
    found = {env: sorted(rule for rule, (own, _) in jobs().items() if own == env) for env in ENVS}
    assert stated == {env: names for env, names in found.items() if names}


@pytest.mark.parametrize("env", sorted(set(ENVS) - {"plan"}))
def test_an_environment_has_what_its_jobs_import_and_no_more(env: str) -> None:
    needed = {rule: imported(stub) for rule, (own, stub) in jobs().items() if own == env}
    held = set(pins(env)) - {"python"}
    assert {rule: names - held for rule, names in needed.items() if names - held} == {}
    assert held == set().union(*needed.values()) | set(FURTHER[env])


def test_the_driver_has_what_the_snakefile_imports() -> None:
    modules = re.findall(
        r"^from tuning_dynamics\.(\S+) import", (ROOT / "Snakefile").read_text("utf-8"), re.M
    )
    files = [f"tuning_dynamics/{module.replace('.', '/')}.py" for module in modules]
    assert files
    assert imported(*files, all_kinds=False) | set(FURTHER["plan"]) == set(pins("plan")) - {
        "python"
    }


def test_the_image_has_the_tested_versions() -> None:
    recipe = (ROOT / "envs/container/tuning-dynamics.def").read_text(encoding="utf-8")
    image = re.search(r"^From: python:([\d.]+)-slim", recipe, re.M)
    assert image is not None
    assert {pins(env)["python"] for env in ENVS} == {image[1]}
    # It installs requirements.txt, and nothing that is not in it.
    assert re.findall(r"^    (\S+) (/opt/\S+)$", recipe, re.M) == [
        ("requirements.txt", "/opt/requirements.txt")
    ]
    installed = re.findall(r"^    pip install (.*)$", recipe, re.M)
    assert [line.split()[-2:] for line in installed] == [["--requirement", "/opt/requirements.txt"]]
    assert all(word.startswith("--") for line in installed for word in line.split()[:-1])


def test_jobs_can_run_in_the_image() -> None:
    text = (ROOT / "workflow/rules/image.smk").read_text(encoding="utf-8")
    assert re.findall(r'^container: "(.*)"$', text, re.M) == ["envs/container/tuning-dynamics.sif"]
