"""Encode a train set once for all variants tuned on it: checkpoints, seeds and recipes."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tuning_dynamics.common.atomic_files import read_json, write_json
from tuning_dynamics.common.errors import StudyError, UnavailableError
from tuning_dynamics.common.hub_digest import hub_digest
from tuning_dynamics.common.model_files import TOKENIZER_FILES
from tuning_dynamics.data.chat import chat_layout
from tuning_dynamics.data.items import Item, read_in_batches
from tuning_dynamics.data.prompts import dialogue as tulu_layout
from tuning_dynamics.data.sequences import completions, dialogues
from tuning_dynamics.data.token_store import Tokens, write_refused_tokens, write_tokens
from tuning_dynamics.data.tokenizer import context_of, load_encoder, tokenizer_digest

#: Items encoded together: a few hundred megabytes at most, even for the longest.
CHUNK = 256

Encode = Callable[[list[Item]], list[Tokens]]


def encode_or_refuse(
    name: str, *, tokens: str, counts: str, config: Mapping[str, Any] | None = None, **given: Any
) -> None:
    """`encode_set`; if that refuses the set, it writes files without sequences that state the
    reason: the same input would be refused again. `config` is the planned part of the model's
    config. UnavailableError if a file can't be read."""
    del config  # only part of the identity: it is read from the folder
    try:
        encode_set(name, tokens=tokens, counts=counts, **given)
    except UnavailableError:
        raise
    except StudyError as error:
        print(f"refused\n{error}", flush=True)
        write_refused_tokens(tokens, str(error))
        write_json(counts, {"dataset": name, "refused": str(error)})


def encode_set(
    name: str,
    *,
    template: str | None,
    dialogue: str | None,
    max_length: int,
    frozen: str,
    manifest: Sequence[str],
    files: Sequence[str],
    tokens: str,
    counts: str,
) -> None:
    """Write a set's training rows as token ids (`tokens`), and their counts (`counts`).

    With `template`, a row is a prompt and its completion; else a dialogue in the layout named
    `dialogue` (tulu or chat_template). The tokenizer is in the folder that `manifest` names, or
    in that of `files`. Examples have at most `max_length` tokens, and no more than the context of
    the checkpoint's model. StudyError if nothing is left to learn, RefusedError if the set was
    refused; both leave no file.
    """
    recorded = read_json(manifest[0]) if manifest else {}
    folder = Path(recorded["folder"]) if manifest else Path(files[0]).parent
    _require_as_recorded(folder, recorded, manifest)
    longest = min(max_length, context_of(folder))
    encode = _encoding(folder, template, dialogue, longest)
    counted = Counts(name, longest)
    write_tokens(tokens, _sequences(frozen, encode, counted), tokenizer_digest(folder))
    _require_as_recorded(folder, recorded, manifest)
    write_json(counts, vars(counted))


def _require_as_recorded(
    folder: Path, recorded: Mapping[str, Any], manifest: Sequence[str]
) -> None:
    """UnavailableError unless the tokenizer's files in the folder match its manifest, or the note
    on a hub's tokenizer; local files are themselves inputs of the job."""
    digests = recorded.get("files") or recorded.get("digests") or {}
    for name in {*TOKENIZER_FILES, "config.json"} & digests.keys():
        path = folder / name
        if not path.is_file() or hub_digest(path, digests[name]) != digests[name]:
            raise UnavailableError(
                "a file of the tokenizer is gone, or was changed since",
                file=path,
                fix=f"make it again: snakemake --force {manifest[0]}",
            )


def _encoding(folder: Path, template: str | None, dialogue: str | None, longest: int) -> Encode:
    encoder = load_encoder(folder)
    if template is not None:
        return partial(completions, template=template, encoder=encoder, max_length=longest)
    layout = chat_layout(folder, encoder) if dialogue == "chat_template" else tulu_layout
    return partial(dialogues, layout=layout, encoder=encoder, max_length=longest)


@dataclass
class Counts:
    """Counts of an encoded set.

    `left_out` are items with nothing left to learn within `max_length` tokens; `tokens` are those
    that a pass over the examples feeds the model, `target_tokens` those of them that the loss
    counts.
    """

    dataset: str
    max_length: int
    items: int = 0
    examples: int = 0
    left_out: int = 0
    truncated: int = 0
    tokens: int = 0
    target_tokens: int = 0

    def take(self, tokens: Tokens) -> bool:
        """Count an item's tokens; return whether there is anything to learn."""
        self.items += 1
        if not tokens.targets:
            self.left_out += 1
            return False
        self.examples += 1
        self.truncated += tokens.truncated
        self.tokens += len(tokens.ids) - 1
        self.target_tokens += tokens.targets
        return True


def _sequences(items_path: str, encode: Encode, counts: Counts) -> Iterator[Tokens]:
    """The sequences with something to learn; StudyError at the end if there were none."""
    for items in read_in_batches(items_path, "train", CHUNK):
        yield from filter(counts.take, encode(items))
    if not counts.items:
        raise StudyError(
            f"train set {counts.dataset!r} has no training items left",
            file=f"datasets/{counts.dataset}.yaml",
            key="source (train)",
            value=str(items_path),
            fix="give it more rows: a tenth is set apart for demonstrations",
        )
    if not counts.examples:
        raise StudyError(
            f"no example of train set {counts.dataset!r} has a token to learn",
            file=f"datasets/{counts.dataset}.yaml",
            key="tune.max_length",
            value=counts.max_length,
            fix="raise tune.max_length, or use a model with a longer context",
        )
    print(
        f"{counts.dataset}: {counts.examples} examples, {counts.truncated} of them cut to "
        f"{counts.max_length} tokens, {counts.left_out} left out: nothing to learn within that",
        flush=True,
    )
