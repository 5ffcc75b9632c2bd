"""Prices jobs: seconds on one device, bytes, memory. Jobs are (rule, wildcards, cells), as planned.

Rules that need no accelerator (data, statistics, report) are counted, not priced.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

from tuning_dynamics.common.rules import RULES, TRIALS
from tuning_dynamics.common.variants import Cell, parse_variant
from tuning_dynamics.config.device import CASES, Assumed, Device, Range, total
from tuning_dynamics.config.family import ModelSize, PretrainFamily
from tuning_dynamics.config.recipe import RateSelection, Stage, selecting
from tuning_dynamics.config.study import ResolvedStudy
from tuning_dynamics.engine.batch_size import CPU_TOKENS, tokens_that_fit
from tuning_dynamics.plan.basis import Basis
from tuning_dynamics.plan.equations import (
    BYTES,
    NO_WORK,
    Dtype,
    Evaluating,
    Step,
    Text,
    Work,
    decoding_seconds,
    head_tokens,
    load_seconds,
    reading,
    reading_seconds,
    row_tokens,
    step_seconds,
    token_bytes,
    trained_weights,
    training_seconds,
    tuning_memory,
    weight_bytes,
)
from tuning_dynamics.plan.sizes import Known, NotKnown

#: Stages that a budget lists; all others are one stage.
PRICED = ("download", "pretrain", "verify", "rate", "tune", "evaluate")

NO_TIME = Range()
LIKELY = CASES[1]


@dataclass(frozen=True)
class Job:
    """A job that would run: its rule, its wildcards' values, and the cells that an `evaluate` job
    would make."""

    rule: str
    wildcards: Mapping[str, str] = field(default_factory=dict)
    cells: tuple[Cell, ...] = ()

    @property
    def stage(self) -> str:
        """One of STAGES; "other" for a rule that computes no model and downloads nothing."""
        rule = RULES.get(self.rule)
        return rule.stage if rule is not None and rule.stage in PRICED else "other"

    @property
    def family(self) -> str:
        """The family of a job that computes a model."""
        variant = self.wildcards.get("variant")
        return parse_variant(variant).family if variant else self.wildcards["family"]


@dataclass(frozen=True)
class Price:
    """The cost of a job, or in `unknown` why it is not known.

    `seconds` are of the device; `host` those of a job that uses none, only known from a
    calibration. `memory` is the most device memory in bytes that it needs, with every text of a
    batch at its longest; `least` that with texts of mean length; both for each of `gpus`, if
    several share the job.
    """

    job: Job
    seconds: Range = NO_TIME
    host: Range = NO_TIME
    calibrated: bool = False
    unknown: str = ""
    memory: float = 0.0
    least: float = 0.0
    gpus: int = 1

    @property
    def spent(self) -> Range:
        """Seconds summed over its devices."""
        return self.seconds * self.gpus


class CellPrice(NamedTuple):
    """A cell's part of its job: seconds, and the bytes that it needs at most and at least."""

    seconds: Range
    memory: float
    least: float


class Prices:
    """The prices of a study's jobs on a basis: a device, and its calibration from past runs.

    `cells` is the number of cells of the study: tables and figures grow with it. The counts of
    the datasets in `renewed`, which would be made again, are not used.
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
        self._cells: dict[tuple[object, ...], CellPrice] = {}
        self._priced: dict[str, Callable[[Job], Price]] = {
            "pretrain": self._pretrain,
            **dict.fromkeys(TRIALS, self._try_rate),
            "tune": self._tune,
            "evaluate": self._evaluate,
        }

    @cached_property
    def each(self) -> list[Price]:
        """A price for each job, in the jobs' order."""
        return [self.of(job) for job in self.jobs]

    def of(self, job: Job) -> Price:
        """The price of a job."""
        try:
            if job.rule in self._priced:
                return self._calibrated(self._priced[job.rule](job))
            return self._on_host(job)
        except NotKnown as lacking:
            return Price(job, unknown=str(lacking))

    def _calibrated(self, price: Price) -> Price:
        """A price corrected by past runs of the device, if they had models of this size."""
        kind = RULES[price.job.rule].priced_as
        fit = self.calibration.fits.get(kind) if self.calibration and kind else None
        if fit is None or not price.seconds.mid:
            return price
        if not fit.reaches(self.known.size(price.job.family).parameters):
            return price
        work = price.seconds.mid - LIKELY.start
        return replace(price, seconds=fit.seconds(work), calibrated=True)

    def _on_host(self, job: Job) -> Price:
        """The price of a job without an equation."""
        mean = self.calibration.rules.get(job.rule) if self.calibration else None
        if self.calibration is None or mean is None:
            return Price(job)
        all_cells = job.rule in RULES and RULES[job.rule].all_cells
        share = max(1.0, self.cells / self.calibration.cells) if all_cells else 1.0
        return Price(job, host=mean.range(share), calibrated=True)

    # --- checkpoints -------------------------------------------------------------------------

    def _pretrain(self, job: Job) -> Price:
        family, step = job.wildcards["family"], int(job.wildcards["step"])
        description = self.resolved.families[family]
        assert isinstance(description, PretrainFamily), family
        size, run = self.known.size(family), description.training
        before = max((s for s in description.steps() if s < step), default=0)
        save = self.resolved.study.execution.save_seconds
        rows, length = run.batch_size, run.sequence_length
        each = Step(rows, length, length, rows, size.parameters)

        def seconds(assumed: Assumed) -> float:
            one = step_seconds(size, each, self.device, assumed)
            whole = training_seconds(step - before, one, size.parameters, save, assumed, 1)
            return assumed.start + whole

        memory = tuning_memory(size, each, length)
        return Price(job, _range(seconds), memory=memory, least=memory)

    # --- tune --------------------------------------------------------------------------------

    def _tune(self, job: Job) -> Price:
        variant = parse_variant(job.wildcards["variant"])
        stages = self.resolved.recipes[variant.recipe].stages
        training = self._trained(job, variant.family, variant.train_set, stages, 1.0)
        size = self.known.size(variant.family)
        written = _range(lambda assumed: BYTES * size.parameters / assumed.write)
        return replace(training, seconds=training.seconds + written)

    def _try_rate(self, job: Job) -> Price:
        """A candidate's run, on rows that are not held out; reading held-out rows is ignored."""
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
        each = [self._run(stage, family, train_set, size, share) for stage in stages]
        # The last stage's state is not kept: its result is written next.
        runs = [replace(run, final=1) for run in each[:-1]] + each[-1:]
        seconds = sum(
            (_range(run.seconds) for run in runs),
            start=_range(lambda assumed: load_seconds(size, assumed)),
        )
        memory, least = (max(run.memory(longest) for run in runs) for longest in (True, False))
        gpus = self.resolved.study.execution.gpus_per_model
        return Price(job, seconds, memory=memory, least=least, gpus=gpus)

    def _run(
        self, stage: Stage, family: str, train_set: str, size: ModelSize, share: float
    ) -> "_Run":
        rows = self._mixed_rows(stage, train_set)
        count = sum(rows.values())  # no rows for a set that encode will refuse
        longest = min(self.resolved.study.tune.max_length, size.context)
        mean = counted = 0.0
        for dataset, own in rows.items():
            key = (dataset, family, self.resolved.encoding(stage, dataset))
            length = min(self.known.train_tokens(*key), longest)
            part = own / count if count else 0.0
            mean += part * length
            counted += part * min(self.known.counted_tokens(*key), length)
        trained = trained_weights(stage, size)
        execution, batch = self.resolved.study.execution, stage.optim.batch_size
        gpus = execution.gpus_per_model
        step = Step(batch, mean, counted, execution.micro_batch, trained, gpus)
        steps = stage.optim.epochs * math.ceil(count * share / batch)
        return _Run(size, self.device, execution.save_seconds, steps, step, longest)

    def _mixed_rows(self, stage: Stage, train_set: str) -> dict[str, float]:
        """Rows of each dataset of a stage's mix, as `tune/sampler.py` draws them."""
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

    def _evaluate(self, job: Job) -> Price:
        """One load of the model, and the cells; a job without cells loads none."""
        cells = self.cell_prices(job)
        if not cells:
            return Price(job)
        seconds = total([self.loading(job), *(cell.seconds for cell in cells)])
        memory = max(cell.memory for cell in cells)
        return Price(job, seconds, memory=memory, least=max(cell.least for cell in cells))

    def loading(self, job: Job) -> Range:
        """Seconds until an `evaluate` job's model is ready; NotKnown if its size is unknown."""
        size = self.known.size(job.family)
        return _range(lambda assumed: load_seconds(size, assumed))

    def cell_prices(self, job: Job) -> list[CellPrice]:
        """The prices of an `evaluate` job's cells by the equations, in their order.

        Work that a cell shares with an earlier one of the job is only in the earlier one's price.
        NotKnown if the catalogue lacks a figure.
        """
        read: set[tuple[object, ...]] = set()
        return [self._cell(cell, self._shared(cell, read)) for cell in job.cells]

    @cached_property
    def _dtype(self) -> Dtype:
        return self.resolved.study.evaluate.dtype

    def _cell(self, cell: Cell, shared: "_Shared") -> CellPrice:
        """The price of a cell, the same for all variants of a family."""
        key = (cell.variant.family, cell.setting, shared)
        if key not in self._cells:
            self._cells[key] = self._evaluated(cell, shared)
        return self._cells[key]

    def _evaluated(self, cell: Cell, shared: "_Shared") -> CellPrice:
        asked = self._asked(cell, self.known.size(cell.variant.family), shared)
        seconds = _range(lambda a: asked.seconds(Evaluating(self.device, a, self._dtype)))
        weights, token = weight_bytes(asked.size, self._dtype), token_bytes(asked.size, self._dtype)
        most, least = (token * (asked.before + rows * asked.text) for rows in (asked.rows, 1))
        return CellPrice(seconds, weights + most, weights + least)

    def _shared(self, cell: Cell, read: set[tuple[object, ...]]) -> "_Shared":
        """What a multiple-choice cell need not read, as its job has already `read` it: methods
        share a pass over the options, and formats, shots and draws the one without the question.
        Adds what the cell reads."""
        if self.resolved.kind(cell.eval_set) != "multiple_choice":
            return _Shared()
        options, alone = cell.setting[:-1], (cell.eval_set,)
        pmi = cell.prediction == "likelihood_pmi"
        shared = _Shared(options in read, pmi and alone in read)
        read.update({options, alone} if pmi else {options})
        return shared

    def _asked(self, cell: Cell, size: ModelSize, shared: "_Shared") -> "_Asked":
        """The work of a cell for its model."""
        kind, settings = self.resolved.kind(cell.eval_set), self.resolved.study.evaluate
        items = self.known.evaluated_items(cell.eval_set)
        before, own = self._prompt_tokens(cell, size)
        work = NO_WORK
        if not shared.options:
            work += reading(1, 0, before, 0) + reading(items, before, own, 1)
        new, branches = 0, 0.0
        if kind == "generation" or cell.prediction == "free":
            new = settings.text_tokens if kind == "generation" else settings.label_tokens
        elif cell.prediction != "token_prob":
            options = self.known.options(cell.eval_set)
            answer = self.known.answer_tokens(cell.eval_set)
            # The prompt's logits score an answer's first token; a label is scored with its end.
            rest = answer if kind == "classification" else max(answer - 1, 0.0)
            branches = options * rest
            if not shared.options:
                work += reading(items * options, before + own, rest, rest)
            if cell.prediction == "likelihood_pmi" and not shared.alone:
                work += reading(items * options, 1, rest, answer)
        text = own + new + branches * (1 + head_tokens(size, self._dtype))
        # As generation fills its batches: without the copy of the shared prefix.
        text += row_tokens(size, self._dtype, 0 if new else before)
        return _Asked(size, items, work, before, own, new, text, self._batch(size))

    def _prompt_tokens(self, cell: Cell, size: ModelSize) -> tuple[float, float]:
        """Mean tokens of the prefix that a cell's prompts share, which is read once, and of the
        rest of a prompt; if demonstrations overflow, prompts share none."""
        own = self.known.prompt_tokens(cell.eval_set)
        before = self._demonstration_tokens(cell)
        if own + before > size.context / 2:
            return 0.0, min(own + before, size.context)
        return before, own

    def _batch(self, size: ModelSize) -> int:
        """Tokens of a batch, as evaluation will choose them."""
        given = self.resolved.study.execution.batch_tokens
        if given is not None or self.device.memory is None:
            return given or CPU_TOKENS
        free = self.device.memory - weight_bytes(size, self._dtype)
        return tokens_that_fit(free, token_bytes(size, self._dtype))

    def _demonstration_tokens(self, cell: Cell) -> float:
        if not cell.shots:
            return 0.0
        lender = self.resolved.demonstrations(cell.eval_set)
        each = self.known.prompt_tokens(lender) + self.known.answer_tokens(lender)
        return cell.shots * each


@dataclass(frozen=True)
class _Run:
    """A stage's training: its steps, the longest possible text, and states kept at its end."""

    size: ModelSize
    device: Device
    save_seconds: float
    steps: int
    step: Step
    longest: float
    final: int = 0

    def seconds(self, assumed: Assumed) -> float:
        one = step_seconds(self.size, self.step, self.device, assumed)
        trained, save = self.step.trained, self.save_seconds
        return training_seconds(self.steps, one, trained, save, assumed, self.final)

    def memory(self, longest: bool) -> float:
        """Bytes with texts of the longest, or of mean length."""
        return tuning_memory(self.size, self.step, self.longest if longest else self.step.length)


class _Shared(NamedTuple):
    """What a cell need not read: its options after their questions, and options alone."""

    options: bool = False
    alone: bool = False


@dataclass(frozen=True)
class _Asked:
    """A cell's work: its items; all reading; tokens that all texts share and tokens of one text;
    new ones per item; the memory of a text in a batch, its logits included; and that of a batch.
    Both are in tokens, without the shared prefix."""

    size: ModelSize
    items: int
    work: Work
    before: float
    own: float
    new: int
    text: float
    batch: int

    @property
    def rows(self) -> int:
        """Texts in a batch."""
        return max(1, min(self.items, math.floor(self.batch / self.text)))

    def seconds(self, on: Evaluating) -> float:
        passes = math.ceil(self.items / self.rows)
        seconds = self.items * on.assumed.item + reading_seconds(self.size, self.work, passes, on)
        if not self.new:
            return seconds
        text = Text(self.before, self.own, self.new)
        return seconds + decoding_seconds(self.size, self.items, self.rows, text, on)


def _range(seconds: Callable[[Assumed], float]) -> Range:
    low, mid, high = (seconds(assumed) for assumed in CASES)
    return Range(low, mid, high)
