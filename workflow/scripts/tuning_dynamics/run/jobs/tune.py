"""What the rules of tune.smk need from a study."""

from collections.abc import Callable
from functools import cached_property
from typing import Any

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.common.variants import Checkpoint, Variant
from tuning_dynamics.config.base import canonical
from tuning_dynamics.config.recipe import (
    RateSelection,
    Recipe,
    Stage,
    rate_name,
    selecting,
    selection,
    with_rate,
    without_place,
)
from tuning_dynamics.grid.rate_choices import RateChoice, rate_choices
from tuning_dynamics.run.jobs.patterns import either
from tuning_dynamics.run.jobs.scope import RuleJobs


class TuneJobs(RuleJobs):
    """What the rules of tune.smk need from a study."""

    def train_tokens(self, variant: Variant) -> list[str]:
        """The encoded sets that a variant is tuned on."""
        recipe = self.resolved.recipes[variant.recipe]
        return self._tokens(recipe, variant.train_set, variant.family)

    def _tokens(self, recipe: Recipe, train_set: str, family: str) -> list[str]:
        sets = self.resolved.encoded_sets(recipe, train_set)
        return [self.paths.tokens(dataset, family, layout) for dataset, layout in sets]

    def _training(self, recipe: Recipe, train_set: str) -> dict[str, Any]:
        """The spec of training by a recipe, without its inputs: `sets` are the sets that it reads,
        in the inputs' order, `uses` maps stage and name in its mix to one of them."""
        return {
            "recipe": without_place(recipe).model_dump(mode="json", exclude_defaults=True),
            "sets": list(map("/".join, self.resolved.encoded_sets(recipe, train_set))),
            "uses": {
                stage.id: {name: self._set(stage, name, train_set) for name in stage.data.mix}
                for stage in recipe.stages
            },
        }

    def _set(self, stage: Stage, name: str, train_set: str) -> str:
        dataset = train_set if name == "$target" else name
        return f"{dataset}/{self.resolved.encoding(stage, dataset)}"

    def tuned_weights(self, key: str) -> list[str]:
        """The folder of a tuned variant's weights; a base variant's are its checkpoint's."""
        tuned = self.scope.variant(key).recipe != "base"
        return [self.paths.variant_file(key, "weights")] if tuned else []

    def kept(self, folder: Any, temp: Callable[[Any], Any]) -> Any:
        """A folder of weights as an output: kept or temporary, as in the study."""
        return folder if self.resolved.study.keep_weights == "all" else temp(folder)

    def tune_spec(self, variant: Variant) -> str:
        """The spec of a variant's weights, without its inputs."""
        recipe = self.resolved.recipes[variant.recipe]
        return canonical({**self._training(recipe, variant.train_set), "seed": variant.seed})

    def selecting(self, chosen_at: str) -> str:
        """Pattern of the recipes that choose their learning rate at `last`, or at `each`."""
        recipes = self.resolved.recipes.items()
        return either(
            name
            for name, recipe in recipes
            if (among := selection(recipe)) is not None and among.chosen_at == chosen_at
        )

    def chosen_rates(self, variant: Variant) -> list[str]:
        """The choice of learning rate that a variant is tuned with; none if the rate is given."""
        among = selection(self.resolved.recipes[variant.recipe])
        if among is None:
            return []
        step = variant.step if among.chosen_at == "each" else None
        return [self.paths.rate(variant.family, variant.recipe, variant.train_set, step)]

    @cached_property
    def rate_choices(self) -> list[RateChoice]:
        """Every choice of a learning rate in the study."""
        return [choice for choice, _ in rate_choices(self.resolved, self.grid)]

    def rate_files(self) -> list[str]:
        """The chosen rates, in the order of `rate_choices`."""
        return [self.paths.rate(*choice) for choice in self.rate_choices]

    def trials(
        self, family: str, recipe: str, train_set: str, step: str | int | None = None
    ) -> list[str]:
        """The results of a recipe's candidates on a family and train set, and at the checkpoint
        `step` where each has its own."""
        return [
            self.paths.trial(family, recipe, train_set, rate_name(rate), step)
            for rate in self.candidates(recipe)[1].candidates
        ]

    def trial_checkpoint(self, family: str) -> Checkpoint:
        """The checkpoint on which candidates for all are tried: the study's last."""
        return Checkpoint(family, self.grid.steps(family)[-1])

    def tried_on(self, choice: RateChoice) -> Checkpoint:
        """The checkpoint that the candidates of a choice are tried on."""
        if choice.step is None:
            return self.trial_checkpoint(choice.family)
        return Checkpoint(choice.family, choice.step)

    def trial_key(self, family: str, recipe: str, train_set: str, *place: str) -> str:
        """The name of a candidate's run in logs and in the cost table; `place` is the rate, with
        the step before it where every checkpoint has its own."""
        *steps, rate = place
        step = steps[0] if steps else self.trial_checkpoint(family).step
        return f"{family}/{step}/{recipe}/{train_set}/rate{rate}"

    def trial_tokens(self, family: str, recipe: str, train_set: str) -> list[str]:
        """The encoded sets that candidates are trained and compared on."""
        return self._tokens(self._trial(recipe), train_set, family)

    def trial_spec(self, recipe: str, train_set: str, rate: str) -> str:
        """The spec of a candidate's held-out loss, without its inputs: the recipe up to the stage
        that selects, at the candidate's rate. The seed is 0, whatever the study's seeds are."""
        trial = with_rate(self._trial(recipe), float(rate))
        heldout = self.candidates(recipe)[1].heldout
        return canonical({**self._training(trial, train_set), "seed": 0, "heldout": heldout})

    def _trial(self, recipe: str) -> Recipe:
        last = self.candidates(recipe)[0]
        return Recipe(stages=self.resolved.recipes[recipe].stages[: last + 1])

    def candidates(self, name: str) -> tuple[int, RateSelection]:
        """The one stage of a recipe that selects, and its candidates; StudyError if not one."""
        recipe = self.resolved.recipes[name]
        found = selecting(recipe)
        selection = recipe.stages[found[0]].optim.lr if len(found) == 1 else None
        if not isinstance(selection, RateSelection):
            raise StudyError(
                f"{len(found)} stages of recipe {name!r} choose their learning rate",
                file=f"recipes/{name}.yaml",
                key="stages.optim.lr",
                value=[recipe.stages[number].id for number in found],
                fix="let one stage choose, and give the others a rate",
            )
        return found[0], selection

    def check_candidates(self) -> None:
        """StudyError for a recipe in which several stages choose their learning rate."""
        for recipe in sorted(self.resolved.recipes):
            if selecting(self.resolved.recipes[recipe]):
                self.candidates(recipe)

    def all_trials(self) -> list[str]:
        """The results of all candidates of the study."""
        return [path for choice in self.rate_choices for path in self.trials(*choice)]
