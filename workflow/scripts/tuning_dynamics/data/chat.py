"""Dialogues in the layout of a tokenizer's own chat template."""

import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from tuning_dynamics.common.errors import StudyError, UnavailableError
from tuning_dynamics.data.prompts import Segment
from tuning_dynamics.data.tokenizer import Encoder

Messages = list[dict[str, str]]

#: Put before a template, so that a template that writes today's date always writes this one.
SAME_DAY = "{%- macro strftime_now(format) -%}26 Jul 2024{%- endmacro %}\n"

#: Most that rendering a dialogue may take: seconds, bytes, and characters besides the dialogue's
#: own. The longest template of a known model takes a thousandth of it.
SECONDS, BYTES, CHARACTERS = 20.0, 1 << 30, 1_000_000


def chat_layout(folder: Path, encoder: Encoder) -> Callable[[Messages], list[Segment]]:
    """The layout of dialogues by the chat template of a checkpoint's tokenizer, for `encoder`.

    StudyError if the folder's tokenizer has none, and, from the layout, for a dialogue that the
    template refuses or does not render turn after turn, for a turn whose text it does not show,
    and for an answer that no token ends.
    """
    tokenizer = _tokenizer(folder)
    template = SAME_DAY + _template(tokenizer, folder)

    def render(messages: Messages, prompt: bool) -> str:
        text: str = tokenizer.apply_chat_template(
            messages,
            tokenize=False,
            add_generation_prompt=prompt,
            chat_template=template,
        )
        if len(text) > CHARACTERS + sum(len(message["content"]) for message in messages):
            raise ValueError(f"it writes {len(text):,} characters")
        return text

    return lambda messages: [_segment(messages, render, encoder, folder)]


def _template(tokenizer: Any, folder: Path) -> str:
    """The template for dialogues without tools."""
    try:
        return str(tokenizer.get_chat_template())
    except ValueError:
        raise StudyError(
            "the checkpoint's tokenizer has several chat templates, none of them the default",
            file=folder,
            key="chat_template",
            value=sorted(tokenizer.chat_template),
            fix="name one of them `default`, or set data.dialogue of the recipe's stage to tulu",
        ) from None


def _tokenizer(folder: Path) -> Any:
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(
            str(folder), local_files_only=True, trust_remote_code=False
        )
    except (OSError, ValueError) as error:
        raise UnavailableError(
            f"the checkpoint's tokenizer cannot be loaded ({' '.join(str(error).split())})",
            file=folder,
            key="tokenizer_config.json",
            fix="save one with AutoTokenizer.from_pretrained(…).save_pretrained(folder), or set "
            "data.dialogue of the recipe's stage to tulu",
        ) from None
    if not tokenizer.chat_template:
        raise StudyError(
            "the checkpoint's tokenizer has no chat template",
            file=folder,
            key="chat_template",
            fix="set data.dialogue of the recipe's stage to tulu, or add chat_template.jinja to "
            "the checkpoint's folder",
        )
    return tokenizer


def _segment(
    messages: Messages, render: Callable[[Messages, bool], str], encoder: Encoder, folder: Path
) -> Segment:
    """A whole dialogue as one text; an assistant's turn counts from where the template prompts it
    to the end of the turn, with the markers of that end."""
    try:
        with _bounded():
            whole = render(messages, False)
            turns = [
                (render(messages[:number], True), render(messages[: number + 1], False))
                for number, message in enumerate(messages)
                if message["role"] == "assistant"
            ]
    except Exception as error:  # a template is code, which may fail in any way
        what = f"the chat template refuses a dialogue ({str(error) or type(error).__name__})"
        raise _unfit(what, messages, folder) from None
    for before, after in turns:
        if not (after.startswith(before) and whole.startswith(after)):
            what = "the chat template does not render a dialogue turn after turn"
            raise _unfit(what, messages, folder)
    spans = [(len(before), len(after)) for before, after in turns]
    _require_shown(messages, whole, spans, encoder, folder)
    return Segment(whole, tuple(spans), False)


def _require_shown(
    messages: Messages,
    whole: str,
    spans: list[tuple[int, int]],
    encoder: Encoder,
    folder: Path,
) -> None:
    """StudyError unless a dialogue shows the text of each turn in order, answers in their spans,
    and something that generation stops at after each answer."""
    done, answers = 0, iter(spans)
    for message in messages:
        text, limit = message["content"].strip(), len(whole)
        if message["role"] == "assistant":
            start, limit = next(answers)
            done = max(done, start)
        place = whole.find(text, done, limit)
        if place < 0:
            what = f"the chat template does not show the text of a turn of the {message['role']}"
            raise _unfit(what, messages, folder)
        done = place + len(text)
        if message["role"] == "assistant":
            _require_end(whole[done:limit], encoder, folder)


def _require_end(mark: str, encoder: Encoder, folder: Path) -> None:
    """StudyError if what a template writes after an answer would be taken for the answer's."""
    line = mark.split("\n")[0].strip()
    if line and not encoder.special.spelled(line):
        raise StudyError(
            "the chat template ends answers with text, at which generation does not stop",
            file=folder,
            key="chat_template",
            value=mark,
            fix="make it a special token of tokenizer.json, or add its id to eos_token_id of "
            "generation_config.json; or set data.dialogue of the recipe's stage to tulu",
        )


@contextmanager
def _bounded() -> Iterator[None]:
    """TimeoutError or MemoryError if the code within takes more than SECONDS or BYTES."""

    def late(*_: object) -> NoReturn:
        raise TimeoutError(f"it takes more than {SECONDS:g} seconds")

    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = used + BYTES if before == resource.RLIM_INFINITY else min(before, used + BYTES)
    former = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (before, hard))
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)


def _unfit(what: str, messages: Messages, folder: Path) -> StudyError:
    return StudyError(
        what,
        file=folder,
        key="chat_template",
        value=[message["role"] for message in messages],
        fix="set data.dialogue of the recipe's stage to tulu, or leave such dialogues out",
    )
