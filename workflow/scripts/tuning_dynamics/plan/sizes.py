"""What is known about a study's models and data before its jobs run.

Exact counts of finished jobs take priority over the catalogue's figures.
"""

import json
import struct
from functools import cache
from pathlib import Path
from typing import Any

from tuning_dynamics.common.constants import DEMONSTRATION_SHARE, MOST_DEMONSTRATIONS
from tuning_dynamics.common.model_files import stated_context
from tuning_dynamics.common.paths import Paths
from tuning_dynamics.config.dataset import DatasetSize
from tuning_dynamics.config.family import Architecture, HubFamily, LocalFamily, ModelSize
from tuning_dynamics.config.study import ResolvedStudy


class NotKnown(Exception):  # noqa: N818 - no error: the budget says so and goes on
    """A figure that is missing from a file of the catalogue."""

    def __init__(self, file: str, key: str) -> None:
        super().__init__(f"{file} gives no {key}")


class Known:
    """Sizes of a study's models and data; methods raise NotKnown for unknown figures.

    The counts of the datasets in `renewed`, which would be made again, are not used.
    """

    def __init__(self, resolved: ResolvedStudy, renewed: frozenset[str] = frozenset()) -> None:
        self.resolved, self.renewed = resolved, renewed
        self.paths = Paths(resolved.study.study)
        self._sizes: dict[str, ModelSize] = {}

    # --- models ------------------------------------------------------------------------------

    def size(self, family: str) -> ModelSize:
        """A family's size: from its architecture, its file, or its first local checkpoint."""
        if family not in self._sizes:
            self._sizes[family] = self._found_size(family)
        return self._sizes[family]

    def _found_size(self, family: str) -> ModelSize:
        description = self.resolved.families[family]
        if isinstance(description, LocalFamily) and description.size is None:
            path = description.path.replace("{step}", str(description.steps()[0]))
            root = self.resolved.study.data_root or "{data_root}"
            return local_size(Path(path.replace("{data_root}", root)), family)
        if isinstance(description, HubFamily | LocalFamily):
            if description.size is None:
                raise NotKnown(f"families/{family}.yaml", "size")
            return description.size
        return built_size(description.architecture)

    def download_bytes(self, family: str, step: int) -> float | None:
        """Bytes of a revision's weight files, if `revisions.json` was made; else None."""
        listing = _read(self.paths.revisions(family))
        files = listing.get("revisions", {}).get(str(step), {}).get("files", {})
        for suffix in (".safetensors", ".bin"):
            weights = [entry["bytes"] for name, entry in files.items() if name.endswith(suffix)]
            if weights:
                return float(sum(weights))
        return None

    # --- data --------------------------------------------------------------------------------

    def train_rows(self, dataset: str) -> int:
        """Training rows: the split less demonstrations, up to the study's cap."""
        frozen = self._frozen(dataset, "train")
        if frozen is not None:
            return frozen
        rows = self._size(dataset).train
        if rows is None:
            raise NotKnown(f"datasets/{dataset}.yaml", "size.train")
        if self.resolved.kind(dataset) != "instruction":
            rows -= min(MOST_DEMONSTRATIONS, max(rows // DEMONSTRATION_SHARE, 1))
        data = self.resolved.study.data
        cap = data.train_items_of.get(dataset, data.train_items)
        if cap == "all":
            return rows
        return max(1, round(rows * cap)) if cap < 1 else min(rows, int(cap))

    def train_tokens(self, dataset: str, family: str, layout: str) -> float:
        """Mean tokens of a training example: as encoded, else as in the dataset's file."""
        counted = self._encoded(dataset, family, layout)
        if counted is not None:
            return float(counted["tokens"] / counted["examples"])
        if self.resolved.kind(dataset) == "instruction":
            return self._size(dataset).prompt_tokens
        return self.prompt_tokens(dataset) + self.answer_tokens(dataset)

    def counted_tokens(self, dataset: str, family: str, layout: str) -> float:
        """Mean tokens of a training example that the loss counts: as encoded, else an answer with
        its end, or a whole dialogue, as no file gives this figure."""
        counted = self._encoded(dataset, family, layout)
        if counted is not None:
            return float(counted["target_tokens"] / counted["examples"])
        if self.resolved.kind(dataset) == "instruction":
            return self._size(dataset).prompt_tokens
        return self.answer_tokens(dataset) + 1

    def evaluated_items(self, dataset: str) -> int:
        """Items that are evaluated: the split, up to the study's cap."""
        frozen = self._frozen(dataset, "evaluation")
        if frozen is not None:
            return frozen
        rows = self._size(dataset).evaluation
        if rows is None:
            raise NotKnown(f"datasets/{dataset}.yaml", "size.evaluation")
        cap = self.resolved.study.data.evaluation_items
        return rows if cap is None else min(rows, cap)

    def prompt_tokens(self, dataset: str) -> float:
        """Mean tokens of a prompt."""
        return self._size(dataset).prompt_tokens

    def answer_tokens(self, dataset: str) -> float:
        """Mean tokens of an answer: the gold one, or an option."""
        return self._size(dataset).answer_tokens

    def split_tokens(self, dataset: str) -> float:
        """Tokens of all rows of a dataset's splits, as far as its file gives them."""
        size = self._size(dataset)
        rows = (size.train or 0) + (size.evaluation or 0)
        return rows * (size.prompt_tokens + size.answer_tokens)

    def options(self, dataset: str) -> int:
        """Candidate answers of an item: its options, or all words of the set's labels."""
        gold = self.resolved.datasets[dataset].gold
        groups = gold.label_groups() if gold is not None else []
        return sum(map(len, groups)) or self._size(dataset).options

    def _encoded(self, dataset: str, family: str, layout: str) -> dict[str, int] | None:
        """The counts of an encoded train set."""
        path = self.paths.token_counts(dataset, family, layout)
        counted = {} if dataset in self.renewed else _read(path)
        return counted if counted.get("examples") else None

    def _frozen(self, dataset: str, split: str) -> int | None:
        if dataset in self.renewed:
            return None
        counts: dict[str, int] = _read(self.paths.data_manifest(dataset)).get("items", {})
        # A split of no rows was frozen before the dataset's file or the study asked for it.
        return counts.get(split) or None

    def _size(self, dataset: str) -> DatasetSize:
        size = self.resolved.datasets[dataset].size
        if size is None:
            raise NotKnown(f"datasets/{dataset}.yaml", "size")
        return size


def _read(path: str) -> dict[str, Any]:
    """What an earlier job wrote; empty if it did not run, or was interrupted."""
    try:
        modified = Path(path).stat().st_mtime_ns
    except FileNotFoundError:
        return {}
    return _parse(path, modified)


@cache
def _parse(path: str, modified: int) -> dict[str, Any]:
    del modified  # part of the cache's key: a file that is written again is read again
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def built_size(architecture: Architecture) -> ModelSize:
    """The size of a model that the workflow pre-trains: V d + L (4 d² + 3 d i), tied head."""
    d, inner = architecture.hidden_size, architecture.intermediate_size
    layer = 4 * d * d + 3 * d * inner
    return ModelSize(
        parameters=architecture.vocab_size * d + architecture.layers * layer,
        layers=architecture.layers,
        hidden_size=d,
        vocab_size=architecture.vocab_size,
        context=architecture.context,
    )


#: Most bytes of a safetensors file's header, as its library has it.
MOST_HEADER = 100_000_000

#: What is raised by files that are not what their names say; verify says what is wrong with them.
_ODD_FILES = (ValueError, TypeError, AttributeError, RecursionError, struct.error)


def local_size(folder: Path, family: str) -> ModelSize:
    """The size of a Hugging Face folder: its config.json, and the shapes in its safetensors.

    NotKnown if the folder does not exist yet, or its config lacks a figure.
    """
    config = _read(str(folder / "config.json"))
    try:
        return ModelSize(
            parameters=sum(tensor_weights(path) for path in folder.glob("*.safetensors")),
            layers=config["num_hidden_layers"],
            hidden_size=config["hidden_size"],
            vocab_size=config["vocab_size"],
            context=stated_context(config) or config["max_position_embeddings"],
        )
    except (*_ODD_FILES, OSError, KeyError):
        raise NotKnown(f"families/{family}.yaml", "size") from None


def tensor_weights(path: Path) -> int:
    """How many weights a safetensors file holds, from its header: 8 bytes of length, JSON."""
    with path.open("rb") as stream:
        (length,) = struct.unpack("<Q", stream.read(8))
        if length > MOST_HEADER:
            raise ValueError(f"a header of {length:,} bytes")
        header = json.loads(stream.read(length))
    shapes = [entry["shape"] for name, entry in header.items() if name != "__metadata__"]
    return sum(_product(shape) for shape in shapes)


def _product(shape: list[int]) -> int:
    product = 1
    for extent in shape:
        product *= extent
    return product
