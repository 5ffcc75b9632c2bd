"""Texts that the report takes from other files: captions, and meanings of a table's columns."""

import re
from html import escape, unescape
from pathlib import Path

from docutils.core import publish_parts

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.tables.catalogue import TABLES, caption_of
from tuning_dynamics.tables.page import about

#: A caption is plain text with a few marks; a mistake in it stops the report.
_SETTINGS = {
    "file_insertion_enabled": False,
    "raw_enabled": False,
    "report_level": 2,
    "halt_level": 2,
    "traceback": True,
}


def caption_html(path: Path) -> str:
    """A caption in reStructuredText as HTML; StudyError if there is none."""
    if not path.is_file():
        raise StudyError("a caption is missing", file=path, fix="write one")
    text = path.read_text(encoding="utf-8")
    return str(publish_parts(text, writer="html5", settings_overrides=_SETTINGS)["body"]).strip()


def plain_text(html: str) -> str:
    """The text of HTML, in one line."""
    return " ".join(unescape(re.sub(r"<[^>]+>", "", html)).split())


def table_caption(name: str) -> str:
    """A table's caption, as HTML."""
    return "".join(f"<p>{_inline(paragraph)}</p>" for paragraph in (caption_of(name), *about(name)))


def column_meanings(name: str) -> dict[str, str]:
    """The meaning of each column of a table, as HTML."""
    meanings = TABLES[name].Row.meanings()
    return {column: _inline(meaning) for column, meaning in meanings.items()}


def _inline(markdown: str) -> str:
    """A paragraph of Markdown as HTML: code is marked, and links become their text."""
    text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", escape(markdown, quote=False))
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", text)
