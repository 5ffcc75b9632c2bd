"""The typed files of `tasks/` and `datasets/`."""

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, PositiveFloat, PositiveInt, model_validator

from tuning_dynamics.common import templates
from tuning_dynamics.config.answer_pattern import AnswerPattern
from tuning_dynamics.config.base import MisfitError, Name, Repository, Strict


def _template(text: str) -> str:
    """A prompt format as it is; ValueError for one that can't be filled or followed."""
    if not text or text != text.rstrip():
        raise ValueError("a format is not empty and does not end in white space")
    templates.pieces(text)
    return text


def _composed(text: str) -> str:
    templates.pieces(text, "c")
    return text


def _row_field(path: str) -> str:
    for step in path.split("."):
        templates.pieces(step)
    return path


#: Text with {field}s of an item; text with {field}s of a row; a row's field, whose dots descend
#: and whose {field}s stand for the values of others.
Template = Annotated[str, AfterValidator(_template)]
Composed = Annotated[str, AfterValidator(_composed)]
RowField = Annotated[str, AfterValidator(_row_field)]

Kind = Literal["classification", "generation", "multiple_choice", "instruction"]


class Task(Strict):
    """What an item of a task is and how each prompt format shows it."""

    kind: Kind
    """classification, generation, multiple_choice or instruction."""
    formats: dict[Name, Template] = {}
    """Prompt template per format, with {field} placeholders. The completion follows after one
    space, so a template never ends in white space."""

    @model_validator(mode="after")
    def _has_a_default(self) -> Self:
        if self.kind != "instruction" and "default" not in self.formats:
            raise MisfitError(
                "formats", "a task needs a format named 'default'", "name one of them so, or add it"
            )
        return self


class Splits(Strict):
    """Where each role's rows come from; a set has one or both."""

    train: str | None = None
    """Rows to tune on and to take demonstrations from."""
    evaluation: str | None = None
    """Rows to score."""

    @model_validator(mode="after")
    def _some_split(self) -> Self:
        if self.train is None and self.evaluation is None:
            raise ValueError("names neither a train nor an evaluation split")
        return self


class HubDataset(Strict):
    """A dataset on the hub, read with `datasets`."""

    id: Repository
    """Repository, such as nyu-mll/glue."""
    config: str | None = None
    """Configuration (subset) of the dataset."""
    revision: str | None = None
    """Branch, tag or commit."""
    splits: Splits
    """The hub's split name for each role."""
    data_dir: str | None = None
    """Folder of the repository to read, as in the hub's parquet exports."""


class Source(Strict):
    """Where rows come from: exactly one of world, files, hub."""

    world: Name | None = None
    """A set of the built-in mini world."""
    files: Splits | None = None
    """Local JSONL, CSV or parquet files; {data_root} is replaced."""
    hub: HubDataset | None = None
    """A dataset on the hub."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError("give exactly one of world, files, hub")
        return self


class Join(Strict):
    """Look up texts in a second file, such as passages stored apart from their questions."""

    file: str
    """JSONL, CSV or parquet; {data_root} is replaced."""
    on: dict[RowField, RowField]
    """Row field -> field of the file."""
    each: RowField | None = None
    """The row field of `on` that lists several ids, separated by commas; each brings its text."""
    take: RowField
    """Field of the file to bring in; several matches are joined by a space."""
    into: str
    """Field of the row that the text becomes."""


class Threshold(Strict):
    """Two labels from a graded score."""

    above: float
    """Scores greater than this get `yes`, all others `no`."""
    yes: str
    """Label word above the threshold."""
    no: str
    """Label word at or below it."""
    lowest: float | None = None
    """Lowest score of the scale; lower ones are refused. none: -1 is a score that the hub
    withholds, and is refused."""


class Gold(Strict):
    """The right answer of a row."""

    field: RowField
    """Row field (dots descend) that holds the gold value; a list holds several references."""
    labels: dict[str, str | list[str]] | None = None
    """Classification: raw value -> label word, or several words for that label; demonstrations
    and training show the first. Values not listed are refused."""
    threshold: Threshold | None = None
    """Classification: label words from a graded score."""
    positions: list[str] | None = None
    """Multiple choice: the raw values that stand for the first, second, … option."""
    positions_field: RowField | None = None
    """Multiple choice: row field that lists the options' names in the options' order."""

    @model_validator(mode="after")
    def _words_differ(self) -> Self:
        if self.labels is not None and self.threshold is not None:
            raise MisfitError("labels", "give either labels or threshold", "remove one of them")
        groups = self.label_groups()
        if self.labels is not None and len(groups) < 2:
            raise MisfitError("labels", "there must be two labels at least", "list every label")
        words = [word for group in groups for word in group]
        if len(words) != len(set(words)) or not all(groups) or not all(words):
            raise MisfitError(
                "labels" if self.threshold is None else "threshold",
                "each label needs words of its own",
                "give each label a word that no other has",
            )
        padded = [word for word in words if word != word.strip()]
        if padded:
            raise MisfitError(
                "labels" if self.threshold is None else "threshold",
                f"label words have white space at their ends: {padded}",
                "write them without it",
            )
        return self

    def label_groups(self) -> list[list[str]]:
        """The words of each candidate label, in the order given, without repeats."""
        if self.threshold is not None:
            return [[self.threshold.yes], [self.threshold.no]]
        groups = [[w] if isinstance(w, str) else list(w) for w in (self.labels or {}).values()]
        return [list(group) for group in dict.fromkeys(map(tuple, groups))]


class Clean(Strict):
    """A replacement in every text of a row that prompts show."""

    pattern: str
    """Regular expression."""
    replacement: str
    """Replacement for each match."""

    @model_validator(mode="after")
    def _pattern_is_valid(self) -> Self:
        try:
            re.sub(self.pattern, self.replacement, "")
        except (re.error, IndexError) as error:
            raise MisfitError(
                "pattern",
                f"not a regular expression and its replacement: {error}",
                "write them as for Python's re.sub, in single quotes",
            ) from None
        return self


class DatasetSize(Strict):
    """What the budget assumes before the rows are downloaded; means over items."""

    train: PositiveInt | None = None
    """Rows of the training split."""
    evaluation: PositiveInt | None = None
    """Rows of the evaluated split."""
    prompt_tokens: PositiveFloat
    """Tokens of a prompt in the default format, or of a whole dialogue."""
    answer_tokens: PositiveFloat = 1
    """Tokens of an answer."""
    options: PositiveInt = 1
    """Options of a multiple-choice item."""


class Turn(Strict):
    """One turn of an instruction dialogue kept in flat fields."""

    role: Literal["system", "user", "assistant"]
    """Who speaks."""
    field: RowField
    """Row field with the text."""


class Dataset(Strict):
    """One dataset: source, fields, labels, metric, licence."""

    task: Name
    """A file of tasks/: what an item is and its prompt formats."""
    domain: Name
    """Sets of the same task and domain are in-domain to each other, else out-of-domain."""
    benchmark: bool = False
    """True: its role is `bench`, whatever the model was tuned on."""
    licence: str
    """Licence of the data."""
    source: Source
    """Where its rows come from."""
    id_field: RowField | None = None
    """Row field with a stable id; without it an item's id is a digest of its content."""
    context_field: RowField | None = None
    """Row field with the id of a context that items share (a story); default: the item itself."""
    compose: dict[Name, Composed] = {}
    """New row fields made of others: text with {field}; {field!c} begins with a capital and
    goes on in lower case."""
    clean: list[Clean] = []
    """Replacements, in order, in every text that prompts show."""
    verbatim: bool = False
    """True: white space within texts stays as it is; else each run of it becomes one space."""
    optional: list[Name] = []
    """Template fields that may be empty; `messages`: turns may be."""
    fields: dict[Name, RowField] = {}
    """Template field -> row field (dots descend, lists of texts are joined by a space)."""
    gold: Gold | None = None
    """The right answer."""
    options: RowField | list[RowField] | None = None
    """Multiple choice: the row field that lists the options, or one row field per option."""
    messages: RowField | list[Turn] | None = None
    """Instruction: the row field with role / content turns, or turns from flat fields."""
    ignored: list[str] = []
    """Instruction: keys of turns, or of rows next to them (`tools`), that are left out although
    they hold something; others are refused."""
    metric: Name | None = None
    """The metric of answers: a module of `stats/metrics/`; default: rouge_l for generation,
    accuracy for the other kinds."""
    answer_pattern: AnswerPattern | None = None
    """Generation: how the answer that the metric compares is taken out of what is generated; none:
    all of it is the answer."""
    demonstrations: Name | None = None
    """Dataset whose training split gives few-shot demonstrations; default: this one."""
    drop: dict[RowField, list[str]] = {}
    """Rows left out and counted: row field -> raw values."""
    duplicates: Literal["refuse", "drop"] = "refuse"
    """Repeated items within a split, or training items that are evaluated: stop, or leave out the
    repeats (on the training side) and count them."""
    known_overlaps: dict[Name, str] = {}
    """Dataset -> why its training rows or demonstrations may hold evaluated items of this one:
    without a reason here, cells whose model saw them are refused."""
    join: Join | None = None
    """Texts from a second file."""
    only_training_split: str | None = None
    """Why a training split is evaluated: without a reason here, that is refused."""
    size: DatasetSize | None = None
    """What the budget assumes."""
    formats: dict[Name, Template] = {}
    """Formats of this set that replace or add to its task's."""

    def metric_for(self, kind: Kind) -> str:
        """The metric of answers, of a task of this kind."""
        return self.metric or ("rouge_l" if kind == "generation" else "accuracy")
