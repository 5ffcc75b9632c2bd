"""A cell's prompts as token ids that fit in the model's context."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import TypeVar

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.common.registry import Kinds
from tuning_dynamics.data.items import Item, read_items
from tuning_dynamics.data.prompts import completion, few_shot, render
from tuning_dynamics.data.special_tokens import plain
from tuning_dynamics.data.tokenizer import Encoder
from tuning_dynamics.data.truncation import cut_longest
from tuning_dynamics.evaluate.request import CellRequest

#: Items whose texts are encoded together, on all cores; more at once only take more memory.
TOGETHER = 1024

T = TypeVar("T")


@dataclass(frozen=True)
class Prompt:
    """One item as the model sees it.

    `ids` are the prompt's tokens, beginning included. `wholes` are those of the prompt with
    each candidate answer, encoded as one text, in the candidates' order (none if the answer is
    generated). `truncated`: something was left out to fit the context.
    """

    item: Item
    text: str
    ids: list[int]
    wholes: list[list[int]]
    truncated: bool


def cut_apart(prompts: list[Prompt], compute: Callable[[list[Prompt]], list[T]]) -> list[T]:
    """`compute` for whole prompts and for truncated ones separately, in the prompts' order.

    A prompt that lost demonstrations begins differently from all others: with it among them, they
    would share almost no prefix.
    """
    order = sorted(range(len(prompts)), key=lambda place: prompts[place].truncated)
    groups = groupby(order, key=lambda place: prompts[place].truncated)
    found: dict[int, T] = {}
    for places in (list(group) for _, group in groups):
        found.update(zip(places, compute([prompts[place] for place in places]), strict=True))
    return [found[place] for place in range(len(prompts))]


def candidates(request: CellRequest, item: Item) -> list[str]:
    """The answers to choose from: labels or the item's options; none if it generates."""
    if request.generates:
        return []
    return list(request.words) if request.kind == "classification" else item.options


def make_prompts(
    request: CellRequest, items: list[Item], encoder: Encoder, context: int
) -> list[Prompt]:
    """The prompts of a cell's items, in their order.

    `context` is the longest text in tokens that the model takes, answer included. StudyError for
    too few demonstrations or ones among the items, and for a prompt that cannot be made to fit
    under the request's truncation policy.
    """
    shown = read_demonstrations(request, items, encoder)
    fitting = _Fitting(request, encoder, context, shown)
    return [
        prompt
        for start in range(0, len(items), TOGETHER)
        for prompt in fitting.prompts(items[start : start + TOGETHER])
    ]


def read_demonstrations(
    request: CellRequest, items: list[Item], encoder: Encoder
) -> list[tuple[str, str]]:
    """(prompt, answer) of the request's first demonstrations, with quotes; StudyError as for
    `make_prompts`."""
    if not request.shots:
        return []
    found = read_items(request.demonstrations, "demonstration") if request.demonstrations else []
    if request.kind == "classification":
        # Another set's demonstrations may have labels that are not candidates here.
        found = [item for item in found if item.target in request.words]
    if len(found) < request.shots:
        raise StudyError(
            f"{request.shots} demonstrations are requested and {len(found)} available",
            file=request.demonstrations or f"datasets/{request.eval_set}.yaml",
            key="shots",
            value=request.shots,
            fix="ask for fewer shots, or name a larger set as `demonstrations` of the dataset",
        )
    chosen = found[: request.shots]
    _refuse_evaluated(request, chosen, items)
    special = encoder.special
    return [
        (render(request.template, special.all_quoted(item.fields)), special.quoted(item.target))
        for item in chosen
    ]


def _refuse_evaluated(request: CellRequest, chosen: list[Item], items: list[Item]) -> None:
    # Ids are only unique within a dataset, so across two datasets the content decides.
    same_file = Path(request.demonstrations).resolve() == Path(request.items).resolve()
    ids = {item.item for item in items} if same_file else set()
    contents = {_content(item) for item in items}
    for item in chosen:
        if item.item in ids or _content(item) in contents:
            raise StudyError(
                f"a demonstration is also an evaluated item: {item.item}",
                file=request.demonstrations,
                key="demonstrations",
                value=item.fields,
                fix="its answer would be in the prompt: name another set as `demonstrations` "
                f"in datasets/{request.eval_set}.yaml",
            )


def _content(item: Item) -> tuple[object, ...]:
    return (tuple(sorted(item.fields.items())), tuple(sorted(item.options)))


@dataclass(frozen=True)
class _Fitting:
    """Makes items' prompts and, if the policy allows it, shortens them until they fit."""

    request: CellRequest
    encoder: Encoder
    context: int
    shown: list[tuple[str, str]]

    def prompts(self, items: list[Item]) -> list[Prompt]:
        """The items' prompts, in their order."""
        whole = self._encode([(item, item.fields) for item in items], self.shown)
        return [self._fitted(prompt) for prompt in whole]

    def _fitted(self, prompt: Prompt) -> Prompt:
        length = self.length(prompt)
        if length <= self.context:
            return prompt
        shortened = SHORTENED[self.request.truncation](self, prompt.item, length)
        return replace(shortened, truncated=True)

    def without_demonstrations(self, item: Item) -> Prompt:
        """The prompt without its first demonstrations, as few as needed for it to fit."""
        for left_out in range(len(self.shown)):
            prompt = self._encode_one(item, item.fields, self.shown[left_out + 1 :])
            if self.length(prompt) <= self.context:
                return prompt
        return self._encode_one(item, item.fields, [])

    def cut(self, item: Item) -> Prompt:
        """The prompt without demonstrations, and with the end of the item's longest field cut."""

        def excess(fields: dict[str, str]) -> int:
            return self.length(self._encode_one(item, fields, [])) - self.context

        fields = cut_longest(item.fields, self.request.template, self.encoder, excess)
        if fields is None:
            length = self.length(self._encode_one(item, item.fields, []))
            raise self.too_long(item, length, "even without its longest field")
        return self._encode_one(item, fields, [])

    def _encode_one(
        self, item: Item, fields: dict[str, str], shown: list[tuple[str, str]]
    ) -> Prompt:
        (prompt,) = self._encode([(item, fields)], shown)
        return prompt

    def _encode(
        self, items: list[tuple[Item, dict[str, str]]], shown: list[tuple[str, str]]
    ) -> list[Prompt]:
        """The prompts of items with these fields, encoded together."""
        template, beginning = self.request.template, self.encoder.beginning
        special = self.encoder.special
        texts = [
            few_shot(shown, render(template, special.all_quoted(fields))) for _, fields in items
        ]
        answers = [
            [completion(special.quoted(answer)) for answer in candidates(self.request, item)]
            for item, _ in items
        ]
        # As in lm-evaluation-harness, white space at the end of a prompt (in sets that are shown
        # verbatim) belongs to what follows.
        encoded = iter(
            self.encoder.all_ids(
                [
                    one
                    for text, options in zip(texts, answers, strict=True)
                    for one in (text.rstrip(), *(text + option for option in options))
                ]
            )
        )
        return [
            Prompt(
                item,
                plain(text),
                [*beginning, *next(encoded)],
                [[*beginning, *next(encoded)] for _ in options],
                truncated=False,
            )
            for (item, _), text, options in zip(items, texts, answers, strict=True)
        ]

    def length(self, prompt: Prompt) -> int:
        """Tokens of the prompt and its longest answer."""
        if self.request.generates:
            return len(prompt.ids) + self.request.max_new_tokens
        # `constrained` ends its labels with end-of-text; counted for every method, so that
        # all of them see the same prompts.
        return max(map(len, prompt.wholes), default=len(prompt.ids)) + 1

    def too_long(self, item: Item, length: int, why: str) -> StudyError:
        return StudyError(
            f"item {item.item} of {self.request.eval_set} needs {length} tokens, answer "
            f"included; the model's context is {self.context} ({why})",
            file=self.request.items,
            key="evaluate.truncation",
            value=self.request.truncation,
            fix="ask for fewer shots, shorten the items, or set evaluate.truncation to "
            "`demonstrations` or `input` (counted in scores.csv)",
        )


def _not_shortened(fitting: _Fitting, item: Item, length: int) -> Prompt:
    raise fitting.too_long(item, length, "nothing may be left out")


def _with_fewer_demonstrations(fitting: _Fitting, item: Item, length: int) -> Prompt:
    del length
    prompt = fitting.without_demonstrations(item)
    if (needed := fitting.length(prompt)) > fitting.context:
        raise fitting.too_long(item, needed, "without demonstrations")
    return prompt


def _with_less_input(fitting: _Fitting, item: Item, length: int) -> Prompt:
    del length
    prompt = fitting.without_demonstrations(item)
    return prompt if fitting.length(prompt) <= fitting.context else fitting.cut(item)


#: By truncation policy: shortens an item's prompt that has too many tokens.
SHORTENED: Kinds[str, Callable[[_Fitting, Item, int], Prompt]] = {
    "refuse": _not_shortened,
    "demonstrations": _with_fewer_demonstrations,
    "input": _with_less_input,
}
