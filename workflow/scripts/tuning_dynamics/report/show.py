"""What `snakemake show` prints of a cell."""

from pathlib import Path

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.common.formatting import metric_text, shots_text
from tuning_dynamics.config.load import load_merged
from tuning_dynamics.grid.show_request import ShownCell, check_shown
from tuning_dynamics.report.examples import Chosen, chosen_items
from tuning_dynamics.report.prompts import Answered, CellAnswers


def shown_text(cell: ShownCell) -> str:
    """The prompts, answers and scores of an item of a cell, or of some right and some wrong ones.

    StudyError if there is no such cell or item, and as for `CellAnswers`.
    """
    check_shown(cell)
    answers = CellAnswers(Path(str(cell.path)))
    request = answers.request
    metric = _metric(answers.path, request.eval_set)
    items = chosen_items(answers, metric)
    head = (
        f"{cell.path}: {request.eval_set}, {request.kind.replace('_', ' ')} by "
        f"{request.prediction}, {shots_text(request.shots)}, {len(answers.rows):,} items, mean "
        f"{metric_text(metric)} {items.mean:.3f}"
    )
    names = _named(cell, answers) if cell.item is not None else items.names
    return "\n\n".join([head, *(_item_text(answers.answered(name), items) for name in names)])


def _named(cell: ShownCell, answers: CellAnswers) -> list[str]:
    found = [name for name in answers.rows if cell.is_item(name)]
    return found or [answers.answered(str(cell.item)).item]


def _item_text(answered: Answered, items: Chosen) -> str:
    prompt = answered.prompt
    text = "(unknown: no text made from the frozen items has the digest in the records)"
    if prompt is not None:
        text = prompt.text
    parts = [
        f"=== item {answered.item}: {items.verdict(answered.item)}",
        f"--- prompt{' (shortened to fit the context)' if answered.truncated else ''}\n{text}",
        f"--- answer\n{answered.prediction}",
        "--- right answers\n" + "\n".join(answered.gold),
    ]
    if answered.options:
        width = max(len(option) for option, _ in answered.options)
        rows = [f"{option:{width}}  {score:.4f}" for option, score in answered.options]
        parts.append("--- options and their scores\n" + "\n".join(rows))
    return "\n".join(parts)


def _metric(records: Path, eval_set: str) -> str:
    """The metric of a set in the study that the records lie in; StudyError if its config is not
    there."""
    found = (parent / "config.yaml" for parent in records.resolve().parents)
    config = next((path for path in found if path.is_file()), None)
    if config is None:
        raise StudyError(
            "the records lie in no study's folder, whose config.yaml names the metric",
            file=records,
            fix="give the path of records in the folder of their study",
        )
    return load_merged(config).metric(eval_set)
