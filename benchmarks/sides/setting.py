"""What both sides are given: a model with random weights, its tokenizer, and sets of items.

Sets come from a folder of real data, frozen as a study freezes them, or are made up of the mini
world's words with the lengths of real sets, so that a fresh clone needs nothing else.
"""

import copy
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer

from tuning_dynamics.checkpoints.corpus import train_tokenizer
from tuning_dynamics.config.dataset import Dataset
from tuning_dynamics.config.family import END_OF_TEXT
from tuning_dynamics.config.load import parse, read_yaml
from tuning_dynamics.data.items import Item, read_items, write_items
from tuning_dynamics.data.sequences import completions
from tuning_dynamics.data.tokenizer import Encoder
from tuning_dynamics.data.world import WorldSpec, corpus
from tuning_dynamics.evaluate.model import FullPrecisionHead, LoadedModel
from tuning_dynamics.evaluate.prompts import Prompt, make_prompts
from tuning_dynamics.evaluate.request import CellRequest
from tuning_dynamics.tune.sampler import Example, example_of

CONFIG = Path(__file__).parents[2] / "config"
WORDS, CONTEXT = 50304, 2048

#: A small OLMo. As OLMo-1B it shares the weights of words between its two ends.
SMALL = {
    "hidden_size": 512,
    "intermediate_size": 2048,
    "num_hidden_layers": 8,
    "num_attention_heads": 8,
}
#: OLMo-1B as published: 1.18e9 weights.
OLMO_1B = {
    "hidden_size": 2048,
    "intermediate_size": 8192,
    "num_hidden_layers": 16,
    "num_attention_heads": 16,
}
#: For trying the benchmarks themselves.
MINIATURE = {
    "hidden_size": 128,
    "intermediate_size": 512,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
}


@dataclass(frozen=True)
class TaskSet:
    """A set of frozen items with what a request says of it.

    `prediction` is how an answer is chosen; `labels` are a classification's.
    """

    name: str
    kind: str
    template: str
    prediction: str
    items: Path
    labels: tuple[tuple[str, ...], ...] = ()

    def request(self, shots: int = 0, longest: int = 1) -> CellRequest:
        """A cell's request with so many demonstrations and new tokens at most."""
        return CellRequest(
            eval_set=self.name,
            kind=self.kind,
            template=self.template,
            items=str(self.items),
            demonstrations=str(self.items),
            shots=shots,
            prediction=self.prediction,
            truncation="refuse",
            max_new_tokens=longest,
            labels=self.labels,
            out="",
        )

    def prompts(
        self, model: LoadedModel, count: int, shots: int = 0, longest: int = 1
    ) -> list[Prompt]:
        """The prompts of the first evaluated items."""
        items = read_items(self.items, "evaluation")[:count]
        if len(items) < count:
            raise ValueError(f"{self.name} has {len(items)} items, {count} are asked for")
        return make_prompts(self.request(shots, longest), items, model.encoder, model.context)

    def examples(self, encoder: Encoder, count: int, longest: int = CONTEXT) -> list[Example]:
        """The first training examples."""
        items = read_items(self.items, "train")[:count]
        if len(items) < count:
            raise ValueError(f"{self.name} has {len(items)} training items, {count} are asked for")
        return [example_of(one) for one in completions(items, self.template, encoder, longest)]


def build_model(
    size: dict[str, int], encoder: Encoder, device: torch.device, architecture: str = "Olmo"
) -> Any:
    """A model with seeded random weights in fp32, wide enough that its answers differ."""
    import transformers

    torch.manual_seed(0)
    config = getattr(transformers, f"{architecture}Config")(
        **size,
        vocab_size=WORDS,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=encoder.eos,
        pad_token_id=encoder.eos,
        initializer_range=0.05,
    )
    with torch.device(device):
        return getattr(transformers, f"{architecture}ForCausalLM")(config).eval()


def encoder_of(tokenizer_json: Path) -> Encoder:
    """The encoder of a tokenizer's file, as OLMo's: nothing at a text's beginning."""
    tokenizer = Tokenizer.from_file(str(tokenizer_json))
    return Encoder(tokenizer, (), tokenizer.token_to_id(END_OF_TEXT))


def hugging_face(encoder: Encoder) -> Any:
    """The tokenizer as Hugging Face's libraries take it; end-of-text pads."""
    from transformers import PreTrainedTokenizerFast

    name = encoder.tokenizer.id_to_token(encoder.eos)
    return PreTrainedTokenizerFast(
        tokenizer_object=encoder.tokenizer, eos_token=name, pad_token=name
    )


#: Datasets of the catalogue by what they stand for here, and how their answers are chosen.
REAL = {
    "pairs": ("paws_yang2024", "token_prob"),
    "questions": ("tweetqa_6k", "greedy"),
    "summaries": ("scitldr_2k", "greedy"),
    "arc_easy": ("arc_easy_val", "likelihood"),
    "arc_challenge": ("arc_challenge_val", "likelihood"),
    "openbookqa": ("openbookqa_val", "likelihood"),
    "hellaswag": ("hellaswag_700", "likelihood"),
    "boolq": ("boolq_1k", "token_prob"),
}


def real_set(name: str, data: Path, folder: Path) -> TaskSet:
    """A set of real data, frozen into `folder` as a study would."""
    from tuning_dynamics.data.freeze import freeze_from_spec

    dataset, prediction = REAL[name]
    described = parse(Dataset, read_yaml(CONFIG / "datasets" / f"{dataset}.yaml"), dataset)
    task = read_yaml(CONFIG / "tasks" / f"{described.task}.yaml")
    spec = {
        "dataset": described.model_dump(mode="json", exclude_defaults=True),
        "kind": task["kind"],
        "seed": 0,
        "train_items": None,
        "evaluation_items": None,
    }
    path = folder / f"{name}.parquet"
    freeze_from_spec(dataset, spec, str(data), path, folder / f"{name}.json")
    labels = described.gold.label_groups() if task["kind"] == "classification" else []
    template = {**task["formats"], **described.formats}["default"]
    groups = tuple(map(tuple, labels))
    return TaskSet(name, task["kind"], template, prediction, path, groups)


@dataclass(frozen=True)
class Made:
    """A made-up set like a real one: words of each field, of an answer (least and most), options.

    The lengths are those of the real sets' rows, in words.
    """

    kind: str
    prediction: str
    template: str
    fields: dict[str, tuple[int, int]]
    answer: tuple[int, int] = (1, 1)
    options: int = 0
    labels: tuple[tuple[str, ...], ...] = ()


_YES_NO = (("yes",), ("no",))
_PAIR = "### Input_1: {a}\n### Input_2: {b}\n### Paraphrase Classification:"
_QUESTION = "Question: {question}\nAnswer:"
MADE = {
    "pairs": Made(
        "classification", "token_prob", _PAIR, {"a": (10, 19), "b": (10, 19)}, labels=_YES_NO
    ),
    "questions": Made(
        "generation",
        "greedy",
        "### Input: {text}\n### Answer: {answer}\n### Question:",
        {"text": (10, 30), "answer": (1, 6)},
        (6, 12),
    ),
    "summaries": Made(
        "generation", "greedy", "### Input: {text}\n### Summary:", {"text": (100, 220)}, (12, 26)
    ),
    "arc_easy": Made(
        "multiple_choice", "likelihood", _QUESTION, {"question": (8, 35)}, (1, 6), options=4
    ),
    "arc_challenge": Made(
        "multiple_choice", "likelihood", _QUESTION, {"question": (10, 40)}, (1, 8), options=4
    ),
    "openbookqa": Made(
        "multiple_choice", "likelihood", _QUESTION, {"question": (5, 18)}, (1, 6), options=4
    ),
    "hellaswag": Made(
        "multiple_choice", "likelihood", "{question}", {"question": (20, 70)}, (10, 30), options=4
    ),
    "boolq": Made(
        "classification",
        "token_prob",
        "{passage}\nQuestion: {question}?\nAnswer:",
        {"passage": (60, 150), "question": (6, 12)},
        labels=_YES_NO,
    ),
}


class World:
    """The mini world's text as a source of words, and a tokenizer trained on it."""

    def __init__(self, seed: int = 0) -> None:
        documents = corpus(WorldSpec(seed=seed, documents=2000))
        self.tokenizer = train_tokenizer(documents, 4096)
        self.words = " ".join(documents).split()

    def made_set(self, name: str, folder: Path, train: int, evaluation: int) -> TaskSet:
        """A made-up set (see MADE) with so many items; and 24 demonstrations."""
        made = MADE[name]
        rng = random.Random(name)
        counts = {"train": train, "evaluation": evaluation, "demonstration": 24}
        items = [
            self._item(made, f"{split}{number}", split, rng)
            for split, count in counts.items()
            for number in range(count)
        ]
        path = folder / f"{name}.parquet"
        write_items(path, items)
        return TaskSet(name, made.kind, made.template, made.prediction, path, made.labels)

    def _item(self, made: Made, name: str, split: str, rng: random.Random) -> Item:
        fields = {field: self._text(rng, bounds) for field, bounds in made.fields.items()}
        options = [f"{self._text(rng, made.answer)} {n}" for n in range(made.options)]
        if made.labels:
            target = rng.choice(made.labels)[0]
        else:
            target = options[0] if options else self._text(rng, made.answer)
        return Item(name, split, name, fields, [target], options)

    def _text(self, rng: random.Random, bounds: tuple[int, int]) -> str:
        count = rng.randint(*bounds)
        start = rng.randrange(len(self.words) - count)
        return " ".join(self.words[start : start + count])


@dataclass(frozen=True)
class Setting:
    """A process' model, tokenizer and device."""

    model: Any
    encoder: Encoder
    device: torch.device

    def loaded(self, weights: Path | None = None) -> LoadedModel:
        """The model, with other weights where a file of them is given, ready to evaluate."""
        model = self.model
        if weights is not None:
            model = copy.deepcopy(model)
            model.load_state_dict(torch.load(weights, weights_only=True))
        loaded = LoadedModel(model, self.encoder, CONTEXT, self.device)
        # Looked into once for a model, when a server first needs it: not part of a cell's time.
        if self.model.device.type != "meta":
            assert loaded.supports_packing
        return loaded

    def in_bf16(self) -> "Setting":
        """The same with weights in bf16 as evaluation loads them: the head stays in fp32."""
        model = copy.deepcopy(self.model)
        for parameter in model.parameters():
            parameter.data = parameter.data.to(torch.bfloat16)
        model.set_output_embeddings(FullPrecisionHead(model.get_output_embeddings()))
        return replace(self, model=model)


@dataclass(frozen=True)
class Given:
    """What every process is given: a model's size and a tokenizer's file."""

    size: dict[str, int]
    tokenizer: Path

    def setting(self) -> Setting:
        """The setting that this describes: in every process the same weights."""
        encoder, device = encoder_of(self.tokenizer), torch.device("cpu")
        return Setting(build_model(self.size, encoder, device), encoder, device)

    def outline(self) -> Setting:
        """The same without weights: enough to encode prompts and to count work."""
        encoder, nowhere = encoder_of(self.tokenizer), torch.device("meta")
        return Setting(build_model(self.size, encoder, nowhere), encoder, torch.device("cpu"))


def real_sets(data: Path, folder: Path) -> tuple[Path, dict[str, TaskSet]]:
    """(OLMo's tokenizer, the sets) in a folder of real data."""
    sets = {name: real_set(name, data, folder) for name in REAL}
    return data / "tok_olmo_v1_5" / "tokenizer.json", sets


def made_sets(
    folder: Path, names: Sequence[str] = tuple(REAL), evaluation: int = 400
) -> tuple[Path, dict[str, TaskSet]]:
    """(a tokenizer, the sets), made up."""
    world = World()
    path = folder / "tokenizer.json"
    world.tokenizer.save(str(path))
    return path, {name: world.made_set(name, folder, 1000, evaluation) for name in names}
