"""The jobs of a whole study, as a run from scratch would plan them."""

from tuning_dynamics.common.rules import RULES
from tuning_dynamics.common.variants import Cell, variant_key
from tuning_dynamics.config.family import HubFamily, PretrainFamily
from tuning_dynamics.config.recipe import rate_name
from tuning_dynamics.config.study import ResolvedStudy
from tuning_dynamics.grid.grid import Grid
from tuning_dynamics.grid.rate_choices import rate_choices
from tuning_dynamics.grid.splits import draws
from tuning_dynamics.plan.price import Job

#: Published scores have one rule in place of all those that read models' results.
PUBLISHED = "published_scores"

#: Rules that run once, after the cells that they read.
ONCE = tuple(name for name, rule in RULES.items() if rule.once and name != PUBLISHED)

#: Rules that read models' results or their data.
FROM_RECORDS = ("checkpoints", "overlaps", "datasets", "scores")


def all_jobs(resolved: ResolvedStudy, grid: Grid) -> list[Job]:
    """The jobs of a whole study; a job's wildcards are in the order of its paths."""
    if resolved.study.scores is not None:
        once = [rule for rule in ONCE if rule not in FROM_RECORDS]
        return [Job(PUBLISHED), *map(Job, once)]
    return [
        *_checkpoint_jobs(resolved, grid),
        *_data_jobs(resolved, grid),
        *_trial_jobs(resolved, grid),
        *_variant_jobs(resolved, grid),
        *(Job(rule) for rule in ONCE),
    ]


def _checkpoint_jobs(resolved: ResolvedStudy, grid: Grid) -> list[Job]:
    jobs: list[Job] = []
    for name, description in resolved.families.items():
        steps = [point.step for point in grid.checkpoints if point.family == name]
        rules = ["verify"]
        if isinstance(description, PretrainFamily):
            jobs.append(Job("corpus", {"family": name}))
            # Every point up to the last, as each continues from the previous one.
            steps = [step for step in description.steps() if step <= max(steps)]
            rules = ["pretrain"]
        elif isinstance(description, HubFamily):
            jobs.append(Job("tokenizer", {"family": name}))
            rules = ["download", "verify"]
        jobs += [Job(rule, {"family": name, "step": str(step)}) for rule in rules for step in steps]
    return jobs


def _data_jobs(resolved: ResolvedStudy, grid: Grid) -> list[Job]:
    """Freezing each set, drawing its demonstrations anew, and encoding train sets."""
    encoded = sorted(
        {
            (*layout, family)
            for family, recipe, train_set in _tunings(grid)
            for layout in resolved.encoded_sets(resolved.recipes[recipe], train_set)
        }
    )
    return [
        *(Job("freeze", {"dataset": name}) for name in resolved.datasets),
        *(
            Job("draw", {"dataset": name, "draw": str(draw)})
            for name, draw in draws(resolved, grid)
        ),
        *(
            Job("encode", {"dataset": name, "family": family, "format": layout})
            for name, layout, family in encoded
        ),
    ]


def _tunings(grid: Grid) -> list[tuple[str, str, str]]:
    """Family, recipe and train set of all tuned variants."""
    return sorted({(v.family, v.recipe, v.train_set) for v in grid.tuned})


def _trial_jobs(resolved: ResolvedStudy, grid: Grid) -> list[Job]:
    """A run per candidate of each choice of a learning rate, and the choice."""
    jobs: list[Job] = []
    for (family, recipe, train_set, step), among in rate_choices(resolved, grid):
        tried = {"family": family, "recipe": recipe, "train_set": train_set}
        end = ""
        if step is not None:
            tried, end = {**tried, "step": str(step)}, "_at_checkpoint"
        rates = map(rate_name, among.candidates)
        jobs += [Job(f"try_rate{end}", {**tried, "rate": rate}) for rate in rates]
        jobs.append(Job(f"choose_rate{end}", tried))
    return jobs


def _variant_jobs(resolved: ResolvedStudy, grid: Grid) -> list[Job]:
    """Tuning each variant, measuring its loss on the fixed text where that is asked for, and
    evaluating it in all its cells."""
    measured = grid.tuned if resolved.study.evaluate.text_loss else []
    return [
        *(Job("tune", {"variant": variant_key(variant)}) for variant in grid.tuned),
        *(Job("text_loss", {"variant": variant_key(variant)}) for variant in measured),
        *(
            Job(
                "evaluate",
                {"variant": variant_key(variant)},
                tuple(Cell(variant, *setting) for setting in settings),
            )
            for variant, settings in grid.settings.items()
        ),
    ]
