"""Labels found in free text."""

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.common.words import runs


def normalise(text: str) -> str:
    """Text without case and punctuation, one space between words."""
    return " ".join(runs(text.casefold()))


def match_label(answer: str, labels: tuple[str, ...]) -> str:
    """The label that a free answer begins with, up to case and punctuation; "" for none.

    A label must end at the end of a word, and the longest of several wins.
    """
    said = normalise(answer) + " "
    found = [label for label in labels if said.startswith(normalise(label) + " ")]
    return max(found, key=lambda label: len(normalise(label)), default="")


def refuse_alike(labels: tuple[str, ...], eval_set: str) -> None:
    """StudyError if two labels cannot be distinguished in free text, or one holds no word."""
    seen: dict[str, str] = {"": ""}
    for label in labels:
        other = seen.setdefault(normalise(label), label)
        if other != label:
            raise StudyError(
                f"labels {other!r} and {label!r} are the same text up to case and punctuation",
                file=f"datasets/{eval_set}.yaml",
                key="gold.labels",
                value=list(labels),
                fix="use other label words, or prediction `token_prob` or `constrained`",
            )
