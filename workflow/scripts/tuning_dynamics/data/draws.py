"""Other draws of a set's demonstrations, so that a study can see how much scores vary with them.

Draw 0 is the frozen list of demonstrations. Another draw is the same list in a seeded order, again
with labels in turn: of each, a prompt with k shots shows the first k. So draws may share
demonstrations, and with as many shots as there are demonstrations they differ in order alone.
"""

import random
from collections import defaultdict
from collections.abc import Sequence
from itertools import zip_longest

from tuning_dynamics.common.errors import StudyError, UnavailableError
from tuning_dynamics.config.dataset import Kind
from tuning_dynamics.data.items import SCHEMA, Item, read_items, write_items, write_refused


def draw_or_refuse(frozen: str, drawn: str, *, kind: Kind, seed: int, draw: int) -> None:
    """Write a draw of the demonstrations in the items of `frozen`; if there can't be one, or the
    set was refused, a file without items that states the reason. UnavailableError if the items
    can't be read."""
    try:
        shown = drawn_demonstrations(read_items(frozen, "demonstration"), kind, seed, draw)
    except UnavailableError:
        raise
    except StudyError as error:
        print(f"refused\n{error}", flush=True)
        write_refused(drawn, SCHEMA, str(error))
        return
    write_items(drawn, shown)


def drawn_demonstrations(pool: Sequence[Item], kind: Kind, seed: int, draw: int) -> list[Item]:
    """The demonstrations `pool` in the order of a draw from 1 on.

    The first one is another in each draw; the others follow in an order of the draw's own. Labels
    alternate as far as there are equally many of each, so that the first k are balanced for every
    k. StudyError for a draw that could not begin with another demonstration than those before it.
    """
    if draw >= len(pool):
        raise StudyError(
            f"each draw begins with another demonstration, and the set has {len(pool)}",
            key="draws",
            value=draw,
            fix=f"ask for draws below {len(pool)}, or name a larger set as `demonstrations` of the "
            "dataset",
        )
    first = _shuffled(pool[1:], f"{seed} first demonstrations")[draw - 1]
    rest = _shuffled([item for item in pool if item is not first], f"{seed} draw {draw}")
    queues: dict[str, list[Item]] = defaultdict(list)
    for item in (first, *rest):
        queues[item.target if kind == "classification" else ""].append(item)
    # In the order in which labels first occur: the first item's label, then a random order.
    return [item for rank in zip_longest(*queues.values()) for item in rank if item is not None]


def _shuffled(items: Sequence[Item], seed: str) -> list[Item]:
    order = list(items)
    random.Random(seed).shuffle(order)
    return order
