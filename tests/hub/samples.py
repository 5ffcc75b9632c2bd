"""The rows of the hub's datasets: texts of our own in the fields and values of the real sets.

Each function makes one row from a number and the split it is for; numbers do not repeat within
a set. Field names, order and value types are those of the hub's dataset cards. Not verified
there: the order of fields within ARC's and OpenBookQA's `choices`, and that tweet_qa's answers
of the test split are empty lists (the data card says answers are withheld).
"""

from typing import Any

from hub.scenes import (
    ANIMALS,
    FOODS,
    PLACES,
    SUMMARIES,
    Scene,
    others,
    report,
    scene,
)

Row = dict[str, Any]
#: One report in this many is long (over 600 words), longer than the tiny models' context.
LONG_EVERY = 12


def _sentences(number: int) -> int:
    return 60 if number % LONG_EVERY == 5 else 4 + number % 7


def xsum(number: int, _split: str) -> Row:
    at = scene("xsum", number)
    document = report(at, _sentences(number))
    return {"document": document, "summary": at.fill(SUMMARIES[0]), "id": str(30_000_000 + number)}


def xlsum(number: int, _split: str) -> Row:
    at = scene("xlsum", number)
    return {
        "id": f"world-{number:05d}",
        "url": f"https://news.example/world-{number:05d}",
        "title": at.fill("{place} in {town} shut").capitalize(),
        "summary": at.fill(SUMMARIES[1]),
        "text": report(at, _sentences(number)),
    }


def cnn(number: int, _split: str) -> Row:
    at = scene("cnn", number)
    lines = (SUMMARIES[0], "Nobody was hurt .", "A meeting takes place on {other_day} .")
    return {
        "article": f"({at.town}) -- {report(at, _sentences(number))}",
        "highlights": "\n".join(at.fill(line) for line in lines),
        "id": f"{number:040x}",
    }


SOCIAL = (
    (
        "{person} lent {other} a {tool} so that {other} could mend the roof in {town}.",
        "What will {other} want to do next?",
        ("thank {person}", "hide the {other_tool}", "sell the {animal}"),
    ),
    (
        "{person} walked to {town} in the rain to bring {other} some {food}.",
        "How would you describe {person}?",
        ("caring", "lazy", "afraid of {food}"),
    ),
    (
        "{person} left the {place} of {town} early because {other} had forgotten the {tool}.",
        "Why did {person} do this?",
        ("to fetch the {tool}", "to buy a {animal}", "to become a {job}"),
    ),
)


def siqa(number: int, _split: str) -> Row:
    at = scene("siqa", number)
    context, question, answers = SOCIAL[number % len(SOCIAL)]
    # A third of the rows has its right answer at each place, whatever the question.
    place = (number // len(SOCIAL)) % 3
    ordered = [at.fill(answer) for answer in answers[1:]]
    ordered.insert(place, at.fill(answers[0]))
    return {
        "context": at.fill(context),
        "question": at.fill(question),
        "answerA": ordered[0],
        "answerB": ordered[1],
        "answerC": ordered[2],
        "label": str(place + 1),
    }


PARTS = {
    "roots": "take up water from the soil",
    "leaves": "catch the light of the sun",
    "petals": "draw insects to the pollen",
    "thorns": "keep grazing animals away",
    "seeds": "grow into new plants",
}


def _plant(number: int) -> tuple[Scene, str, str, str]:
    """Scene, plant, one of its parts and what that part does."""
    at = scene("plants", number)
    part = list(PARTS)[number % len(PARTS)]
    return at, f"{at.town.lower()} plant", part, PARTS[part]


def sciq(number: int, _split: str) -> Row:
    at, plant, part, does = _plant(number)
    wrong = others(tuple(PARTS), part, 3, at.draw)
    support = f"A {plant} grows near the {at.place}. Its {part} {does}."
    return {
        "question": f"Which parts of a {plant} {does}?",
        "distractor3": wrong[2],
        "distractor1": wrong[0],
        "distractor2": wrong[1],
        "correct_answer": part,
        "support": "" if number % 6 == 0 else support,
    }


def tweet_qa(number: int, split: str) -> Row:
    at = scene("tweet_qa", number)
    text = at.fill("No {food} left at the {place} in {town}, they open again on {day}! #{town}")
    answers = {
        "train": [f"on {at.day.lower()}"],
        "validation": [f"on {at.day.lower()}", at.day.lower()],
        "test": [],
    }
    return {
        "Question": f"when does the {at.place} in {at.town.lower()} open again?",
        "Answer": answers[split],
        "Tweet": f"{text}\u2014 {at.person} {at.town} (@{at.person}{number}) May 3, 2016",
        "qid": f"{number:032x}",
    }


INFERENCE = {
    "entailment": ("{person} works in {town}.", "There is a {job} in {town}."),
    "neutral": ("{person} likes {food}.", "{person} came to {town} by {other_tool}."),
    "contradiction": ("Nobody works in {town}.", "{person} has never held a {tool}."),
}


def _inference(at: Scene, label: str) -> tuple[str, str]:
    premise = "{person} is a {job} in {town} and uses a {tool} on {day}."
    return at.fill(premise), at.fill(at.draw.choice(INFERENCE[label]))


def _class(number: int, split: str, classes: int) -> int:
    """The label of a GLUE row: its test labels are withheld."""
    return -1 if split.startswith("test") else number % classes


def mnli(number: int, split: str) -> Row:
    label = list(INFERENCE)[number % 3]
    premise, hypothesis = _inference(scene("mnli", number), label)
    return {
        "premise": premise,
        "hypothesis": hypothesis,
        "label": _class(number, split, 3),
        "idx": number,
    }


def rte(number: int, split: str) -> Row:
    label = ("entailment", "neutral")[number % 2]
    premise, hypothesis = _inference(scene("rte", number), label)
    return {
        "sentence1": premise,
        "sentence2": hypothesis,
        "label": _class(number, split, 2),
        "idx": number,
    }


def gpt3_nli(number: int, _split: str) -> Row:
    premise, hypothesis = _inference(scene("gpt3_nli", number), list(INFERENCE)[number % 3])
    return {"text_a": premise, "text_b": hypothesis, "label": number % 3, "guid": number}


def qqp(number: int, split: str) -> Row:
    at = scene("qqp", number)
    asked = ("Where in {town} can I have a {tool} mended?", "Who mends a {tool} in {town}?")
    unlike = "How much does a {tool} cost in {town}?"
    return {
        "question1": at.fill(asked[0]),
        "question2": at.fill(asked[1] if number % 2 else unlike),
        "label": _class(number, split, 2),
        "idx": number,
    }


SIMILAR = (
    ("A {animal} sleeps by the {other_place}.", 0.0),
    ("{other} eats {food} in {town}.", 1.25),
    ("{person} mends a {other_tool} in {town}.", 2.75),
    ("{person} repairs something in {town}.", 3.5),
    ("{person} repairs a {tool} in {town}.", 4.75),
    ("In {town}, a {tool} is mended by {person}.", 5.0),
)


def stsb(number: int, split: str) -> Row:
    at = scene("stsb", number)
    text, score = SIMILAR[number % len(SIMILAR)]
    return {
        "sentence1": at.fill("{person} mends a {tool} in {town}."),
        "sentence2": at.fill(text),
        "label": -1.0 if split == "test" else score,
        "idx": number,
    }


def paws(number: int, _split: str) -> Row:
    at = scene("paws", number)
    text = "In {town} , {person} gave {other} the {tool} and took the {other_tool} ."
    same = "In {town} , {person} took the {other_tool} and gave {other} the {tool} ."
    swapped = "In {town} , {other} gave {person} the {tool} and took the {other_tool} ."
    return {
        "id": number + 1,
        "sentence1": at.fill(text),
        "sentence2": at.fill(same if number % 2 else swapped),
        "label": number % 2,
    }


def _choices(number: int) -> list[str]:
    """ARC's option labels: mostly A to D, at times 1 to 4, three or five options."""
    if number % 10 == 3:
        return ["1", "2", "3", "4"]
    return list("ABCDE"[: {7: 3, 8: 5}.get(number % 10, 4)])


def arc_challenge(number: int, split: str) -> Row:
    return arc_easy(number + 3000, split)


def arc_easy(number: int, _split: str) -> Row:
    at, plant, part, does = _plant(number)
    labels = _choices(number)
    options = others(tuple(PARTS), part, len(labels) - 1, at.draw)
    place = (number // len(PARTS)) % len(labels)
    options.insert(place, part)
    return {
        "id": f"Scenes_{number}",
        "question": f"A {plant} stands near the {at.place}. Which of its parts {does}?",
        "choices": {"text": options, "label": labels},
        "answerKey": labels[place],
    }


def openbookqa(number: int, _split: str) -> Row:
    at = scene("openbookqa", number)
    options = [f"{food} for a {at.animal}" for food in others(FOODS, at.food, 3, at.draw)]
    place = number % 4
    options.insert(place, f"{at.food} for a {at.animal}")
    bought = f"{at.person} of {at.town} bought {at.food} for a {at.animal} and brings home"
    return {
        "id": f"7-{number}",
        "question_stem": bought,
        "choices": {"text": options, "label": list("ABCD")},
        "answerKey": "ABCD"[place],
    }


def openbookqa_additional(number: int, split: str) -> Row:
    at = scene("openbookqa", number)
    return {
        **openbookqa(number, split),
        "fact1": at.fill("animals eat {food}"),
        "humanScore": 1.0,
        "clarity": 1.5,
        "turkIdAnonymized": f"{number:010x}",
    }


def hellaswag(number: int, split: str) -> Row:
    """Rows from videos (two thirds) and from instructions with [header] and [title] marks."""
    at = scene("hellaswag", number)
    video = number % 3 != 0
    first, second, endings = _video(at) if video else _instruction(at)
    place = number % 4
    endings.insert(place, endings.pop(0))
    names = {"train": "train", "validation": "val", "test": "test"}
    return {
        "ind": number,
        "activity_label": f"Mending a {at.tool}" if video else "Home and Garden",
        "ctx_a": first,
        "ctx_b": second,
        "ctx": f"{first} {second}" if second else first,
        "endings": endings,
        "source_id": f"activitynet~v_{at.town}" if video else f"wikihow~{number}",
        "split": names[split],
        "split_type": "zeroshot" if number % 2 else "indomain",
        "label": "" if split == "test" else str(place),
    }


def _video(at: Scene) -> tuple[str, str, list[str]]:
    """Context, its beginning of a last sentence, and endings, the right one first."""
    first = at.fill("A {job} stands in a yard in {town} and shows a broken {tool} to the camera.")
    right = at.fill("mends the {tool} and holds it up.")
    wrong = [f"feeds the {at.tool} to a {animal}." for animal in at.draw.sample(ANIMALS, 3)]
    return first, at.fill("the {job}"), [right, *wrong]


def _instruction(at: Scene) -> tuple[str, str, list[str]]:
    text = "[header] How to mend a {tool} in {town} [title] Clean the {tool} first.  "
    first = at.fill(text + "[step] Take a wet cloth and wipe off the dust.")
    right = at.fill("[substeps] Let the {tool} dry before you go on.  Drying takes an hour.")
    wrong = [f"Carry the dust to the {sold} and sell it." for sold in at.draw.sample(PLACES, 3)]
    return first, "", [right, *wrong]


def boolq(number: int, _split: str) -> Row:
    at = scene("boolq", number)
    true = number % 2 == 0
    passage = (
        "{town} -- {town} is a small town with a {place} and no {other_place}. Its {place} was "
        "built by {person}, a {job}, and opens on {day}. Every year the town gives {food} away."
    )
    asked = at.place if true else at.other_place
    return {
        "question": f"does {at.town.lower()} have a {asked}",
        "answer": true,
        "passage": at.fill(passage),
    }


TURNS = (
    ("How do I mend a {tool}?", "Clean the {tool}, then ask a {job} in {town} for a new screw."),
    ("And who sells {food} on {day}?", "On {day} the {place} of {town} sells {food}."),
    ("Can my {animal} come along?", "A {animal} may come, but not into the {place}."),
)


def _messages(at: Scene) -> list[dict[str, str]]:
    """A dialogue of one, two or three turns; one in eight begins with a system message."""
    found = []
    if at.number % 8 == 1:
        found.append({"role": "system", "content": at.fill("You help people in {town}.")})
    first = at.number % len(TURNS)
    for question, reply in (TURNS[first:] + TURNS[:first])[: 1 + at.number % 3]:
        user = at.fill(f"I live in {{town}}. {question}")
        found.append({"role": "user", "content": user})
        found.append({"role": "assistant", "content": at.fill(reply)})
    return found


def tulu_2(number: int, _split: str) -> Row:
    name = ("flan_v2", "oasst1", "sharegpt")[number % 3]
    at = scene("tulu 2", number)
    return {"dataset": name, "id": f"{name}_{number}", "messages": _messages(at)}


def tulu_3(number: int, _split: str) -> Row:
    name = ("ai2-adapt-dev/flan_v2_converted", "ai2-adapt-dev/no_robots_converted")[number % 2]
    at = scene("tulu 3", number)
    messages = [{"content": m["content"], "role": m["role"]} for m in _messages(at)]
    return {"id": f"scenes_{number}", "messages": messages, "source": name}
