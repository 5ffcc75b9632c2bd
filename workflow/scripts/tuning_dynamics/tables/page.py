"""The part of docs/tables.md that describes each table and its columns, written from its module.

python -m tuning_dynamics.tables.page docs/tables.md
"""

import inspect
import sys
from pathlib import Path

from tuning_dynamics.tables.catalogue import TABLES, all_tables, caption_of, tables_of


def described(text: str) -> str:
    """The page whose text was `text`, with all tables as they are declared now."""
    start = text.partition("\n## `")[0].rstrip()
    names = [*all_tables(), *tables_of("compare")]
    return "\n\n".join([start, *map(_section, names)]) + "\n"


def _section(name: str) -> str:
    meanings = TABLES[name].Row.meanings()
    rows = [f"| `{column}` | {meaning} |" for column, meaning in meanings.items()]
    table = "\n".join(["| column | meaning |", "|---|---|", *rows])
    return "\n\n".join([f"## `{name}.csv`", caption_of(name), *about(name), table])


def about(name: str) -> list[str]:
    """A table's description below its caption, by paragraphs."""
    return inspect.cleandoc(str(TABLES[name].__doc__)).split("\n\n")[1:]


if __name__ == "__main__":
    page = Path(sys.argv[1])
    page.write_text(described(page.read_text(encoding="utf-8")), encoding="utf-8")
