"""The workflow's rules: a line of facts each."""

from dataclasses import dataclass

#: The stages in the order in which a study goes through them: of cost.csv, budget and report.
STAGES = (
    "download",
    "pretrain",
    "verify",
    "data",
    "rate",
    "tune",
    "evaluate",
    "statistics",
    "report",
)

#: A variant is tuned and evaluated in one SLURM job, all of a study's statistics are another.
VARIANT, ANALYSIS = "variant", "analysis"


@dataclass(frozen=True)
class Rule:
    """What is known about a rule's jobs without a study.

    `stage` is one of STAGES. `priced_as` is the kind of job that the cost model has an equation
    and a calibration for. `once`: a study has one such job, made from its cells. `all_cells`:
    it reads the records of all cells, or a table with a row for each. `before_cells`: cells are
    made from its outputs. `measured`: its row is in cost.csv, which is made before the report.
    `group` is its SLURM job.
    """

    stage: str
    priced_as: str | None = None
    once: bool = False
    all_cells: bool = False
    before_cells: bool = False
    measured: bool = True
    group: str | None = None


def _source(stage: str, priced_as: str | None = None) -> Rule:
    return Rule(stage, priced_as, before_cells=True)


def _analysis(stage: str, *, all_cells: bool = False, measured: bool = True) -> Rule:
    return Rule(stage, once=True, all_cells=all_cells, measured=measured, group=ANALYSIS)


#: By name; `evaluate` stands for the rules that are named by what they evaluate.
RULES = {
    "revisions": _source("download"),
    "tokenizer": _source("download"),
    "download": _source("download"),
    "corpus": _source("pretrain"),
    "pretrain": _source("pretrain", "pretrain"),
    "verify": _source("verify"),
    "freeze": _source("data"),
    "draw": _source("data"),
    "encode": _source("data"),
    "try_rate": _source("rate", "tune"),
    "choose_rate": _source("rate"),
    "try_rate_at_checkpoint": _source("rate", "tune"),
    "choose_rate_at_checkpoint": _source("rate"),
    "tune": Rule("tune", "tune", before_cells=True, group=VARIANT),
    "evaluate": Rule("evaluate", "evaluate", group=VARIANT),
    "text_loss": Rule("evaluate", group=VARIANT),
    "merged_config": Rule("statistics", once=True),
    "checkpoints": _analysis("statistics"),
    "overlaps": Rule("data", once=True),
    "datasets": _analysis("statistics"),
    "scores": _analysis("statistics", all_cells=True),
    "published_scores": _analysis("statistics", all_cells=True),
    "summaries": _analysis("statistics", all_cells=True),
    "figures": _analysis("report", all_cells=True),
    "findings": _analysis("report", all_cells=True),
    "cost": _analysis("statistics", measured=False),
    "report": _analysis("report", measured=False),
    "all": Rule("report", once=True, measured=False),
}

#: The rules that try a candidate learning rate: for all checkpoints, and for one.
TRIALS = ("try_rate", "try_rate_at_checkpoint")

#: Rules of commands that are not part of a study.
COMMANDS = ("compare", "plan", "calibrate", "audit", "show")
RULES |= dict.fromkeys(COMMANDS, Rule("report", measured=False))
