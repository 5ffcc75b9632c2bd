"""Which edits of code change what a job is made from: what it computes, and nothing else."""

import json
import shutil
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tuning_dynamics.identity import code_digest as study_code
from tuning_dynamics.identity.code_digest import (
    AROUND,
    SCRIPTS,
    Code,
    Part,
    code_changes,
    parts_from_json,
    parts_to_json,
    spec_words,
)
from tuning_dynamics.identity.code_tree import Found

#: A small project: a stub, a package, and every way in which one thing uses another.
FILES = {
    "make.py": '''
        """A stub."""

        import json

        from pack.work import work
        from pack.around import held

        with held(snakemake.log):
            work(json.loads(snakemake.params.spec), 3)
    ''',
    "pack/__init__.py": "",
    "pack/around.py": """
        from contextlib import contextmanager

        from pack import far


        @contextmanager
        def held(log):
            far.remember(log)
            yield
    """,
    "pack/far.py": """
        from pack.ways import WAY


        def remember(what):
            return [what, WAY]
    """,
    "pack/work.py": '''
        """Works."""

        import logging
        import warnings
        from math import floor as lower
        from pathlib import Path
        from typing import TYPE_CHECKING, Any

        import pack.ways as ways
        from pack import tools
        from pack.errors import StudyError, refused, require
        from pack.models import Recipe
        from pack.registry import KINDS, kind_of
        from pack.tools import Tool, twice

        if TYPE_CHECKING:
            from pack.typed import Typed

        logger = logging.getLogger(__name__)

        #: How many.
        LIMIT = 10
        UNUSED = 4


        def work(spec: dict[str, Any], number: int) -> "Typed":
            """Do it."""
            recipe = Recipe.model_validate(spec)
            print(f"works with {number} of {LIMIT}", flush=True)
            logger.info("begins %s", number)
            warnings.warn("slow", stacklevel=2)
            assert number > 0, "a number below one"
            if number > LIMIT:
                raise StudyError("too many", value=number, fix="give fewer")
            if number == 7:
                raise refused("seven", "take eight")
            if number == 8:
                raise _own("eight")
            require(number, "number")
            text = Path(__file__).with_name("words.txt").read_text()
            found: list[int] = [lower(number), twice(number), ways.WAY]
            tool = Tool(number)
            from pack.lazy import lazily

            kind = KINDS[kind_of(recipe)]
            return [text, found, tool.run(recipe.optim.epochs), lazily(), kind(recipe.steps())]


        def _own(what) -> StudyError:
            key = "words"
            return StudyError(what, key=key, fix="another")


        def unused():
            return tools.other(UNUSED)
    ''',
    "pack/errors.py": """
        class StudyError(Exception):
            def __init__(self, what, *, value=None, key=None, fix):
                self.what = what
                super().__init__(what)


        def refused(what: str, fix: str) -> StudyError:
            return StudyError(f"refused: {what}", fix=fix)


        def require(number, name):
            if number < 0:
                raise StudyError(f"{name} is negative", fix="none")
    """,
    "pack/tools.py": '''
        from dataclasses import dataclass

        FACTOR = 2


        def twice(value):
            return value * FACTOR


        def other(value):
            return value


        class Base:
            def begin(self):
                return 1


        @dataclass(frozen=True)
        class Tool(Base):
            """A tool."""

            size: int = 3

            def run(self, times):
                return self.size * times

            @property
            def idle(self):
                return 0
    ''',
    "pack/ways.py": """
        WAY = 5
        OTHER_WAY = 6

        REGISTERED = {}
        REGISTERED["a"] = WAY
    """,
    "pack/lazy.py": """
        def lazily(value=1):
            return [value for value in range(3) if value]
    """,
    "pack/typed.py": """
        class Typed:
            pass
    """,
    "pack/models.py": '''
        from typing import Annotated, Literal

        from pydantic import BaseModel, Field, model_validator

        from pack.defaults import EPOCHS


        class Strict(BaseModel):
            model_config = {"extra": "forbid"}

            @model_validator(mode="before")
            @classmethod
            def _known(cls, values):
                return values


        class Optim(Strict):
            """How."""

            lr: float
            epochs: int = EPOCHS
            warmup: float = 0.1

            def rate(self):
                return self.lr


        class Lora(Strict):
            r: int = 8


        class Recipe(Strict):
            optim: Optim
            train: Literal["full"] | Lora = "full"
            schedule: Annotated[str, Field(min_length=1)] = "linear"

            def steps(self):
                return self.train

            def unasked(self):
                return 4

            @model_validator(mode="after")
            def _fits(self):
                return self
    ''',
    "pack/defaults.py": "EPOCHS = 3\n",
    "pack/kinds.py": "Kinds = dict\n",
    "pack/registry.py": """
        from collections.abc import Callable

        from pack.kinds import Kinds
        from pack.make import full, lora, prefix

        KINDS: Kinds[str, Callable] = {
            "full": full,
            "lora": lora,
            "prefix": lambda steps: prefix(steps, 4),
        }


        def kind_of(recipe):
            return recipe.train if isinstance(recipe.train, str) else next(iter(recipe.train))
    """,
    "pack/make.py": """
        def full(steps):
            return steps


        def lora(steps):
            return steps + 1


        def prefix(steps, length):
            return steps + length
    """,
    "pack/words.txt": "some words\n",
}

WORDS = spec_words('{"optim": {"lr": 0.1}, "train": {"lora": {}}}')


def write(root: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip("\n"))
    return root


def parts(root: Path, words: frozenset[str] | None = WORDS) -> tuple[Part, ...]:
    return Code(root, frozenset({"pack.around"})).parts("make.py", words)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write(tmp_path, FILES)


def changes(root: Path, file: str, old: str, new: str) -> list[str]:
    """What an edit of the small project changes."""
    before, path = parts(root), root / file
    text = path.read_text()
    assert text.count(old) == 1, (file, old)
    path.write_text(text.replace(old, new))
    return code_changes(before, parts(root))


#: Edits that change what is computed: file, text, its replacement, the reported change.
COMPUTED = [
    ("make.py", "snakemake.params.spec), 3", "snakemake.params.spec), 4", "make.py: top level"),
    ("pack/work.py", "LIMIT = 10", "LIMIT = 11", "work.py: LIMIT"),
    ("pack/work.py", "number > LIMIT", "number >= LIMIT", "work.py: work"),
    ("pack/work.py", "assert number > 0", "assert number > 1", "work.py: work"),
    ("pack/work.py", "number == 8", "number == 9", "work.py: work"),
    ("pack/work.py", "from math import floor as lower", "from math import ceil as lower", "work"),
    ("pack/work.py", "import Tool, twice", "import Tool, other as twice", "work.py: work"),
    ("pack/work.py", "raise refused(", "return refused(", "work.py: work"),
    ("pack/work.py", 'require(number, "number")', 'require(number, "count")', "work.py: work"),
    ("pack/work.py", 'require(number, "number")', "require(number, s)", "work.py: work"),
    ("pack/work.py", 'with_name("words.txt")', 'with_name("other.txt")', "work.py: work"),
    ("pack/words.txt", "some words", "other words", "words.txt"),
    ("pack/errors.py", "if number < 0", "if number < 1", "errors.py: require"),
    ("pack/tools.py", "FACTOR = 2", "FACTOR = 3", "tools.py: FACTOR"),
    ("pack/tools.py", "value * FACTOR", "value / FACTOR", "tools.py: twice"),
    ("pack/tools.py", "size: int = 3", "size: int = 4", "tools.py: Tool"),
    ("pack/tools.py", "self.size * times", "self.size + times", "tools.py: Tool.run"),
    ("pack/tools.py", "return 0", "return 1", "tools.py: Tool.idle"),
    ("pack/tools.py", "return 1", "return 2", "tools.py: Base.begin"),
    ("pack/tools.py", "frozen=True", "frozen=False", "tools.py: Tool"),
    ("pack/tools.py", "class Tool(Base)", "class Tool", "tools.py: Tool"),
    ("pack/tools.py", "    @property\n", "", "tools.py: Tool.idle"),
    ("pack/ways.py", "WAY = 5", "WAY = 7", "ways.py: WAY"),
    ("pack/ways.py", '["a"] = WAY', '["b"] = WAY', "ways.py: top level"),
    ("pack/lazy.py", "value=1", "value=2", "lazy.py: lazily"),
    ("pack/lazy.py", "range(3) if value", "range(3)", "lazy.py: lazily"),
    (
        "pack/models.py",
        "epochs: int = EPOCHS",
        "epochs: int = 4",
        "models.py: Optim.epochs default",
    ),
    ("pack/models.py", '= "linear"', '= "cosine"', ""),  # nothing reads it
    ("pack/models.py", "return self.train", "return 1", "models.py: Recipe.steps"),
    ("pack/models.py", '"forbid"', '"allow"', "models.py: Strict.model_config default"),
    ("pack/defaults.py", "EPOCHS = 3", "EPOCHS = 4", "defaults.py: EPOCHS"),
    ("pack/registry.py", '"lora": lora', '"lora": full', "registry.py: KINDS[lora]"),
    ("pack/make.py", "steps + 1", "steps + 2", "make.py: lora"),
    ("pack/make.py", "return steps\n", "return -steps\n", "make.py: full"),  # a default's kind
]


@pytest.mark.parametrize(("file", "old", "new", "reported"), COMPUTED)
def test_what_computes_counts(root: Path, file: str, old: str, new: str, reported: str) -> None:
    found = changes(root, file, old, new)
    assert bool(found) == bool(reported)
    assert any(reported in text for text in found) == bool(reported), found


#: Edits that change nothing of it.
NOT_COMPUTED = [
    ("make.py", '"""A stub."""', '"""Another."""'),
    ("pack/work.py", '"""Works."""', "# Works.\n"),
    ("pack/work.py", "#: How many.", "#: How few."),
    ("pack/work.py", "UNUSED = 4", "UNUSED = 5"),
    ("pack/work.py", "works with {number} of", "has {number}, at most"),
    ("pack/work.py", "of {LIMIT}", "of {len(spec)}"),
    ("pack/work.py", '    logger.info("begins %s", number)\n', ""),
    ("pack/work.py", '"slow"', '"very slow"'),
    ("pack/work.py", '"a number below one"', 'f"{number} is below one"'),
    ("pack/work.py", '"too many"', '"too many of them"'),
    ("pack/work.py", '"give fewer"', 'f"give fewer"'),
    ("pack/work.py", '"take eight"', '"take nine"'),
    ("pack/work.py", '_own("eight")', '_own("it is eight")'),
    ("pack/work.py", 'key = "words"', 'key = "other words"'),
    ("pack/work.py", 'number: int) -> "Typed"', "number: float) -> None"),
    ("pack/work.py", "found: list[int] =", "found ="),
    ("pack/work.py", "from pack.typed import Typed", "from pack.typed import Other as Typed"),
    ("pack/work.py", "return tools.other(UNUSED)", "return tools.twice(UNUSED)"),
    ("pack/work.py", "    tool = Tool(number)\n", "    tool = (Tool(\n        number))\n"),
    ("pack/errors.py", 'f"refused: {what}"', 'f"no: {what}"'),
    ("pack/errors.py", "is negative", "is below zero"),
    ("pack/around.py", "far.remember(log)", "far.remember([log])"),
    ("pack/far.py", "[what, WAY]", "[WAY, what]"),
    ("pack/tools.py", '"""A tool."""', '"""A good tool."""'),
    ("pack/tools.py", "def other(value):\n    return value", "def other(value):\n    return 1"),
    ("pack/typed.py", "pass", "size = 3"),
    ("pack/ways.py", "OTHER_WAY = 6", "OTHER_WAY = 7"),
    ("pack/models.py", "lr: float", "lr: int"),
    ("pack/models.py", "warmup: float = 0.1", "warmup: float = 0.2"),  # nothing reads it
    ("pack/models.py", "lr: float", "lr: float\n    decay: float = 0.0"),
    ("pack/models.py", "r: int = 8", "r: int = 8\n    epochs: int = 8"),
    ("pack/models.py", "return self.lr", "return 2 * self.lr"),
    ("pack/models.py", "return 4", "return 5"),
    ("pack/models.py", "return values", "return dict(values)"),
    ("pack/models.py", "_fits(self):\n        return self", "_fits(self):\n        assert self"),
    ("pack/models.py", '["full"] | Lora', '["full", "none"] | Lora'),
    ("pack/models.py", "min_length=1", "min_length=2"),
    ("pack/registry.py", "prefix(steps, 4)", "prefix(steps, 5)"),
    ("pack/registry.py", '    "full": full,\n', '    "full": full,\n    "none": prefix,\n'),
    ("pack/make.py", "steps + length", "steps - length"),
]


@pytest.mark.parametrize(("file", "old", "new"), NOT_COMPUTED)
def test_what_computes_nothing_does_not_count(root: Path, file: str, old: str, new: str) -> None:
    assert changes(root, file, old, new) == []


def test_a_new_optional_key_of_a_model_of_its_own_does_not_count(root: Path) -> None:
    new = "class Noise(Strict):\n    share: float = 0.1\n\n\nclass Recipe(Strict):\n"
    key = "    noise: Noise | None = None\n    optim: Optim"
    before, path = parts(root), root / "pack/models.py"
    text = path.read_text().replace("class Recipe(Strict):\n", new)
    path.write_text(text.replace("    optim: Optim", key))
    assert parts(root) == before


def test_moved_and_renamed_modules_are_the_same_code(root: Path) -> None:
    before = parts(root)
    digest = Code(root, frozenset({"pack.around"})).digest("make.py", WORDS)
    (root / "pack/inner").mkdir()
    (root / "pack/inner/__init__.py").touch()
    (root / "pack/tools.py").rename(root / "pack/inner/things.py")
    work = root / "pack/work.py"
    moved = work.read_text().replace("from pack import tools", "from pack.inner import things")
    moved = moved.replace("from pack.tools import", "from pack.inner.things import")
    work.write_text(moved.replace("tools.other", "things.other"))
    now = parts(root)
    assert code_changes(before, now) == []
    assert Code(root, frozenset({"pack.around"})).digest("make.py", WORDS) == digest
    assert {part.file for part in now} - {part.file for part in before} == {"inner/things.py"}


def test_what_a_name_stands_for_counts_though_import_lines_do_not(tmp_path: Path) -> None:
    # Both functions are reached before and after; only which `other` calls is another.
    stub = """
        from pack.first import step
        from pack.second import other
        from pack.third import step as third

        print(step(), third(), other())
    """
    files = {
        "make.py": stub,
        "pack/__init__.py": "",
        "pack/first.py": "def step():\n    return 1\n",
        "pack/second.py": "from pack.third import step\n\n\ndef other():\n    return step()\n",
        "pack/third.py": "def step():\n    return 2\n",
    }
    write(tmp_path, files)
    assert changes(tmp_path, "pack/second.py", "pack.third", "pack.first") == ["second.py: other"]


def test_a_module_used_as_a_value_is_whole(root: Path) -> None:
    path = root / "pack/work.py"
    path.write_text(path.read_text().replace("ways.WAY]", "vars(ways)]"))
    assert changes(root, "pack/ways.py", "OTHER_WAY = 6", "OTHER_WAY = 7")


def test_all_defaults_count_where_fields_are_read_without_their_names(root: Path) -> None:
    path = root / "pack/work.py"
    text = path.read_text()
    path.write_text(text.replace("recipe.steps()", "recipe.model_dump(exclude_defaults=True)"))
    assert not changes(root, "pack/models.py", "warmup: float = 0.1", "warmup: float = 0.2")
    path.write_text(text.replace("recipe.steps()", "recipe.model_dump()"))
    assert changes(root, "pack/models.py", "warmup: float = 0.2", "warmup: float = 0.3")
    path.write_text(text.replace("recipe.steps()", "getattr(recipe, spec)"))
    assert changes(root, "pack/models.py", "warmup: float = 0.3", "warmup: float = 0.4")
    path.write_text(text.replace("recipe.steps()", 'getattr(recipe.optim, "lr")'))
    assert not changes(root, "pack/models.py", "warmup: float = 0.4", "warmup: float = 0.5")
    path.write_text(text.replace("recipe.steps()", "recipe == Recipe(optim=spec)"))
    assert changes(root, "pack/models.py", "warmup: float = 0.5", "warmup: float = 0.6")


def test_a_decorator_that_registers_makes_a_function_part_of_its_module(tmp_path: Path) -> None:
    files = {
        "make.py": "from pack.all import run\n\nrun()\n",
        "pack/__init__.py": "",
        "pack/all.py": """
            from functools import cache

            KNOWN = {}


            def known(function):
                KNOWN[function.__name__] = function
                return function


            @known
            def first():
                return 1


            @cache
            def second():
                return 2


            def run():
                return [one() for one in KNOWN.values()]
        """,
    }
    write(tmp_path, files)
    assert changes(tmp_path, "pack/all.py", "return 1", "return 3") == ["all.py: first"]
    assert changes(tmp_path, "pack/all.py", "return 2", "return 4") == []


def test_a_message_may_have_effects(tmp_path: Path) -> None:
    files = {
        "make.py": 'from pack.all import run\n\nprint(f"made {run(3)} of them: {len([])}")\n',
        "pack/__init__.py": "",
        "pack/all.py": "def run(number):\n    return number\n",
    }
    write(tmp_path, files)
    assert changes(tmp_path, "pack/all.py", "return number", "return -number")
    assert changes(tmp_path, "make.py", "run(3)", "run(4)")
    assert changes(tmp_path, "make.py", "of them: {len([])}", "{max([])}") == []


@pytest.mark.parametrize(
    ("line", "reached"),
    [
        ("import pack.all\npack.all.run()", True),
        ("import pack.all as all_\nall_.run()", True),
        ("from pack import all\nall.run()", True),
        ("from pack.all import *\nrun()", True),
        ("from pack.all import run as go\nmap(go, [])", True),
        ("from pack import again\nagain()", True),  # which the package imports
        ("import pack\nprint(pack)", False),
        ("import pack\nlist(pack)", True),
        ("def f(run):\n    return run()\n\n\nimport pack.all\nf(1)", False),
        (
            "import pack.all\n\n\ndef f():\n    [run for run in []]\n    return run()\n\n\nf()",
            False,
        ),
        (
            "from pack.all import run\n\n\ndef f():\n    [run for run in []]\n    run()\n\n\nf()",
            True,
        ),
        ("from importlib import import_module\nimport_module('pack.all')", True),
        ("import os\nos.system('pack.all.run')", True),
        (
            "from pack.all import run\nclass A:\n    run = 1\n    def f(self):\n        run()\nA()",
            True,
        ),
        ("try:\n    from pack.all import run\nexcept ImportError:\n    run = None\nrun()", True),
    ],
)
def test_names_are_followed(tmp_path: Path, line: str, reached: bool) -> None:
    write(
        tmp_path,
        {
            "make.py": line + "\n",
            "pack/__init__.py": "from pack.all import run as again\n",
            "pack/all.py": "def run():\n    return 1\n\n\ndef other():\n    return 2\n",
        },
    )
    assert ("run" in {part.name for part in parts(tmp_path)}) == reached


def test_a_function_of_the_project_named_like_one_that_prints_counts(tmp_path: Path) -> None:
    files = {
        "make.py": 'from pack.all import warn\n\nwarn("one")\n',
        "pack/__init__.py": "",
        "pack/all.py": "def warn(text):\n    return open(text)\n",
    }
    write(tmp_path, files)
    assert changes(tmp_path, "make.py", "one", "two")
    assert changes(tmp_path, "pack/all.py", "open(text)", "text")


def test_what_is_around_a_job_counts_where_others_use_it(root: Path) -> None:
    assert changes(root, "pack/around.py", "far.remember(log)", "far.remember(1)") == []
    path = root / "pack/work.py"
    path.write_text(path.read_text() + "\n\nfrom pack.around import held\n\nheld(LIMIT)\n")
    assert changes(root, "pack/around.py", "far.remember(1)", "far.remember(2)")


def test_files_of_a_folder_that_is_named_count(root: Path) -> None:
    write(root, {"pack/texts/one.txt": "one", "pack/texts/two.txt": "two"})
    path = root / "pack/work.py"
    path.write_text(path.read_text().replace('"words.txt"', '"texts"'))
    assert changes(root, "pack/texts/two.txt", "two", "three") == ["texts/two.txt: texts/two.txt"]


def test_relative_imports_are_followed(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "make.py": "from pack.inner.one import run\n\nrun()\n",
            "pack/__init__.py": "",
            "pack/two.py": "def two():\n    return 2\n",
            "pack/inner/__init__.py": "def three():\n    return 3\n",
            "pack/inner/one.py": """
                from . import three
                from ..two import two


                def run():
                    return two() + three()
            """,
        },
    )
    assert {"run", "two", "three"} <= {part.name for part in parts(tmp_path)}


def test_modules_are_those_that_a_job_may_import(root: Path) -> None:
    found = Code(root).modules("make.py")
    assert set(found) == {
        "pack",
        *(f"pack.{name}" for name in ("around", "far", "work", "errors", "tools", "ways", "lazy")),
        *(f"pack.{name}" for name in ("models", "defaults", "kinds", "registry", "make")),
    }


def test_all_kinds_are_reached_where_no_words_are_given(root: Path) -> None:
    names = {part.name for part in parts(root, None)}
    assert {"KINDS[full]", "KINDS[lora]", "KINDS[prefix]", "prefix"} <= names
    # The default of the key is a word too: a spec leaves it out.
    assert "full" in {part.name for part in parts(root, frozenset())}
    assert {"lora", "prefix"} & {part.name for part in parts(root, frozenset())} == set()


def test_words_are_keys_and_texts_also_of_json_within() -> None:
    spec = json.dumps({"train": {"lora": {"r": 8}}, "spec": '{"reg": ["l2"]}', "text": "{a} b"})
    assert spec_words(spec) >= {"train", "lora", "r", "spec", "reg", "l2", "text", "{a} b"}


def test_parts_of_which_a_default_only_comes_or_goes_are_the_same() -> None:
    old = [Part("f", "a.py", "1"), Part("A.x default", "a.py", "2", True)]
    new = [*old, Part("B.y default", "a.py", "3", True)]
    assert code_changes(old, new) == code_changes(new, old) == []
    other = [old[0], Part("A.x default", "a.py", "4", True)]
    assert code_changes(old, other) == ["a.py: A.x default"]
    base = [old[0], Part("Base.x default", "b.py", "4", True)]
    assert code_changes(old, base) == ["b.py: Base.x default"]  # moved, and another
    assert code_changes(old, [Part("f", "b.py", "1"), old[1]]) == []
    assert code_changes(old, old[1:]) == ["a.py: f"]
    assert code_changes([*old, old[0]], old) == ["a.py: f"]
    assert parts_from_json(json.loads(json.dumps(parts_to_json(old)))) == old


def test_what_was_read_is_known_to_later_processes(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, kept = Code(root), root / "kept.json"
    before = first.parts("make.py")
    first.remember(kept)
    text = kept.read_text()
    later = Code(root)
    later.recall(root / "none.json")
    later.recall(kept)
    with monkeypatch.context() as patched:
        patched.delattr(study_code.Tree, "_read_source")  # nothing is read again
        assert later.parts("make.py") == before
    for damaged in ("", "{", text[:-9], text.replace("lora", "lore"), "\x00" + text):
        kept.write_text(damaged)
        other = Code(root)
        other.recall(kept)
        assert not other.tree.kept
        assert other.parts("make.py") == before


# --- the project itself ----------------------------------------------------------------------

#: Stubs that compute for long, by what they make.
FREEZE, ENCODE = "data_freeze.py", "data_encode.py"
CORPUS, PRETRAIN, VERIFY = (
    "checkpoints_corpus.py",
    "checkpoints_pretrain.py",
    "checkpoints_verify.py",
)
TRY, TUNE, EVALUATE = "tune_try_rate.py", "tune_variant.py", "evaluate_variant.py"
STUBS = (FREEZE, ENCODE, CORPUS, PRETRAIN, VERIFY, TRY, TUNE, EVALUATE)
TRAINING = {PRETRAIN, TRY, TUNE}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project's code, to edit."""
    copy = tmp_path_factory.mktemp("project") / "scripts"
    return shutil.copytree(SCRIPTS, copy, ignore=shutil.ignore_patterns("__pycache__"))


@pytest.fixture(scope="module")
def whole(project: Path) -> Code:
    """The code of the project as it is."""
    code = Code(project, AROUND)
    for path in project.glob("*.py"):
        code.parts(path.name)
    return code


def changed(project: Path, whole: Code, words: frozenset[str] | None = None) -> set[str]:
    """The stubs whose code differs from the project's."""
    now = later(project, whole)
    found = set()
    for stub in STUBS:
        reported = code_changes(whole.parts(stub, words), now.parts(stub, words))
        assert not reported or whole.digest(stub, words) != now.digest(stub, words)
        found |= {stub} if reported else set()
    return found


def later(project: Path, whole: Code) -> Code:
    """The code as it is now; unchanged parts are not read again."""
    now = Code(project, AROUND)
    now.tree.kept.update(whole.tree.used())
    return now


@contextmanager
def edited(project: Path, **edits: Callable[[str], str]) -> Iterator[None]:
    """Edit modules in the block, by dotted names with __ for dots."""
    paths = {
        project / "tuning_dynamics" / f"{name.replace('__', '/')}.py": edits[name] for name in edits
    }
    before = {path: path.read_text() for path in paths}
    try:
        for path, edit in paths.items():
            path.write_text(edit(before[path]))
        yield
    finally:
        for path, text in before.items():
            path.write_text(text)


def replaced(old: str, new: str) -> Callable[[str], str]:
    def edit(text: str) -> str:
        assert text.count(old) == 1, old
        return text.replace(old, new)

    return edit


#: Edits, and the stubs whose code each changes.
EDITS = {
    "loss": ("engine__padding_free", 'reduction="sum"', 'reduction="mean"', TRAINING),
    "schedule": ("engine__loop", "self.peak * (1 - done)", "self.peak * done", TRAINING),
    "registration": ("engine__padding_free", "AttentionInterface.register(", "register(", TRAINING),
    "order of rows": ("tune__sampler", "Random(seed)", "Random(str(seed))", {TRY, TUNE}),
    "adapter": ("recipes__trainable__lora", "r=settings.r", "r=2 * settings.r", {TRY, TUNE}),
    "recipe": ("config__recipe", "epochs: PositiveInt = 3", "epochs: PositiveInt = 4", {TRY, TUNE}),
    "scratch": ("engine__loop", '"scratch", *folder', '"state", *folder', TRAINING),
    "other paths": ("common__paths", "items.parquet", "frozen.parquet", set()),
    "new path": (
        "common__paths",
        "    def table(",
        "    def odd(self):\n        1\n\n    def table(",
        set(),
    ),
    "architecture": ("checkpoints__pretrain", "embeddings=True", "embeddings=False", {PRETRAIN}),
    "packing": ("checkpoints__pretrain", "run.seed, epoch", "run.seed + epoch", {PRETRAIN}),
    "loading": (
        "checkpoints__load",
        "model.eval()",
        "model.train()",
        {VERIFY, TRY, TUNE, EVALUATE},
    ),
    "text loss": ("checkpoints__manifest", "total / counted", "total", {PRETRAIN, VERIFY}),
    "demonstrations": ("data__prompts", 'SEPARATOR = "\\n\\n"', 'SEPARATOR = "\\n"', {EVALUATE}),
    "completion": ("data__prompts", 'f" {target}"', "target", {ENCODE, EVALUATE}),
    "likelihood": ("evaluate__loglikelihood", "s / n for", "s * n for", {EVALUATE}),
    "labels": ("evaluate__cell", "max(scores)", "min(scores)", {EVALUATE}),
    "cut fields": ("data__truncation", "max(", "min(", {ENCODE, EVALUATE}),
    "mini world": ("data__world__lexicon", "fair race", "race fair", {FREEZE, CORPUS}),
    "subsets": ("data__sampling", "def smallest(keys", "def smallest(key", {FREEZE, TRY}),
    "error text": ("engine__loop", "the loss or its gradient is not", "the loss isn't", set()),
    "fix": ("checkpoints__load", "check the path", "look at it", set()),
    "condition": ("engine__loop", "not math.isfinite(loss) or", "loss < 0 or", TRAINING),
    "printed": ("engine__loop", "tokens/s", "tokens per second", set()),
    "docstring": ("engine__loop", "A run over steps", "Run over steps", set()),
    "comment": ("engine__loop", "# Dropout in a step", "# The dropout", set()),
    "records": ("identity__current", "class Current:", "class Currents:", set()),
    "statistics": ("config__statistics", "= 3000", "= 4000", set()),
    "budget": ("config__execution", '= "a100"', '= "h100"', set()),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_makes_stale_what_it_changes(project: Path, whole: Code, name: str) -> None:
    module, old, new, stubs = EDITS[name]
    with edited(project, **{module: replaced(old, new)}):
        assert changed(project, whole) == stubs


def test_an_edited_metric_is_computed_without_a_model(project: Path, whole: Code) -> None:
    scores = "stats_scores.py"
    words = spec_words('["rouge_l"]')
    with edited(project, stats__metrics__rouge_l=replaced("words(text)", "words(text[1:])")):
        assert changed(project, whole) == set()
        reported = code_changes(
            whole.parts(scores, words), later(project, whole).parts(scores, words)
        )
        assert reported == ["stats/metrics/rouge_l.py: Words.tokenize"]


def config_models(whole: Code) -> dict[str, list[str]]:
    """The names of all config models, by module."""
    found: dict[str, list[str]] = {}
    for module in whole.tree.files:
        for name in whole.tree.module(module).classes:
            if whole.tree.is_model(Found(module, name)):
                found.setdefault(module, []).append(name)
    return found


def test_no_new_optional_key_of_any_model_changes_any_code(project: Path, whole: Code) -> None:
    models = config_models(whole)
    assert sum(map(len, models.values())) > 40

    def with_keys(names: list[str]) -> Callable[[str], str]:
        def edit(text: str) -> str:
            for name in names:
                start = text.index(f"class {name}(")
                place = text.index("\n", start) + 1
                key = "    new_key: int | None = 7\n"
                text = text[:place] + key + text[place:]
            return text

        return edit

    edits = {
        module.removeprefix("tuning_dynamics.").replace(".", "__"): with_keys(names)
        for module, names in models.items()
    }
    with edited(project, **edits):
        now = later(project, whole)
        for stub in {*STUBS} - {FREEZE}:
            assert now.digest(stub) == whole.digest(stub), stub
        # Some jobs read all fields by no name; a new one changes nothing of them either.
        for path in SCRIPTS.glob("*.py"):
            assert code_changes(whole.parts(path.name), now.parts(path.name)) == [], path.name


def test_a_new_kind_of_recipe_changes_no_job_of_another(project: Path, whole: Code) -> None:
    kinds = project / "tuning_dynamics" / "recipes" / "trainable"
    new = kinds / "prefix.py"
    new.write_text((kinds / "full.py").read_text().replace("return model", "return 2 * model"))
    try:
        for words in (frozenset[str](), frozenset({"lora"})):
            assert changed(project, whole, words) == set()
        assert changed(project, whole, frozenset({"prefix"})) == {TRY, TUNE}
    finally:
        new.unlink()
    lora = "recipes__trainable__lora"
    with edited(project, **{lora: replaced("r=settings.r", "r=settings.r + 1")}):
        assert changed(project, whole, frozenset()) == set()
        assert changed(project, whole, frozenset({"lora"})) == {TRY, TUNE}


def test_what_a_kind_costs_changes_nothing_that_it_trains(project: Path, whole: Code) -> None:
    with edited(project, recipes__trainable__lora=replaced("23.0 *", "24.0 *")):
        assert changed(project, whole, frozenset({"lora"})) == set()


def test_a_prediction_method_counts_where_it_is_used(project: Path, whole: Code) -> None:
    others = spec_words('{"prediction": "token_prob", "truncation": "refuse"}')
    own = spec_words('{"prediction": "likelihood_per_char", "truncation": "refuse"}')
    with edited(project, evaluate__loglikelihood=replaced("s / n for", "s * n for")):
        assert changed(project, whole, others) == set()
        assert changed(project, whole, own) == {EVALUATE}


def test_a_moved_module_changes_no_code(project: Path, whole: Code) -> None:
    package = project / "tuning_dynamics"
    moved = package / "data" / "cutting.py"
    users = [path for path in project.rglob("*.py") if "data.truncation import" in path.read_text()]
    assert users
    before = {path: path.read_text() for path in users}
    (package / "data" / "truncation.py").rename(moved)
    for path, text in before.items():
        path.write_text(
            text.replace(
                "tuning_dynamics.data.truncation import", "tuning_dynamics.data.cutting import"
            )
        )
    assert changed(project, whole) == set()
    moved.rename(package / "data" / "truncation.py")
    for path, text in before.items():
        path.write_text(text)


def test_data_next_to_the_code_counts(project: Path, whole: Code) -> None:
    path = project / "tuning_dynamics/checkpoints/fixed_text.txt"
    text = path.read_text()
    path.write_text(text.replace("the", "a", 1))
    assert changed(project, whole) == {VERIFY}
    path.write_text(text)


def test_digests_of_many_jobs_are_made_fast() -> None:
    began = time.process_time()
    for number in range(10_000):
        study_code.code_digest(TUNE, spec_words(f'{{"recipe": {{"seed": "{number}", "lora": 1}}}}'))
    assert time.process_time() - began < 2
