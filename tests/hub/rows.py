"""The datasets of the published study as hub repositories: their configs, splits and features.

On the real hub the repositories hold parquet files next to a README.md that names the configs.
`EdinburghNLP/xsum` and `csebuetnlp/xlsum` have a loading script on main, and parquet files only
on refs/convert/parquet. Not verified: whether Rowan/hellaswag still has a script on main (here
it has parquet files on both), the ClassLabel names of PAWS, and in how many files the large
splits lie (here in one).
"""

import json
import random
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from hub import samples
from hub.server import Hub

CONVERTED = "refs/convert/parquet"
#: Rows of a split. The numbers of the splits' rows begin so far apart that none is shared.
TRAIN, EVALUATION, APART = 72, 36, 600
THREE = ("train", "validation", "test")
MNLI_SPLITS = (
    "train",
    "validation_matched",
    "validation_mismatched",
    "test_matched",
    "test_mismatched",
)
STRING, TEXTS = pa.string(), pa.list_(pa.string())
NLI = ("entailment", "neutral", "contradiction")
CHOICES = pa.struct([("text", TEXTS), ("label", TEXTS)])
Names = tuple[str, ...]
Columns = dict[str, pa.DataType | Names]
MakeRow = Callable[[int, str], samples.Row]


@dataclass(frozen=True)
class Config:
    """A config of a dataset; a column with a tuple of names is a ClassLabel."""

    repo: str
    name: str
    splits: Names
    columns: Columns
    row: MakeRow
    folder: str = ""
    main: bool = True
    converted: bool = False

    def files(self) -> dict[str, str]:
        """Split -> file on main."""
        folder = self.folder or self.name
        return {split: f"{folder}/{split}-00000-of-00001.parquet" for split in self.splits}


def _texts(names: str) -> Columns:
    return dict.fromkeys(names.split(), STRING)


def _glue(row: MakeRow, texts: str, label: pa.DataType | Names, splits: Names = THREE) -> Config:
    columns: Columns = {**_texts(texts), "label": label, "idx": pa.int32()}
    return Config("nyu-mll/glue", row.__name__, splits, columns, row)


def _cnn(version: str) -> Config:
    columns = _texts("article highlights id")
    return Config("abisee/cnn_dailymail", version, THREE, columns, samples.cnn)


def _arc(name: str, row: MakeRow) -> Config:
    columns: Columns = {"id": STRING, "question": STRING, "choices": CHOICES, "answerKey": STRING}
    return Config("allenai/ai2_arc", name, THREE, columns, row)


def _tulu(repo: str, columns: Columns, row: MakeRow) -> Config:
    return Config(repo, "default", ("train",), columns, row, folder="data")


BOOK: Columns = {
    "id": STRING,
    "question_stem": STRING,
    "choices": CHOICES,
    "answerKey": STRING,
}
CONFIGS = (
    Config(
        "EdinburghNLP/xsum",
        "default",
        THREE,
        _texts("document summary id"),
        samples.xsum,
        main=False,
        converted=True,
    ),
    Config(
        "csebuetnlp/xlsum",
        "english",
        THREE,
        _texts("id url title summary text"),
        samples.xlsum,
        main=False,
        converted=True,
    ),
    *map(_cnn, ("1.0.0", "2.0.0", "3.0.0")),
    Config(
        "lighteval/siqa",
        "default",
        ("train", "validation"),
        _texts("context question answerA answerB answerC label"),
        samples.siqa,
        folder="data",
    ),
    Config(
        "allenai/sciq",
        "default",
        THREE,
        _texts("question distractor3 distractor1 distractor2 correct_answer support"),
        samples.sciq,
        folder="data",
    ),
    Config(
        "ucsbnlp/tweet_qa",
        "default",
        THREE,
        {"Question": STRING, "Answer": TEXTS, "Tweet": STRING, "qid": STRING},
        samples.tweet_qa,
        folder="data",
    ),
    _glue(samples.mnli, "premise hypothesis", NLI, MNLI_SPLITS),
    _glue(samples.rte, "sentence1 sentence2", ("entailment", "not_entailment")),
    _glue(samples.qqp, "question1 question2", ("not_duplicate", "duplicate")),
    _glue(samples.stsb, "sentence1 sentence2", pa.float32()),
    Config(
        "pietrolesci/gpt3_nli",
        "default",
        ("train",),
        {**_texts("text_a text_b"), "label": NLI, "guid": pa.int64()},
        samples.gpt3_nli,
        folder="data",
    ),
    Config(
        "google-research-datasets/paws",
        "labeled_final",
        THREE,
        {"id": pa.int32(), "sentence1": STRING, "sentence2": STRING, "label": ("0", "1")},
        samples.paws,
    ),
    _arc("ARC-Challenge", samples.arc_challenge),
    _arc("ARC-Easy", samples.arc_easy),
    Config("allenai/openbookqa", "main", THREE, BOOK, samples.openbookqa),
    Config(
        "allenai/openbookqa",
        "additional",
        THREE,
        {
            **BOOK,
            "fact1": STRING,
            "humanScore": pa.float32(),
            "clarity": pa.float32(),
            "turkIdAnonymized": STRING,
        },
        samples.openbookqa_additional,
    ),
    Config(
        "Rowan/hellaswag",
        "default",
        THREE,
        {
            "ind": pa.int32(),
            **_texts("activity_label ctx_a ctx_b ctx"),
            "endings": TEXTS,
            **_texts("source_id split split_type label"),
        },
        samples.hellaswag,
        folder="data",
        converted=True,
    ),
    Config(
        "google/boolq",
        "default",
        ("train", "validation"),
        {"question": STRING, "answer": pa.bool_(), "passage": STRING},
        samples.boolq,
        folder="data",
    ),
    _tulu(
        "allenai/tulu-v2-sft-mixture",
        {
            **_texts("dataset id"),
            "messages": pa.list_(pa.struct([("role", STRING), ("content", STRING)])),
        },
        samples.tulu_2,
    ),
    _tulu(
        "allenai/tulu-3-sft-mixture",
        {
            "id": STRING,
            "messages": pa.list_(pa.struct([("content", STRING), ("role", STRING)])),
            "source": STRING,
        },
        samples.tulu_3,
    ),
)


def publish_datasets(hub: Hub) -> None:
    """Build every dataset and add its revisions to the hub; deterministic."""
    for repo in dict.fromkeys(config.repo for config in CONFIGS):
        configs = [config for config in CONFIGS if config.repo == repo]
        with tempfile.TemporaryDirectory() as folder:
            write_main(configs, Path(folder))
            hub.add_revision("dataset", repo, "main", Path(folder))
        if any(config.converted for config in configs):
            with tempfile.TemporaryDirectory() as folder:
                write_converted(configs, Path(folder))
                hub.add_revision("dataset", repo, CONVERTED, Path(folder))


def write_main(configs: list[Config], folder: Path) -> None:
    """The main branch: parquet files and a README.md that names them, or a loading script."""
    head: dict[str, Any] = {"language": ["en"]}
    if all(config.main for config in configs):
        head["configs"] = [_card(config) for config in configs]
        for config in configs:
            for split, file in config.files().items():
                write_split(config, split, folder / file)
    else:
        script = configs[0].repo.split("/")[1] + ".py"
        (folder / script).write_text("raise RuntimeError('a loading script was run')\n")
    text = yaml.safe_dump(head, sort_keys=False)
    (folder / "README.md").write_text(f"---\n{text}---\n\n# {configs[0].repo}\n")


def _card(config: Config) -> dict[str, Any]:
    files = [
        {"split": split, "path": f"{Path(file).parent}/{split}-*"}
        for split, file in config.files().items()
    ]
    return {"config_name": config.name, "data_files": files}


def write_converted(configs: list[Config], folder: Path) -> None:
    """The hub's own conversion: CONFIG/SPLIT/0000.parquet, without a README.md."""
    for config in configs:
        for split in config.splits:
            write_split(config, split, folder / config.name / split / "0000.parquet")


def write_split(config: Config, split: str, path: Path) -> None:
    """The parquet file of a split, with the features in its metadata as `datasets` does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    types = {name: pa.int64() if isinstance(t, tuple) else t for name, t in config.columns.items()}
    features = {name: _feature(t) for name, t in config.columns.items()}
    described = {"huggingface": json.dumps({"info": {"features": features}})}
    schema = pa.schema(list(types.items()), metadata=described)
    pq.write_table(pa.Table.from_pylist(split_rows(config, split), schema=schema), path)


def split_rows(config: Config, split: str) -> list[samples.Row]:
    """The rows of a split, in an order that does not show their labels."""
    start = config.splits.index(split) * APART
    count = TRAIN if split == "train" else EVALUATION
    found = [config.row(number, split) for number in range(start, start + count)]
    random.Random(f"{config.repo} {split}").shuffle(found)
    return found


def _feature(kind: pa.DataType | Names) -> dict[str, Any]:
    if isinstance(kind, tuple):
        return {"names": list(kind), "_type": "ClassLabel"}
    if pa.types.is_list(kind):
        return {"feature": _feature(kind.value_type), "_type": "List"}
    if pa.types.is_struct(kind):
        return {inner.name: _feature(inner.type) for inner in kind}
    name = "float32" if pa.types.is_float32(kind) else str(kind)
    return {"dtype": name, "_type": "Value"}
