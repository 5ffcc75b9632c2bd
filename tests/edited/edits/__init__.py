"""The edits, as data: how each is done, and, written by hand, what it may make again."""

from edited.edits.checkpoints import GIVEN
from edited.edits.code import COMPUTING, WORDS
from edited.edits.derived import BY_HAND, DELETED, PLACES
from edited.edits.edit import Edit
from edited.edits.settings import SETTINGS

#: Edits of a study's inputs; the others are of its results.
OF_SOURCES = (*SETTINGS, *COMPUTING, *WORDS, *GIVEN)
ALL = (*OF_SOURCES, *DELETED, *BY_HAND, *PLACES)
EDITS: dict[str, Edit] = {edit.name: edit for edit in ALL}
assert len(EDITS) == len(ALL), "two edits have one name"

__all__ = ["ALL", "EDITS", "OF_SOURCES", "Edit"]
