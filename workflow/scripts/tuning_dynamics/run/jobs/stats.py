"""What the rules of stats.smk and published.smk need from a study."""

import json

from tuning_dynamics.common.variants import variant_key
from tuning_dynamics.config.base import canonical
from tuning_dynamics.config.family import HubFamily
from tuning_dynamics.grid.published_table import PublishedTable
from tuning_dynamics.grid.splits import used_splits
from tuning_dynamics.run.jobs.scope import RuleJobs, Scope
from tuning_dynamics.run.jobs.tune import TuneJobs
from tuning_dynamics.tables.columns import POOLED


class StatsJobs(RuleJobs):
    """What the rules of stats.smk and published.smk need from a study."""

    def __init__(self, scope: Scope, tune: TuneJobs) -> None:
        super().__init__(scope)
        self.tune = tune

    @property
    def published(self) -> PublishedTable:
        """The table of a study of published scores."""
        assert self.table is not None
        return self.table

    def published_spec(self) -> str:
        """The spec of the tables of published scores, without their file."""
        study = self.resolved.study
        return canonical({**study.published.model_dump(), "level": study.statistics.level})

    def statistics_spec(self, *names: str, **more: bool) -> str:
        """The named settings of `statistics`, and `more`: `recipe`, `alpha` and `margin` are
        main_recipe, learned_alpha and flat_margin."""
        settings = self.resolved.study.statistics
        known = {
            **settings.model_dump(),
            "recipe": settings.main_recipe,
            "alpha": settings.learned_alpha,
            "margin": settings.flat_margin,
        }
        return canonical({**{name: known[name] for name in names}, **more})

    def scores_spec(self) -> str:
        """The spec of the tables of cells, without the cells."""
        # Left out at its default, as `canonical` does for settings.
        partial = {"partial": True} if self.resolved.study.partial else {}
        drawing = ("resamples", "level", "seed", "interval")
        return self.statistics_spec(*drawing, "test_families", **partial)

    def metrics(self) -> str:
        """The metrics of all cells, whose code the job `scores` runs."""
        return canonical(sorted(set(map(self.resolved.metric, self.grid.eval_sets))))

    def option_files(self) -> list[str]:
        """The frozen items of the multiple-choice sets: records hold scores of options, and the
        items say which."""
        kind = self.resolved.kind
        chosen = [name for name in self.grid.eval_sets if kind(name) == "multiple_choice"]
        return [self.paths.items(name) for name in sorted(chosen)]

    def summaries_spec(self) -> str:
        """The spec of the summaries and findings: settings of `statistics`."""
        drawing = ("resamples", "level", "seed", "recipe", "alpha", "margin", "change_margin")
        groups = ("groups", "group_recipes", "group_roles", "group_metric")
        noise = ("last_checkpoints", "reruns")
        return self.statistics_spec(*drawing, "transfer", *groups, *noise)

    def merged_config(self) -> str:
        """The merged config as JSON, keys in their order."""
        return json.dumps(self.resolved.model_dump(mode="json"))

    def curve_spec(self) -> str:
        """Tokens at both ends of each hole in the series of the hub families."""
        holes = {
            name: [[family.tokens(start), family.tokens(end)] for start, end in gaps]
            for name, family in self.resolved.families.items()
            if isinstance(family, HubFamily) and (gaps := family.known.gaps())
        }
        return canonical({"holes": holes})

    def rate_choices(self) -> str:
        """What each chosen learning rate is for, in the order of their files: family, recipe,
        train set, checkpoint (`all` where one serves all), and where candidates were tried."""
        return canonical(
            [
                [
                    *(choice.family, choice.recipe, choice.train_set),
                    POOLED if choice.step is None else str(choice.step),
                    str(self.tune.tried_on(choice).step),
                ]
                for choice in self.tune.rate_choices
            ]
        )

    def dataset_files(self) -> list[str]:
        """The manifest and the items of every used dataset, and a model's manifest per family."""
        used = used_splits(self.resolved, self.grid)
        data = {row[name] for row in used for name in ("manifest", "items")}
        return sorted(data.union(*(row["models"].values() for row in used)))

    def metrics_files(self) -> list[str]:
        """The metrics of every training run and evaluation."""
        steps = [
            self.paths.checkpoint_file(name, step, "metrics.json")
            for name, last in self.scope.pretrained_to().items()
            for step in self.resolved.families[name].steps()
            if step <= last
        ]
        if self.table is not None:
            return []
        tuned = [
            self.paths.variant_file(variant_key(variant), "metrics.json")
            for variant in self.grid.tuned
        ]
        evaluated = [
            self.paths.variant_file(variant_key(variant), "evaluation.json")
            for variant in self.grid.variants
        ]
        return [*steps, *tuned, *evaluated, *self.tune.all_trials()]
