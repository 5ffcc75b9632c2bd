"""How long a plan takes on a number of GPUs, by list scheduling.

Whenever a GPU is free it takes the ready job with the longest path of jobs that depend on it
(Graham 1969, bounds on multiprocessing timing anomalies; priority by longest path). That is within
a factor of two of the optimum. A variant's jobs (RULES' group) run on one GPU, one after the
other. Jobs without a GPU wait only for their inputs.
"""

import heapq
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from tuning_dynamics.common.rules import RULES, VARIANT
from tuning_dynamics.plan.planned_jobs import Planned
from tuning_dynamics.plan.price import Price

#: Numbers of GPUs for which a budget states the wall time.
GPUS = (1, 2, 4, 8, 16, 32)


@dataclass
class ScheduledJob:
    """Work that one GPU, several, or none do in one go: its seconds, and the tasks that wait."""

    seconds: float = 0.0
    gpus: int = 0
    before: set[int] = field(default_factory=set)
    after: set[int] = field(default_factory=set)


def wall_times(plan: Planned, prices: Sequence[Price]) -> dict[int, float]:
    """Seconds until a plan is done, by numbers of GPUs that are enough for each job; empty if no
    job has a price."""
    tasks = tasks_of(plan, prices)
    if not any(task.seconds for task in tasks):
        return {}
    least = max(task.gpus for task in tasks)
    return {gpus: wall_seconds(tasks, gpus) for gpus in GPUS if gpus >= least}


def tasks_of(plan: Planned, prices: Sequence[Price]) -> list[ScheduledJob]:
    """The tasks of a plan with its jobs' likely prices."""
    number: dict[object, int] = {}
    of: list[int] = []
    for place, job in enumerate(plan.jobs):
        key = job.wildcards["variant"] if RULES[job.rule].group == VARIANT else place
        of.append(number.setdefault(key, len(number)))
    tasks = [ScheduledJob() for _ in number]
    for place, price in enumerate(prices):
        task = tasks[of[place]]
        task.seconds += price.seconds.mid + price.host.mid
        task.gpus = max(task.gpus, price.gpus if RULES[price.job.rule].priced_as else 0)
        task.before.update(of[earlier] for earlier in plan.after[place])
    for place, task in enumerate(tasks):
        task.before.discard(place)
        for earlier in task.before:
            tasks[earlier].after.add(place)
    return tasks


def wall_seconds(tasks: Sequence[ScheduledJob], gpus: int) -> float:
    """Seconds until all tasks are done on that many GPUs."""
    rank = _longest_paths(tasks)
    missing = [len(task.before) for task in tasks]
    ready = [(-rank[place], place) for place, count in enumerate(missing) if not count]
    running: list[tuple[float, int]] = []
    waiting: list[tuple[float, int]] = []  # ready except for a GPU
    now, free = 0.0, gpus
    while ready or running or waiting:
        for task in ready:
            if tasks[task[1]].gpus:
                heapq.heappush(waiting, task)
            else:
                heapq.heappush(running, (now + tasks[task[1]].seconds, task[1]))
        ready = []
        while waiting and tasks[waiting[0][1]].gpus <= free:
            _, place = heapq.heappop(waiting)
            heapq.heappush(running, (now + tasks[place].seconds, place))
            free -= tasks[place].gpus
        now, done = heapq.heappop(running)
        free += tasks[done].gpus
        for place in tasks[done].after:
            missing[place] -= 1
            if not missing[place]:
                ready.append((-rank[place], place))
    return now


def _longest_paths(tasks: Sequence[ScheduledJob]) -> list[float]:
    """The seconds from each task's start to the end of all tasks that wait for it."""
    left = [len(task.after) for task in tasks]
    rank = [task.seconds for task in tasks]
    last = [place for place, count in enumerate(left) if not count]
    longest: dict[int, float] = defaultdict(float)
    while last:
        place = last.pop()
        rank[place] = tasks[place].seconds + longest[place]
        for earlier in tasks[place].before:
            longest[earlier] = max(longest[earlier], rank[place])
            left[earlier] -= 1
            if not left[earlier]:
                last.append(earlier)
    return rank
