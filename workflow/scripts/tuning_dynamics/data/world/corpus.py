"""The pre-training corpus of a mini world."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from tuning_dynamics.data.world import lexicon
from tuning_dynamics.data.world.entities import Entity, World, WorldSpec, build, passing, stream
from tuning_dynamics.data.world.wording import Fact, asked, passage

QUESTION = "Question: {question}\nAnswer: {answer}"
# Numbers of facts stated about each entity of a passage. Short passages make reading learnable.
SHAPES: tuple[tuple[int, ...], ...] = ((1,), (2,), (2,), (3,), (1, 1), (2, 2))
LONGER_SHAPES: tuple[tuple[int, ...], ...] = ((2,), (3,), (2, 2))


def corpus(spec: WorldSpec) -> list[str]:
    """The pre-training documents, in a seeded order."""
    world = build(spec)
    rng = stream(spec, "corpus")
    kinds = [kind for kind, _ in SHARES]
    weights = [weight for _, weight in SHARES]
    return [kind(rng, world) for kind in rng.choices(kinds, weights, k=spec.documents)]


def biography(rng: random.Random, world: World) -> str:
    """Most of a person's facts, in any order and wording."""
    return described(rng, rng.choice(world.people), (4, 6))


def place_page(rng: random.Random, world: World) -> str:
    """A place's facts."""
    return described(rng, rng.choice(world.places), (2, 4))


def event_page(rng: random.Random, world: World) -> str:
    """An event's facts."""
    return described(rng, rng.choice(world.events), (2, 4))


def story(rng: random.Random, world: World) -> str:
    """A short story about somebody who goes somewhere and is given something."""
    return Story.draw(rng, world).text(rng)


def closed_questions(rng: random.Random, world: World) -> str:
    """Questions about lasting facts, without a passage; never about the unasked half."""
    pairs = []
    for _ in range(rng.randint(2, 5)):
        entity = rng.choice(world.asked(a_domain(rng)))
        pairs.append(question_pair(rng, entity, entity.facts))
    return "\n\n".join(pairs)


def context_questions(rng: random.Random, world: World) -> str:
    """A passage about passing entities, then a question on each of its facts."""
    text, entities = new_passage(rng, world, a_domain(rng))
    facts = [(entity, fact) for entity in entities for fact in entity.facts]
    pairs = [question_pair(rng, e, [fact]) for e, fact in rng.sample(facts, len(facts))]
    return "\n".join([text, *pairs])


def a_domain(rng: random.Random) -> str:
    """The domain that a document asks about: people more often than places or events."""
    return rng.choices(("people", "places", "events"), (3, 1, 1))[0]


def described(rng: random.Random, entity: Entity, sizes: tuple[int, int]) -> str:
    """An opening and some facts of one entity."""
    opening = rng.choice(("Here is {n}.", "This is {n}.", "About {n}:")).format(n=entity.name)
    facts = rng.sample(entity.facts, rng.randint(*sizes))
    return f"{opening} {passage(rng, entity, facts)}"


def question_pair(rng: random.Random, entity: Entity, facts: Sequence[Fact]) -> str:
    """A question about one of the facts, with its answer, in the corpus' own wording."""
    attribute, value = rng.choice(facts)
    question = asked(rng.choice(attribute.questions), entity.name)
    return QUESTION.format(question=question, answer=value)


def new_passage(
    rng: random.Random, world: World, domain: str, shapes: Sequence[tuple[int, ...]] = SHAPES
) -> tuple[str, list[Entity]]:
    """Facts about one or two passing entities, each reduced to the facts stated.

    A shape gives the number of facts stated about each entity.
    """
    entities: list[Entity] = []
    shape = rng.choice(shapes)
    while len(entities) < len(shape):
        drawn = passing(rng, world, domain)
        if drawn.name not in [entity.name for entity in entities]:
            stated = tuple(rng.sample(drawn.facts, shape[len(entities)]))
            entities.append(Entity(drawn.name, drawn.domain, drawn.pronoun, stated))
    return " ".join(passage(rng, e, list(e.facts)) for e in entities), entities


class Story:
    """Somebody goes to a place, meets somebody and is given a thing."""

    def __init__(self, slots: dict[str, str]) -> None:
        self.slots = slots

    @classmethod
    def draw(cls, rng: random.Random, world: World) -> Story:
        """A new story."""
        values = {a.name: a.values for domain in world.schema.values() for a in domain}
        return cls(
            {
                "n": rng.choice(world.story_names),
                "place": rng.choice(world.places).name,
                "by": rng.choice(lexicon.TRANSPORTS),
                "job": rng.choice(values["job"]),
                "thing": rng.choice(values["prize"]),
                "weather": rng.choice(values["weather"]),
                "day": rng.choice(values["day"]),
                "food": rng.choice(values["food"]),
            }
        )

    def text(self, rng: random.Random) -> str:
        """The story, in one of many wordings."""
        return " ".join(rng.choice(options).format(**self.slots) for options in STORY_LINES)

    def summary(self) -> str:
        """The gist of the story; no corpus document words it like this."""
        return "{n} went to {place} and got a {thing}.".format(**self.slots)


STORY_LINES = (
    (
        "On {day} {n} went to {place} by {by}.",
        "One day {n} took the {by} to {place}.",
        "It was {day} and {n} went by {by} to {place}.",
    ),
    ("The day was {weather}.", "It was a {weather} day."),
    ("There {n} met a {job}.", "In town a {job} met {n}.", "A {job} was there."),
    ("The {job} gave {n} a {thing}.", "{n} took a {thing} from the {job}."),
    ("Then {n} ate {food} and went home.", "At home {n} ate {food}."),
)

SHARES: tuple[tuple[Callable[[random.Random, World], str], float], ...] = (
    (biography, 0.26),
    (place_page, 0.07),
    (event_page, 0.07),
    (story, 0.04),
    (closed_questions, 0.13),
    (context_questions, 0.43),
)
