"""What a cell asks of a model: a small message, passed as JSON.

Its values come from a validated study. Methods are distinguished by registries, so that a new one
makes no other method's cells stale.
"""

from dataclasses import asdict, dataclass, fields
from typing import Any, get_args

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.common.registry import Kinds
from tuning_dynamics.config.evaluation import Precision

#: By prediction method: whether the answer is generated rather than scored.
GENERATES: Kinds[str, bool] = {
    "token_prob": False,
    "constrained": False,
    "free": True,
    "likelihood": False,
    "likelihood_per_char": False,
    "likelihood_pmi": False,
    "greedy": True,
}


@dataclass(frozen=True)
class CellRequest:
    """One cell: what to show, how to read the answer, where to write the records.

    `items` and `demonstrations` are paths of frozen items (`demonstrations` is empty without
    shots), `labels` the words of each candidate label of a classification set, `max_new_tokens`
    the longest answer of `free` and `greedy`, `out` the parquet file to write, `dtype` that of the
    layers.
    """

    eval_set: str
    kind: str
    template: str
    items: str
    demonstrations: str
    shots: int
    prediction: str
    truncation: str
    max_new_tokens: int
    labels: tuple[tuple[str, ...], ...]
    out: str
    dtype: str = "float32"

    @property
    def generates(self) -> bool:
        """Whether the answer is generated rather than scored."""
        return GENERATES[self.prediction]

    @property
    def words(self) -> tuple[str, ...]:
        """The words of all labels, in order."""
        return tuple(word for label in self.labels for word in label)

    def label_of(self, word: str) -> str:
        """The label that a word stands for, by the label's first word; "" if none."""
        return next((label[0] for label in self.labels if word in label), "")

    def key(self) -> dict[str, Any]:
        """All that the records depend on except the weights: everything but the output path, and
        `dtype` unless it is the default."""
        left_out = {"out"} | ({"dtype"} if self.dtype == "float32" else set())
        return {name: value for name, value in asdict(self).items() if name not in left_out}


def parse_request(message: Any) -> CellRequest:
    """The request in a JSON value; StudyError if keys or values are not a request's."""
    names = {field.name for field in fields(CellRequest)}
    if not isinstance(message, dict) or {*message, "dtype"} != names:
        given = sorted(message) if isinstance(message, dict) else message
        raise _refused("not a request for a cell", None, given, f"give {sorted(names)}")
    labels = message["labels"]
    if not all(isinstance(words, list | tuple) and words for words in labels):
        raise _refused("labels are not lists of words", "labels", labels, "give each its words")
    request = CellRequest(**{**message, "labels": tuple(map(tuple, labels))})
    _check(request)
    return request


def _check(request: CellRequest) -> None:
    if request.prediction not in GENERATES:
        raise _refused("unknown method", "prediction", request.prediction, "use a known one")
    if request.dtype not in get_args(Precision):
        known = ", ".join(get_args(Precision))
        raise _refused("unknown dtype", "dtype", request.dtype, f"known: {known}")
    words = request.words
    if request.kind == "classification" and (len(request.labels) < 2 or len({*words}) < len(words)):
        raise _refused(
            "fewer than two labels, or one word for two",
            "labels",
            request.labels,
            "list them under gold.labels",
        )
    if request.shots < 0 or (request.generates and request.max_new_tokens < 1):
        numbers = {"shots": request.shots, "max_new_tokens": request.max_new_tokens}
        raise _refused("a number is out of range", "shots", numbers, "use positive numbers")


def _refused(what: str, key: str | None, value: object, fix: str) -> StudyError:
    return StudyError(f"a cell cannot be evaluated: {what}", key=key, value=value, fix=fix)
