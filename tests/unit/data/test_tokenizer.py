"""What the encoder takes from a checkpoint's folder: beginning tokens, and ends of texts."""

import json
from pathlib import Path
from typing import Any

import pytest
from tiny import tiny_encoder
from tokenizers import processors

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.data.tokenizer import load_encoder


def folder_of(folder: Path, template: str | None, eos: Any, generation: Any = None) -> Path:
    """A checkpoint's folder of a tokenizer that wraps texts by a template."""
    tokenizer = type(tiny_encoder().tokenizer).from_str(tiny_encoder().tokenizer.to_str())
    if template is not None:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=template, special_tokens=[("<|endoftext|>", 0)]
        )
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "config.json").write_text(json.dumps({"eos_token_id": eos}))
    if generation is not None:
        (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": generation}))
    return folder


@pytest.mark.parametrize(
    ("template", "beginning"),
    [
        (None, ()),
        ("<|endoftext|> $A", (0,)),
        ("$A <|endoftext|>", ()),
        ("<|endoftext|> $A <|endoftext|>", (0,)),
        ("<|endoftext|> <|endoftext|> $A", (0, 0)),
    ],
)
def test_a_beginning_may_be_the_end_of_text_token(
    tmp_path: Path, template: str | None, beginning: tuple[int, ...]
) -> None:
    encoder = load_encoder(folder_of(tmp_path, template, 0))
    assert encoder.beginning == beginning
    assert encoder.prompt("The baker") == [*beginning, *encoder.ids("The baker")]


@pytest.mark.parametrize(
    ("eos", "generation", "ends"),
    [(0, None, {0}), ([3, 5], None, {3, 5}), (0, [7, 0], {0, 7}), (0, 9, {0, 9})],
)
def test_all_end_of_text_tokens_end_an_answer(
    tmp_path: Path, eos: Any, generation: Any, ends: set[int]
) -> None:
    encoder = load_encoder(folder_of(tmp_path, None, eos, generation))
    assert encoder.ends == ends
    assert encoder.eos == (eos[0] if isinstance(eos, list) else eos)


@pytest.mark.parametrize("eos", [None, [], "</s>", [0, "</s>"], 1.5])
def test_an_end_of_text_token_that_is_no_id_is_refused(tmp_path: Path, eos: Any) -> None:
    with pytest.raises(StudyError, match="end-of-text"):
        load_encoder(folder_of(tmp_path, None, eos))
