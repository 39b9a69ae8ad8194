"""Means of levels and of whole cells, in designs with gaps: the one estimator of tables, charts and "is highest at".

Least squares with a height for each set (a prompt, a seed, a combination of the other axes): a level is compared with
the others inside sets alone, so a combination that is excluded, refused or missing never moves a level. Knows arrays;
judges nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csgraph

from teststrip.analysis.numbers.arrays import Array, mean

Indices = NDArray[np.intp]

FEWER = 0.75
"""A level that has less than this share of the prompts of the best covered level is shown, never judged.

Not 1: a single picture that ran out of memory would leave a setting out of all sentences. Where a tenth of the cells is
missing by chance, 9 of 10 levels of 12 prompts still have 10 or more of them.
"""


@dataclass(frozen=True)
class Means:
    """What each of K levels scores.

    Attributes:
        levels: [K] the score that each level has on average over all sets; NaN = no picture.
        by_prompt: [P, K] the same from one prompt alone, the heights of its sets taken out; its spread over prompts
            says how sure differences of levels are.
        prompts: [K] how many prompts have the level.
        images: [K] how many images have the level.
    """

    levels: Array
    by_prompt: Array
    prompts: Indices
    images: Indices


def of_levels(values: Array, grid: Indices) -> Means:
    """The means of the columns of a grid of cells.

    Args:
        values: [P, R, C], score units, NaN = missing.
        grid: [M, K] cell indices of K levels at M combinations of the other axes, from `Layout.grid`; -1 = left out.

    Returns:
        Plain means where nothing is missing. Levels that share no set with the others stand at the mean of their own
        sets, because nothing compares them.

    Source:
        Yates 1940, the recovery of treatment differences from incomplete blocks.
    """
    padded = np.concatenate([values, np.full((*values.shape[:-1], 1), np.nan)], axis=-1)
    sets = padded[..., grid]  # [P, R, M, K]
    present = ~np.isnan(sets)
    flat = sets.reshape(-1, grid.shape[1])
    effects, groups = _within(flat)
    heights = mean(sets - effects, -1)  # [P, R, M]
    levels = np.full(effects.shape, np.nan)
    shifted = np.full(sets.shape, np.nan)
    for group in np.unique(groups[~np.isnan(effects)]):
        own = groups == group
        among = np.where(present[..., own].any(axis=-1), heights, np.nan)
        middle = _middle(among)
        levels[own] = effects[own] + middle
        shifted[..., own] = sets[..., own] - among[..., None] + middle
    return Means(
        levels,
        mean(shifted.reshape(values.shape[0], -1, grid.shape[1]), 1),
        present.any(axis=(1, 2)).sum(axis=0),
        present.sum(axis=(0, 1, 2)),
    )


def enough(values: Array, grid: Indices) -> NDArray[np.bool_]:
    """Which levels rest on as many prompts as the others, so that sentences may speak of them; [K].

    Args:
        values: [P, R, C].
        grid: [M, K] as in `of_levels`.
    """
    padded = np.concatenate([~np.isnan(values), np.zeros((*values.shape[:-1], 1), dtype=bool)], axis=-1)
    prompts = padded[..., grid].any(axis=(1, 2)).sum(axis=0)
    found: NDArray[np.bool_] = (prompts > 0) & (prompts >= FEWER * prompts.max(initial=0))
    return found


def judged(values: Array, grid: Indices) -> list[int]:
    """The levels that findings compare: those with `enough` prompts, or all where that leaves fewer than two."""
    found: list[int] = np.flatnonzero(enough(values, grid)).tolist()
    return found if len(found) > 1 else list(range(grid.shape[1]))


def _within(sets: Array) -> tuple[Array, NDArray[np.int32]]:
    """What each column adds inside rows, by least squares with a height for each row.

    Returns:
        [K] effects that add to zero in each group of columns that rows connect, NaN = empty column; and [K] the groups.
    """
    present = ~np.isnan(sets)
    size = np.maximum(present.sum(axis=-1, keepdims=True), 1)
    share = present / np.sqrt(size)
    shared = share.T @ share
    normal = np.diag(present.sum(axis=0).astype(float)) - shared
    right = np.where(present, sets - mean(sets, -1, keepdims=True), 0.0).sum(axis=0)
    # The pseudo-inverse gives the shortest solution: effects of connected columns add to zero.
    effects = np.linalg.pinv(normal, hermitian=True) @ right
    _, groups = csgraph.connected_components(shared > 0, directed=False)
    return np.where(present.any(axis=0), effects, np.nan), groups


def _middle(heights: Array) -> float:
    """The mean height [P, R, M] over all prompts, as if every combination had one; prompts count alike."""
    flat = heights.reshape(-1, heights.shape[-1])
    if np.isnan(flat).any():
        columns, _ = _within(flat)
        rows = mean(flat - columns, -1) + np.nanmean(columns)
    else:
        rows = flat.mean(axis=-1)
    return float(mean(mean(rows.reshape(heights.shape[:2]), 1), 0))
