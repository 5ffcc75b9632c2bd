"""Instruction data of a mini world: requests of many kinds, answered by an assistant."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

from tuning_dynamics.data.world.corpus import LONGER_SHAPES, Story, new_passage
from tuning_dynamics.data.world.entities import World
from tuning_dynamics.data.world.wording import asked, joined, passage, sentence_of, wordings

Turn = tuple[str, str]


def conversations(rng: random.Random, world: World, split: str) -> Iterator[dict[str, Any]]:
    """Conversations of one to three exchanges; none is about a person of the benchmarks."""
    number = 0
    while True:
        request = rng.choice(REQUESTS)
        turns, context = request(rng, world)
        messages = [
            {"role": role, "content": content}
            for turn in turns
            for role, content in zip(("user", "assistant"), turn, strict=True)
        ]
        yield {"messages": messages, "context": context or f"conversation-{split}-{number}"}
        number += 1


def state_fact(rng: random.Random, world: World) -> tuple[list[Turn], str]:
    """One to three questions about a known person, answered in sentences."""
    person = rng.choice(world.asked("people"))
    turns = []
    for attribute, value in rng.sample(person.facts, rng.randint(1, 3)):
        question = asked(rng.choice(attribute.questions), person.name)
        opening = rng.choice(("", "Please tell me. ", "I have a question. "))
        turns.append((opening + question, sentence_of(attribute.predicates[0], person.name, value)))
    return turns, person.context


def describe(rng: random.Random, world: World) -> tuple[list[Turn], str]:
    """A short page about a known entity."""
    entity = rng.choice((*world.asked("people"), *world.asked("places")))
    request = rng.choice(("Tell me about {n}.", "Write a page about {n}.", "Who or what is {n}?"))
    facts = rng.sample(entity.facts, 2)
    answer = passage(rng, entity, facts)
    return [(request.format(n=entity.name), answer)], entity.context


def reword(rng: random.Random, world: World) -> tuple[list[Turn], str]:
    """The same fact in other words."""
    entity = rng.choice((*world.asked("people"), *world.asked("places")))
    attribute, value = rng.choice(entity.facts)
    first, second = rng.sample(wordings(attribute), 2)
    request = rng.choice(("Say it in other words: ", "Write this again, but not the same: "))
    turn = (
        request + sentence_of(first, entity.name, value),
        sentence_of(second, entity.name, value),
    )
    return [turn], entity.context


def answer_from_passage(rng: random.Random, world: World) -> tuple[list[Turn], str]:
    """A passage and one or two questions that it answers."""
    domain = rng.choice(("people", "places", "events"))
    text, entities = new_passage(rng, world, domain, LONGER_SHAPES)
    facts = [(entity, *fact) for entity in entities for fact in entity.facts]
    turns: list[Turn] = []
    for entity, attribute, value in rng.sample(facts, rng.randint(1, 2)):
        question = asked(rng.choice(attribute.questions), entity.name)
        turns.append((question if turns else f"Read this: {text} {question}", capital(value)))
    return turns, ""


def shorten(rng: random.Random, world: World) -> tuple[list[Turn], str]:
    """A new story in one sentence."""
    story = Story.draw(rng, world)
    request = rng.choice(("Make this short: ", "Sum this up: ", "Tell this story in one line: "))
    return [(request + story.text(rng), story.summary())], ""


def same_meaning(rng: random.Random, world: World) -> tuple[list[Turn], str]:
    """Whether two sentences say the same."""
    person = rng.choice(world.asked("people"))
    facts = rng.sample(person.facts, 3)
    same = rng.random() < 0.5
    first = joined(rng, person.name, facts[:2])
    second = joined(rng, person.name, [facts[1], facts[0] if same else facts[2]])
    request = f"Do these say the same? {first} {second}"
    return [(request, "Yes, they do." if same else "No, they do not.")], person.context


def name_some(rng: random.Random, world: World) -> tuple[list[Turn], str]:
    """Two values of a kind."""
    attribute = rng.choice([a for domain in world.schema.values() for a in domain])
    first, second, third = rng.sample(attribute.values, 3)
    request = rng.choice(("Name two more like {v}.", "Give me two words like {v}."))
    return [(request.format(v=first), f"{second} and {third}")], ""


def capital(value: str) -> str:
    """The value as a short answer."""
    return value[:1].upper() + value[1:] + "."


REQUESTS: tuple[Callable[[random.Random, World], tuple[list[Turn], str]], ...] = (
    state_fact,
    state_fact,
    describe,
    reword,
    answer_from_passage,
    shorten,
    same_meaning,
    name_some,
)
