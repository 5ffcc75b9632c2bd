"""The edits, as data: how each is done, and by hand what it may make again."""

from edited.edits.checkpoints import GIVEN
from edited.edits.code import COMPUTING, WORDS
from edited.edits.derived import BY_HAND, DELETED, PLACES
from edited.edits.edit import Edit
from edited.edits.settings import SETTINGS

ALL = (*SETTINGS, *COMPUTING, *WORDS, *GIVEN, *DELETED, *BY_HAND, *PLACES)
EDITS: dict[str, Edit] = {edit.name: edit for edit in ALL}
assert len(EDITS) == len(ALL), "two edits have one name"

__all__ = ["ALL", "EDITS", "Edit"]
