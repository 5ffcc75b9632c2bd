"""A trial of a checkpoint: a few short texts through tuning's and evaluation's own functions.

Each result is compared with the model's own forward pass over one text at a time. The trial only
stops a job: it is no part of what a result is made from (identity/code_digest.py).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.data.tokenizer import Encoder, context_of
from tuning_dynamics.engine.padding_free import IGNORED, packed, summed_loss
from tuning_dynamics.evaluate.generate import generate
from tuning_dynamics.evaluate.loglikelihood import Scored, log_likelihoods
from tuning_dynamics.evaluate.model import LoadedModel

#: The beginning that prompts share, how they go on, and answers to each. Short, as each pass reads
#: all weights: with them the trial takes about as long as the loss on `verify`'s own text.
SHARED = "Ada was born in a house."
PROMPTS = (" She", " Later she worked as")
ANSWERS = (" baker", " a painter")

#: Tokens that are generated after each prompt, and tokens of a batch: all texts together.
NEW, BATCH = 2, 8192

#: Largest difference, as a share of what is compared (log-probabilities of a text, logits,
#: gradients), that counts as rounding in fp32.
NEAR = 1e-4

CPU = torch.device("cpu")


class _Numbers(Encoder):
    """Decodes to the numbers of tokens: texts alone would not tell equal ones apart."""

    def decode(self, ids: list[int]) -> str:
        """The numbers, with spaces."""
        return " ".join(map(str, ids))


def try_model(model: Any, encoder: Encoder, folder: Path) -> None:
    """Try a model in fp32 on the CPU; its weights stay as they are.

    StudyError if its code can't compute a short text, if a token sees tokens that follow it, or if
    scores, generated texts, losses or gradients differ from those of the plain forward pass.
    """
    numbers = _Numbers(encoder.tokenizer, encoder.beginning, encoder.eos, encoder.ends)
    loaded = LoadedModel(model, numbers, context_of(folder), CPU)
    prompts = [_within(loaded, SHARED + more) for more in PROMPTS]
    with _errors_in_words(model, folder):
        for tried, what in TRIED.items():
            if not tried(loaded, prompts):
                raise _refusal(model, folder, f"{what} of short texts are not right")


def _within(loaded: LoadedModel, text: str) -> list[int]:
    """Ids of a text, so few that an answer fits after them."""
    return loaded.encoder.prompt(text)[: max(2, loaded.context // 2)]


@contextmanager
def _errors_in_words(model: Any, folder: Path) -> Iterator[None]:
    try:
        yield
    except (StudyError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # whatever the code of an architecture raises
        said = " ".join(str(error).split())[:300]
        raise _refusal(model, folder, f"it fails ({type(error).__name__}: {said})") from None


def _refusal(model: Any, folder: Path, why: str) -> StudyError:
    return StudyError(
        f"{type(model).__name__} can't be tuned and evaluated here: {why}",
        file=folder / "config.json",
        key="model_type",
        value=model.config.model_type,
        fix="leave the checkpoint out, or correct config.json if it is not the checkpoint's own; "
        "only causal language models are read, by the code of transformers (envs/train.yaml)",
    )


@torch.inference_mode()
def _logits(model: Any, ids: list[int]) -> torch.Tensor:
    """fp32 logits (tokens, vocabulary) of one text, by the model's own forward pass."""
    found: torch.Tensor = model(torch.tensor([ids]), use_cache=False).logits[0].float()
    return found


def _near(found: torch.Tensor, expected: torch.Tensor) -> bool:
    return bool((found - expected).norm() <= NEAR * expected.norm())


def _gives_numbers(loaded: LoadedModel, prompts: list[list[int]]) -> bool:
    return bool(_logits(loaded.model, prompts[0]).isfinite().all())


def _sees_no_later_token(loaded: LoadedModel, prompts: list[list[int]]) -> bool:
    """Whether logits stay the same when the text goes on."""
    whole = _logits(loaded.model, prompts[1])
    half = len(prompts[1]) // 2
    return _near(_logits(loaded.model, prompts[1][:half]), whole[:half])


def _scores_alike(loaded: LoadedModel, prompts: list[list[int]]) -> bool:
    """Whether log-likelihoods of answers are those of the forward pass."""
    answers = [loaded.encoder.ids(answer)[:4] for answer in ANSWERS]
    asked = [Scored(prompt, answer) for prompt in prompts for answer in answers if answer]
    expected = torch.tensor([_log_likelihood(loaded.model, one) for one in asked])
    return _near(torch.tensor(log_likelihoods(loaded, asked, BATCH)), expected)


def _log_likelihood(model: Any, one: Scored) -> float:
    after = _logits(model, one.prompt + one.answer[:-1])[len(one.prompt) - 1 :]
    return float(after.log_softmax(-1).gather(1, torch.tensor(one.answer)[:, None]).sum())


def _continues_alike(loaded: LoadedModel, prompts: list[list[int]]) -> bool:
    """Whether generated tokens are the likeliest ones after the text before them."""
    said = generate(loaded, prompts, NEW, BATCH)
    return all(map(_likeliest(loaded), prompts, said))


def _likeliest(loaded: LoadedModel) -> Callable[[list[int], str], bool]:
    ends = sorted({loaded.encoder.eos, *loaded.encoder.ends})

    def check(prompt: list[int], said: str) -> bool:
        tokens = [int(token) for token in said.split()]
        logits = _logits(loaded.model, prompt + tokens)[len(prompt) - 1 :]
        taken = logits[:-1].gather(1, torch.tensor(tokens, dtype=torch.long)[:, None])[:, 0]
        if len(tokens) < NEW:
            taken = torch.cat([taken, logits[-1:, ends].amax(1)])
        # Of tokens that are as likely but for rounding, either will do.
        return _near(taken, logits[: len(taken)].amax(1))

    return check


def _learns_alike(loaded: LoadedModel, prompts: list[list[int]]) -> bool:
    """Whether loss and gradients of packed texts are those of the forward pass; gradients with
    respect to the embedded tokens, as those of all weights would need the weights' memory again."""
    model = loaded.model.requires_grad_(False)
    texts = [ids[:-1] for ids in prompts]
    targets = [[*([IGNORED] * (len(ids) // 2)), *ids[len(ids) // 2 + 1 :]] for ids in prompts]

    def plain(ids: list[int], wanted: list[int]) -> torch.Tensor:
        logits = model(torch.tensor([ids]), use_cache=False).logits[0].float()
        right = torch.tensor(wanted)
        return torch.nn.functional.cross_entropy(logits, right, reduction="sum")

    expected = _gradients(model, lambda: list(map(plain, texts, targets)))
    with packed(model) as flat:

        def losses(first: int, last: int) -> list[torch.Tensor]:
            if flat:
                return [summed_loss(model, texts[first:last], targets[first:last], CPU, flat=True)]
            pairs = zip(texts[first:last], targets[first:last], strict=True)
            return [summed_loss(model, [ids], [wanted], CPU, flat=False) for ids, wanted in pairs]

        found = _gradients(model, partial(losses, 0, len(texts)))
        # With dropout on, if there is any, numbers differ; they must still be numbers.
        model.train()
        learnt = _gradients(model, partial(losses, 0, 1))
        model.eval()
    alike = all(map(_near, found, expected))
    return alike and all(bool(part.isfinite().all()) for part in learnt)


def _gradients(model: Any, losses: Callable[[], list[torch.Tensor]]) -> list[torch.Tensor]:
    """The sum of losses, and its gradient with respect to all embedded tokens, in one row."""
    embedded: list[torch.Tensor] = []

    def note(_module: Any, _given: Any, output: torch.Tensor) -> torch.Tensor:
        embedded.append(output.detach().requires_grad_())
        # Not the leaf itself, which may not be changed in place.
        return embedded[-1] * 1

    hook = model.get_input_embeddings().register_forward_hook(note)
    try:
        total = torch.stack(losses()).sum()
        found = torch.autograd.grad(total, embedded)
    finally:
        hook.remove()
    return [total.detach(), torch.cat([one.flatten() for one in found])]


#: What is tried, in order, and what is wrong if it fails.
TRIED: dict[Callable[[LoadedModel, list[list[int]]], bool], str] = {
    _gives_numbers: "the logits (some are not finite)",
    _sees_no_later_token: "the logits (a token sees tokens that follow it)",
    _scores_alike: "the scores",
    _continues_alike: "the generated tokens",
    _learns_alike: "the loss or its gradients",
}
