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

from teststrip.analysis.columns import Array, Design, Factor

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
        first, second = design.factors[i], design.factors[j]
        if min(len(first.labels), len(second.labels)) < 2:
            continue
        for text_a, weights_a in _simple(first):
            for text_b, weights_b in _simple(second):
                text = f"{first.name} ({text_a}) by {second.name} ({text_b})"
                found.append(Contrast("interaction", (i, j), text, np.outer(weights_a, weights_b).ravel()))
    return tuple(found)


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


def per_prompt(values: Array, design: Design, contrast: Contrast) -> tuple[Array, Array]:
    """The contrast inside each prompt, averaged over its seeds and the other axes.

    Only complete sets count: a seed and setting of the other axes for which *every* level of the contrast has a
    score, so that nothing but the axis differs.

    Args:
        values: [..., prompts, replicates, cells], score units, NaN = missing.

    Returns:
        differences [..., prompts] (NaN = this prompt has no complete set) and images used [..., prompts].
    """
    used = np.flatnonzero(contrast.weights)
    grid = design.grid(contrast.axes)[:, used]
    grid = grid[(grid >= 0).all(axis=1)]
    sets = values[..., grid] @ contrast.weights[used]  # [..., P, R, M]
    return _mean_of_sets(sets.reshape(*sets.shape[:-2], -1), used.size)


def _mean_of_sets(sets: Array, levels: int) -> tuple[Array, Array]:
    present = ~np.isnan(sets)
    count = present.sum(axis=-1)
    total = np.where(present, sets, 0.0).sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(count > 0, total / count, np.nan), count * float(levels)


def cell_pairs(values: Array, pairs: Sequence[tuple[int, int]]) -> Array:
    """Within-prompt differences [pairs, prompts] of whole cells: first minus second, paired by seed."""
    differences = [_mean_of_sets(values[..., a] - values[..., b], 2)[0] for a, b in pairs]
    return np.stack(differences) if differences else np.empty((0, values.shape[0]))


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
