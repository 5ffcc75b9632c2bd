"""What an upgrade of the project makes stale in a finished study: exactly the jobs whose
numbers it may change. What is expected is written by hand."""

import ast
import re
import shutil
from collections import Counter
from pathlib import Path

import pytest
from repository import Repository

PACKAGE = Path("workflow/scripts/tuning_dynamics")

#: What follows from any cell's records.
FROM_CELLS = Counter(scores=1, summaries=1, cost=1, figures=1, findings=1, report=1)
#: What follows from the scores alone.
FROM_SCORES = FROM_CELLS - Counter(scores=1)
#: What follows from what the merged config says.
FROM_CONFIG = Counter(merged_config=1, datasets=1) + FROM_CELLS

#: Config models that the smoke study does not use, so that its merged config has no key of theirs.
ELSEWHERE = {
    *("plan/calibration.py: Calibration", "plan/calibration.py: Fit", "plan/calibration.py: Mean"),
    "config/device.py: Device",
    *("config/dataset.py: HubDataset", "config/dataset.py: Join"),
    *("config/dataset.py: Splits", "config/dataset.py: Threshold", "config/dataset.py: Clean"),
    *("config/dataset.py: Turn",),
    *("config/family.py: HubFamily", "config/family.py: LocalFamily"),
    "config/family.py: ModelSize",
    "config/statistics.py: DeclaredGroups",
    "config/recipe.py: RateSelection",
}


@pytest.fixture
def finished(copied: Repository) -> Repository:
    """A copy of the finished study to edit."""
    return copied


def of_package(repository: Repository, file: str, old: str, new: str) -> None:
    """Replace text of a module of the package, which must be there once."""
    repository.edit(str(PACKAGE / file), old, new)


def append(repository: Repository, file: str, text: str) -> None:
    """Append text to a file, which need not exist."""
    path = repository.folder / file
    before = path.read_text(encoding="utf-8") if path.is_file() else ""
    path.write_text(before + text, encoding="utf-8")


# --- what makes nothing stale --------------------------------------------------------------------


def test_words_make_nothing_stale(finished: Repository) -> None:
    for file, old, new in (
        # Docstrings of a module, a class and a function.
        ("tune/sampler.py", '"""Training examples of', '"""Examples of'),
        ("engine/loop.py", '"""A run over steps', '"""Training over steps'),
        ("data/prompts.py", '"""A target as the continuation', '"""A target as continuation'),
        # Comments, one of them within an expression.
        ("engine/loop.py", "# Dropout in a step depends", "# The dropout in a step depends"),
        (
            "recipes/trainable/lora.py",
            "# type: ignore[arg-type]  # any",
            "# type: ignore[arg-type]  # every",
        ),
        # Texts of errors: what is wrong, and what to do.
        ("engine/loop.py", "the loss or its gradient is not finite", "the loss is not finite"),
        ("evaluate/cell.py", "fix the row, or gold and options", "fix gold and options"),
        # What is printed.
        ("engine/loop.py", "tokens/s", "tokens a second"),
        ("evaluate/variant.py", "loaded in", "its model loaded in"),
        # Layout.
        (
            "tune/sampler.py",
            "return epochs * -(-examples",
            "return epochs * (\n        -(-examples",
        ),
        ("tune/sampler.py", "// batch_size)\n\n\nclass", "// batch_size)\n    )\n\n\n\nclass"),
    ):
        of_package(finished, file, old, new)
    assert finished.planned() == {}


def test_what_is_added_makes_nothing_stale_where_it_is_not_used(finished: Repository) -> None:
    for file, before, new in (
        # A class, a function and a constant, in modules that all kinds of jobs import.
        ("common/errors.py", "class StudyError(", "class Another(Exception):\n    pass\n\n\n"),
        (
            "engine/loop.py",
            "class Training:",
            "def another(step: int) -> int:\n    return step\n\n\n",
        ),
        ("common/variants.py", "def variant_key(", "ANOTHER = 3\n\n\n"),
        # A prediction method.
        ("evaluate/loglikelihood.py", '    "token_prob": _by', '    "by_sum": _by_likelihood,\n'),
        ("evaluate/request.py", '    "token_prob": False', '    "by_sum": False,\n'),
    ):
        of_package(finished, file, before, new + before)
    # A metric, and kinds of trainable parameters and of regularisers.
    for kinds, like in (
        ("stats/metrics", "accuracy"),
        ("recipes/trainable", "full"),
        ("recipes/regulariser", "none"),
    ):
        folder = finished.folder / PACKAGE / kinds
        shutil.copy(folder / f"{like}.py", folder / "another.py")
    for kind, like in (("devices", "a100"), ("recipes", "full"), ("tasks", "nli")):
        folder = finished.folder / "config" / kind
        shutil.copy(folder / f"{like}.yaml", folder / "another.yaml")
    finished.edit("config/devices/a100.yaml", "memory", "# of the larger kind\nmemory")
    add_key(finished, ELSEWHERE)
    assert finished.planned() == {}


def test_moved_modules_make_nothing_stale(finished: Repository) -> None:
    # Used by pre-training and tuning; by freezing and the choice of rates; by scores.
    move(finished, "engine/flops.py", "common/flops.py")
    move(finished, "data/sampling.py", "tune/picking.py")
    move(finished, "stats/base_pairs.py", "common/partners.py")
    assert finished.planned() == {}


def move(repository: Repository, old: str, new: str) -> None:
    """Move a module of the package, and rewrite all that imports it."""
    package = repository.folder / PACKAGE
    (package / old).rename(package / new)
    names = [f"tuning_dynamics.{file[:-3].replace('/', '.')} import" for file in (old, new)]
    users = [path for path in package.rglob("*.py") if names[0] in path.read_text()]
    assert users
    for path in users:
        path.write_text(path.read_text().replace(*names))


def test_other_versions_are_reported_and_make_nothing_stale(finished: Repository) -> None:
    finished.edit("envs/train.yaml", "  - transformers=5.23.0", "  - transformers=5.24.1")
    finished.edit("envs/stats.yaml", "  - docutils=0.22.4\n", "")
    text = finished.succeed("-n")
    assert "Nothing to be done" in text
    (message,) = re.findall(r".* ran with .*", text)
    assert message.startswith("10 jobs (encode, pretrain, tune) ran with transformers 5.23.0, and ")
    assert "now has 5.24.1: they are kept" in message


# --- what makes tables, figures and pages stale --------------------------------------------------


def test_a_new_key_makes_the_merged_config_stale_and_what_reads_it(finished: Repository) -> None:
    models = config_models(finished.folder / PACKAGE)
    assert len(models) > 40
    assert models > ELSEWHERE
    add_key(finished, models - ELSEWHERE)
    assert finished.planned() == FROM_CONFIG


def config_models(package: Path) -> set[str]:
    """All classes that come from Strict, each as `file: name`."""
    bases = {
        (str(path.relative_to(package)), node.name): [ast.unparse(base) for base in node.bases]
        for path in package.rglob("*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef)
    }
    found = {"Strict"}
    while more := {name for (_, name), own in bases.items() if found & {*own}} - found:
        found |= more
    return {f"{file}: {name}" for (file, name), own in bases.items() if found & {*own}}


def add_key(repository: Repository, models: set[str]) -> None:
    """Give config models another optional key."""
    for model in sorted(models):
        file, name = model.split(": ")
        of_package(
            repository,
            file,
            re.search(
                rf"^class {name}\(.*\n", (repository.folder / PACKAGE / file).read_text(), re.M
            )[0],
            f"class {name}(Strict):\n    another_key: int | None = None\n",
        )


def test_a_new_prompt_format_makes_the_merged_config_stale(finished: Repository) -> None:
    append(finished, "config/tasks/nli.yaml", '  short: "{a} / {b}"\n')
    assert finished.planned() == FROM_CONFIG


COUNTS = '''
"""Items by kind."""

from tuning_dynamics.tables.columns import Columns


class Row(Columns):
    """A row."""

    kind: str
    """kind"""
    n: int
    """items"""


def make(tables, asked):
    """The table."""
    del asked
    return tables["noise"][["kind", "n"]]
'''


def test_a_new_table_makes_the_summaries_stale(finished: Repository) -> None:
    append(finished, f"{PACKAGE}/stats/summaries/counts.py", COUNTS)
    assert finished.planned() == FROM_SCORES


def test_a_new_figure_makes_figures_and_pages_stale(finished: Repository) -> None:
    of_package(
        finished,
        "grid/figures.py",
        '    FigureKind("noise", CHECKS,',
        '    FigureKind("spread", CHECKS, "Spread", (), ("noise",), lambda asked: True),\n'
        '    FigureKind("noise", CHECKS,',
    )
    of_package(
        finished,
        "report/figures/draw.py",
        '    "noise": ',
        '    "spread": checks.noise,\n    "noise": ',
    )
    append(finished, "workflow/report/figure_spread.rst", "How scores differ.\n")
    assert finished.planned() == Counter(figures=1, cost=1, report=1)


def test_a_caption_and_the_style_of_pages_make_the_report_stale(finished: Repository) -> None:
    of_package(finished, "tables/declared/scores.py", '"""items"""', '"""evaluated items"""')
    append(finished, f"{PACKAGE}/report/page/style.css", "p { color: black }\n")
    assert finished.planned() == Counter(report=1)


def test_a_new_statistic_makes_the_summaries_stale(finished: Repository) -> None:
    append(
        finished,
        f"{PACKAGE}/stats/noise.py",
        "\n\ndef without_one(rows: pd.DataFrame) -> pd.DataFrame:\n    return rows[rows.n > 1]\n",
    )
    noise = "stats/summaries/noise.py"
    of_package(finished, noise, "import noise_rows", "import noise_rows, without_one")
    of_package(finished, noise, "return noise_rows(", "return without_one(noise_rows(")
    of_package(finished, noise, '["scores"])', '["scores"]))')
    assert finished.planned() == FROM_SCORES


# --- what makes a stage stale --------------------------------------------------------------------

#: The study has 3 checkpoints, 5 tuned models, 8 variants; 5 sets, 2 of which are encoded.
TUNED = Counter(tune=5, evaluate=5) + FROM_CELLS
ALL_MODELS = (
    Counter(pretrain=3, encode=2, tune=5, evaluate=8, checkpoints=1, datasets=1) + FROM_CELLS
)

#: An edit of code that computes, and the jobs whose numbers it may change.
STAGES = {
    # The first checkpoint's manifest says where the tokenizer lies.
    "loss": ("engine/padding_free.py", 'reduction="sum"', 'reduction="mean"', ALL_MODELS),
    "sampler": ("tune/sampler.py", "Random(seed)", "Random(str(seed))", TUNED),
    "set-up of adapters": (
        "recipes/trainable/lora.py",
        "lora_dropout=settings.dropout",
        "lora_dropout=0",
        Counter(tune=1, evaluate=1) + FROM_CELLS,
    ),
    "rendering of prompts": (
        "data/prompts.py",
        'return f" {target}"',
        'return f"  {target}"',
        Counter(encode=2, tune=5, evaluate=8) + FROM_CELLS,
    ),
    "demonstrations": (
        "data/prompts.py",
        'SEPARATOR = "\\n\\n"',
        'SEPARATOR = "\\n"',
        Counter(evaluate=8) + FROM_CELLS,
    ),
    # All variants but the one with an adapter are evaluated on a set of texts to write.
    "greedy decoding": (
        "evaluate/generate.py",
        'split("\\n")[0].strip()',
        'split("\\n")[0]',
        Counter(evaluate=7) + FROM_CELLS,
    ),
    # Of the base model at the last checkpoint, and of that with an adapter.
    "prediction method": (
        "evaluate/loglikelihood.py",
        "s / n for s, n",
        "s / (n + 1) for s, n",
        Counter(evaluate=2) + FROM_CELLS,
    ),
    "metric": ("stats/metrics/rouge_l.py", "max(scorer", "min(scorer", FROM_CELLS),
    "bootstrap": (
        "stats/bootstrap.py",
        "generator = np.random.default_rng(seed)",
        "generator = np.random.default_rng([seed])",
        FROM_CELLS,
    ),
    "intervals of summaries": ("stats/crossed.py", "_FLOOR = 0.8", "_FLOOR = 0.9", FROM_SCORES),
    "world": (
        "data/world/lexicon.py",
        "fair race",
        "race fair",
        Counter(corpus=1, freeze=5, overlaps=1) + ALL_MODELS,
    ),
}


@pytest.mark.parametrize("name", STAGES)
def test_code_that_computes_makes_its_stage_stale(finished: Repository, name: str) -> None:
    file, old, new, expected = STAGES[name]
    of_package(finished, file, old, new)
    assert finished.planned() == expected
