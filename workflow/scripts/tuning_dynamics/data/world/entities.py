"""The entities of a mini world and the facts that are true of them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tuning_dynamics.data.world import lexicon
from tuning_dynamics.data.world.lexicon import Attribute

TOWNS, HOSTS = 10, 10  # places where people are born; people who lead events


@dataclass(frozen=True)
class WorldSpec:
    """Sizes of a mini world. Two equal specs give the same world in every process."""

    seed: int = 0
    people: int = 50  # people with lasting facts
    story_people: int = 24  # names that stories and passages reuse with new facts every time
    places: int = 24
    events: int = 24
    documents: int = 48_000  # of the pre-training corpus


@dataclass(frozen=True)
class Entity:
    """A person, place or event: its name, its domain and one value per attribute."""

    name: str
    domain: str
    pronoun: str
    facts: tuple[tuple[Attribute, str], ...]

    @property
    def context(self) -> str:
        """Cluster id of the rows about this entity."""
        return f"{self.domain}-{self.name.replace(' ', '-')}"


@dataclass(frozen=True)
class World:
    """All facts of one world, and the pools that stories and passages draw from."""

    spec: WorldSpec
    people: tuple[Entity, ...]
    places: tuple[Entity, ...]
    events: tuple[Entity, ...]
    story_names: tuple[str, ...]
    story_places: tuple[str, ...]
    story_events: tuple[str, ...]
    schema: dict[str, tuple[Attribute, ...]]

    def known(self, domain: str) -> tuple[Entity, ...]:
        """All entities of a domain that have lasting facts."""
        return {"people": self.people, "places": self.places, "events": self.events}[domain]

    def asked(self, domain: str) -> tuple[Entity, ...]:
        """The half of a domain about which the corpus also asks questions."""
        return self.known(domain)[: len(self.known(domain)) // 2]

    def unasked(self, domain: str) -> tuple[Entity, ...]:
        """The half whose facts the corpus states but never asks for."""
        return self.known(domain)[len(self.known(domain)) // 2 :]


def stream(spec: WorldSpec, name: str) -> random.Random:
    """A separate random stream for each use: one set's size never changes another's rows."""
    return random.Random(f"world/{spec.seed}/{name}")


def build(spec: WorldSpec) -> World:
    """Draw names and facts of a world."""
    rng = stream(spec, "entities")
    names = _names(rng, lexicon.NAME_STARTS, lexicon.NAME_ENDS, spec.people + spec.story_people)
    towns_and_others = _names(rng, lexicon.PLACE_STARTS, lexicon.PLACE_ENDS, 2 * spec.places)
    towns = towns_and_others[: spec.places]
    story_names = tuple(names[spec.people :])
    schema = {
        "people": _filled(lexicon.PEOPLE, "birthplace", towns[:TOWNS]),
        "places": lexicon.PLACES,
        "events": _filled(lexicon.EVENTS, "host", story_names[:HOSTS]),
    }
    titles = _titles(rng, towns)
    other_towns = tuple(towns_and_others[spec.places :])
    return World(
        spec=spec,
        people=tuple(entity(rng, n, "people", schema) for n in names[: spec.people]),
        places=tuple(entity(rng, n, "places", schema) for n in towns),
        events=tuple(entity(rng, n, "events", schema) for n in titles[: spec.events]),
        story_names=story_names,
        story_places=other_towns,
        story_events=tuple(_titles(stream(spec, "story events"), other_towns)[: spec.events]),
        schema=schema,
    )


def entity(
    rng: random.Random, name: str, domain: str, schema: dict[str, tuple[Attribute, ...]]
) -> Entity:
    """An entity of that name with facts drawn at random."""
    pronoun = rng.choice(("he", "she")) if domain == "people" else "it"
    facts = tuple((attribute, rng.choice(attribute.values)) for attribute in schema[domain])
    return Entity(name, domain, pronoun, facts)


def passing(rng: random.Random, world: World, domain: str) -> Entity:
    """An entity of a story: a reused name, with facts of this story only."""
    names = {
        "people": world.story_names,
        "places": world.story_places,
        "events": world.story_events,
    }
    return entity(rng, rng.choice(names[domain]), domain, world.schema)


def _names(
    rng: random.Random, starts: tuple[str, ...], ends: tuple[str, ...], count: int
) -> list[str]:
    return rng.sample([start + end for start in starts for end in ends], count)


def _titles(rng: random.Random, towns: Sequence[str]) -> list[str]:
    titles = [f"the {kind} in {town}" for town in towns for kind in lexicon.EVENT_KINDS]
    rng.shuffle(titles)
    return titles


def _filled(
    attributes: tuple[Attribute, ...], name: str, values: tuple[str, ...] | list[str]
) -> tuple[Attribute, ...]:
    return tuple(replace(a, values=tuple(values)) if a.name == name else a for a in attributes)
