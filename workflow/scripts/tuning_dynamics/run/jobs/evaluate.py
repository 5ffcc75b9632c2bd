"""What the rules of evaluate.smk need from a study."""

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any

from tuning_dynamics.common.variants import Cell, Setting, Variant, variant_key
from tuning_dynamics.config.base import canonical
from tuning_dynamics.config.family import PretrainFamily
from tuning_dynamics.identity.reasons import Reason
from tuning_dynamics.identity.units import DATA, EVALUATE, JobView, cells_param, parse_cells
from tuning_dynamics.run.jobs.patterns import evaluation_name, pattern_of
from tuning_dynamics.run.jobs.scope import RuleJobs, Scope


class EvaluateJobs(RuleJobs):
    """What the rules of evaluate.smk need from a study."""

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope)
        self._cells_params: dict[tuple[Setting, ...], str] = {}

    def evaluation(self, variant: Variant) -> JobView:
        """The evaluation of a variant, as Snakemake would plan it."""
        key = variant_key(variant)
        settings = self.grid.settings[variant]
        cells = self._cells_param(settings)
        outputs = [self.paths.cell_file(key, *setting) for setting in settings]
        took = self.paths.variant_file(key, "evaluation.json")
        return JobView(
            EVALUATE,
            (key,),
            "evaluate_variant.py",
            {"cells": cells},
            {"manifest": [self.paths.manifest(variant)]},
            [*outputs, took],
        )

    @cached_property
    def evaluations(self) -> dict[str, list[Variant]]:
        """The variants that have the same cells, by the name of the rule that evaluates them.

        The name depends on the cells alone, so that it stays when a block is added.
        """
        found: dict[tuple[Setting, ...], list[Variant]] = {}
        for variant in self.scope.evaluated():
            found.setdefault(self.grid.settings[variant], []).append(variant)
        return {evaluation_name(settings): own for settings, own in found.items()}

    def due_cells(self, key: str) -> list[Cell]:
        """The cells of a variant that a run would make: those that are not current."""
        variant = self.scope.variant(key)
        due = self.scope.current.due_outputs(self.evaluation(variant))
        cells = [Cell(variant, *setting) for setting in self.grid.settings[variant]]
        return [cell for cell in cells if self.paths.cell(cell) in due]

    def settings_of(self, rule: str) -> tuple[Setting, ...]:
        """The settings that a rule of `evaluations` evaluates."""
        return self.grid.settings[self.evaluations[rule][0]]

    def cells_pattern(self, rule: str) -> list[str]:
        """The cells of a rule of `evaluations`, for Snakemake to fill in the variant."""
        return [self.paths.cell_file("{variant}", *setting) for setting in self.settings_of(rule)]

    def variants_pattern(self, rule: str) -> str:
        """Pattern of the variants of a rule of `evaluations`."""
        return pattern_of(self.evaluations[rule])

    def evaluated_items(self, rule: str) -> list[str]:
        """The frozen items that a rule of `evaluations` reads, demonstrations included."""
        entries = parse_cells(self._cells_param(self.settings_of(rule)))
        return sorted({entry[name] for entry in entries for name in DATA if entry[name]})

    def cells_of(self, rule: str) -> Callable[[Any], str]:
        """A function of wildcards: the param `cells` of a rule of `evaluations`, the same for all
        variants."""
        text = self._cells_param(self.settings_of(rule))
        return lambda _: text

    def _cells_param(self, settings: tuple[Setting, ...]) -> str:
        """The param `cells` of a variant; many variants share it."""
        if settings not in self._cells_params:
            entries = [self._cell_entry(setting) for setting in settings]
            self._cells_params[settings] = cells_param(entries)
        return self._cells_params[settings]

    def _cell_entry(self, setting: Setting) -> dict[str, str]:
        lender = self.resolved.demonstrations(setting.eval_set)
        shown = self.paths.demonstrations(lender, setting.draw) if setting.shots else ""
        spec = self.setting_spec(setting)
        return {
            "spec": spec,
            "items": self.paths.items(setting.eval_set),
            "demonstrations": shown,
        }

    def setting_spec(self, setting: Setting) -> str:
        """The spec of a cell's records, without its inputs, of which the demonstrations' draw is
        one: the same for every variant."""
        eval_set, name, shots, _, prediction = setting
        settings = self.resolved.study.evaluate
        kind = self.resolved.kind(eval_set)
        short = kind == "classification"
        # Left out at its default, as `canonical` does for settings, so that cells stay current.
        dtype = {} if settings.dtype == "float32" else {"dtype": settings.dtype}
        return canonical(
            {
                **dtype,
                "eval_set": eval_set,
                "kind": kind,
                "template": self.resolved.formats(eval_set)[name],
                "shots": shots,
                "prediction": prediction,
                "truncation": settings.truncation,
                "max_new_tokens": settings.label_tokens if short else settings.text_tokens,
                "labels": self._labels(eval_set) if short else [],
            }
        )

    def _labels(self, dataset: str) -> list[list[str]]:
        gold = self.resolved.datasets[dataset].gold
        return gold.label_groups() if gold is not None else []

    # --- the loss on the fixed text ----------------------------------------------------------

    def text_loss(self, variant: Variant) -> JobView:
        """The job that measures a tuned variant's loss on the fixed text, as Snakemake would plan
        it."""
        key = variant_key(variant)
        return JobView(
            "text_loss",
            (key,),
            "evaluate_text_loss.py",
            {"spec": self.text_loss_spec(variant.family)},
            {"manifest": [self.paths.manifest(variant)], "heldout": self.heldout(variant.family)},
            self.text_loss_files([variant]),
        )

    def text_loss_files(self, variants: Iterable[Variant]) -> list[str]:
        """The losses on the fixed text of the tuned ones of variants; none unless the study asks
        for them."""
        if not self.resolved.study.evaluate.text_loss:
            return []
        return [
            self.paths.variant_file(variant_key(variant), "text_loss.json")
            for variant in variants
            if variant.recipe != "base"
        ]

    def stale_text_losses(self) -> dict[str, Reason]:
        """The losses on the fixed text that are missing or not current, each with the reason."""
        views = [self.text_loss(variant) for variant in self.grid.tuned]
        asked = [view for view in views if view.outputs]
        for view in asked:
            self.scope.current.reason(view)
        return {
            path: reason
            for view in asked
            for path, reason in self.scope.current.due[view.name].items()
        }

    def text_loss_first(self, key: str) -> list[str]:
        """The loss that must be known before a variant is evaluated: where weights are not kept,
        one that came later would need them to be tuned again."""
        if self.resolved.study.keep_weights == "all":
            return []
        return self.text_loss_files([self.scope.variant(key)])

    def text_loss_spec(self, family: str) -> str:
        """The spec of a loss on the fixed text, without its inputs: of a family that is
        pre-trained here, the tokens of a window."""
        description = self.resolved.families[family]
        if not isinstance(description, PretrainFamily):
            return canonical({})
        return canonical({"context": description.training.sequence_length})

    def heldout(self, family: str) -> list[str]:
        """The documents that stand for the fixed text of a family that is pre-trained here; none
        of others."""
        pretrained = isinstance(self.resolved.families[family], PretrainFamily)
        return [self.paths.corpus(family, "heldout.json")] if pretrained else []

    # --- cells -------------------------------------------------------------------------------

    def cell_files(self) -> list[str]:
        """The records of every cell."""
        return self.cells_of_variants(self.grid.variants)

    def cells_of_variants(self, variants: list[Variant]) -> list[str]:
        return [
            self.paths.cell_file(variant_key(variant), *setting)
            for variant in variants
            for setting in self.grid.settings[variant]
        ]
