"""What a family's tokenizer makes of a dataset, before anything is spent on it."""

from pathlib import Path
from typing import Any

from tuning_dynamics.data.encode import Encoder, load_encoder
from tuning_dynamics.data.items import Item, read_items
from tuning_dynamics.data.prompts import completion, render
from tuning_dynamics.study.errors import StudyError
from tuning_dynamics.study.files import read_json, write_json


def check_dataset(
    name: str,
    *,
    items_path: str,
    checkpoint: str,
    templates: dict[str, str],
    labels: list[list[str]],
    output: str,
) -> None:
    """Write token counts per format and, for `labels`, the first token of each word.

    `labels` are the words of each label where token_prob is asked for, else empty. StudyError
    where two words share a first token or a token spans the boundary of prompt and label.
    """
    encoder = load_encoder(Path(read_json(checkpoint)["folder"]))
    evaluated = read_items(items_path, "evaluation")
    write_json(
        output,
        {
            "dataset": name,
            "formats": {
                prompt_format: _lengths(encoder, evaluated, template)
                for prompt_format, template in templates.items()
                if evaluated
            },
            "labels": {
                prompt_format: first_tokens(
                    encoder, render(template, evaluated[0].fields), labels, name
                )
                for prompt_format, template in templates.items()
                if labels
            },
        },
    )


def _lengths(encoder: Encoder, items: list[Item], template: str) -> dict[str, Any]:
    counts = [len(encoder.prompt(render(template, item.fields))) for item in items]
    return {"items": len(counts), "mean": sum(counts) / len(counts), "longest": max(counts)}


def first_tokens(
    encoder: Encoder, prompt: str, labels: list[list[str]], dataset: str
) -> dict[str, int]:
    """Each label word's first token after `prompt`; StudyError unless they tell all words apart.

    `labels` holds the words of each label. Two words of one label must differ too, as in
    evaluation, where each has a score of its own.
    """
    tokens: dict[str, int] = {}
    for word in (word for words in labels for word in words):
        if not encoder.boundary_holds(prompt, completion(word)):
            raise StudyError(
                f"a token spans the end of the prompt and the label {word!r}",
                file=f"datasets/{dataset}.yaml",
                key="formats",
                value=prompt[-40:],
                fix="end the format in another character, or use prediction `constrained`",
            )
        first = encoder.continuation(prompt, completion(word))[0]
        for other, token in tokens.items():
            if token == first:
                raise StudyError(
                    f"labels {other!r} and {word!r} begin with the same token",
                    file=f"datasets/{dataset}.yaml",
                    key="gold.labels",
                    value={"token": encoder.decode([first])},
                    fix="use other label words, or prediction `constrained`",
                )
        tokens[word] = first
    return tokens
