"""Coverage of intervals of means over seeds, draws of demonstrations, train and evaluation sets.

Data are synthetic, with known truth. Answers are right where ability, the item's ease and noise add
up to more than 0, all normal; `ease` is the share of an answer's variance that is the item's.
"""

from itertools import product

import numpy as np
from scipy.special import ndtri
from simulated import LEVEL, SHARED, Coverage, covered, ends, lots

from tuning_dynamics.stats.bootstrap import Estimates, Floats, Integers, means, standard_errors
from tuning_dynamics.stats.crossed import Pairs, crossed_mean, crossed_ratio
from tuning_dynamics.stats.item_intervals import of_differences, of_shares
from tuning_dynamics.stats.replicates import Factor, Shares, over_replicates
from tuning_dynamics.stats.sensitivity import rotated_spreads
from tuning_dynamics.stats.tokens import slope

#: Components of the variance of pairs: train sets, evaluation sets, single pairs (standard
#: deviations).
SPREADS = (
    (0.0, 0.0, 1.0),
    (0.3, 0.3, 1.0),
    (0.5, 0.0, 1.0),
    (0.0, 0.5, 1.0),
    (1.0, 0.0, 1.0),
    (0.0, 1.0, 1.0),
    (1.0, 1.0, 1.0),
    (3.0, 0.0, 1.0),
    (0.0, 3.0, 1.0),
)


def _answers(
    generator: np.random.Generator, items: int, share: float, *, spread: float, each: int
) -> tuple[Floats, Floats]:
    """Abilities (SHARED, each) of replicates, whose expected share of right answers is `share`,
    and the parts of the answers' sum that are the replicates' own (items, SHARED, each)."""
    ability = ndtri(share) * np.sqrt(1 + spread**2)
    return (
        ability + generator.normal(0, spread, (SHARED, each)),
        generator.standard_normal((items, SHARED, each)),
    )


def _plain(values: Floats) -> Estimates:
    value, se = means(values, np.ones(len(values))), standard_errors(values, np.ones(len(values)))
    return Estimates(value, se, value, value)


def _shares(values: Floats) -> Estimates:
    found = _plain(values)
    return of_shares(found, np.full(len(found.value), True), np.ones(len(values)), LEVEL)


def _differences(values: Floats, replicates: float) -> Estimates:
    found, cells = _plain(values), values.shape[1]
    sizes, number = np.ones(len(values)), np.full(cells, replicates)
    return of_differences(found, np.full(cells, True), sizes, number, LEVEL)


def shares_over_seeds(
    items: int, share: float, seeds: int, studies: int, *, spread: float, ease: float, seed: int = 1
) -> Coverage:
    """Coverage of a share of right answers over seeds and items; seeds' abilities differ by
    `spread`. With one seed, of its own share."""
    generator = np.random.default_rng(seed)
    found = []
    for _ in lots(studies):
        ability, own = _answers(generator, items, share, spread=spread, each=seeds)
        common = generator.standard_normal((items, SHARED, 1))
        right = (ability + ease**0.5 * common + (1 - ease) ** 0.5 * own > 0).astype(float)
        mean = _shares(right.mean(axis=2))
        factor = Factor(_shares(right.reshape(items, -1)), np.repeat(np.arange(SHARED), seeds))
        which = Shares(np.full(SHARED, True), items)
        found.append(ends(over_replicates(mean, [factor], LEVEL, which)))
    return covered(np.vstack(found), share)


def changes_over_draws(
    items: int,
    shares: tuple[float, float],
    seeds: int,
    draws: int,
    studies: int,
    *,
    spreads: tuple[float, float],
    ease: float = 0.5,
    seed: int = 2,
) -> Coverage:
    """Coverage of a change: tuned models of several seeds less a base with several draws of
    demonstrations; `shares` and `spreads` are those of base and tuned models."""
    generator = np.random.default_rng(seed)
    found = []
    groups: Integers = np.arange(SHARED)
    for _ in lots(studies):
        common = ease**0.5 * generator.standard_normal((items, SHARED, 1))
        sides = []
        for share, spread, each in zip(shares, spreads, (draws, seeds), strict=True):
            ability, own = _answers(generator, items, share, spread=spread, each=each)
            sides.append((ability + common + (1 - ease) ** 0.5 * own > 0).astype(float))
        before, after = sides
        by_seed = (after - before.mean(axis=2, keepdims=True)).reshape(items, -1)
        by_draw = (after.mean(axis=2, keepdims=True) - before).reshape(items, -1)
        factors = [
            Factor(_differences(by_seed, 2 / (1 + 1 / draws)), np.repeat(groups, seeds)),
            Factor(_differences(by_draw, 2 / (1 + 1 / seeds)), np.repeat(groups, draws)),
        ]
        mean = _differences(after.mean(axis=2) - before.mean(axis=2), 2 / (1 / seeds + 1 / draws))
        found.append(ends(over_replicates(mean, factors, LEVEL)))
    return covered(np.vstack(found), shares[1] - shares[0])


def over_sets(
    train_sets: int,
    eval_sets: int,
    spread: tuple[float, float, float],
    studies: int,
    *,
    ratio: bool = False,
    seed: int = 3,
) -> Coverage:
    """Coverage of a mean over a full grid of pairs; with `ratio`, of a ratio of means whose
    denominators vary by a quarter."""
    generator = np.random.default_rng(seed)
    names = list(product(range(train_sets), range(eval_sets)))
    trained, evaluated = ([str(pair[side]) for pair in names] for side in (0, 1))
    place = np.array(names)
    truth = 0.5 if ratio else 0.0
    found = np.empty((studies, 2))
    for study in range(studies):
        parts = (train_sets, eval_sets, len(names))
        effects = [generator.normal(0, one, size) for one, size in zip(spread, parts, strict=True)]
        values = effects[0][place[:, 0]] + effects[1][place[:, 1]] + effects[2]
        if ratio:
            below = np.clip(generator.normal(1, 0.25, eval_sets), 0.2, None)[place[:, 1]]
            pairs = Pairs(truth * below + 0.1 * values, trained, evaluated, np.ones(len(names)))
            estimate = crossed_ratio(pairs, below, LEVEL)
        else:
            estimate = crossed_mean(Pairs(values, trained, evaluated, np.ones(len(names))), LEVEL)
        found[study] = estimate.low, estimate.high
    return covered(found, truth)


def slopes_of_equal_formats(
    items: int, checkpoints: int, formats: int, studies: int, *, pairs: int = 12, seed: int = 4
) -> Coverage:
    """Coverage of 0 by the pooled slope of the spread beyond chance, where formats are equal and
    scores rise from .5 to .9 over the checkpoints; 3 train sets on `pairs` / 3 evaluation sets."""
    generator = np.random.default_rng(seed)
    x = np.linspace(0, 2, checkpoints)
    abilities = ndtri(np.linspace(0.5, 0.9, checkpoints))
    found = np.empty((studies, 2))
    for study in range(studies):
        slopes = []
        for _ in range(pairs):
            ease = generator.standard_normal((items, 1))
            spreads = []
            for number, ability in enumerate(abilities):
                own = generator.standard_normal((items, formats))
                right = (ability + 0.7 * ease + 0.7 * own > 0).astype(float)
                chance = rotated_spreads(right, np.ones(items), number).mean()
                spreads.append(np.ptp(right.mean(axis=0)) - chance)
            slopes.append(slope(x, np.array(spreads)))
        names = [(str(pair % 3), str(pair // 3)) for pair in range(pairs)]
        trained, evaluated = zip(*names, strict=True)
        pooled = crossed_mean(Pairs(np.array(slopes), trained, evaluated, np.ones(pairs)), LEVEL)
        found[study] = pooled.low, pooled.high
    return covered(found, 0.0)
