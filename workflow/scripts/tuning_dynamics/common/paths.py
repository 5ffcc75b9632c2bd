"""Every path of the workflow: made here, and parsed back here."""

from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

from tuning_dynamics.common.errors import UnavailableError
from tuning_dynamics.common.variants import Cell, Checkpoint, Variant, variant_key

#: Folder of the stubs; the package lies in it.
SCRIPTS = Path(__file__).resolve().parents[2]

#: The repository.
ROOT = SCRIPTS.parents[1]

#: Folders of a study that are not families, so that no family may carry these names.
RESERVED = frozenset(
    {
        *("data", "tables", "figures", "logs", "benchmarks", "metrics"),
        *("plan", "records", "scratch"),
    }
)


@dataclass(frozen=True)
class Paths:
    """The paths of one study, relative to the repository."""

    study: str

    @property
    def root(self) -> str:
        return f"results/{self.study}"

    @property
    def config(self) -> str:
        """The merged config."""
        return f"{self.root}/config.yaml"

    @property
    def report(self) -> str:
        return f"{self.root}/report.html"

    def table(self, name: str) -> str:
        """A table as CSV."""
        return f"{self.root}/tables/{name}.csv"

    def parquet(self, name: str) -> str:
        """The same table as parquet."""
        return f"{self.root}/tables/{name}.parquet"

    @property
    def figures(self) -> str:
        """The folder of all families' figures."""
        return f"{self.root}/figures"

    def figure(self, family: str, name: str, suffix: str = "svg") -> str:
        """A figure as SVG, PDF or PNG."""
        return f"{self.figures}/{family}/{name}.{suffix}"

    @property
    def findings(self) -> str:
        """The findings alone, as a page."""
        return f"{self.root}/findings.html"

    def log(self, rule: str, *parts: str) -> str:
        """Log of a job."""
        return f"{self.root}/logs/{rule}/{'/'.join(parts)}.log"

    def benchmark(self, rule: str, *parts: str) -> str:
        """Snakemake's record of a job's time and memory."""
        return f"{self.root}/benchmarks/{rule}/{'/'.join(parts)}.tsv"

    @property
    def records(self) -> str:
        """The folder of jobs' records."""
        return f"{self.root}/records"

    def record(self, job: str) -> str:
        """A job's record; the job's name is its rule and its wildcards' values."""
        return f"{self.records}/{job}.json"

    def code(self, digest: str) -> str:
        """The parts of the code with this digest, which jobs ran."""
        return f"{self.records}/code/{digest}.json"

    @property
    def seen(self) -> str:
        """Digests of files when they were last read."""
        return f"{self.records}/seen.json"

    @property
    def planned(self) -> str:
        """The plan of the run that works on the study, for its jobs."""
        return f"{self.records}/planned.json"

    def items(self, dataset: str) -> str:
        """Frozen items of a dataset: training, evaluation and demonstrations."""
        return f"{self.root}/data/{dataset}/items.parquet"

    def draw(self, dataset: str, draw: str | int) -> str:
        """A dataset's demonstrations in the order of a draw; draw 0 is that of its items."""
        return f"{self.root}/data/{dataset}/draws/{draw}.parquet"

    def demonstrations(self, dataset: str, draw: int) -> str:
        """The file that has a draw of a dataset's demonstrations."""
        return self.draw(dataset, draw) if draw else self.items(dataset)

    def data_manifest(self, dataset: str) -> str:
        """Counts, labels and digests of a dataset's frozen items."""
        return f"{self.root}/data/{dataset}/manifest.json"

    def tokens(self, dataset: str, family: str, layout: str) -> str:
        """Training rows of a dataset as a family's token ids, in a format or dialogue layout."""
        return f"{self.root}/data/{dataset}/tokens/{family}/{layout}.arrow"

    def token_counts(self, dataset: str, family: str, layout: str) -> str:
        """How many examples and tokens an encoded set has, and what was truncated or left out."""
        return f"{self.root}/data/{dataset}/tokens/{family}/{layout}.json"

    def trial(
        self,
        family: str,
        recipe: str,
        train_set: str,
        rate: str,
        step: str | int | None = None,
    ) -> str:
        """The held-out loss of a candidate for the learning rate, and the cost of the run; `step`
        where every checkpoint has its own choice."""
        return f"{self._rates(family, recipe, train_set, step)}/{rate}.json"

    def rate(self, family: str, recipe: str, train_set: str, step: str | int | None = None) -> str:
        """The learning rate chosen among a recipe's candidates, and all their losses; `step` as
        for `trial`."""
        return f"{self._rates(family, recipe, train_set, step)}/rate.json"

    def _rates(self, family: str, recipe: str, train_set: str, step: str | int | None) -> str:
        folder = f"{self.root}/{family}/rates/{recipe}/{train_set}"
        return folder if step is None else f"{folder}/step{step}"

    def corpus(self, family: str, name: str) -> str:
        """A file of a family's pre-training corpus."""
        return f"{self.root}/{family}/corpus/{name}"

    def revisions(self, family: str) -> str:
        """What the hub has of a family: revisions by step, digests of their weight files."""
        return f"{self.root}/{family}/revisions.json"

    def tokenizer(self, family: str) -> str:
        """A note on where the tokenizer of a hub family is."""
        return f"{self.root}/{family}/tokenizer.json"

    def checkpoint_file(self, family: str, step: str | int, name: str) -> str:
        """A file of a checkpoint."""
        return f"{self.root}/{family}/{step}/checkpoint/{name}"

    def checkpoint(self, checkpoint: Checkpoint) -> str:
        """Manifest of a checkpoint."""
        return self.checkpoint_file(checkpoint.family, checkpoint.step, "manifest.json")

    def variant_file(self, key: str, name: str) -> str:
        """A file of a variant."""
        return f"{self.root}/{key}/{name}"

    def manifest(self, variant: Variant) -> str:
        """Manifest of the weights a variant is evaluated with."""
        if variant.recipe == "base":
            return self.checkpoint(variant.checkpoint)
        return self.variant_file(variant_key(variant), "manifest.json")

    def cell_file(
        self,
        variant: str,
        eval_set: str,
        prompt_format: str,
        shots: int,
        draw: int,
        prediction: str,
    ) -> str:
        """Per-item records of a cell, from the parts of its key."""
        shown = f"{shots}shot_draw{draw}" if draw else f"{shots}shot"
        name = f"{eval_set}/{prompt_format}/{shown}/{prediction}.parquet"
        return f"{self.root}/{variant}/cells/{name}"

    def cell(self, cell: Cell) -> str:
        """Per-item records of a cell."""
        return self.cell_file(variant_key(cell.variant), *cell.setting)


def without_folders(path: str) -> str:
    """A path as it is published: of an absolute one, which names folders of its maker's machine,
    the last part alone."""
    absolute = path.startswith(("/", "~", "\\\\")) or PureWindowsPath(path).is_absolute()
    return f"…/{PureWindowsPath(path).name}" if absolute else path


def fill_root(path: str, data_root: str | None, file: str) -> str:
    """`path` with {data_root} replaced; StudyError if the study gives none."""
    if "{data_root}" in path and data_root is None:
        raise UnavailableError(
            "the file lies under {data_root}, which the study does not give",
            file=file,
            key="data_root",
            value=path,
            fix="add --config data_root=FOLDER, or the key data_root to the study",
        )
    return path.replace("{data_root}", data_root or "")
