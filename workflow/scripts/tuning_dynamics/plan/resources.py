"""What each job requests from a cluster: GPUs, minutes, and host memory.

From the config and small result files alone, so that a dry run can show it. A request is the high
end of a job's price with a margin, and grows with each attempt: a job that runs out of time
continues from its saved state, so both too small and too large a request cost waiting time.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tuning_dynamics.config.device import Device
from tuning_dynamics.config.family import PretrainFamily
from tuning_dynamics.config.study import Study
from tuning_dynamics.plan.basis import basis_of
from tuning_dynamics.plan.equations import BYTES
from tuning_dynamics.plan.price import Job, Prices
from tuning_dynamics.plan.sizes import Known, NotKnown
from tuning_dynamics.run.all_jobs import Jobs

#: Factor on the high end of a price.
SAFETY = 1.5

#: Least minutes that a job requests, so that a start on a cold file system is not a failure.
LEAST_MINUTES = 10

#: Bytes of host memory of a process with its libraries and, on a GPU, the driver's buffers.
PROCESS = 4e9

#: Requests of a job of unknown cost: the catalogue lacks a size, and the budget says so.
UNKNOWN_MINUTES, UNKNOWN_BYTES = 24 * 60, 64e9

#: Bytes per second of a slow download, and of slowly reading the files of a checkpoint.
DOWNLOAD, HASH = 10e6, 0.3e9

#: Tokens per second that a slow tokenizer trains on or encodes in one thread.
TOKENIZE = 1e5

#: Most tokens that a checkpoint's loss is computed on, and FLOP/s of a slow core.
VERIFIED, CORE = 512, 10e9

#: Bytes in memory of a token of text: four letters, and Python's objects around its row.
TEXT_BYTES = 40

#: Tokens of a document of the mini world.
WORLD_TOKENS = 50


@dataclass(frozen=True)
class Need:
    """Seconds and bytes of host memory that a job may take; `known` is False for a guess."""

    seconds: float
    memory: float
    known: bool = True

    def minutes(self, attempt: int) -> int:
        """The request at an attempt, the first being 1."""
        if not self.known:
            return UNKNOWN_MINUTES
        return max(LEAST_MINUTES, math.ceil(SAFETY * self.seconds / 60)) * attempt

    def megabytes(self, attempt: int) -> int:
        """The request at an attempt, the first being 1."""
        return 1000 * math.ceil(self.memory / 1e9) * attempt


UNKNOWN = Need(0, UNKNOWN_BYTES, known=False)


def gpus(study: Study, device: Device) -> int:
    """GPUs of a job that computes a model: none if the study computes on CPUs."""
    choice = study.execution.device
    return 0 if choice == "cpu" or (choice == "auto" and device.memory is None) else 1


class Allocation:
    """The requests of a study's jobs; nothing is computed before a job needs it.

    `root` is the repository.
    """

    def __init__(self, jobs: Jobs, root: str | Path) -> None:
        self.jobs, self.root = jobs, Path(root)
        self._needs: dict[tuple[object, ...], Need] = {}

    @cached_property
    def gpu(self) -> int:
        """GPUs of a job that computes a model."""
        return gpus(self.jobs.resolved.study, self._prices.device)

    @property
    def tuning_processes(self) -> int:
        """Processes of a job that tunes a model: one per GPU, or equally many on CPUs."""
        return self.jobs.resolved.study.execution.gpus_per_model

    @property
    def tuning_gpus(self) -> int:
        """GPUs of a job that tunes a model."""
        return self.gpu * self.tuning_processes

    def runtime(self, rule: str) -> Callable[[Any, int], int]:
        """A function of a job's wildcards and attempt: its time limit in minutes."""

        def minutes(wildcards: Any, attempt: int) -> int:
            return self._need(rule, wildcards).minutes(attempt)

        return minutes

    def memory(self, rule: str) -> Callable[[Any, int], int]:
        """A function of a job's wildcards and attempt: memory of its host in MB."""

        def megabytes(wildcards: Any, attempt: int) -> int:
            return self._need(rule, wildcards).megabytes(attempt)

        return megabytes

    @cached_property
    def _prices(self) -> Prices:
        resolved = self.jobs.resolved
        return Prices(resolved, (), basis_of(resolved.study, self.root))

    @property
    def _known(self) -> Known:
        return self._prices.known

    def _need(self, rule: str, wildcards: Any) -> Need:
        values = {name: str(value) for name, value in wildcards.items()}
        # By its cells too: they become fewer during a run.
        cells = tuple(self.jobs.evaluate.due_cells(values["variant"])) if rule == "evaluate" else ()
        key = (rule, *values.values(), cells)
        if key not in self._needs:
            self._needs[key] = self._computed(Job(rule, values, cells))
        return self._needs[key]

    def _computed(self, job: Job) -> Need:
        own: dict[str, Callable[[Job], Need]] = {
            "corpus": self._corpus,
            "download": self._download,
            "verify": self._verify,
            "text_loss": self._text_loss,
            "freeze": self._freeze,
            "encode": self._encode,
            "overlaps": self._overlaps,
        }
        try:
            return own.get(job.rule, self._model)(job)
        except NotKnown:
            return UNKNOWN

    # --- jobs that compute a model -----------------------------------------------------------

    def _model(self, job: Job) -> Need:
        """Pre-training, tuning (of candidates too) and evaluation."""
        price = self._prices.of(job)
        if price.unknown:
            return UNKNOWN
        return Need(price.seconds.high, self._host(job.family, price.memory, price.gpus))

    def _host(self, family: str, working: float, processes: int = 1) -> float:
        """Bytes of host memory: weights as files, and as tensors in each process, and on a CPU
        what GPUs would hold, with a margin."""
        weights = BYTES * self._known.size(family).parameters
        # The first of several processes gathers what it saves: weights and two moments.
        tensors = max(processes, 3) if processes > 1 else 1
        held = processes * PROCESS + (1 + tensors) * weights
        return held + (0 if self.gpu else SAFETY * processes * working)

    # --- jobs that read data -----------------------------------------------------------------

    def _corpus(self, job: Job) -> Need:
        """Train a tokenizer on the corpus, then encode it, all in memory."""
        family = job.wildcards["family"]
        files = self.jobs.checkpoints.corpus_files(family)
        size = sum(Path(path).stat().st_size for path in files)
        tokens = size / 4 or WORLD_TOKENS * self.jobs.resolved.study.world.documents
        return Need(2 * tokens / TOKENIZE, PROCESS + TEXT_BYTES * tokens)

    def _download(self, job: Job) -> Need:
        """Bytes over the network, read once more for their digests."""
        family, step = job.wildcards["family"], int(job.wildcards["step"])
        size = self._known.download_bytes(family, step)
        size = BYTES * self._known.size(family).parameters if size is None else size
        return Need(size / DOWNLOAD + size / HASH, PROCESS)

    def _verify(self, job: Job) -> Need:
        """Weights are read twice, and a short text is evaluated on one core."""
        return self._read_through(job.family, VERIFIED)

    def _text_loss(self, job: Job) -> Need:
        """As `_verify`; of a family that is pre-trained here on its held-out documents, of about a
        window each."""
        family = self.jobs.resolved.families[job.family]
        if not isinstance(family, PretrainFamily):
            return self._read_through(job.family, VERIFIED)
        return self._read_through(job.family, family.heldout * family.training.sequence_length)

    def _read_through(self, family: str, tokens: float) -> Need:
        """Reading weights twice, and this many tokens by the model."""
        weights = self._known.size(family).parameters
        reading = 2 * BYTES * weights / HASH
        return Need(reading + 2 * weights * tokens / CORE, self._host(family, 0))

    def _freeze(self, job: Job) -> Need:
        """A whole split is read and screened, however much of it the study uses."""
        return self._text(self._known.split_tokens(job.wildcards["dataset"]))

    def _encode(self, job: Job) -> Need:
        w = job.wildcards
        rows = self._known.train_rows(w["dataset"])
        return self._text(rows * self._known.train_tokens(w["dataset"], w["family"], w["format"]))

    def _overlaps(self, job: Job) -> Need:
        """The rows of all sets are read; evaluated items are held in parts that fit."""
        del job
        tokens = [self._known.split_tokens(name) for name in self.jobs.data.compared_sets]
        return Need(sum(tokens) / TOKENIZE, PROCESS)

    def _text(self, tokens: float) -> Need:
        """Reading this many tokens of text into items."""
        return Need(tokens / TOKENIZE, PROCESS + TEXT_BYTES * tokens)
