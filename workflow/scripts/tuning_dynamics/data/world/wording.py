"""How facts become sentences."""

from __future__ import annotations

import random

from tuning_dynamics.data.world.entities import Entity
from tuning_dynamics.data.world.lexicon import Attribute

Fact = tuple[Attribute, str]


def capitalised(text: str) -> str:
    """The text with a capital first letter; the rest is untouched."""
    return text[:1].upper() + text[1:]


def sentence_of(template: str, name: str, value: str) -> str:
    """One sentence, from a predicate (which gets its subject) or a whole sentence."""
    text = template if "{n}" in template else "{n} " + template + "."
    return capitalised(text.format(n=name, v=value))


def asked(template: str, name: str) -> str:
    """A question about the entity of that name."""
    return template.format(n=name)


def wordings(attribute: Attribute) -> tuple[str, ...]:
    """Every template that states this attribute in the corpus."""
    return attribute.predicates + attribute.sentences


def joined(rng: random.Random, name: str, facts: list[Fact]) -> str:
    """The facts in one sentence: "Mira has a cat and likes to swim."."""
    predicates = [rng.choice(a.predicates).format(v=value) for a, value in facts]
    return capitalised(f"{name} {' and '.join(predicates)}.")


def passage(rng: random.Random, entity: Entity, facts: list[Fact]) -> str:
    """Some facts of one entity as running text, sometimes two in a sentence."""
    sentences: list[str] = []
    rest = list(facts)
    while rest:
        name = entity.name if not sentences or rng.random() < 0.6 else entity.pronoun
        if len(rest) > 1 and rng.random() < 0.35:
            sentences.append(joined(rng, name, [rest.pop(), rest.pop()]))
            continue
        attribute, value = rest.pop()
        known = name == entity.name
        templates = wordings(attribute) if known else attribute.predicates
        sentences.append(sentence_of(rng.choice(templates), name, value))
    return " ".join(sentences)
