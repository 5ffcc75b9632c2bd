"""Patterns for wildcards that match exactly the names in a study."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from tuning_dynamics.common.atomic_files import text_digest
from tuning_dynamics.common.variants import Setting, Variant, variant_key
from tuning_dynamics.config.base import canonical

#: Matches no name: the wildcard of a source that the study does not use.
NOTHING = "(?!)"


def evaluation_name(settings: tuple[Setting, ...]) -> str:
    """`evaluate_`, the number of cells, and a digest of their settings."""
    return (
        f"evaluate_{len(settings)}_{text_digest(canonical([one.named() for one in settings]))[:8]}"
    )


def pattern_of(variants: Iterable[Variant]) -> str:
    """A pattern that matches exactly the keys of variants, written as products of families, steps
    and recipes: Snakemake parses it once for each output of each job."""
    steps: dict[tuple[str, str], set[str]] = defaultdict(set)
    for variant in variants:
        family, step, tail = variant_key(variant).split("/", 2)
        steps[family, tail].add(step)
    tails: dict[tuple[str, frozenset[str]], set[str]] = defaultdict(set)
    for (family, tail), own in steps.items():
        tails[family, frozenset(own)].add(tail)
    families: dict[tuple[frozenset[str], frozenset[str]], set[str]] = defaultdict(set)
    for (family, points), ends in tails.items():
        families[points, frozenset(ends)].add(family)
    products = [
        "/".join((either(names), either(points), either(ends)))
        for (points, ends), names in families.items()
    ]
    return f"(?:{'|'.join(sorted(products))})"


def either(names: Any) -> str:
    """A pattern that matches exactly the names; nothing if there are none."""
    listed = sorted(set(names))
    # Names hold no special characters of regular expressions.
    return f"(?:{'|'.join(listed)})" if listed else NOTHING
