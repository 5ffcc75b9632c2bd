"""One case per reader: examples, and what must hold of each."""

import json
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from published import paper_rows, write_rows

from fuzzing import strict
from fuzzing.mutations import MUTATIONS, OF_BYTES, mutated
from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.config.dataset import Dataset, Task
from tuning_dynamics.config.family import Family
from tuning_dynamics.config.load import parse, read_yaml
from tuning_dynamics.config.recipe import Recipe
from tuning_dynamics.config.study import Study
from tuning_dynamics.data.dedup import Screen
from tuning_dynamics.data.items import Item, read_in_batches, read_items, write_items
from tuning_dynamics.data.sources import read_rows, read_split
from tuning_dynamics.grid.peft_table import ACCURACY_SET, ITEMS, TEXT_SET
from tuning_dynamics.grid.peft_table import COLUMNS as METHOD_COLUMNS
from tuning_dynamics.grid.published_table import read_layout
from tuning_dynamics.grid.pythia_table import COLUMNS
from tuning_dynamics.stats.records import read_records

ROOT = Path(__file__).resolve().parents[2]

#: An error is read on a screen.
LINES, CHARACTERS = 40, 4000

#: Bytes of a short config file.
SHORT = 700


@dataclass(frozen=True)
class Case:
    """A reader: its examples, and `check`, which reads one in a folder and gives the outcome."""

    examples: st.SearchStrategy[Any]
    check: Callable[[Any, Path], str]


def run(name: str, examples: int, number: int) -> dict[str, int]:
    """Outcomes of a case's examples, drawn from a seed; an error for one that must not be."""
    outcomes: Counter[str] = Counter()
    case = CASES[name]

    with TemporaryDirectory(prefix="fuzzing") as folder:

        @seed(number)
        @settings(
            max_examples=examples,
            database=None,
            deadline=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        )
        @given(case.examples)
        def check(example: Any) -> None:
            outcomes[case.check(example, Path(folder))] += 1

        check()
    return dict(sorted(outcomes.items()))


def compared(ours: Callable[[], Any], theirs: Callable[[], Any], *, same: bool = True) -> str:
    """The outcome of a reading next to a strict one: never what that does not give, never an error
    that is not for people. `same`: whether both must give the same."""
    try:
        expected = theirs()
    except (ValueError, OverflowError):
        expected = None
    refusal, found = None, None
    try:
        found = ours()
    except StudyError as error:
        refusal = error
    if refusal is not None:
        _require_words(refusal)
        return "refused" if expected is None else "refused, more strictly"
    assert expected is not None, f"read, though it says nothing: {found!r:.500}"
    if same:
        assert exact(found) == exact(expected)
    else:
        assert strict.says(expected, found), (expected, found)
    return "read"


def _require_words(error: StudyError) -> None:
    """An error is for people: on one screen, with file and fix, and a terminal can show it."""
    text = str(error)
    assert len(text.splitlines()) <= LINES, text
    assert len(text) <= CHARACTERS, text[:2000]
    assert text.encode("utf-8").isascii() or "\x1b" not in text
    assert error.fix
    assert error.file


def exact(value: Any) -> str:
    """A value with its types: 1, 1.0, True and "1" differ."""
    return repr(value)


# --- values and files ---------------------------------------------------------------------------

NAN = float("nan")
VALUES: tuple[Any, ...] = (
    *("It rains .", "It is wet .", " padded ", "two\nlines", "", " ", "\u200b", "\x00", "None"),
    *("0", "1", "-1", "true", "True", "no", "yes", "nan", "=1+1", "-0.5", "\ud800", "é", "e\u0301"),
    *(0, 1, -1, 2, True, False, None, 0.0, 1.0, -0.0, 0.5, -1.0, 10**400, 2**63),
    *(NAN, float("inf"), [], {}, [None], ["a"], ["a", None], ["a", 1], [["a"]], ["", "b"]),
    *({"text": "x"}, [{"text": "a"}, {"text": "b"}], "2024-01-01", "a" * 300, "{a}", "{0}"),
)
NAMES = ("a", "b", "g", "id", "a ", "", "c.d", "n")

values = st.sampled_from(VALUES) | st.text(max_size=4)
rows = st.lists(st.dictionaries(st.sampled_from(NAMES), values, max_size=4), max_size=3)


def _dumped(row: dict[str, Any]) -> str:
    # Python's writer writes NaN and Infinity, as many do.
    return json.dumps(row, ensure_ascii=bool(len(row) % 2)) + "\n"


def _jsonl(example: Any, folder: Path) -> str:
    made, mutations = example
    data = "".join(map(_dumped, made)).encode("utf-8", "surrogatepass")
    return _rows(folder / "rows.jsonl", mutated(data, mutations), strict.jsonl)


def _csv(example: Any, folder: Path) -> str:
    lines, mutations = example
    data = "".join(",".join(cells) + "\n" for cells in [["a", "b", "g"], *lines])
    return _rows(
        folder / "rows.csv",
        mutated(data.encode("utf-8", "surrogatepass"), mutations),
        strict.csv_rows,
    )


def _rows(path: Path, data: bytes, reading: Callable[[bytes], Any]) -> str:
    path.write_bytes(data)
    return compared(lambda: [row for _, row in read_rows(path)], lambda: reading(data))


plain = st.sampled_from(["x", "It rains .", "no", "", "1", '42" TV', "é"])
quoted = st.sampled_from(['"a, b"', '"two\nlines"', '"He said ""no"""', '""', ' "x"', '"a', 'b"'])
csv_lines = st.lists(st.lists(plain | plain | quoted, min_size=2, max_size=4), max_size=5)

TYPES = (
    *(pa.string(), pa.int64(), pa.float64(), pa.bool_(), pa.list_(pa.string())),
    *(pa.binary(), pa.decimal128(9, 2), pa.timestamp("ns"), pa.date32(), pa.large_string()),
    *(pa.dictionary(pa.int32(), pa.string()), pa.struct([("r", pa.string()), ("c", pa.float32())])),
    *(pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())])), pa.null()),
    *(pa.map_(pa.string(), pa.string()), pa.time64("us"), pa.duration("s"), pa.float16()),
)


def _cells(kind: pa.DataType, number: int) -> pa.Array:
    """Values of a type, some of them missing; every seventh time a date that Python has not."""
    turn = {"role": "user", "content": "Hi ."}
    texts, numbers = ["x", None, "", "é", "two\nlines"], [0, 1, None, 1000, 5]
    if pa.types.is_dictionary(kind):
        return pa.array(texts).dictionary_encode()
    if pa.types.is_map(kind):
        return pa.array([[("k", "v")], None, [], [("k", None)], None], kind)
    if pa.types.is_struct(kind):
        return pa.array([{"r": "x", "c": NAN}, None, {"r": None, "c": 1.0}, None, None], kind)
    if pa.types.is_list(kind) and pa.types.is_struct(kind.value_type):
        return pa.array([[turn], None, [], [{**turn, "content": None}], [turn, turn]], kind)
    if pa.types.is_list(kind):
        return pa.array([["a"], [], None, ["a", None], ["", "b"]], kind)
    if pa.types.is_boolean(kind):
        return pa.array([True, None, False, True, None])
    if pa.types.is_floating(kind):
        return pa.array([0.5, NAN, None, float("inf"), -0.0]).cast(kind)
    if pa.types.is_decimal(kind):
        return pa.array([Decimal("1.50"), None, Decimal(0), None, Decimal(-1)], kind)
    if pa.types.is_date(kind):
        return pa.array([2**31 - 1 if number % 7 == 0 else 9, *numbers[1:]], pa.int32()).cast(kind)
    if pa.types.is_null(kind):
        return pa.nulls(5)
    if kind in (pa.string(), pa.large_string(), pa.binary()):
        return pa.array(texts, pa.string()).cast(kind)
    return pa.array(numbers, pa.int64()).cast(kind)


columns = st.lists(
    st.tuples(st.sampled_from(("a", "b", "g", "a", "c.d")), st.sampled_from(TYPES)), max_size=4
)


def _parquet(example: Any, folder: Path) -> str:
    chosen, number, mutations = example
    path = folder / "rows.parquet"
    table = pa.Table.from_arrays(
        [_cells(kind, number) for _, kind in chosen], names=[name for name, _ in chosen]
    )
    codec = ("none", "snappy", "gzip", "zstd", "brotli", "lz4")[number % 6]
    pq.write_table(
        table, path, compression=codec, use_dictionary=bool(number % 2), row_group_size=3
    )
    path.write_bytes(mutated(path.read_bytes(), mutations))
    return compared(lambda: [row for _, row in read_rows(path)], lambda: strict.parquet(str(path)))


# --- rows to items -----------------------------------------------------------------------------

COMMON = {"task": "x", "domain": "x", "licence": "x"}
FILES = {"source": {"files": {"evaluation": "rows.jsonl"}}}
LABELS = {"0": "no", "1": "yes", "True": "true"}
ROLES = ("user", "assistant", "system", "tool", None, 1, ["user"])
BESIDE = ("tool_calls", "weight", "name", "function_call", "loss", "train", "images", "tools")


def _screen(kind: Any, **description: Any) -> Screen:
    return Screen("x", Dataset.model_validate({**COMMON, **FILES, **description}), kind, 0)


_PAIR = _screen(
    "classification",
    fields={"a": "a", "b": "b"},
    gold={"field": "g", "labels": LABELS},
    id_field="id",
)
_SCORED = _screen(
    "classification",
    fields={"a": "a"},
    gold={"field": "g", "threshold": {"above": 0.4, "yes": "yes", "no": "no"}},
)
_TEXT = _screen("generation", fields={"a": "a"}, gold={"field": "g"})
_CHOICE = _screen(
    "multiple_choice", fields={"a": "a"}, options="o", gold={"field": "g", "positions_field": "n"}
)
_CHAT = _screen("instruction", messages="m", ignored=["name"])

good = st.sampled_from(("It rains .", "wet", "0", "1", 0, 1))
some = good | st.sampled_from(VALUES)
_pairs = st.fixed_dictionaries({"a": some, "b": some, "g": some, "id": some})
_choices = st.fixed_dictionaries(
    {
        "a": some,
        "o": st.just(["wet", "dry"]) | st.lists(good, min_size=2, max_size=2) | st.lists(some),
        "g": some,
        "n": st.just(["0", "1"]) | st.just([1, 0]) | st.lists(some, max_size=3) | some,
    }
)


def _answered(turns: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [*turns, *_DIALOGUE]


_turns = st.fixed_dictionaries(
    {"role": st.sampled_from(ROLES[:3]) | st.sampled_from(ROLES), "content": good | some},
    optional={name: st.none() | some for name in BESIDE[:4]},
)
_DIALOGUE = [{"role": "user", "content": "Hi ."}, {"role": "assistant", "content": " Yes .\n"}]
_chats = st.fixed_dictionaries(
    {"m": some | st.lists(_turns, max_size=4) | st.lists(_turns, max_size=1).map(_answered)},
    optional={name: st.none() | some for name in BESIDE[4:]},
)


def _says(value: Any) -> bool:
    return value not in (None, "", [], {}) or value is False


def _label(value: Any) -> str:
    if type(value) not in (str, int, bool, float):
        raise ValueError("no label")
    found = LABELS.get(str(value))
    if found is None:
        raise ValueError("unknown label")
    return found


def _item_of_pair(row: dict[str, Any]) -> list[Any]:
    texts = [strict.shown(row[name], listed=True) for name in ("a", "b")]
    return [texts, [_label(row["g"])], strict.shown(row["id"])]


def _item_of_score(row: dict[str, Any]) -> list[Any]:
    if type(row["g"]) not in (str, int, float) or abs(float(row["g"])) == float("inf"):
        raise ValueError("no score")
    return [[strict.shown(row["a"], listed=True)], ["yes" if float(row["g"]) > 0.4 else "no"]]


def _item_of_text(row: dict[str, Any]) -> list[Any]:
    references = row["g"] if isinstance(row["g"], list) else [row["g"]]
    return [[strict.shown(row["a"], listed=True)], [strict.shown(one) for one in references]]


def _item_of_choice(row: dict[str, Any]) -> list[Any]:
    names, options = row["n"], row["o"]
    if not isinstance(names, list) or not isinstance(options, list):
        raise ValueError("no options")
    if any(type(name) not in (str, int, bool, float) for name in [*names, row["g"]]):
        raise ValueError("no names")
    named = [str(name) for name in names]
    if named.count(str(row["g"])) != 1 or len(named) != len(options):
        raise ValueError("no such option")
    shown = [strict.shown(option) for option in options]
    gold = shown[named.index(str(row["g"]))]
    return [[strict.shown(row["a"], listed=True)], [gold], sorted(shown)]


def _item_of_chat(row: dict[str, Any]) -> list[Any]:
    if any(_says(row.get(name)) for name in BESIDE) or not isinstance(row["m"], list):
        raise ValueError("more than turns")
    turns = []
    for turn in row["m"]:
        beyond = set(turn) - {"role", "content", "name"} if isinstance(turn, dict) else {"?"}
        if any(key == "?" or _says(turn[key]) for key in beyond):
            raise ValueError("more than a text")
        if not isinstance(turn["content"], str) or not isinstance(turn["role"], str):
            raise ValueError("no turn")
        turns.append({"role": turn["role"], "content": turn["content"].strip()})
    return [turns]


def _items(
    screen: Screen, expected: Callable[[dict[str, Any]], list[Any]], parts: Callable[[Item], Any]
) -> Callable[[Any, Path], str]:
    def check(row: Any, _: Path) -> str:
        row = strict.finite(row)
        return compared(
            lambda: parts(screen.item(row, "row 1", "evaluation")), lambda: expected(row)
        )

    return check


def _shown(item: Item) -> list[Any]:
    return [list(item.fields.values()), item.gold]


# --- joined files ------------------------------------------------------------------------------

_JOINED = Dataset.model_validate(
    {
        **COMMON,
        "source": {"files": {"evaluation": "{data_root}/rows.jsonl"}},
        "join": {"file": "{data_root}/texts.csv", "on": {"k": "k"}, "take": "t", "into": "text"},
        "fields": {"text": "text"},
        "gold": {"field": "g"},
    }
)
_keys = st.sampled_from(["x", "y", "1", 1, 1.0, True, None, ["x"], "", " x"])
_joins = st.tuples(
    st.lists(st.fixed_dictionaries({"k": _keys}, optional={"text": some}), max_size=3),
    st.lists(st.tuples(st.sampled_from(["x", "y", "1", "1.0", "True"]), plain), max_size=4),
    MUTATIONS,
)


def _joined(example: Any, folder: Path) -> str:
    made, pairs, mutations = example
    data = (
        "k,t\n" + "".join(f'{key},"{text.replace(chr(34), "")}"\n' for key, text in pairs)
    ).encode()
    data = mutated(data, mutations)
    (folder / "rows.jsonl").write_bytes(
        "".join(map(_dumped, made)).encode("utf-8", "surrogatepass")
    )
    (folder / "texts.csv").write_bytes(data)

    def theirs() -> list[dict[str, Any]]:
        read = strict.jsonl((folder / "rows.jsonl").read_bytes())
        texts = strict.csv_rows(data)
        if any("text" in row or type(row["k"]) not in (str, int) for row in read):
            raise ValueError("no key, or a field of the joined text's name")
        if any({"k", "t"} - set(text) for text in texts):
            raise ValueError("no such column")
        found = [[text["t"] for text in texts if text["k"] == str(row["k"])] for row in read]
        if not all(found):
            raise ValueError("no match")
        return [{**row, "text": " ".join(own)} for row, own in zip(read, found, strict=True)]

    def ours() -> list[dict[str, Any]]:
        split = read_split("x", _JOINED, "evaluation", str(folder), {})
        assert split is not None
        return [row for _, row in split]

    return compared(ours, theirs)


# --- YAML --------------------------------------------------------------------------------------


def _shipped(pattern: str, *others: str) -> list[bytes]:
    """The short files among the shipped ones, and others."""
    shipped = [path.read_bytes() for path in sorted(ROOT.glob(pattern))]
    return [data for data in shipped if len(data) < SHORT] + [text.encode() for text in others]


STUDY = """\
study: mine
seed: 1
data: {train_items: 24, train_items_of: {nli: 0.5, chat: all}}
evaluate: {truncation: demonstrations}
statistics: {resamples: 100, main_recipe: plain}
blocks:
  - family: [one, two]
    checkpoints: [0, 1000]
    recipes: [base, plain]
    train_sets: [nli]
    eval_sets: [nli, weather]
    shots: [0, 4]
"""
DATASETS = _shipped(
    "config/datasets/*.yaml",
    """\
task: nli
domain: x
licence: none
source: {files: {evaluation: a.jsonl}}
compose: {both: "{a} {b!c}"}
clean: [{pattern: "a+", replacement: b}]
fields: {text: both}
options: [o, p]
gold: {field: g, labels: {"0": "no", "1": ["yes", sure]}}
ignored: [tools]
drop: {g: ["-1"]}
formats: {default: "Text: {text}"}
""",
)


def _yaml(model: Any) -> Callable[[Any, Path], str]:
    def check(example: Any, folder: Path) -> str:
        data, mutations = example
        path = folder / "file.yaml"
        path.write_bytes(mutated(data, mutations))

        def ours() -> Any:
            document = read_yaml(path)
            parse(model, document, path)
            return document

        return compared(ours, lambda: strict.yaml_texts(path.read_bytes()), same=False)

    return check


def _yaml_case(model: Any, files: list[bytes]) -> Case:
    return Case(st.tuples(st.sampled_from(files), MUTATIONS), _yaml(model))


# --- published tables --------------------------------------------------------------------------


def _table(example: Any, folder: Path) -> str:
    start, mutations = example
    path = write_rows(folder / "table.csv", _PAPER[start : start + 4])
    path.write_bytes(mutated(path.read_bytes(), mutations))
    names = ("family", "checkpoint", "recipe", "train_set", "eval_set", "role", "format", "metric")

    def theirs() -> list[tuple[str, ...]]:
        found = strict.csv_rows(path.read_bytes())
        read = [{key.strip(): text.strip() for key, text in row.items()} for row in found]
        if any(float(row["score"]) > 1 for row in read):
            raise ValueError("no share")
        return [(*(row[name] for name in names), float(row["score"])) for row in read]

    def ours() -> list[tuple[Any, ...]]:
        read = read_layout(str(path), "scores").rows
        return [(*(row[name] for name in names), row["score"]) for row in read]

    return compared(ours, _or_value_error(theirs))


def _or_value_error(reading: Callable[[], Any]) -> Callable[[], Any]:
    def read() -> Any:
        try:
            return reading()
        except KeyError as error:
            raise ValueError("no such column") from error

    return read


_PAPER = paper_rows()
_PYTHIA = "\n".join(
    [
        ",".join(COLUMNS),
        "pythia,pythia-70m,zero-shot,1000,0,piqa,acc,0.55,0.0116,0,a.json",
        "pythia,pythia-1b-bf16,zero-shot,2000,0,lambada_openai,acc,0.5,0.007,0,b.json",
        "pythia,pythia-1b-bf16,five-shot,2000,5,lambada_openai,ppl,10.5,0.07,0,b.json",
        "pythia,pythia-70m-deduped,five-shot,1000,5,sciq,acc_norm,0.75,0.0137,0,c.json\n",
    ]
).encode()


def _pythia(mutations: Any, folder: Path) -> str:
    path = folder / "pythia.csv"
    path.write_bytes(mutated(_PYTHIA, mutations))

    def theirs() -> list[tuple[Any, ...]]:
        found = [
            {key.strip(): text.strip() for key, text in row.items()}
            for row in strict.csv_rows(path.read_bytes())
        ]
        kept = {
            tuple(row[name] for name in ("model", "step", "num_fewshot", "task", "metric")): row
            for row in reversed(found)
            if row["metric"] != "ppl"
            and row["setting"] in ("zero-shot", "five-shot")
            and not row["model"].endswith("tokBS")
        }
        return sorted((row["task"], float(row["value"])) for row in kept.values())

    def ours() -> list[tuple[Any, ...]]:
        read = read_layout(str(path), "pythia_evals").rows
        return sorted((row["eval_set"], row["score"]) for row in read)

    return compared(ours, _or_value_error(theirs))


_LADDER = "\n".join(
    [
        "_step,batch_size_in_tokens,eval/downstream/piqa_val_rc_0shot_acc,"
        "eval/downstream_soft/piqa_val_rc_0shot_soft,eval/pile-validation/CrossEntropyLoss",
        "200,1000,0.55,0.45,5.5",
        "400,1000,0.65,,4.5",
        "600,1000,0.75,0.5,\n",
    ]
).encode()


def _ladder(mutations: Any, folder: Path) -> str:
    path = folder / "run.csv"
    path.write_bytes(mutated(_LADDER, mutations))

    def theirs() -> list[tuple[Any, ...]]:
        found = [
            {key.strip(): text.strip() for key, text in row.items()}
            for row in strict.csv_rows(path.read_bytes())
        ]
        return sorted(
            (int(row["_step"]) * int(row["batch_size_in_tokens"]), name, float(text))
            for row in found
            for name, text in row.items()
            if name.startswith("eval/downstream") and text
        )

    def ours() -> list[tuple[Any, ...]]:
        read = read_layout(str(path), "olmo_ladder").rows
        measured = {"likelihood": "/piqa_val_rc_0shot_acc", "soft": "_soft/piqa_val_rc_0shot_soft"}
        return sorted(
            (row["tokens"], f"eval/downstream{measured[row['prediction']]}", row["score"])
            for row in read
        )

    return compared(ours, _or_value_error(theirs))


_METHODS = "\n".join(
    [
        ",".join(METHOD_COLUMNS),
        f"lora/llama-3.2-3B-rank32,LORA,32,False,False,{660 / ITEMS},0.25,1.5,100,9,60,5,50,0,"
        "meta-llama/Llama-3.2-3B",
        "ia3/llama-3.2-3B-default,IA3,,,,0,0,1.5,100,9,60,5,50,0,meta-llama/Llama-3.2-3B\n",
    ]
).encode()


def _methods(mutations: Any, folder: Path) -> str:
    path = folder / "methods.csv"
    path.write_bytes(mutated(_METHODS, mutations))

    def theirs() -> list[tuple[Any, ...]]:
        found = [
            {key.strip(): text.strip() for key, text in row.items()}
            for row in strict.csv_rows(path.read_bytes())
        ]
        return sorted(
            (int(row["seed"]), float(row["test_accuracy"]), math.exp(-float(row["forgetting"])))
            for row in found
        )

    def ours() -> list[tuple[Any, ...]]:
        read = [row for row in read_layout(str(path), "peft_methods").rows if row["train_set"]]
        scores = {
            name: [row for row in read if row["eval_set"] == name]
            for name in (ACCURACY_SET, TEXT_SET)
        }
        return sorted(
            (one["seed"], one["score"], other["score"])
            for one, other in zip(*scores.values(), strict=True)
        )

    return compared(ours, _or_value_error(theirs))


# --- what the project wrote itself -------------------------------------------------------------

_ITEMS = [
    Item(str(n), "train", "c", {"a": f"text {n}"}, ["yes"], ["yes", "no"], [{"role": "user"}])
    for n in range(5)
]


@cache
def _written() -> bytes:
    with TemporaryDirectory() as folder:
        write_items(Path(folder) / "items.parquet", _ITEMS)
        return (Path(folder) / "items.parquet").read_bytes()


def _frozen(mutations: Any, folder: Path) -> str:
    path = folder / "items.parquet"
    path.write_bytes(mutated(_written(), mutations))

    def theirs() -> list[Any]:
        table = pq.ParquetFile(path).read().to_pylist()
        return [
            {**row, "fields": json.loads(row["fields"]), "messages": json.loads(row["messages"])}
            for row in table
            if row["split"] == "train"
        ]

    def ours() -> list[Any]:
        read = [vars(item) for item in read_items(path, "train")]
        assert [vars(item) for part in read_in_batches(path, "train", 2) for item in part] == read
        return read

    return compared(ours, _readable(theirs))


def _readable(reading: Callable[[], Any]) -> Callable[[], Any]:
    def read() -> Any:
        try:
            return reading()
        except (OSError, TypeError, LookupError, NotImplementedError, RecursionError) as error:
            raise ValueError(str(error)) from None

    return read


@cache
def _evaluated() -> bytes:
    columns = {
        "item": ["1", "2", "3"],
        "context": ["1", "2", "2"],
        "prompt_digest": ["a", "b", "c"],
        "truncated": [False, True, False],
        "prediction": ["yes", "no", ""],
        "gold": [["yes"], ["no"], ["a", "b"]],
        "option_scores": pa.array([[0.5], [0.25], []], pa.list_(pa.float64())),
    }
    stream = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), stream)
    return bytes(stream.getvalue())


def _records(mutations: Any, folder: Path) -> str:
    path = folder / "cell.parquet"
    path.write_bytes(mutated(_evaluated(), mutations))
    names = ("item", "context", "prediction", "gold")

    def theirs() -> list[Any]:
        table = pq.ParquetFile(path).read(columns=[*names, "truncated"]).to_pylist()
        return sorted([row[name] for name in names] for row in table)

    def ours() -> list[Any]:
        read = read_records(path)
        return [
            list(row) for row in zip(*(getattr(read, n).to_pylist() for n in names), strict=True)
        ]

    return compared(ours, _readable(theirs))


#: Every reader, by name.
CASES = {
    "JSONL": Case(st.tuples(rows, MUTATIONS), _jsonl),
    "CSV": Case(st.tuples(csv_lines, MUTATIONS), _csv),
    "parquet": Case(st.tuples(columns, st.integers(0, 41), OF_BYTES), _parquet),
    "labels": Case(
        _pairs,
        _items(_PAIR, _item_of_pair, lambda item: [*_shown(item), item.item]),
    ),
    "scores": Case(_pairs, _items(_SCORED, _item_of_score, _shown)),
    "references": Case(_pairs, _items(_TEXT, _item_of_text, _shown)),
    "options": Case(
        _choices,
        _items(_CHOICE, _item_of_choice, lambda item: [*_shown(item), sorted(item.options)]),
    ),
    "dialogues": Case(_chats, _items(_CHAT, _item_of_chat, lambda item: [item.messages])),
    "joined files": Case(_joins, _joined),
    "dataset YAML": _yaml_case(Dataset, DATASETS),
    "family YAML": _yaml_case(Family, _shipped("config/families/*.yaml")),
    "recipe YAML": _yaml_case(Recipe, _shipped("config/recipes/*.yaml")),
    "task YAML": _yaml_case(Task, _shipped("config/tasks/*.yaml")),
    "study YAML": _yaml_case(Study, _shipped("config/studies/*.yaml", STUDY)),
    "published table": Case(st.tuples(st.integers(0, 60), MUTATIONS), _table),
    "Pythia's table": Case(MUTATIONS, _pythia),
    "a ladder's table": Case(MUTATIONS, _ladder),
    "table of methods": Case(MUTATIONS, _methods),
    "frozen items": Case(OF_BYTES, _frozen),
    "records": Case(OF_BYTES, _records),
}
