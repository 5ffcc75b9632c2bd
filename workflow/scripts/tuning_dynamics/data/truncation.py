"""Shorten an item until its prompt fits: the longest field loses its end."""

from collections.abc import Callable

from tuning_dynamics.common import templates
from tuning_dynamics.data.tokenizer import Encoder


def cut_longest(
    fields: dict[str, str],
    template: str,
    encoder: Encoder,
    excess: Callable[[dict[str, str]], int],
) -> dict[str, str] | None:
    """`fields` with the end of the template's longest one cut, by whole tokens.

    `excess` gives how many tokens too long a prompt of given fields is. None if the prompt would
    be too long even without that field.
    """
    names = templates.names(template)
    if not names:
        return None
    name = max(names, key=lambda name: len(fields[name]))
    text = fields[name]
    starts = encoder.special.starts(text)
    kept, shorter = len(starts), dict(fields)
    # The rest is encoded again with its neighbours, so a second cut may be needed.
    while (too_many := excess(shorter)) > 0:
        kept -= too_many
        if kept <= 0:
            return None
        shorter = {**fields, name: text[: starts[kept]].rstrip()}
    return shorter
