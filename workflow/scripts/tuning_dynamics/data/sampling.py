"""Seeded subsets of rows that depend on the rows' ids, not on their order."""

import hashlib
from collections.abc import Sequence


def selection_key(seed: int | str, item: str) -> int:
    """A pseudo-random number below 2**64 - 1 from a seed and an item's id: the items with the
    smallest ones are a seeded subset, in whatever order they come."""
    digest = hashlib.blake2b(f"{seed} {item}".encode(), digest_size=8).digest()
    return min(int.from_bytes(digest, "big"), 2**64 - 2)


def smallest(keys: Sequence[int], number: int) -> bytearray:
    """1 at the places of the `number` smallest keys, 0 elsewhere."""
    chosen = bytearray(len(keys))
    for place in sorted(range(len(keys)), key=keys.__getitem__)[:number]:
        chosen[place] = 1
    return chosen


def wanted(request: float | str | None, available: int) -> int:
    """How many of `available` items a request takes: at most a number, a share below 1 (but at
    least one item), or "all" (as does None). ValueError for other words."""
    if request is None or request == "all":
        return available
    if isinstance(request, str):
        raise ValueError(f"not a number of items: {request!r}")
    if request < 1:
        return max(1, round(request * available))
    return min(int(request), available)
