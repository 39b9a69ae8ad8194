"""Planned contrasts: what is asked of each axis before anybody looks, as weights on levels.

Every contrast is in score units, so that one margin judges them all:
a pair is a difference of two levels; a trend is the fitted change from the lowest to the highest level; a bend is how
far the fitted middle stands above the straight line between the ends; an interaction is how much one axis' change
itself changes along the other. Knows weights and arrays; no p-values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from teststrip.analysis.numbers.columns import Array, Design, Factor

Kind = Literal["pair", "trend", "bend", "interaction"]
Indices = NDArray[np.intp]


@dataclass(frozen=True)
class Contrast:
    """A weighted comparison of the levels of one or two axes.

    Attributes:
        kind: what it asks. axes: indices of the axes. text: in words.
        weights: one a combination of their levels, adding to zero.
        planned: member of the Holm family (the other pairs serve equivalence and the table).
    """

    kind: Kind
    axes: tuple[int, ...]
    text: str
    weights: Array
    planned: bool = True


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


def planned(design: Design) -> tuple[Contrast, ...]:
    """All contrasts of a design: for each axis trend, bend, pairs; for each two axes their interaction.

    Of a numeric axis the adjacent pairs are planned, of an axis of words all pairs.
    """
    found: list[Contrast] = []
    for i, factor in enumerate(design.factors):
        if len(factor.labels) > 1:
            found += _of_axis(i, factor)
    for i, j in combinations(range(len(design.factors)), 2):
        if min(len(design.factors[i].labels), len(design.factors[j].labels)) > 1:
            found += _of_two(design, i, j)
    return tuple(found)


def _of_two(design: Design, i: int, j: int) -> list[Contrast]:
    """Interactions of two axes; of words, double differences against their first levels."""
    first, second = design.factors[i], design.factors[j]
    there: NDArray[np.bool_] = np.any(design.grid((i, j)) >= 0, axis=0)
    found = []
    for text_a, weights_a in _simple(first):
        for text_b, weights_b in _simple(second):
            weights = np.outer(weights_a, weights_b).ravel()
            if not there.all() and first.numbers is not None and second.numbers is not None:
                weights = _without_main(weights, there, (len(first.labels), len(second.labels)))
            if weights.any() and not weights[~there].any():
                text = f"{first.name} ({text_a}) by {second.name} ({text_b})"
                found.append(Contrast("interaction", (i, j), text, weights))
    return found


def _without_main(product: Array, there: NDArray[np.bool_], shape: tuple[int, int]) -> Array:
    """The product of two trends where combinations were left out: what rows and columns alone cannot explain."""
    rows, columns = np.divmod(np.flatnonzero(there), shape[1])
    main = np.hstack([np.eye(shape[0])[rows], np.eye(shape[1])[columns]])
    wanted = product[there]
    rest = wanted - main @ np.linalg.lstsq(main, wanted, rcond=None)[0]
    weights = np.zeros_like(product)
    if (rest**2).sum() > 1e-9 * (wanted**2).sum():
        # The same unit as without gaps: the change of the change over both full ranges.
        weights[there] = rest * (product @ product) / (rest @ wanted)
        weights[np.abs(weights) < 1e-12] = 0.0
    return weights


def _of_axis(i: int, factor: Factor) -> list[Contrast]:
    count = len(factor.labels)
    found = []
    order = list(range(count))
    if factor.numbers is not None:
        order.sort(key=lambda k: factor.numbers[k] if factor.numbers else 0.0)
        x, logarithmic = scale(factor.numbers)
        words = " on a log scale" if logarithmic else ""
        ends = f"{factor.labels[order[0]]} to {factor.labels[order[-1]]}"
        if count > 2:
            found.append(Contrast("trend", (i,), f"linear trend, {ends}{words}", trend_weights(x)))
            found.append(Contrast("bend", (i,), f"quadratic trend (bend), {ends}{words}", bend_weights(x)))
    for a, b in combinations(range(count), 2):
        low, high = order[a], order[b]
        text = f"{factor.labels[high]} against {factor.labels[low]}"
        adjacent = b == a + 1 or factor.numbers is None
        found.append(Contrast("pair", (i,), text, _pair(count, high, low), adjacent))
    return found


def _simple(factor: Factor) -> list[tuple[str, Array]]:
    """The one-axis contrasts that interactions are made of: the trend, or each word against the first."""
    count = len(factor.labels)
    if factor.numbers is not None:
        return [("trend", trend_weights(scale(factor.numbers)[0]))]
    return [(f"{factor.labels[k]} against {factor.labels[0]}", _pair(count, k, 0)) for k in range(1, count)]


def _pair(count: int, plus: int, minus: int) -> Array:
    weights = np.zeros(count)
    weights[plus], weights[minus] = 1.0, -1.0
    return weights


def along(design: Design, interaction: Contrast) -> tuple[Contrast, ...]:
    """What an interaction's first axis does at each level of its second: as many contrasts as that has levels.

    Of words only the two levels compared, of numbers all from the lowest up. None where combinations were left out.
    """
    i, j = interaction.axes
    first, second = design.factors[i], design.factors[j]
    if (design.grid((i, j)) < 0).any():
        return ()
    weights = next(w for text, w in _simple(first) if interaction.text.startswith(f"{first.name} ({text}) by "))
    table = interaction.weights.reshape(len(first.labels), len(second.labels))
    order = [k for k in range(len(second.labels)) if second.numbers is not None or table[:, k].any()]
    if second.numbers is not None:
        order.sort(key=second.numbers.__getitem__)
    return tuple(
        Contrast("interaction", (i, j), second.labels[k], np.outer(weights, np.eye(len(second.labels))[k]).ravel())
        for k in order
    )


def per_prompt(values: Array, design: Design, contrast: Contrast) -> tuple[Array, Array]:
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
    grid = design.grid(contrast.axes)
    # A pair looks at its two levels alone; in a fit the other levels say how high their sets are.
    wanted = contrast.weights != 0 if contrast.kind == "pair" else np.any(grid >= 0, axis=0)
    used = np.flatnonzero(wanted)
    weights, grid = contrast.weights[used], grid[:, used]
    padded = np.concatenate([values, np.full((*values.shape[:-1], 1), np.nan)], axis=-1)
    sets = padded[..., grid]  # [..., P, R, M, K]
    sets = sets.reshape(*sets.shape[:-3], -1, used.size)
    whole = sets @ weights  # [..., P, R * M]
    present = ~np.isnan(whole)
    count = present.sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        difference = np.where(count > 0, np.where(present, whole, 0.0).sum(axis=-1) / count, np.nan)
    images = count * used.size
    broken = ~present.all(axis=-1)
    if contrast.kind != "pair" and broken.any():
        difference[broken], images[broken] = _intra_block(sets[broken], weights)
    return difference, images


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
    return _mean(difference, -1)[..., 0]


def level_means(values: Array, grid: Indices) -> tuple[Array, Array]:
    """For a chart: the scores at each level with what belongs to the prompt taken out.

    Args:
        values: [P, R, C]. grid: [M, K] cell indices of K levels, from `Design.grid`.

    Returns:
        levels [P, K]: each prompt's mean at each level, less the prompt's own height, plus the mean height
        (an additive fit, so that a missing cell does not move its prompt's others); and images [K].
    """
    padded = np.concatenate([values, np.full((*values.shape[:-1], 1), np.nan)], axis=-1)
    sets = padded[..., grid].reshape(values.shape[0], -1, grid.shape[1])  # [P, R * M, K]
    present = ~np.isnan(sets)
    with np.errstate(divide="ignore", invalid="ignore"):
        means = np.where(present, sets, 0.0).sum(axis=1) / present.sum(axis=1)
    height = np.zeros((means.shape[0], 1))
    for _ in range(20):  # exact at once without missing cells; 20 rounds leave errors far below any interval
        level = _mean(means - height, 0)
        height = _mean(means - level, 1)
    return means - height + np.nanmean(height) if np.isfinite(height).any() else means, present.sum(axis=(0, 1))


def _mean(table: Array, axis: int) -> Array:
    present = ~np.isnan(table)
    count = present.sum(axis=axis, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        total: Array = np.where(present, table, 0.0).sum(axis=axis, keepdims=True)
        return np.where(count > 0, total / count, np.nan)
