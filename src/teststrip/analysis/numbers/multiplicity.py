"""Many questions of one data set: Holm for a planned family, max-t for all pairs of cells.

Knows p-values and differences; nothing of axes or prompts' names.
"""

from __future__ import annotations

import numpy as np

from teststrip.analysis.numbers.arrays import Array
from teststrip.analysis.numbers.intervals import flips

_CHUNK = 2_000_000
"""Numbers held at once while flipping signs: 16 MB."""


def holm(p: Array, *, spare: int = 0) -> Array:
    """Holm's step-down p-values over the last axis; NaN is no member of the family.

    Args:
        p: [..., claims].
        spare: so many of the claims are true whatever the scores (of some settings one is the best).

    Source: Holm 1979; Shaffer 1986 for `spare`. Controls the chance of any false claim, whatever the dependence.

    >>> [round(float(q), 3) for q in holm(np.array([0.01, 0.04, 0.03]))]
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p, dtype=float)
    order = np.argsort(np.where(np.isnan(p), np.inf, p), axis=-1)
    ranked = np.take_along_axis(p, order, axis=-1)
    size = (~np.isnan(p)).sum(axis=-1, keepdims=True)
    factor = np.maximum(np.minimum(size - np.arange(p.shape[-1]), size - spare), 1)
    stepped = np.minimum(np.maximum.accumulate(np.where(np.isnan(ranked), 0.0, ranked * factor), axis=-1), 1.0)
    adjusted = np.empty_like(p)
    np.put_along_axis(adjusted, order, np.where(np.isnan(ranked), np.nan, stepped), axis=-1)
    return adjusted


def max_t(differences: Array, *, seed: int = 0) -> Array:
    """p-values of many comparisons on the same prompts, corrected together by the largest |t| under sign flips.

    Args:
        differences: [comparisons, prompts]; NaN = this comparison lacks this prompt.

    Returns:
        [comparisons], two-sided; exact up to EXACT_FLIPS prompts. No sharper than 2 / 2**prompts.

    Source:
        Westfall & Young 1993, with sign flips of whole prompts, which keeps the comparisons' dependence.
    """
    differences = np.atleast_2d(np.asarray(differences, dtype=float))
    present = ~np.isnan(differences)
    filled = np.where(present, differences, 0.0)
    count = present.sum(axis=-1).astype(float)
    squares = (filled**2).sum(axis=-1)
    usable = (count >= 2) & (squares > 0)
    if not usable.any():
        return np.where(count >= 2, 1.0, np.nan)
    filled, count, squares = filled[usable], count[usable], squares[usable]
    signs = flips(differences.shape[-1], seed=seed)
    observed = _abs_t(filled.sum(axis=-1), squares, count)
    step = max(1, _CHUNK // filled.shape[0])
    highest = np.concatenate(
        [_abs_t(signs[i : i + step] @ filled.T, squares, count).max(axis=-1) for i in range(0, len(signs), step)]
    )
    highest.sort()
    hits = highest.size - np.searchsorted(highest, observed * (1 - 1e-9))
    exact = highest.size == 2 ** differences.shape[-1]
    p = hits / highest.size if exact else (hits + 1) / (highest.size + 1)
    result = np.where(present.sum(axis=-1) >= 2, 1.0, np.nan)
    result[usable] = p
    return result


def _abs_t(total: Array, squares: Array, count: Array) -> Array:
    """|t| of a sum of `count` differences whose squares sum to `squares` (signs do not change that)."""
    mean = total / count
    variance = np.maximum(squares - count * mean**2, 0.0) / (count - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        t: Array = np.abs(mean) / np.sqrt(variance / count)
    return np.where(variance > 1e-24 * squares, t, np.inf)
