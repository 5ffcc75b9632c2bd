"""Which package may import which: each only those above it in LAYERS, without cycles."""

import ast
from collections import defaultdict
from pathlib import Path

import pytest

from tuning_dynamics.identity.code_digest import code_parts

SCRIPTS = Path(__file__).parents[3] / "workflow" / "scripts"
PACKAGE = SCRIPTS / "tuning_dynamics"

#: A package imports packages of the rows above its own, and none of its own row but itself.
LAYERS = (
    ("common",),
    ("identity",),
    ("config", "tables"),
    ("data", "engine"),
    ("grid", "checkpoints", "recipes"),
    ("tune", "evaluate", "stats"),
    ("preflight",),
    ("findings",),
    ("report",),
    ("run",),
    ("plan",),
)
#: Packages that compute models don't depend on a study's settings or grid.
KNOWS_NO_STUDY = ("data", "engine", "checkpoints", "tune", "evaluate", "preflight")


def imports() -> dict[str, set[str]]:
    """The project's modules that each module imports, lazily too."""
    modules = {".".join(path.relative_to(SCRIPTS).with_suffix("").parts): path for path in files()}
    found: dict[str, set[str]] = defaultdict(set)
    for name, path in modules.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                targets = {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
                # A module's own package runs before it, and may gather what lies in it.
                packages = {one for one in targets if not name.startswith(f"{one}.")}
                inits = {f"{one}.__init__" for one in packages}
                found[name] |= (targets | inits) & set(modules)
    return found


def files() -> list[Path]:
    return [path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE]


def package(module: str) -> str:
    return module.split(".")[1]


def test_every_package_has_a_layer() -> None:
    assert {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()} == {
        name for layer in LAYERS for name in layer
    }


def test_no_arrow_points_up() -> None:
    level = {name: number for number, layer in enumerate(LAYERS) for name in layer}
    wrong = [
        f"{module} imports {target}"
        for module, targets in imports().items()
        for target in targets
        if package(module) != package(target) and level[package(module)] <= level[package(target)]
    ]
    assert wrong == []


def test_what_computes_models_knows_no_study() -> None:
    wrong = [
        f"{module} imports {target}"
        for module, targets in imports().items()
        if package(module) in KNOWS_NO_STUDY
        for target in targets
        if package(target) == "grid" or target.endswith((".config.study", ".config.load"))
    ]
    assert wrong == []


def test_no_modules_import_one_another() -> None:
    left = imports()
    while leaves := {name for name, targets in left.items() if not targets & set(left)}:
        left = {name: targets for name, targets in left.items() if name not in leaves}
    assert sorted(left) == []


@pytest.mark.parametrize(("stub", "most"), [("tune_variant", 28), ("evaluate_variant", 30)])
def test_few_modules_count_for_a_job_on_a_gpu(stub: str, most: int) -> None:
    files = {part.file for part in code_parts(stub) if "/" in part.file}
    assert len(files) <= most
    packages = {file.split("/")[0] for file in files}
    assert packages & {"grid", "run", "plan", "stats", "report", "findings"} == set()
    assert "config/study.py" not in files
