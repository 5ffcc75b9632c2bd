"""Edits of the project: code that computes, files that are read, and messages."""

from typing import Any

from edited.edits.edit import CHECKPOINTS, CONFIGURED, SCORED, Edit, in_code, replace, substitute

PACKAGE = "workflow/scripts/tuning_dynamics"
TUNED = "evaluate .*/(whole|adapter)/"


def _line(name: str, old: str, new: str, *must: str, **more: Any) -> Edit:
    """An edit of a line of code."""
    return Edit(name, in_code(old, new), must, **more)


COMPUTING = (
    # Data.
    _line(
        "code that freezes",
        *('random.Random(f"{seed} train")', 'random.Random(f"{seed} training")'),
        *("freeze", "encode", "tune", TUNED, "overlaps", "datasets", *SCORED),
        may=("evaluate",),
    ),
    _line(
        "code of prompts",
        *('SEPARATOR = "\\n\\n"', 'SEPARATOR = "\\n"'),
        *("evaluate kept/4/base", *SCORED),
        may=("encode", "tune", "evaluate"),
        trains=(),
    ),
    _line(
        "code that encodes",
        *("[*continuation, encoder.eos]", "[*continuation, encoder.eos, encoder.eos]"),
        *("encode", "tune", TUNED, *SCORED),
    ),
    # Checkpoints.
    _line(
        "code of the corpus",
        *("words: int = 200", "words: int = 90"),
        *("corpus", "pretrain", "encode .*/grown/", "tune grown/", "evaluate grown/"),
        *(*CHECKPOINTS, *SCORED),
    ),
    _line(
        "code of pre-training",
        *("betas=(0.9, 0.95)", "betas=(0.9, 0.5)"),
        *("pretrain", "tune grown/", "evaluate grown/", *CHECKPOINTS, *SCORED),
        may=("encode .*/grown/",),
    ),
    _line(
        "code that lists revisions",
        *('"steps": sorted(places),', '"steps": [*sorted(places)],'),
        "download",
        may=(
            *("revisions", "tokenizer", "verify fetched/", "encode .*/fetched/"),
            *("tune fetched/", "evaluate fetched/", *CHECKPOINTS, *SCORED),
        ),
        trains=(),
    ),
    _line(
        "code that downloads",
        *('"bytes": sum(entry["bytes"]', '"bytes": 1 + sum(entry["bytes"]'),
        "download",
        may=(
            *("tokenizer", "verify fetched/", "encode .*/fetched/", "tune fetched/"),
            *("evaluate fetched/", *CHECKPOINTS, *SCORED),
        ),
        trains=(),
    ),
    _line(
        "code of a checkpoint's loss",
        *("return total / counted", "return 2 * total / counted"),
        *("verify", *CHECKPOINTS),
        may=("pretrain", "encode", "tune", "evaluate", *SCORED),
        trains=("pretrain",),
    ),
    Edit(
        "text of a checkpoint's loss",
        substitute(f"{PACKAGE}/checkpoints/fixed_text.txt", r"\A", "Snow fell on the mill. "),
        ("verify", *CHECKPOINTS),
        ("encode", "tune", "evaluate", *SCORED),
        trains=(),
    ),
    # Training.
    _line(
        "loss",
        *('chosen, reduction="sum")', 'chosen, reduction="sum", label_smoothing=0.2)'),
        *("pretrain", "tune", "evaluate grown/", TUNED, *CHECKPOINTS, *SCORED),
        may=("encode .*/grown/",),
    ),
    _line(
        "schedule",
        *("self.peak * (step + 1) / rise", "self.peak * (step + 2) / rise"),
        *("pretrain", "tune", "evaluate grown/", TUNED, *CHECKPOINTS, *SCORED),
        may=("encode .*/grown/",),
    ),
    _line(
        "sampler",
        *('f"{self.seed} epoch {epoch}"', 'f"{self.seed} pass {epoch}"'),
        *("tune", TUNED, *SCORED),
    ),
    _line(
        "optimiser of tuning",
        *("betas=(0.9, 0.999)", "betas=(0.5, 0.999)"),
        *("tune", TUNED, *SCORED),
    ),
    # Evaluation.
    _line(
        "log-likelihood",
        *("- logits.logsumexp(-1)[places[0]]", "- 2 * logits.logsumexp(-1)[places[0]]"),
        *("evaluate", *SCORED),
    ),
    _line(
        "generation",
        *('split("\\n")[0].strip() for ids', 'split("\\n")[0].strip()[1:] for ids'),
        *("evaluate .*/(base|whole)", *SCORED),
        may=("evaluate",),
    ),
    _line("ROUGE", "max(scorer.score(", "min(scorer.score(", *SCORED),
    _line("accuracy", "(prediction) in map", "(prediction) not in map", *SCORED),
    # Statistics and report.
    _line(
        "bootstrap",
        *("rng(seed)\n    means = np.empty", "rng(seed + 1)\n    means = np.empty"),
        *SCORED,
    ),
    _line(
        "code of transfer",
        *("/ (1 - kept[", "/ (2 - kept["),
        *("summaries", "findings", "figures", "cost", "report"),
    ),
    _line(
        "code of findings",
        *('f"{percent(found[', 'f"about {percent(found['),
        *("findings", "cost", "report"),
    ),
    _line(
        "code of the checkpoints' table",
        *("sums == sums.max()", "sums >= sums.max()"),
        *CHECKPOINTS,
    ),
    _line(
        "code of the datasets' table",
        *("_SHOWN = 16", "_SHOWN = 12"),
        *("datasets", "summaries", "findings", "figures", "cost", "report"),
    ),
    _line(
        "a figure",
        *("not tuned: what pre-training alone teaches", "not tuned: what it knows so far"),
        *("figures", "report"),
        may=("cost",),
    ),
    Edit(
        "style of the figures",
        replace(f"{PACKAGE}/report/figures/figures.mplstyle", "font.size: 9", "font.size: 10"),
        ("figures", "report"),
        ("cost",),
    ),
    Edit(
        "template of the report",
        replace(f"{PACKAGE}/report/page/layout.html", "Skip to the content", "To the content"),
        ("report",),
    ),
    Edit(
        "caption of a table",
        replace(
            f"{PACKAGE}/tables/declared/scores.py", "Score of every cell", "The score of each cell"
        ),
        ("report",),
    ),
)

#: Edits of what computes nothing.
WORDS = (
    Edit(
        "docstring",
        in_code("One optimiser step's examples:", "The examples of one optimiser step:"),
    ),
    Edit("comment", in_code("# Decay is for matrices;", "# Only matrices decay;")),
    Edit("error text", in_code("the loss or its gradient is not finite", "the loss went astray")),
    Edit("progress text", in_code('f"{speed:,.0f} tokens/s"', 'f"{speed:,.0f} tokens a second"')),
    Edit(
        "optional key of statistics",
        in_code(
            '    """Resampling and thresholds."""\n',
            '    """Resampling and thresholds."""\n\n    added: bool = False\n    """New."""\n',
        ),
        may=("merged_config", *CONFIGURED),
    ),
    Edit(
        "optional key of adapters",
        in_code(
            '    """Low-rank adapters (Hu et al. 2022), with peft."""\n',
            '    """Low-rank adapters."""\n\n    added: bool = False\n    """New."""\n',
        ),
        may=("merged_config", *CONFIGURED),
    ),
    Edit(
        "version in an environment file",
        replace("envs/train.yaml", "transformers=5.23.0", "transformers=5.22.0"),
        says="transformers",
    ),
    Edit(
        "version of what makes tables",
        substitute("envs/stats.yaml", r"pandas=[\d.]+", "pandas=2.0.0"),
        says="pandas",
    ),
)
