"""The words of the mini world: names, attributes, and all wordings of facts and questions."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Attribute:
    """One kind of fact about an entity `{n}` with a value `{v}`.

    `predicates` follow the entity's name, so that two of them can be joined in one sentence;
    `sentences` stand alone; `questions` are asked in the corpus. `negation` (a predicate) and
    `reworded` (questions) never occur in it.
    """

    name: str
    values: tuple[str, ...]
    predicates: tuple[str, ...]
    sentences: tuple[str, ...]
    negation: str
    questions: tuple[str, ...]
    reworded: tuple[str, str]


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


# Two syllables per name: a byte-level BPE of about a thousand tokens then learns each as one token.
NAME_STARTS = _words("Ba Be Bo Da De Do Fa Fe Ga Ha Jo Ka Ke Ko La Le Lo Ma Me Mi Na Ne No Pa Pe")
NAME_ENDS = _words("bin dar dok fin kan len mar nek nor ra rin sel ta tor vik lo")
PLACE_STARTS = _words("Ald Bren Carn Dun Elm Fern Glen Holm Kirk Lang Marsh North Oak Stone Thorn")
PLACE_ENDS = _words("ton ford dale mouth wick ham")

PEOPLE = (
    Attribute(
        "birthplace",
        (),  # filled with the names of the world's places
        ("was born in {v}", "comes from {v}"),
        ("The birth place of {n} is {v}.", "{v} is where {n} was born."),
        "was not born in {v}",
        ("Where was {n} born?", "Where does {n} come from?"),
        ("What is the birth place of {n}?", "Name the birth place of {n}."),
    ),
    Attribute(
        "job",
        _words("baker farmer teacher doctor singer painter sailor tailor"),
        ("works as a {v}", "is a {v}"),
        ("The job of {n} is {v}.", "{n} has the job of a {v}."),
        "does not work as a {v}",
        ("What work does {n} do?", "What does {n} work as?"),
        ("What is the job of {n}?", "Name the job of {n}."),
    ),
    Attribute(
        "pet",
        _words("cat dog horse goat parrot rabbit snake turtle"),
        ("has a {v}", "keeps a {v}"),
        ("The pet of {n} is a {v}.", "At home {n} has a {v}."),
        "does not have a {v}",
        ("Which animal does {n} have?", "Which animal does {n} keep?"),
        ("What is the pet of {n}?", "Name the pet of {n}."),
    ),
    Attribute(
        "hobby",
        _words("swim paint dance sing run read cook draw"),
        ("likes to {v}", "loves to {v}"),
        ("The hobby of {n} is to {v}.", "Every day {n} likes to {v}."),
        "does not like to {v}",
        ("What does {n} like to do?", "What does {n} love to do?"),
        ("What is the hobby of {n}?", "Name the hobby of {n}."),
    ),
    Attribute(
        "colour",
        _words("red blue green yellow white black brown grey"),
        ("wears a {v} coat", "owns a {v} coat"),
        ("The coat of {n} is {v}.", "{n} has a coat that is {v}."),
        "does not wear a {v} coat",
        ("Which colour does {n} wear?", "Which colour does {n} own?"),
        ("What is the coat colour of {n}?", "Name the coat colour of {n}."),
    ),
    Attribute(
        "food",
        _words("soup bread rice cheese beans apples cake pasta"),
        ("eats {v}", "buys {v}"),
        ("The meal of {n} is {v}.", "At noon {n} eats {v}."),
        "does not eat {v}",
        ("What food does {n} eat?", "What food does {n} buy?"),
        ("What is the meal of {n}?", "Name the meal of {n}."),
    ),
)

PLACES = (
    Attribute(
        "goods",
        _words("wool glass paper salt rope boats bells shoes"),
        ("makes {v}", "sells {v}"),
        ("The goods of {n} are {v}.", "People in {n} make {v}."),
        "does not make {v}",
        ("What does {n} make?", "What does {n} sell?"),
        ("What are the goods of {n}?", "Name the goods of {n}."),
    ),
    Attribute(
        "building",
        _words("tower bridge castle mill market harbour temple school"),
        ("has a {v}", "is proud of a {v}"),
        ("The pride of {n} is a {v}.", "In {n} there is a {v}."),
        "does not have a {v}",
        ("Which building does {n} have?", "What is {n} proud of?"),
        ("What is the pride of {n}?", "Name the pride of {n}."),
    ),
    Attribute(
        "land",
        _words("river lake forest hill desert bay field swamp"),
        ("lies by a {v}", "stands near a {v}"),
        ("The land of {n} has a {v}.", "Near {n} there is a {v}."),
        "does not lie by a {v}",
        ("What does {n} lie by?", "What does {n} stand near?"),
        ("What is the land of {n}?", "Name the land of {n}."),
    ),
    Attribute(
        "weather",
        _words("cold hot wet dry windy foggy sunny mild"),
        ("has {v} days", "gets {v} days"),
        ("The weather of {n} is {v}.", "Days in {n} are {v}."),
        "does not have {v} days",
        ("Which days does {n} have?", "Which days does {n} get?"),
        ("What is the weather of {n}?", "Name the weather of {n}."),
    ),
)

EVENT_KINDS = _words("fair race feast show game contest")

EVENTS = (
    Attribute(
        "day",
        _words("Monday Tuesday Wednesday Thursday Friday Saturday Sunday"),
        ("was on {v}", "took place on {v}"),
        ("The day of {n} was {v}.", "On {v} people came to {n}."),
        "was not on {v}",
        ("On which day was {n}?", "When was {n}?"),
        ("What was the day of {n}?", "Name the day of {n}."),
    ),
    Attribute(
        "prize",
        _words("lamp ring book drum clock cup knife bag"),
        ("gave away a {v}", "had a {v} as prize"),
        ("The prize of {n} was a {v}.", "At {n} people won a {v}."),
        "did not give away a {v}",
        ("Which prize did {n} have?", "What did {n} give away?"),
        ("What was the prize of {n}?", "Name the prize of {n}."),
    ),
    Attribute(
        "opening",
        _words("songs games dances drums jokes poems plays speeches"),
        ("began with {v}", "opened with {v}"),
        ("The start of {n} was {v}.", "First there were {v} at {n}."),
        "did not begin with {v}",
        ("What did {n} begin with?", "What did {n} open with?"),
        ("What was the start of {n}?", "Name the start of {n}."),
    ),
    Attribute(
        "host",
        (),  # filled with the names of the stories' people
        ("was led by {v}", "had {v} as host"),
        ("The host of {n} was {v}.", "People thanked {v} for {n}."),
        "was not led by {v}",
        ("Who led {n}?", "Who was host at {n}?"),
        ("What was the name of the host of {n}?", "Name the host of {n}."),
    ),
)

TRANSPORTS = _words("boat train cart bus bike foot")
