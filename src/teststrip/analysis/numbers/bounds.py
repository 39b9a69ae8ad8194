"""What distances of a few prompts say of all prompts like them: bounds of their mean, and how far most of them go.

Distances are skewed: most prompts change a little, a few change much. Student's interval is then too low (it covers the
mean of exponential distances in 86 % of studies of 10 prompts), so it is joined with Hall's, which takes the skewness
out. No bound of a mean knows of prompts that change much and are not among those seen: the share of prompts that are
surely within a distance says how many that may be, and assumes nothing. Knows numbers only.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import special

from teststrip.analysis.numbers import samples, shares
from teststrip.analysis.numbers.arrays import Array
from teststrip.analysis.numbers.samples import Interval
from teststrip.analysis.numbers.shares import MOST, SURE

STRAIGHT = 1e-9
"""Below this, times the root of the number of prompts, skewness changes nothing that can be computed."""


def skewed_interval(values: Array, level: float = 0.95) -> Interval:
    """The mean with the ends that are further out of Student's interval and Hall's.

    Args:
        values: [..., prompts]; NaN = missing.
        level: coverage of each of the two.

    Returns:
        Arrays of shape [...]; NaN where fewer than three prompts are left.

    Source:
        Hall 1992, On the removal of skewness by transformation: the cubic transformation that can be inverted.

    >>> i = skewed_interval(np.array([0.1, 0.2, 0.2, 0.4, 0.5, 3.0]))
    >>> round(float(i.mean), 2), round(float(i.low), 2), round(float(i.high), 2)
    (0.73, -0.44, 3.84)
    """
    found = samples.over_prompts(values)
    student = samples.interval(found, level)
    skew = _skewness(values, found.mean) / np.sqrt(np.maximum(found.prompts, 1))
    quantile = special.stdtrit(np.maximum(found.prompts - 1, 1), 0.5 + level / 2)
    low = np.fmin(student.low, found.mean - _turned(quantile, skew) * found.se)
    high = np.fmax(student.high, found.mean - _turned(-quantile, skew) * found.se)
    few = found.prompts < 3
    return Interval(found.mean, np.where(few, np.nan, low), np.where(few, np.nan, high), found.se, found.prompts)


def most(values: Array, share: float = MOST) -> float:
    """The distance that this share of the values are within: one of them, the smallest that is enough."""
    known = np.sort(values[~np.isnan(values)])
    return float(known[math.ceil(share * known.size - 1e-9) - 1]) if known.size else math.nan


def surely_within(values: Array) -> tuple[float, float]:
    """How many of all prompts like these are surely within which distance.

    Where there are prompts enough, the share is MOST, and the distance is the smallest of those seen that will do.
    Where there are fewer, the distance is the largest seen, and the share is what it is surely the bound of.

    Returns:
        the share, 0..1, and the distance; both NaN where there is no value.

    >>> share, distance = surely_within(np.arange(20.0))
    >>> round(share, 3), distance
    (0.861, 19.0)
    >>> surely_within(np.arange(100.0))
    (0.95, 98.0)
    """
    known = np.sort(values[~np.isnan(values)])
    count = known.size
    if not count:
        return math.nan, math.nan
    # The value at place k, from 0, will do where at most k values lie below the true distance in 95 % of studies.
    enough = np.flatnonzero(special.bdtr(np.arange(count), count, MOST) >= SURE)
    if enough.size:
        return MOST, float(known[enough[0]])
    return shares.within(count), float(known[-1])


def _skewness(values: Array, middle: Array) -> Array:
    """The sample's skewness, with the usual correction for its size; 0 where nothing scatters."""
    present = ~np.isnan(values)
    count = present.sum(axis=-1).astype(float)
    deviation = np.where(present, values - middle[..., None], 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        plain = (deviation**3).sum(axis=-1) / count / ((deviation**2).sum(axis=-1) / count) ** 1.5
        found = plain * np.sqrt(count * (count - 1)) / (count - 2)
    return np.where(np.isfinite(found), found, 0.0)


def _turned(quantile: Array, skew: Array) -> Array:
    """The studentized mean whose transform is the quantile; `skew` is the skewness by the root of the sample's size."""
    slope = skew / 3
    bent = np.abs(skew) > STRAIGHT
    safe = np.where(bent, slope, 1.0)
    return np.where(bent, (np.cbrt(1 + 3 * safe * (quantile - skew / 6)) - 1) / safe, quantile)
