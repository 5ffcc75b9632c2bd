"""Prices jobs: seconds on one device, bytes, memory. Jobs are (rule, wildcards), as planned.

Rules that need no accelerator (data, statistics, report) are counted, not priced.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from tuning_dynamics.plan.basis import Basis
from tuning_dynamics.plan.devices import CASES, Assumed, Device, Range
from tuning_dynamics.plan.equations import (
    BYTES,
    adapter_weights,
    decoding_seconds,
    load_seconds,
    reading_seconds,
    step_seconds,
    training_seconds,
    tuning_memory,
)
from tuning_dynamics.plan.known import Known, NotKnown
from tuning_dynamics.study.batch import CPU_TOKENS
from tuning_dynamics.study.execution import Execution
from tuning_dynamics.study.families import PretrainFamily, Size
from tuning_dynamics.study.grid import Cell, Variant
from tuning_dynamics.study.models import ResolvedStudy
from tuning_dynamics.study.paths import parse_variant, variant_key
from tuning_dynamics.study.rates import selecting
from tuning_dynamics.study.recipes import LoraTrain, Optim, RateSelection, Stage

#: The stage that each rule is told under; rules that are not listed compute no model.
STAGES = {
    "revisions": "download",
    "tokenizer": "download",
    "download": "download",
    "corpus": "pre-train",
    "pretrain": "pre-train",
    "verify": "verify",
    "try_rate": "tune",
    "tune": "tune",
    "serve": "evaluate",
    "cell": "evaluate",
}

#: The kind that a calibration has each rule under which the equations price.
KINDS = {
    "pretrain": "pretrain",
    "verify": "verify",
    "try_rate": "tune",
    "tune": "tune",
    "serve": "evaluate",
    "cell": "evaluate",
}

#: Rules that read the records of all cells, or a table with a row of each.
OF_ALL_CELLS = frozenset(
    {
        "scores",
        "published_scores",
        "summaries",
        "figures",
        "findings",
    }
)

NO_TIME = Range()
LIKELY = CASES[1]


@dataclass(frozen=True)
class Job:
    """A job that would run: its rule, and its wildcards' values."""

    rule: str
    wildcards: Mapping[str, str] = field(default_factory=dict)

    @property
    def stage(self) -> str:
        return STAGES.get(self.rule, "other")

    @property
    def family(self) -> str:
        """The family of a job that computes a model."""
        variant = self.wildcards.get("variant")
        return parse_variant(variant).family if variant else self.wildcards["family"]

    def cell(self) -> Cell:
        """The cell of a `cell` job."""
        w = self.wildcards
        variant = parse_variant(w["variant"])
        return Cell(variant, w["eval_set"], w["format"], int(w["shots"]), w["prediction"])


def cell_job(cell: Cell) -> Job:
    """The `cell` job of a cell."""
    return Job(
        "cell",
        {
            "variant": variant_key(cell.variant),
            "eval_set": cell.eval_set,
            "format": cell.format,
            "shots": str(cell.shots),
            "prediction": cell.prediction,
        },
    )


@dataclass(frozen=True)
class Price:
    """What a job takes, or in `unknown` why that cannot be told.

    `seconds` are of the device; `host` those of a job that uses none, known from a calibration
    alone. `memory` are the bytes that it needs of its device at most, with every text of a batch
    at its longest; `least` those that it needs with texts of mean length.
    """

    job: Job
    seconds: Range = NO_TIME
    host: Range = NO_TIME
    calibrated: bool = False
    unknown: str = ""
    memory: float = 0.0
    least: float = 0.0


class Prices:
    """The prices of a study's jobs on a basis: a device, and what past runs have shown of it.

    `cells` is the number of cells of the study: tables and figures grow with it. The counts of
    the datasets in `renewed`, which would be made anew, are not taken.
    """

    def __init__(
        self,
        resolved: ResolvedStudy,
        jobs: Iterable[Job],
        basis: Basis,
        cells: int = 0,
        renewed: frozenset[str] = frozenset(),
    ) -> None:
        self.resolved, self.jobs, self.cells = resolved, list(jobs), cells
        self.known = Known(resolved, renewed)
        self.device: Device = basis.device
        self.calibration = basis.calibration
        self._passes: set[tuple[Variant, str, str, int]] = set()
        self._cells: dict[tuple[object, ...], Range] = {}
        self._priced: dict[str, Callable[[Job], Price]] = {
            "pretrain": self._pretrain,
            "verify": self._verify,
            "try_rate": self._try_rate,
            "tune": self._tune,
            "serve": self._serve,
            "cell": self._cell,
        }

    @cached_property
    def each(self) -> list[Price]:
        """A price for each job, in the jobs' order."""
        return [self.of(job) for job in self.jobs]

    def of(self, job: Job) -> Price:
        """The price of a job; what a cell shares with one that was priced before is not in it."""
        try:
            if job.rule in self._priced:
                return self._calibrated(self._priced[job.rule](job))
            return self._on_host(job)
        except NotKnown as lacking:
            return Price(job, unknown=str(lacking))

    def _calibrated(self, price: Price) -> Price:
        """A price as past runs of the device have it, where they speak of such models."""
        fit = self.calibration.fits.get(KINDS[price.job.rule]) if self.calibration else None
        if fit is None or not fit.reaches(self.known.size(price.job.family).parameters):
            return price
        starts = price.job.rule != "cell"
        work = price.seconds.mid - (LIKELY.start if starts else 0.0)
        return replace(price, seconds=fit.seconds(work, starts=starts), calibrated=True)

    def _on_host(self, job: Job) -> Price:
        """The price of a job that no equation has."""
        mean = self.calibration.rules.get(job.rule) if self.calibration else None
        if self.calibration is None or mean is None:
            return Price(job)
        share = max(1.0, self.cells / self.calibration.cells) if job.rule in OF_ALL_CELLS else 1.0
        return Price(job, host=mean.range(share), calibrated=True)

    # --- checkpoints -------------------------------------------------------------------------

    def _pretrain(self, job: Job) -> Price:
        family, step = job.wildcards["family"], int(job.wildcards["step"])
        description = self.resolved.families[family]
        assert isinstance(description, PretrainFamily), family
        size, run = self.known.size(family), description.training
        before = max((s for s in description.steps() if s < step), default=0)
        save = self.resolved.study.execution.save_seconds

        def seconds(assumed: Assumed) -> float:
            one = step_seconds(
                size,
                run.batch_size,
                run.sequence_length,
                run.batch_size,
                size.parameters,
                self.device,
                assumed,
            )
            whole = training_seconds(step - before, one, size.parameters, save, assumed)
            return assumed.start + whole

        memory = tuning_memory(size, run.batch_size * run.sequence_length, size.parameters)
        return Price(job, _range(seconds), memory=memory, least=memory)

    def _verify(self, job: Job) -> Price:
        size = self.known.size(job.wildcards["family"])
        # Loaded once, and read once more for the digests of its files.
        seconds = _range(lambda a: load_seconds(size, a) + BYTES * size.parameters / a.read)
        weights = BYTES * size.parameters
        return Price(job, seconds, memory=weights, least=weights)

    # --- tune --------------------------------------------------------------------------------

    def _tune(self, job: Job) -> Price:
        variant = parse_variant(job.wildcards["variant"])
        stages = self.resolved.recipes[variant.recipe].stages
        training = self._trained(job, variant.family, variant.train_set, stages, 1.0)
        size = self.known.size(variant.family)
        written = _range(lambda assumed: BYTES * size.parameters / assumed.write)
        return replace(training, seconds=training.seconds + written)

    def _try_rate(self, job: Job) -> Price:
        """A candidate's run, on the rows that are not held out; reading those is left out."""
        family, name = job.wildcards["family"], job.wildcards["recipe"]
        stages = self.resolved.recipes[name].stages
        last = selecting(self.resolved.recipes[name])[0]
        selection = stages[last].optim.lr
        assert isinstance(selection, RateSelection), name
        share = 1 - selection.heldout
        return self._trained(job, family, job.wildcards["train_set"], stages[: last + 1], share)

    def _trained(
        self, job: Job, family: str, train_set: str, stages: list[Stage], share: float
    ) -> Price:
        """The price of training through stages, on a share of their rows."""
        size = self.known.size(family)
        runs = [self._run(stage, family, train_set, size, share) for stage in stages]
        seconds = sum(
            (_range(run.seconds) for run in runs),
            start=_range(lambda assumed: load_seconds(size, assumed)),
        )
        memory, least = (max(run.memory(longest) for run in runs) for longest in (True, False))
        return Price(job, seconds, memory=memory, least=least)

    def _run(self, stage: Stage, family: str, train_set: str, size: Size, share: float) -> "_Run":
        rows = self._mixed_rows(stage, train_set)
        longest = min(self.resolved.study.tune.max_length, size.context)
        texts = {
            dataset: min(
                self.known.train_tokens(dataset, family, self._layout(stage, dataset)), longest
            )
            for dataset in rows
        }
        count = sum(rows.values())
        mean = sum(rows[dataset] * texts[dataset] for dataset in rows) / count
        lora = stage.train.lora if isinstance(stage.train, LoraTrain) else None
        trained = adapter_weights(size, lora.r) if lora else size.parameters
        execution = self.resolved.study.execution
        return _Run(
            stage.optim, size, self.device, execution, count * share, mean, longest, trained
        )

    def _layout(self, stage: Stage, dataset: str) -> str:
        instruction = self.resolved.kind(dataset) == "instruction"
        return stage.data.dialogue if instruction else stage.data.format

    def _mixed_rows(self, stage: Stage, train_set: str) -> dict[str, float]:
        """Rows of each dataset of a stage's mix, as `tune/order.py` draws them."""
        mix = stage.data.mix
        named = {name: train_set if name == "$target" else name for name in mix}
        target = self.known.train_rows(named["$target"]) if "$target" in mix else None
        rows: dict[str, float] = {}
        for name, dataset in named.items():
            if target is None:
                drawn = self.known.train_rows(dataset) * mix[name]
            else:
                drawn = target * mix[name] / mix["$target"]
            rows[dataset] = rows.get(dataset, 0) + round(drawn)
        return rows

    # --- evaluate ----------------------------------------------------------------------------

    def _serve(self, job: Job) -> Price:
        size = self.known.size(parse_variant(job.wildcards["variant"]).family)
        weights = BYTES * size.parameters
        seconds = _range(lambda a: load_seconds(size, a))
        return Price(job, seconds, memory=weights, least=weights)

    def _cell(self, job: Job) -> Price:
        cell = job.cell()
        family = cell.variant.family
        kind = self.resolved.kind(cell.eval_set)
        shared = kind == "multiple_choice" and self._read_already(cell)
        size = self.known.size(family)
        key = (family, cell.eval_set, cell.format, cell.shots, cell.prediction, shared)
        if key not in self._cells:
            asked = self._asked(cell, kind, size, shared)
            self._cells[key] = _range(lambda a: asked.seconds(self.device, a))
        weights = BYTES * size.parameters
        return Price(job, self._cells[key], memory=weights, least=weights)

    def _read_already(self, cell: Cell) -> bool:
        """Whether another cell that is priced reads the same options: methods share a pass."""
        key = (cell.variant, cell.eval_set, cell.format, cell.shots)
        already = key in self._passes
        self._passes.add(key)
        return already

    def _asked(self, cell: Cell, kind: str, size: Size, shared: bool) -> "_Asked":
        """What a cell asks of its model."""
        settings = self.resolved.study.evaluate
        items = self.known.evaluated_items(cell.eval_set)
        own = self.known.prompt_tokens(cell.eval_set, cell.variant.family, cell.format)
        demonstrations = self._demonstration_tokens(cell)
        length = min(own + demonstrations, size.context)
        # What all prompts share is read once; where demonstrations overflow, prompts share none.
        overflow = own + demonstrations > size.context / 2
        read = length if overflow else own
        new, scored = 0, 0.0
        if kind == "generation" or cell.prediction == "free":
            new = settings.text_tokens if kind == "generation" else settings.label_tokens
        elif cell.prediction != "token_prob":
            scored = self.known.options(cell.eval_set) * self.known.answer_tokens(cell.eval_set)
        if cell.prediction == "likelihood_pmi":
            scored *= 1 if shared else 2  # each option once more, without its question
        elif shared:
            scored = 0.0
        tokens = items * ((0.0 if shared else read) + scored)
        tokens += 0.0 if overflow or shared else demonstrations
        batch = self.resolved.study.execution.batch_tokens or CPU_TOKENS
        return _Asked(size, items, tokens, length, new, batch)

    def _demonstration_tokens(self, cell: Cell) -> float:
        if not cell.shots:
            return 0.0
        lender = self.resolved.demonstrations(cell.eval_set)
        prompt = self.known.prompt_tokens(lender, cell.variant.family, cell.format)
        return cell.shots * (prompt + self.known.answer_tokens(lender))


@dataclass(frozen=True)
class _Run:
    """A stage's training: rows, tokens of the mean and of the longest row, trained weights."""

    optim: Optim
    size: Size
    device: Device
    execution: Execution
    rows: float
    mean: float
    longest: float
    trained: float

    @property
    def micro_batch(self) -> int:
        return min(self.execution.micro_batch, self.optim.batch_size)

    def seconds(self, assumed: Assumed) -> float:
        length = min(self.mean * assumed.padding, self.longest)
        batch = self.optim.batch_size
        one = step_seconds(
            self.size, batch, length, self.micro_batch, self.trained, self.device, assumed
        )
        steps = self.optim.epochs * math.ceil(self.rows / batch)
        return training_seconds(steps, one, self.trained, self.execution.save_seconds, assumed)

    def memory(self, longest: bool) -> float:
        """Bytes with texts of the longest, or of mean length."""
        tokens = self.micro_batch * (self.longest if longest else self.mean)
        return tuning_memory(self.size, tokens, self.trained)


@dataclass(frozen=True)
class _Asked:
    """A cell's work: tokens to read in all, the length they stand in, new tokens per item."""

    size: Size
    items: int
    tokens: float
    length: float
    new: int
    batch: int

    def seconds(self, device: Device, assumed: Assumed) -> float:
        rows = max(1, math.floor(self.batch / (self.length + self.new)))
        # A pass holds whole rows, of which the shared beginning is not read again.
        per_pass = rows * max(self.tokens / max(self.items, 1), 1)
        reading = reading_seconds(self.size, self.tokens, self.length, per_pass, device, assumed)
        beside = self.items * assumed.item
        if not self.new:
            return beside + reading
        decoding = decoding_seconds(
            self.size, self.items, rows, self.new, self.length, device, assumed
        )
        return beside + reading + decoding


def _range(seconds: Callable[[Assumed], float]) -> Range:
    low, mid, high = (seconds(assumed) for assumed in CASES)
    return Range(low, mid, high)
