"""Which tables there are: a module for each, which declares its columns."""

from types import ModuleType

from tuning_dynamics.common.registry import Kinds, Modules, docstring

#: The tables by name: a module each, which declares its columns and the rule that makes it.
TABLES: Kinds[str, ModuleType] = Modules(
    "tuning_dynamics.tables.declared", "tuning_dynamics.stats.summaries"
)

#: Tables made from others, each by its own module.
SUMMARIES: Kinds[str, ModuleType] = Modules("tuning_dynamics.stats.summaries")

#: The rules that make a study's tables, as the report shows them.
_RULES = ("scores", "summaries", "findings", "checkpoints", "overlaps", "datasets", "cost")


def columns_of(table: str) -> dict[str, str]:
    """The columns of a table, in order, with their types: `str`, `int` or `float`."""
    columns: dict[str, str] = TABLES[table].Row.types()
    return columns


def tables_of(rule: str) -> list[str]:
    """Names of the tables that a rule makes, that of the rule's own name first."""
    if rule == "summaries":
        return list(SUMMARIES)
    found = [name for name in TABLES if name not in SUMMARIES and rule == TABLES[name].RULE]
    return sorted(found, key=lambda name: (name != rule, name))


def all_tables() -> list[str]:
    """Names of all tables of a study."""
    return [name for rule in _RULES for name in tables_of(rule)]


def caption_of(table: str) -> str:
    """What a table is, in one line."""
    return docstring(TABLES, table).partition("\n")[0]
