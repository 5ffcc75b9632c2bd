"""The pre-training corpus of a family: documents, a tokenizer trained on them, token ids."""

import io
import random
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from tuning_dynamics.common.atomic_files import whole_file, write_json
from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.config.family import END_OF_TEXT, Corpus
from tuning_dynamics.data.sources import read_text


def prepare_corpus(
    name: str,
    *,
    corpus: dict[str, Any],
    vocab_size: int,
    heldout: int,
    seed: int,
    tokenizer_text: str,
    world: dict[str, Any] | None = None,
    files: list[str],
    tokenizer_path: str,
    tokens_path: str,
    heldout_path: str,
) -> None:
    """Write a tokenizer, the corpus as 1-D token ids (end-of-text after each document), and
    `heldout` texts kept out of training.

    `tokenizer_text` is for the tokenizer alone; `files` match the corpus' patterns; `world` holds
    the fields of the mini world's WorldSpec. StudyError if the corpus is unreadable or too small.
    """
    documents = read_documents(Corpus.model_validate(corpus), files, world or {})
    if len(documents) <= heldout:
        raise StudyError(
            f"the corpus has {len(documents)} documents, of which {heldout} are held out",
            file=f"families/{name}.yaml",
            key="heldout",
            fix="hold out fewer documents, or give more text",
        )
    random.Random(f"{seed} heldout").shuffle(documents)
    training = documents[heldout:]
    # Repeated often enough that the pair merges reach whole words.
    tokenizer = train_tokenizer([*training, *[tokenizer_text] * 500], vocab_size)
    with whole_file(tokenizer_path) as temporary:
        tokenizer.save(str(temporary))
    # Not with NumPy's tofile: it hides why a file can't be written.
    ids = io.BytesIO()
    np.save(ids, _encode(tokenizer, training))
    with whole_file(tokens_path) as temporary:
        temporary.write_bytes(ids.getbuffer())
    write_json(heldout_path, documents[:heldout])


def read_documents(corpus: Corpus, files: list[str], world: dict[str, Any]) -> list[str]:
    """The corpus' documents in order: the mini world's, or the files' parts between blank lines.

    Short parts of a file are joined until a document has about 200 words, so that a paragraph
    keeps some of its context.
    """
    if corpus.world:
        from tuning_dynamics.data.world import WorldSpec
        from tuning_dynamics.data.world import corpus as world_corpus

        return world_corpus(WorldSpec(**world))
    return [part for file in files for part in _parts(read_text(Path(file)))]


def _parts(text: str, words: int = 200) -> list[str]:
    parts: list[str] = []
    gathered: list[str] = []
    for paragraph in text.replace("\r\n", "\n").split("\n\n"):
        line = " ".join(paragraph.split())
        if line:
            gathered.append(line)
        if sum(len(part.split()) for part in gathered) >= words:
            parts.append("\n".join(gathered))
            gathered = []
    return [*parts, "\n".join(gathered)] if gathered else parts


def train_tokenizer(documents: list[str], vocab_size: int) -> Tokenizer:
    """A byte-level BPE tokenizer (Radford et al. 2019), with an end-of-text token."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(documents, trainer)
    return tokenizer


def _encode(tokenizer: Tokenizer, documents: list[str]) -> np.ndarray[Any, np.dtype[np.int32]]:
    end = tokenizer.token_to_id(END_OF_TEXT)
    encoded = tokenizer.encode_batch(documents, add_special_tokens=False)
    ids = [token for document in encoded for token in [*document.ids, end]]
    return np.asarray(ids, dtype=np.int32)
