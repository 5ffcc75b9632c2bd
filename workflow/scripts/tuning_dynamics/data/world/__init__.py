"""The mini world: a seeded generator of a pre-training corpus and of the tasks that go with it."""

from tuning_dynamics.data.world.corpus import corpus
from tuning_dynamics.data.world.entities import WorldSpec
from tuning_dynamics.data.world.tasks import TASK_SETS, task_set

__all__ = ["TASK_SETS", "WorldSpec", "corpus", "task_set"]
