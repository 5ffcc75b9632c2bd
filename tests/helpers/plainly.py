"""The same by plain transformers: one text at a time, nothing packed, padded, shared or cached."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from as_jobs import CELLS, NEW, RATE, STEPS, TEMPLATE, Asked
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

from tuning_dynamics.data.items import Item


class Plain:
    """A checkpoint's folder, read by transformers."""

    def __init__(self, folder: Path) -> None:
        self.model: Any = AutoModelForCausalLM.from_pretrained(str(folder), dtype=torch.float32)
        self.tokenizer: Any = tokenizer_of(folder)
        self.ends = ends_of(self.model)

    def prompt(self, text: str) -> list[int]:
        """Ids of a text as the tokenizer gives them to the model, without what it appends."""
        ids: list[int] = self.tokenizer(text)["input_ids"]
        bare = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        start = next(k for k in range(len(ids) + 1) if ids[k : k + len(bare)] == bare)
        return ids[: start + len(bare)]

    def _logits(self, ids: list[int]) -> torch.Tensor:
        """fp32 logits (tokens, vocabulary) of a text alone."""
        found: torch.Tensor = self.model(torch.tensor([ids]), use_cache=False).logits[0].float()
        return found

    def adapt(self, rank: int, alpha: int) -> None:
        """Give the model an adapter, which alone is trained then, as peft's documentation says."""
        torch.manual_seed(0)
        linear = {"target_modules": "all-linear", "task_type": "CAUSAL_LM"}
        self.model = get_peft_model(self.model, LoraConfig(r=rank, lora_alpha=alpha, **linear))

    def tune(self, items: Sequence[Item]) -> list[float]:
        """AdamW as torch's documentation writes it, a text at a time; returns the losses."""
        self.model.train()
        trained = [weights for weights in self.model.parameters() if weights.requires_grad]
        optimiser = torch.optim.AdamW(trained, lr=RATE, weight_decay=0.0, foreach=False)
        losses = []
        for _ in range(STEPS):
            texts = [self._example(item) for item in items]
            counted = sum(len(ids) - start for ids, start in texts)
            total = 0.0
            optimiser.zero_grad()
            for ids, start in texts:
                logits = self._logits(ids[:-1])[start - 1 :]
                wanted = torch.tensor(ids[start:])
                loss = torch.nn.functional.cross_entropy(logits, wanted, reduction="sum") / counted
                loss.backward()
                total += float(loss.detach())
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimiser.step()
            losses.append(total)
        self.model.eval()
        return losses

    def _example(self, item: Item) -> tuple[list[int], int]:
        start = self.prompt(TEMPLATE.format_map(item.fields))
        whole = self.prompt(TEMPLATE.format_map(item.fields) + f" {item.gold[0]}")
        return [*start, *whole[len(start) :], self.ends[0]], len(start)

    def answer(
        self, items: Sequence[Item], shown: Sequence[Item], labels: Sequence[str]
    ) -> list[list[tuple[str, list[float]]]]:
        """Of each of CELLS, the items' predictions and scores."""
        return [[self._item(cell, item, shown, labels) for item in items] for cell in CELLS]

    @torch.inference_mode()
    def _item(
        self, asked: Asked, item: Item, shown: Sequence[Item], labels: Sequence[str]
    ) -> tuple[str, list[float]]:
        examples = shown[: asked.shots]
        texts = [f"{TEMPLATE.format_map(one.fields)} {one.gold[0]}" for one in examples]
        text = "\n\n".join([*texts, TEMPLATE.format_map(item.fields)])
        if asked.kind == "generation":
            return self._said(text), []
        options = list(labels) if asked.kind == "classification" else item.options
        ending = self.ends[:1] if asked.kind == "classification" else []
        scores = [self._score(text, f" {option}", ending) for option in options]
        return options[scores.index(max(scores))], scores

    def _score(self, prompt: str, answer: str, ending: list[int]) -> float:
        start, ids = len(self.prompt(prompt)), self.prompt(prompt + answer) + ending
        said = self._logits(ids).log_softmax(-1)
        return sum(float(said[place - 1, ids[place]]) for place in range(start, len(ids)))

    def _said(self, prompt: str) -> str:
        """The likeliest tokens one after the other, each from the whole text before it."""
        ids = self.prompt(prompt)
        start = len(ids)
        for _ in range(NEW):
            token = int(self._logits(ids)[-1].argmax())
            if token in self.ends or self._is_no_text(token):
                break
            ids.append(token)
        said: str = self.tokenizer.decode(ids[start:], skip_special_tokens=True)
        return said.split("\n")[0].strip()

    def _is_no_text(self, token: int) -> bool:
        """Whether a token is special, and so ends an answer (docs/agreement.md)."""
        added = self.tokenizer.added_tokens_decoder.get(token)
        return added is not None and added.special and token != self.tokenizer.unk_token_id


def tokenizer_of(folder: Path) -> Any:
    """The folder's tokenizer, also where its config names no class."""
    if (folder / "tokenizer_config.json").is_file():
        return AutoTokenizer.from_pretrained(str(folder))
    return PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"))


def ends_of(model: Any) -> list[int]:
    """End-of-text ids of a model, those of its config first."""
    found: list[int] = []
    for value in (model.config.eos_token_id, model.generation_config.eos_token_id):
        found += value if isinstance(value, list) else [value]
    return list(dict.fromkeys(token for token in found if token is not None))
