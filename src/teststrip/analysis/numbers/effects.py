"""Planned contrasts: what is asked of each axis before there are scores, as weights on levels.

Every contrast is in score units, so that one margin judges them all:
a pair is a difference of two levels; a trend is the fitted change from the lowest to the highest level; a bend is how
far the fitted middle stands above the straight line between the ends; an interaction is how much one axis' change
itself changes along the other. Knows weights and arrays; no p-values and no words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from teststrip.analysis.numbers import means
from teststrip.analysis.numbers.arrays import Array, mean
from teststrip.analysis.numbers.columns import Layout
from teststrip.records import Contrast

SHAPES: tuple[Literal["trend", "bend"], ...] = ("trend", "bend")


@dataclass(frozen=True)
class WeightedContrast:
    """A contrast of the levels of one or two axes, with the weights that compute it.

    Attributes:
        asked: what is compared.
        axes: indices of the axes.
        weights: one a combination of their levels, adding to zero.
        planned: member of the Holm family (the other pairs serve equivalence and the table).
        levels: of an interaction, the levels of both axes that it is about, rising; () = all.
    """

    asked: Contrast
    axes: tuple[int, ...]
    weights: Array
    planned: bool = True
    levels: tuple[Sequence[int], ...] = ()

    @property
    def kind(self) -> str:
        """Pair, trend, bend or interaction."""
        return self.asked.kind

    @property
    def alone(self) -> bool:
        """Whether it looks at the levels that have a weight alone; in a fit all others say how high their sets are."""
        return self.kind == "pair" or (self.kind == "interaction" and not self.asked.trends)


def scale(numbers: Sequence[float]) -> tuple[Array, bool]:
    """The levels on the scale where they stand more evenly; True = logarithmic (2, 4, 8, 16 steps).

    Decided by the levels alone, never by the scores.

    >>> scale([2, 4, 8, 16])[1], scale([1, 3, 5, 7.5, 12])[1]
    (True, False)
    """
    x = np.asarray(numbers, dtype=float)
    if x.size < 3 or np.any(x <= 0):
        return x, False
    gaps, ratios = np.abs(np.diff(np.sort(x))), np.diff(np.log2(np.sort(x)))
    return (np.log2(x), True) if gaps.max() / gaps.min() > 1.5 * ratios.max() / ratios.min() else (x, False)


def trend_weights(x: Array) -> Array:
    """Weights of the least-squares slope, times the range: the fitted change from the lowest to the highest x."""
    centred = x - x.mean()
    weights: Array = centred / (centred**2).sum() * np.ptp(x)
    return weights


def bend_weights(x: Array) -> Array:
    """Weights of the fitted parabola's height at mid-range above the line between its ends; needs three levels."""
    z = (x - x.min()) / np.ptp(x)
    fit = np.linalg.pinv(np.vander(z, 3, increasing=True))
    weights: Array = -fit[2] / 4
    return weights


def planned(layout: Layout, values: Array | None = None) -> tuple[WeightedContrast, ...]:
    """All contrasts of a layout: for each axis trend, bend, pairs; for each two axes their interaction.

    Of a numeric axis the adjacent pairs are planned, of an axis of words all pairs.

    Args:
        layout: the axes.
        values: [prompts, replicates, cells]; levels that have fewer prompts in them than the others are in no contrast
            of their axis (`means.judged`), and such combinations in no interaction. None = there are no scores yet.
    """
    found: list[WeightedContrast] = []
    for i, factor in enumerate(layout.factors):
        if len(factor.labels) > 1:
            levels = factor.rising
            if values is not None:
                judged = means.judged(values, layout.grid((i,)))
                levels = [k for k in levels if k in judged]
            found += _of_axis(layout, i, levels)
    for i, j in combinations(range(len(layout.factors)), 2):
        if min(len(layout.factors[i].labels), len(layout.factors[j].labels)) > 1:
            there: NDArray[np.bool_] = np.any(layout.grid((i, j)) >= 0, axis=0)
            enough = there if values is None else means.enough(values, layout.grid((i, j)))
            # Where only poor combinations could tell, their few prompts are asked: the finding says how many.
            found += _of_two(layout, i, j, enough) or _of_two(layout, i, j, there & _seen(layout, (i, j), values))
    return tuple(found)


def _seen(layout: Layout, axes: tuple[int, int], values: Array | None) -> NDArray[np.bool_]:
    """Which combinations of two axes have any score; all, where there are no scores yet."""
    grid = layout.grid(axes)
    if values is None:
        return np.ones(grid.shape[1], dtype=bool)
    scored = np.append(~np.isnan(values).all(axis=(0, 1)), False)
    return np.asarray(scored[grid].any(axis=0))


def whole(layout: Layout, axes: tuple[int, int], there: NDArray[np.bool_]) -> tuple[Sequence[int], Sequence[int]]:
    """The levels of two axes all of whose combinations are there, rising; empty where fewer than two of one are left.

    The level with the largest share of gaps goes first, of words before numbers, so that a trend keeps its range.
    """
    factors = [layout.factors[axis] for axis in axes]
    table = there.reshape([len(factor.labels) for factor in factors])
    kept = [list(factor.rising) for factor in factors]
    while not (part := table[np.ix_(*kept)]).all():
        shares = [
            (float((~part).mean(axis=1 - side)[n]), factors[side].numbers is None, side, n)
            for side in (0, 1)
            for n in range(len(kept[side]))
            if len(kept[side]) > 2
        ]
        if not shares:
            return (), ()
        _, _, side, n = max(shares)
        del kept[side][n]
    return kept[0], kept[1]


def _of_two(layout: Layout, i: int, j: int, there: NDArray[np.bool_]) -> list[WeightedContrast]:
    """Interactions of two axes from the combinations that are there; of words, double differences against the first."""
    first, second = layout.factors[i], layout.factors[j]
    found = []
    of_numbers = first.numbers is not None and second.numbers is not None
    levels: tuple[Sequence[int], ...] = () if there.all() or of_numbers else whole(layout, (i, j), there)
    if levels and not all(levels):
        return []
    for one in _simple(layout, i, *levels[:1]):
        for other in _simple(layout, j, *levels[1:]):
            weights = np.outer(one.weights, other.weights).ravel()
            if not there.all() and of_numbers:
                weights = _without_main(weights, there, (len(first.labels), len(second.labels)))
            if weights.any() and not weights[~there].any():
                asked = Contrast(
                    "interaction",
                    (*one.asked.plus, *other.asked.plus),
                    (*one.asked.minus, *other.asked.minus),
                    trends=tuple(part.asked.plus[0].axis for part in (one, other) if part.kind == "trend"),
                )
                found.append(WeightedContrast(asked, (i, j), weights, levels=levels))
    return found


def _without_main(product: Array, there: NDArray[np.bool_], shape: tuple[int, int]) -> Array:
    """The product of two trends where combinations were left out: what rows and columns alone cannot explain."""
    rows, columns = np.divmod(np.flatnonzero(there), shape[1])
    main = np.hstack([np.eye(shape[0])[rows], np.eye(shape[1])[columns]])
    wanted = product[there]
    rest = wanted - main @ np.linalg.lstsq(main, wanted, rcond=None)[0]
    weights = np.zeros_like(product)
    if (rest**2).sum() > 1e-9 * (wanted**2).sum():
        # In the unit of a layout without gaps: the change of the change over both full ranges.
        weights[there] = rest * (product @ product) / (rest @ wanted)
        weights[np.abs(weights) < 1e-12] = 0.0
    return weights


def _of_axis(layout: Layout, i: int, order: Sequence[int]) -> list[WeightedContrast]:
    """Contrasts of the levels in `order`, which rises."""
    factor = layout.factors[i]
    found = []
    if factor.numbers is not None and len(order) > 2:
        x, logarithmic = scale([factor.numbers[k] for k in order])
        for kind, of in zip(SHAPES, (trend_weights, bend_weights), strict=True):
            weights = np.zeros(len(factor.labels))
            weights[order] = of(x)
            found.append(WeightedContrast(_ends(layout, i, kind, order, logarithmic=logarithmic), (i,), weights))
    for a, b in combinations(range(len(order)), 2):
        adjacent = b == a + 1 or factor.numbers is None
        found.append(pair(layout, i, order[b], order[a], planned=adjacent))
    return found


def _ends(
    layout: Layout, axis: int, kind: Literal["trend", "bend"], order: Sequence[int], *, logarithmic: bool
) -> Contrast:
    """A contrast of the levels of an axis in rising order, named by the highest and the lowest."""
    plus, minus = layout.level(axis, order[-1]), layout.level(axis, order[0])
    return Contrast(kind, (plus,), (minus,), logarithmic=logarithmic)


def _simple(layout: Layout, axis: int, levels: Sequence[int] | None = None) -> list[WeightedContrast]:
    """The one-axis contrasts that interactions are made of: the trend, or each word against the first.

    Args:
        layout: the axes.
        axis: by its index.
        levels: that may be compared, rising; None = all.
    """
    factor = layout.factors[axis]
    order = factor.rising if levels is None else levels
    if factor.numbers is not None:
        x, logarithmic = scale([factor.numbers[k] for k in order])
        weights = np.zeros(len(factor.labels))
        weights[order] = trend_weights(x)
        return [WeightedContrast(_ends(layout, axis, "trend", order, logarithmic=logarithmic), (axis,), weights)]
    return [pair(layout, axis, k, order[0]) for k in order[1:]]


def pair(layout: Layout, axis: int, plus: int, minus: int, *, planned: bool = True) -> WeightedContrast:
    """Two levels of an axis, by their indices: `plus` minus `minus`."""
    weights = np.zeros(len(layout.factors[axis].labels))
    weights[plus], weights[minus] = 1.0, -1.0
    asked = Contrast("pair", (layout.level(axis, plus),), (layout.level(axis, minus),))
    return WeightedContrast(asked, (axis,), weights, planned)


def double_differences(layout: Layout, axes: tuple[int, int], values: Array) -> tuple[WeightedContrast, ...]:
    """Every change of every change: all pairs of levels of one axis by all pairs of levels of the other.

    Only what the planned interaction cannot see is left to these: an axis may act on the other without any trend.

    Args:
        layout: the axes.
        axes: two of them, by their indices.
        values: [prompts, replicates, cells]; a combination with fewer prompts than the others is in none.
    """
    first, second = (len(layout.factors[axis].labels) for axis in axes)
    enough = means.enough(values, layout.grid(axes)).reshape(first, second)
    found = []
    for a, b in combinations(range(first), 2):
        for c, d in combinations(range(second), 2):
            if enough[[a, a, b, b], [c, d, c, d]].all():
                one, other = pair(layout, axes[0], b, a), pair(layout, axes[1], d, c)
                asked = Contrast(
                    "interaction", (*one.asked.plus, *other.asked.plus), (*one.asked.minus, *other.asked.minus)
                )
                found.append(WeightedContrast(asked, axes, np.outer(one.weights, other.weights).ravel()))
    return tuple(found)


def along(layout: Layout, interaction: WeightedContrast) -> tuple[WeightedContrast, ...]:
    """What an interaction's first axis does at each level of its second.

    Returns:
        A contrast for each level of the second axis, which stands last on both of its sides: of numbers all levels from
        the lowest up, of words only the two that are compared. Empty where combinations were left out.
    """
    i, j = interaction.axes
    first, second = layout.factors[i], layout.factors[j]
    if (layout.grid((i, j)) < 0).any():
        return ()
    plus, minus = interaction.asked.plus[0], interaction.asked.minus[0]
    simple = _simple(layout, i, *interaction.levels[:1])
    weights = next(one.weights for one in simple if one.asked.plus == (plus,))
    table = interaction.weights.reshape(len(first.labels), len(second.labels))
    about = interaction.levels[1] if interaction.levels else second.rising
    levels = [k for k in about if second.numbers is not None or table[:, k].any()]
    found = []
    for k in levels:
        at = layout.level(j, k)
        asked = replace(interaction.asked, plus=(plus, at), minus=(minus, at))
        found.append(WeightedContrast(asked, (i, j), np.outer(weights, np.eye(len(second.labels))[k]).ravel()))
    return tuple(found)


def per_prompt(values: Array, layout: Layout, contrast: WeightedContrast) -> tuple[Array, Array]:
    """The contrast inside each prompt, averaged over its seeds and the other axes.

    A set is one seed and one setting of the other axes, so that inside a set nothing but the contrast's axes differs.
    A pair uses the sets that have both levels. A trend, bend or interaction uses complete sets; in a prompt where
    some are incomplete, least squares with a height for each set (intra-block estimate), which is the same number
    when nothing is missing.

    Args:
        values: [..., prompts, replicates, cells], score units, NaN = missing.

    Returns:
        differences [..., prompts] (NaN = this prompt cannot tell) and images used [..., prompts].

    Source:
        Yates 1940, the recovery of treatment differences from incomplete blocks.
    """
    grid = layout.grid(contrast.axes)
    wanted = contrast.weights != 0 if contrast.alone else np.any(grid >= 0, axis=0)
    used = np.flatnonzero(wanted)
    weights, grid = contrast.weights[used], grid[:, used]
    padded = np.concatenate([values, np.full((*values.shape[:-1], 1), np.nan)], axis=-1)
    sets = padded[..., grid]  # [..., P, R, M, K]
    sets = sets.reshape(*sets.shape[:-3], -1, used.size)
    whole = sets @ weights  # [..., P, R * M]
    present = ~np.isnan(whole)
    difference, images = mean(whole, -1), present.sum(axis=-1) * used.size
    broken = ~present.all(axis=-1)
    if not contrast.alone and broken.any():
        difference[broken], images[broken] = _intra_block(sets[broken], weights)
    return difference, images


def per_seed(values: Array, layout: Layout, contrast: WeightedContrast) -> tuple[Array, Array]:
    """The contrast inside each prompt and seed, averaged over the other axes.

    Args:
        values: [..., prompts, replicates, cells], score units, NaN = missing.

    Returns:
        Differences [..., prompts, replicates] (NaN = this seed cannot tell) and images used, in the same shape.
    """
    alone = values.reshape(*values.shape[:-3], -1, 1, values.shape[-1])
    differences, images = per_prompt(alone, layout, contrast)
    return differences.reshape(values.shape[:-1]), images.reshape(values.shape[:-1])


def cell_weights(there: NDArray[np.bool_], layout: Layout, contrast: WeightedContrast) -> Array:
    """The weight of each whole cell in the contrast, where cells share no seeds; a prompt at a time.

    Args:
        there: [..., prompts, cells], which cells have pictures enough.

    Returns:
        The same shape. Only complete combinations of the other axes count; all 0 in a prompt that has none.
    """
    grid = layout.grid(contrast.axes)
    used = np.flatnonzero(contrast.weights)
    grid, weights = grid[:, used], contrast.weights[used]
    padded = np.concatenate([there, np.zeros((*there.shape[:-1], 1), dtype=bool)], axis=-1)
    whole = padded[..., grid].all(axis=-1)  # [..., P, M]
    share = whole / np.maximum(whole.sum(axis=-1, keepdims=True), 1)
    found = np.zeros(padded.shape)
    for m, row in enumerate(grid):
        found[..., row] += share[..., m, None] * weights
    return found[..., :-1]


def _intra_block(sets: Array, weights: Array) -> tuple[Array, NDArray[np.intp]]:
    """The contrast by least squares with a height for each set: [prompts, sets, levels] -> two of [prompts]."""
    present = ~np.isnan(sets)
    size = present.sum(axis=-1, keepdims=True)
    share = np.where(present, 1.0, 0.0) / np.sqrt(np.maximum(size, 1))
    levels = sets.shape[-1]
    normal = -np.einsum("puk,pul->pkl", share, share)
    normal[:, np.arange(levels), np.arange(levels)] += present.sum(axis=1)
    filled = np.where(present, sets, 0.0)
    height = filled.sum(axis=-1, keepdims=True) / np.maximum(size, 1)
    right = np.where(present, sets - height, 0.0).sum(axis=1)
    inverse = np.linalg.pinv(normal, hermitian=True)
    estimate = np.einsum("pkl,pl->pk", inverse, right) @ weights
    # A contrast that the levels present cannot form is left out, not guessed.
    formed = np.einsum("pkl,plm,m->pk", inverse, normal, weights)
    possible = np.abs(formed - weights).max(axis=-1) < 1e-9 * np.abs(weights).max() + 1e-12
    images = (present & (size > 1)).sum(axis=(1, 2))
    return np.where(possible, estimate, np.nan), np.where(possible, images, 0)


def cell_pairs(values: Array, pairs: Sequence[tuple[int, int]]) -> Array:
    """Within-prompt differences [pairs, prompts] of whole cells: first minus second, paired by seed."""
    if not pairs:
        return np.empty((0, values.shape[0]))
    first, second = np.array(pairs).T
    difference = np.moveaxis(values[..., first] - values[..., second], -1, 0)  # [pairs, ..., P, R]
    return mean(difference, -1)
