"""The task sets of a mini world: raw rows, as a JSONL dataset would hold them."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from tuning_dynamics.data.world.corpus import Story, new_passage
from tuning_dynamics.data.world.entities import Entity, World, WorldSpec, build, passing, stream
from tuning_dynamics.data.world.instructions import conversations
from tuning_dynamics.data.world.lexicon import Attribute
from tuning_dynamics.data.world.wording import asked, capitalised, joined, passage, told, wordings
from tuning_dynamics.study.errors import StudyError

Row = dict[str, Any]
Rows = Iterator[Row]
TRAIN_ROWS, EVALUATION_ROWS, DEMONSTRATION_ROWS, INSTRUCTION_ROWS = 1200, 300, 64, 600
NLI_LABELS = ("entailment", "neutral", "contradiction")


def task_set(spec: WorldSpec, name: str) -> dict[str, list[Row]]:
    """The rows of a set by split; a set without a "train" split is there to be evaluated only.

    Raises StudyError for a name outside `TASK_SETS`, or a world too small to fill the set.
    """
    if name not in _SETS:
        raise StudyError(
            "The mini world has no such set.",
            key="source.world",
            value=name,
            fix=f"Choose one of: {', '.join(TASK_SETS)}.",
        )
    rows, train, evaluation = _SETS[name]
    world = build(spec)
    seen: set[str] = set()
    splits: dict[str, list[Row]] = {}
    for split, count in (("train", train), ("evaluation", evaluation)):
        if count:
            found = rows(stream(spec, f"{name}/{split}"), world, split)
            splits[split] = _distinct(found, count, seen, name)
            stream(spec, f"{name}/{split}/order").shuffle(splits[split])
    return splits


def _distinct(rows: Rows, count: int, seen: set[str], name: str) -> list[Row]:
    """The first `count` rows whose content no split holds yet."""
    kept: list[Row] = []
    for tried, row in enumerate(rows):
        # A relabelled or reshuffled copy of an item is the same item.
        content = {k: v for k, v in row.items() if k not in ("context", "label", "options")}
        content.pop("answer" if "options" in row else "", None)
        key = json.dumps(content, sort_keys=True)
        if key not in seen:
            seen.add(key)
            kept.append(row)
        if len(kept) == count:
            return kept
        if tried > 200 * count:
            break
    raise StudyError(
        f"The world is too small: {name} needs {count} different rows, it holds {len(kept)}.",
        key="world",
        fix="Give the world more people, places or events.",
    )


def _pool(world: World, domain: str, split: str) -> list[Entity]:
    """Entities of a domain; those of the training rows and the evaluated ones never meet."""
    entities = {"people": world.people, "places": world.places, "events": world.events}[domain]
    return [e for i, e in enumerate(entities) if (i % 3 == 0) == (split == "evaluation")]


def _other(rng: random.Random, attribute: Attribute, value: str) -> str:
    return rng.choice([v for v in attribute.values if v != value])


def nli(rng: random.Random, world: World, split: str, *, domain: str, whole: bool) -> Rows:
    """A premise of two facts; a hypothesis that repeats, changes or leaves them.

    `whole` words the hypothesis as a sentence of its own shape, never as a predicate.
    """
    pool = _pool(world, domain, split)
    while True:
        entity = rng.choice(pool)
        facts = rng.sample(entity.facts, 3)
        premise = joined(rng, entity.name, facts[:2])
        for label in NLI_LABELS:
            attribute, value = facts[2] if label == "neutral" else rng.choice(facts[:2])
            if label == "contradiction" or (label == "neutral" and rng.random() < 0.5):
                value = _other(rng, attribute, value)
            templates = attribute.sentences if whole else attribute.predicates
            hypothesis = told(rng.choice(templates), entity.name, value)
            yield {
                "premise": premise,
                "hypothesis": hypothesis,
                "label": label,
                "context": entity.context,
            }


def paraphrase(rng: random.Random, world: World, split: str, *, domain: str) -> Rows:
    """Two sentences of two facts each; the second rewords both, or changes one value."""
    pool = _pool(world, domain, split)
    while True:
        for label in ("yes", "no"):
            entity = rng.choice(pool)
            facts = rng.sample(entity.facts, 2)
            first = joined(rng, entity.name, facts)
            if label == "no":
                changed = rng.randrange(2)
                attribute, value = facts[changed]
                facts[changed] = (attribute, _other(rng, attribute, value))
            second = joined(rng, entity.name, facts[::-1])
            yield {"first": first, "second": second, "label": label, "context": entity.context}


def summary_people(rng: random.Random, world: World, split: str) -> Rows:
    """A new story and what it comes down to."""
    for number in _count():
        story = Story.draw(rng, world)
        yield {
            "text": story.text(rng),
            "summary": story.summary(),
            "context": f"story-{split}-{number}",
        }


def summary_events(rng: random.Random, world: World, split: str) -> Rows:
    """The report of an event with facts of its own, and what it comes down to."""
    for number in _count():
        event = passing(rng, world, "events")
        values = {attribute.name: value for attribute, value in event.facts}
        facts = rng.sample(event.facts, 4)
        yield {
            "text": passage(rng, event, facts),
            "summary": f"{capitalised(event.name)} was on {values['day']} "
            f"and gave away a {values['prize']}.",
            "context": f"event-{split}-{number}",
        }


def questions(rng: random.Random, world: World, split: str, *, domain: str) -> Rows:
    """A passage, an answer in it, and the question with that answer."""
    for number in _count():
        entity = passing(rng, world, domain)
        facts = rng.sample(entity.facts, 3)
        text = passage(rng, entity, facts)
        attribute, value = rng.choice(facts)
        yield {
            "text": text,
            "answer": value,
            "question": asked(attribute.questions[0], entity.name),
            "context": f"{domain}-{split}-{number}",
        }


def facts_qa(rng: random.Random, world: World, split: str, *, reworded: bool) -> Rows:
    """Closed-book questions; the evaluated ones are about people whom the corpus never asks for."""
    people = world.asked if split == "train" else world.unasked
    pairs = [(person, *fact) for person in people for fact in person.facts]
    rng.shuffle(pairs)
    for person, attribute, value in pairs:
        template = attribute.reworded if reworded else rng.choice(attribute.questions)
        others = rng.sample([v for v in attribute.values if v != value], 3)
        yield {
            "question": asked(template, person.name),
            **_options(rng, value, others),
            "context": person.context,
        }


def context_qa(rng: random.Random, world: World, split: str) -> Rows:
    """A passage about passing people and a question that only the passage answers."""
    for number in _count():
        text, entities = new_passage(rng, world, "people")
        entity = rng.choice(entities)
        attribute, value = rng.choice(entity.facts)
        near = {v for e in entities for a, v in e.facts if a == attribute and v != value}
        far = [v for v in attribute.values if v != value and v not in near]
        others = [*sorted(near), *rng.sample(far, 3 - len(near))]
        yield {
            "passage": text,
            "question": asked(rng.choice(attribute.questions), entity.name),
            **_options(rng, value, others),
            "context": f"passage-{split}-{number}",
        }


def _options(rng: random.Random, value: str, others: list[str]) -> Row:
    options = [value, *others]
    rng.shuffle(options)
    return {"options": options, "answer": options.index(value)}


def _count() -> Iterator[int]:
    number = 0
    while True:
        yield number
        number += 1


_SETS: dict[str, tuple[Callable[[random.Random, World, str], Rows], int, int]] = {
    "nli_people": (partial(nli, domain="people", whole=False), TRAIN_ROWS, EVALUATION_ROWS),
    "nli_places": (partial(nli, domain="places", whole=False), 0, EVALUATION_ROWS),
    "nli_reworded": (partial(nli, domain="people", whole=True), 0, EVALUATION_ROWS),
    "paraphrase_people": (partial(paraphrase, domain="people"), TRAIN_ROWS, EVALUATION_ROWS),
    "paraphrase_events": (partial(paraphrase, domain="events"), 0, EVALUATION_ROWS),
    "summary_people": (summary_people, TRAIN_ROWS, EVALUATION_ROWS),
    "summary_events": (summary_events, 0, EVALUATION_ROWS),
    "question_people": (partial(questions, domain="people"), TRAIN_ROWS, EVALUATION_ROWS),
    "question_places": (partial(questions, domain="places"), 0, EVALUATION_ROWS),
    "facts_qa": (partial(facts_qa, reworded=False), DEMONSTRATION_ROWS, 192),
    "facts_reworded": (partial(facts_qa, reworded=True), DEMONSTRATION_ROWS, 192),
    "context_qa": (context_qa, DEMONSTRATION_ROWS, EVALUATION_ROWS),
    "instruct_world": (conversations, INSTRUCTION_ROWS, 0),
}
TASK_SETS: tuple[str, ...] = tuple(_SETS)
