"""Medians and shares with intervals that assume no distribution. Knows numbers only."""

from __future__ import annotations

import math

import numpy as np
from scipy import special

from teststrip.analysis.numbers.arrays import Array


def median(values: Array) -> Array:
    """Median over the last axis without NaN; NaN where nothing is left."""
    ordered = np.sort(values, axis=-1)  # NaN last
    count = (~np.isnan(values)).sum(axis=-1)
    rows = np.arange(len(values))
    low, high = (
        ordered[rows, np.maximum(count - 1, 0) // 2],
        ordered[rows, np.minimum(count // 2, ordered.shape[1] - 1)],
    )
    middle: Array = (low + np.where(count > 0, high, np.nan)) / 2
    return middle


def median_interval(values: Array, level: float = 0.95) -> tuple[float, float]:
    """The interval of a median by order statistics; the whole range where there are too few to exclude any.

    Where the values come from a few fixed prompts, the interval is too wide if anything: a count whose chance differs
    from prompt to prompt scatters less than a binomial one (Hoeffding 1956).
    """
    ordered = np.sort(values)
    count = ordered.size
    if count == 0:
        return math.nan, math.nan
    # The largest k with P(Binomial(count, 1/2) < k) <= 2.5 % (at 95 %).
    k = 0
    while k < count // 2 and special.bdtr(k, count, 0.5) <= (1 - level) / 2:
        k += 1
    return float(ordered[max(k - 1, 0)]), float(ordered[count - 1 - max(k - 1, 0)])


def share_interval(hits: int, count: int, level: float) -> tuple[float, float]:
    """The interval of a share: Clopper and Pearson 1934."""
    tail = (1 - level) / 2
    low = float(special.betaincinv(hits, count - hits + 1, tail)) if hits else 0.0
    high = float(special.betaincinv(hits + 1, count - hits, 1 - tail)) if hits < count else 1.0
    return low, high
