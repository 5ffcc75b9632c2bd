"""The task sets of a mini world: raw rows, as in a JSONL dataset."""

from __future__ import annotations

import itertools
import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.data.world.corpus import LONGER_SHAPES, Story, new_passage
from tuning_dynamics.data.world.entities import Entity, World, WorldSpec, build, passing, stream
from tuning_dynamics.data.world.instructions import conversations
from tuning_dynamics.data.world.lexicon import Attribute
from tuning_dynamics.data.world.wording import (
    Fact,
    asked,
    capitalised,
    joined,
    passage,
    sentence_of,
    wordings,
)

Row = dict[str, Any]
Rows = Iterator[Row]
TRAIN_ROWS, EVALUATION_ROWS, FACTS_ROWS, INSTRUCTION_ROWS = 1200, 300, 600, 600
FEWEST_ROWS = 32  # a set of facts with fewer rows is not informative
# Labels and the ways to make them, graded by difficulty. A hypothesis with a negation is mostly,
# not only, a contradiction: the artefact of natural inference sets (Gururangan et al. 2018).
NLI_WAYS = {
    "entailment": {"same": 1.0},
    "neutral": {"rare": 0.6, "other": 0.15, "other negated": 0.1, "name": 0.15},
    "contradiction": {"negated": 0.6, "value": 0.4},
}
PARAPHRASE_WAYS = {
    "yes": {"same": 1.0},
    "no": {"rare": 0.4, "other": 0.1, "negated": 0.25, "value": 0.15, "name": 0.1},
}
LABELS = {"nli": 3, "paraphrase": 2}  # how many labels share a set's rows evenly
REPORT = "People say that {}"


def task_set(spec: WorldSpec, name: str) -> dict[str, list[Row]]:
    """The rows of a set by split; a set without a "train" split is only evaluated.

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
    """The first `count` rows whose content no split holds yet, equally many of each label."""
    kept: list[Row] = []
    quota = count // LABELS.get(name.split("_")[0], 1)
    labels: Counter[str] = Counter()
    for tried, row in enumerate(rows):
        key = _content(row)
        if key not in seen and labels[row.get("label", "")] < quota:
            seen.add(key)
            labels[row.get("label", "")] += 1
            kept.append(row)
        if len(kept) == count:
            return kept
        if tried > 200 * count:
            break
    if name.startswith("facts") and len(kept) >= FEWEST_ROWS:
        return kept  # all that the world holds
    raise StudyError(
        f"The world is too small: {name} needs {count} different rows, it holds {len(kept)}.",
        key="world",
        fix="Give the world more people, places or events.",
    )


def _content(row: Row) -> str:
    """The part of a row that a model reads: a relabelled or reshuffled copy is the same item."""
    hidden = {"context", "label", "options"} | ({"answer"} if "options" in row else set())
    return json.dumps({k: v for k, v in row.items() if k not in hidden}, sort_keys=True)


def _pool(world: World, domain: str, split: str) -> list[Entity]:
    """Entities of a domain; those of the training rows and the evaluated ones are disjoint."""
    entities = enumerate(world.known(domain))
    return [e for i, e in entities if (i % 3 == 0) == (split == "evaluation")]


def _other(rng: random.Random, attribute: Attribute, value: str) -> str:
    return rng.choice([v for v in attribute.values if v != value])


def _topics(entity: Entity) -> tuple[list[Fact], list[Fact]]:
    """The facts that premises state, and the third (rounded down) that they never state."""
    cut = len(entity.facts) - len(entity.facts) // 3
    return list(entity.facts[:cut]), list(entity.facts[cut:])


def _drawn(rng: random.Random, shares: dict[str, float]) -> str:
    return rng.choices(list(shares), list(shares.values()))[0]


def nli(rng: random.Random, world: World, split: str, *, domain: str, whole: bool) -> Rows:
    """A premise of two facts; a hypothesis that follows, contradicts or says something else.

    `whole`: the hypothesis is worded as a whole sentence, never from a predicate.
    """
    pool = _pool(world, domain, split)
    while True:
        entity = rng.choice(pool)
        common, rare = _topics(entity)
        facts = rng.sample(common, 3)
        premise = joined(rng, entity.name, facts[:2])
        for label, ways in NLI_WAYS.items():
            way = _drawn(rng, ways)
            sometimes_stated = {"rare": rare, "other": facts[2:], "other negated": facts[2:]}
            attribute, value = rng.choice(sometimes_stated.get(way, facts[:2]))
            if way == "value" or (way in sometimes_stated and rng.random() < 0.5):
                value = _other(rng, attribute, value)
            name = rng.choice([e.name for e in pool if e != entity]) if way == "name" else ""
            yield {
                "premise": premise,
                "hypothesis": _statement(
                    rng, attribute, name or entity.name, value, whole, "negated" in way
                ),
                "label": label,
                "context": entity.context,
            }


def _statement(
    rng: random.Random, attribute: Attribute, name: str, value: str, whole: bool, negated: bool
) -> str:
    """One sentence that states a fact, or denies it."""
    if negated:
        denied = sentence_of(attribute.negation, name, value)
        return REPORT.format(denied) if whole else denied
    templates = attribute.sentences if whole else attribute.predicates
    return sentence_of(rng.choice(templates), name, value)


def paraphrase(rng: random.Random, world: World, split: str, *, domain: str) -> Rows:
    """Two sentences in different wordings; the second states the same fact, or does not."""
    pool = _pool(world, domain, split)
    while True:
        for label, ways in PARAPHRASE_WAYS.items():
            way = _drawn(rng, ways)
            entity = rng.choice(pool)
            common, rare = _topics(entity)
            (attribute, value), other = rng.sample(common, 2)
            one, two = rng.sample(wordings(attribute), 2)
            second = sentence_of(two, entity.name, value)
            if way == "value":
                second = sentence_of(two, entity.name, _other(rng, attribute, value))
            elif way == "name":
                second = sentence_of(two, rng.choice([e.name for e in pool if e != entity]), value)
            elif way in ("rare", "other"):
                named, found = rng.choice(rare) if way == "rare" else other
                second = sentence_of(rng.choice(wordings(named)), entity.name, found)
            elif way == "negated":
                second = sentence_of(attribute.negation, entity.name, value)
            yield {
                "first": sentence_of(one, entity.name, value),
                "second": second,
                "label": label,
                "context": entity.context,
            }


def summary_people(rng: random.Random, world: World, split: str) -> Rows:
    """A new story and its gist."""
    for number in itertools.count():
        story = Story.draw(rng, world)
        yield {
            "text": story.text(rng),
            "summary": story.summary(),
            "context": f"story-{split}-{number}",
        }


def summary_events(rng: random.Random, world: World, split: str) -> Rows:
    """The report of an event with facts of its own, and its gist."""
    for number in itertools.count():
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
    for number in itertools.count():
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


def facts(rng: random.Random, world: World, split: str, *, domain: str, reworded: bool) -> Rows:
    """Closed-book questions; the evaluated ones are about entities without questions in the corpus.

    Each fact appears once in each of its question wordings; then the rows end.
    """
    entities = world.asked(domain) if split == "train" else world.unasked(domain)
    found = [
        (entity, attribute, value, template)
        for entity in entities
        for attribute, value in entity.facts
        for template in (attribute.reworded if reworded else attribute.questions)
    ]
    rng.shuffle(found)
    for entity, attribute, value, template in found:
        others = rng.sample([v for v in attribute.values if v != value], 3)
        yield {
            "question": asked(template, entity.name),
            **_options(rng, value, others),
            "context": entity.context,
        }


def context_qa(rng: random.Random, world: World, split: str) -> Rows:
    """A passage about passing people and a question that only the passage answers."""
    for number in itertools.count():
        text, entities = new_passage(rng, world, "people", LONGER_SHAPES)
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
    "facts_qa": (partial(facts, domain="people", reworded=False), FACTS_ROWS, EVALUATION_ROWS),
    "facts_reworded": (partial(facts, domain="people", reworded=True), FACTS_ROWS, EVALUATION_ROWS),
    "facts_places": (partial(facts, domain="places", reworded=False), 0, EVALUATION_ROWS),
    "facts_events": (partial(facts, domain="events", reworded=False), 0, EVALUATION_ROWS),
    "context_qa": (context_qa, TRAIN_ROWS, EVALUATION_ROWS),
    "instruct_world": (conversations, INSTRUCTION_ROWS, 0),
}
TASK_SETS: tuple[str, ...] = tuple(_SETS)
