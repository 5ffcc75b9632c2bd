"""Texts of CSV files that no spreadsheet takes for a formula.

Names, sentences and reasons come from users' files and from hubs. After OWASP, CSV Injection
(https://owasp.org/www-community/attacks/CSV_Injection): an apostrophe before a text that begins
with one of FORMULA, also in full width, as spreadsheets in East Asian languages take these too.
"""

import re

#: What begins a formula; spaces before it don't stop a spreadsheet.
FORMULA = re.compile(r"\s*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")

#: What begins like a formula, and is a number.
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def inert_text(text: str) -> str:
    """A text as in a CSV file; `original_text` reads it back."""
    return f"'{text}" if _runs(text.lstrip("'")) else text


def original_text(text: str) -> str:
    """The text of which a CSV file has an inert one."""
    return text[1:] if text.startswith("'") and _runs(text.lstrip("'")) else text


def _runs(text: str) -> bool:
    return bool(FORMULA.match(text)) and not _NUMBER.fullmatch(text)
