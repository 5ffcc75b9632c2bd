"""Small invented scenes that the rows of the hub's datasets are written from.

A scene is drawn from its set's name and a number. Its town is coined from the number, so that
no two rows of a set are the same text.
"""

import random
from dataclasses import dataclass

PEOPLE = ("Ada", "Tom", "Ivo", "Mara", "Lena", "Oskar", "Priya", "Sam", "Noor", "Felix")
JOBS = ("baker", "painter", "teacher", "fisher", "gardener", "tailor", "pilot", "nurse")
ANIMALS = ("goat", "heron", "rabbit", "donkey", "hen", "badger", "swan", "mule")
TOOLS = ("ladder", "kettle", "lantern", "saw", "cart", "bicycle", "drum", "stove")
FOODS = ("bread", "soup", "plums", "cheese", "rice", "beans", "honey", "pears")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
PLACES = ("market", "school", "harbour", "library", "mill", "station", "orchard", "museum")
CONSONANTS, VOWELS = "bdfgklmnprst", "aeiou"


@dataclass(frozen=True)
class Scene:
    """Who, what and where a row is about; `draw` decides what else the row needs."""

    number: int
    draw: random.Random
    person: str
    other: str
    third: str
    town: str
    job: str
    other_job: str
    animal: str
    tool: str
    other_tool: str
    food: str
    day: str
    other_day: str
    place: str
    other_place: str

    def fill(self, text: str) -> str:
        """The text with the names of this scene's fields replaced."""
        return text.format(**vars(self))


def scene(name: str, number: int) -> Scene:
    """The scene of a set's row."""
    draw = random.Random(f"{name} {number}")
    person, other, third = draw.sample(PEOPLE, 3)
    job, other_job = draw.sample(JOBS, 2)
    tool, other_tool = draw.sample(TOOLS, 2)
    day, other_day = draw.sample(DAYS, 2)
    place, other_place = draw.sample(PLACES, 2)
    return Scene(
        number=number,
        draw=draw,
        person=person,
        other=other,
        third=third,
        town=coined(number),
        job=job,
        other_job=other_job,
        animal=draw.choice(ANIMALS),
        tool=tool,
        other_tool=other_tool,
        food=draw.choice(FOODS),
        day=day,
        other_day=other_day,
        place=place,
        other_place=other_place,
    )


def coined(number: int) -> str:
    """A name that no other number below 3,600 has, such as Bamel for 37."""
    pairs = [consonant + vowel for consonant in CONSONANTS for vowel in VOWELS]
    first, second = divmod(number, len(pairs))
    return f"{pairs[first % len(pairs)]}{pairs[second]}ld".capitalize()


def others(options: tuple[str, ...], taken: str, count: int, draw: random.Random) -> list[str]:
    """`count` options that are not `taken`."""
    return draw.sample([option for option in options if option != taken], count)


REPORT = (
    "The {place} of {town} will stay closed until {day}.",
    "{person}, a {job} who lives next door, said the roof had been leaking for years.",
    "Workers found a {animal} asleep under the stairs when they arrived.",
    "The council has set money aside for a new {tool} and a better door.",
    "{other}, who has been a {other_job} in {town} since spring, offered to help.",
    "Some visitors went to the {other_place} instead, which sold {food}.",
    "A first meeting about the repairs takes place on {other_day}.",
    "Nobody was hurt, and no other building had to be closed.",
    "\u201cWe want our {place} back,\u201d said {third}, who comes every week.",
    "The bill could be twice as high as last year's, the council said.",
)
SUMMARIES = (
    "The {place} of {town} is closed until {day} because its roof leaks.",
    "Repairs to a leaking roof keep the {place} of {town} shut until {day}.",
)


def report(at: Scene, sentences: int) -> str:
    """A news report of this many sentences, three to a paragraph.

    After the ten of REPORT it continues with further days.
    """
    written = [at.fill(sentence) for sentence in REPORT]
    written += [
        f"On day {day} of the work in {at.town}, {at.draw.choice(PEOPLE)} carried "
        f"{at.draw.choice(FOODS)} to the {at.draw.choice(PLACES)} with a {at.draw.choice(TOOLS)}."
        for day in range(1, max(1, sentences - len(written) + 1))
    ]
    paragraphs = [" ".join(written[start : start + 3]) for start in range(0, sentences, 3)]
    return "\n".join(paragraphs)
