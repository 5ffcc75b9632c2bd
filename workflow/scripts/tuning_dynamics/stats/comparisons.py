"""Which base cells each tuned cell of a block is compared with: all draws of one setting."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from tuning_dynamics.stats.base_pairs import base_rows
from tuning_dynamics.stats.bootstrap import Estimates, Floats, Integers
from tuning_dynamics.stats.item_blocks import ItemBlock, averaged, selected
from tuning_dynamics.stats.replicates import Factor, over_replicates
from tuning_dynamics.tables.columns import IDENTITY

#: What the draws of one setting have in common.
DRAWLESS = [name for name in IDENTITY if name != "draw"]


@dataclass(frozen=True)
class Comparisons:
    """Tuned cells with a base: their rows `tuned`, and the setting `base` of each.

    `base_cells` are the rows of all base cells, `settings` the setting of each: a tuned cell is
    compared with the mean over the draws of its base's setting.
    """

    tuned: Integers
    base: Integers
    base_cells: Integers
    settings: Integers

    @staticmethod
    def of(block: ItemBlock, *, equal_shots: bool = False) -> "Comparisons":
        """The block's tuned cells whose base cells, all draws of them, were not refused; with
        `equal_shots`, base cells with as many shots.

        No other base replaces a refused one: the changes would be other numbers.
        """
        asked, cells = block.asked, len(block.cells)
        settings = asked.groupby(DRAWLESS, sort=False, dropna=False).ngroup().to_numpy()
        found = base_rows(asked, equal_shots=equal_shots).dropna().astype(np.int64)
        lost = np.unique(settings[cells:])
        there = found[(found.index < cells) & ~np.isin(settings[found.to_numpy()], lost)]
        wanted, base = np.unique(settings[there.to_numpy()], return_inverse=True)
        base_cells = np.flatnonzero(np.isin(settings[:cells], wanted))
        return Comparisons(
            there.index.to_numpy(dtype=np.int64),
            base.astype(np.int64),
            base_cells,
            np.searchsorted(wanted, settings[base_cells]),
        )

    def base_weights(self, cells: int) -> csr_array:
        """Weights (cells, settings) of the mean over a setting's draws."""
        return averaged(self.base_cells, self.settings, cells)

    def base_shots(self, block: ItemBlock) -> Integers:
        """The shots of each tuned cell's base, (tuned,)."""
        first = np.unique(self.settings, return_index=True)[1]
        shots = block.cells["shots"].to_numpy(dtype=np.int64)
        return np.asarray(shots[self.base_cells[first]][self.base])

    def base_scores(self, block: ItemBlock) -> Floats:
        """The base score of each tuned cell, (tuned,)."""
        scores = block.sums.sum(axis=0) / block.items
        return np.asarray((scores @ self.base_weights(len(scores)))[self.base])

    def changes(self, block: ItemBlock) -> Estimates:
        """Tuned less base of each tuned cell, with intervals over items and the base's draws."""
        cells = len(block.cells)
        after = selected(self.tuned, cells)
        change = block.differences(after - self.base_weights(cells)[:, self.base])
        draws = self.base_draws(block, after, self.base)
        return over_replicates(change, draws, block.resampling.level)

    def base_draws(self, block: ItemBlock, after: csr_array, base: Integers) -> list[Factor]:
        """The draws of the base as a factor of the differences of `after`, weights (cells, n), and
        the means of the settings `base`, (n,); empty where each setting has one draw."""
        if len(self.base_cells) == len(np.unique(self.settings)):
            return []
        order = np.argsort(self.settings, kind="stable")
        counts = np.bincount(self.settings)
        starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
        owners = np.repeat(np.arange(len(base)), counts[base])
        within = np.concatenate([np.arange(count) for count in counts[base]])
        rows = self.base_cells[order][starts[base][owners] + within]
        weights = after[:, owners] - selected(rows, len(block.cells))
        return [Factor(block.differences(weights), owners)]
