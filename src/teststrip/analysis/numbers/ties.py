"""Scores of few values (0 or 1, a rating), in which most pairs are ties: what can be counted, and what cannot be known.

Student's t looks at spread, and ten ties show none: it would call any two settings equal. So for such scores the pairs
that differ are counted: an exact test says whether they lean to one side, and a score interval says how far the truth
may lie from what was seen. Knows numbers only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from teststrip.analysis.numbers.arrays import Array, mean
from teststrip.analysis.numbers.samples import Interval

FEW_VALUES = 11
"""A score with more different values than this is no scale of 0 to 10: its differences are measured, not counted."""
CORRECTION = 1.0
"""A pair is added to the count, because the score interval is too short for small counts, which lean to one side.

By enumeration of all counts of 6 to 120 pairs and margins up to a half: wrong in up to 7.5 % of studies with half a
pair, in up to 5.5 % with a whole one.
"""
_ROUNDS = 40
"""Halvings of a range of 2 until a bound is found to 2e-12, on the safe side."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Differences between the pairs of a score of few values; arrays [..., contrasts].

    Attributes:
        few: whether counting counts: the score has few values, and the pairs that differ do so by one size or are few.
        size: the largest difference of a pair, score units; of ties alone it is the step between two values.
        up, down: how many pairs of that size the differences amount to on either side.
        pairs: how many independent pairs there are, ties among them.
    """

    few: Array
    size: Array
    up: Array
    down: Array
    pairs: Array

    @property
    def p(self) -> Array:
        """Two-sided p of the exact test that up and down are equally likely (McNemar 1947, the binomial form).

        >>> one = Tally(*(np.asarray(x) for x in (True, 1.0, 6.0, 0.0, 20.0)))
        >>> round(float(one.p), 5)  # 2 / 2**6
        0.03125
        """
        less, more = np.minimum(self.up, self.down), np.maximum(self.up, self.down)
        # The binomial sum as an incomplete beta function, which takes counts that are no whole numbers.
        tail = special.betainc(np.maximum(more, 1e-9), less + 1, 0.5)
        return np.where(more > 0, np.minimum(2 * tail, 1.0), 1.0)

    def not_below_p(self, least: Array | float) -> Array:
        """p of the claim "the mean difference is above `least`" (score units, below 0), from the counts.

        Source:
            Tango 1998, the score test whose interval `bound` is.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.minimum(-np.asarray(least) / self.size, 1.0)
        p: Array = special.ndtr(_score(self.down, self.up, self.pairs, share))
        return np.where(share < 1, p, 0.0)

    def at_least(self, p: Array, counted: Array) -> Array:
        """A p, not smaller than what counting gives; unchanged where there is nothing to count or no p."""
        return np.where(self.few & ~np.isnan(p), np.fmax(p, counted), p)

    def widened(self, interval: Interval, level: float) -> Interval:
        """An interval, not shorter than what the counts allow; unchanged where there is nothing to count."""
        if not np.any(self.few):
            return interval
        quantile = float(special.ndtri(0.5 + level / 2))
        # Both ends in one search: that of a single study costs as much as its number of calls of NumPy.
        ups, downs = np.stack([self.up, self.down]), np.stack([self.down, self.up])
        most, least = self.size * bound(ups, downs, self.pairs, quantile)
        return Interval(
            interval.mean,
            np.where(self.few, np.minimum(interval.low, -least), interval.low),
            np.where(self.few, np.maximum(interval.high, most), interval.high),
            interval.se,
            interval.prompts,
        )


def tally(differences: Array, step: Array) -> Tally:
    """Count the pairs of each contrast.

    Args:
        differences: [..., contrasts, units, pairs]; pairs of one unit (a prompt) may resemble each other, units do not;
            NaN = no pair.
        step: [...], of the leading axes alone, the least difference two values of the score can have; 0 = many values.

    Returns:
        Counts in whole pairs where each unit has one pair. Where a unit has several, as many independent pairs as the
        spread of the units' means shows (a design effect), at least one a unit.

    Source:
        Rao & Scott 1992, a simple method for clustered binary data.
    """
    if not np.any(step > 0):
        none = np.zeros(differences.shape[:-2])
        return Tally(none.astype(bool), none, none, none, none)
    absolute = np.where(np.isnan(differences), 0.0, np.abs(differences))
    size = np.maximum(absolute.max(axis=(-2, -1)), step[..., None])
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = differences / size[..., None, None]
    each = mean(scaled, -1)  # [..., contrasts, units]
    up, down = (mean(mean(np.maximum(side * scaled, 0.0), -1), -1) for side in (1.0, -1.0))
    known = ~np.isnan(each)
    units = known.sum(axis=-1).astype(float)
    pairs = (~np.isnan(differences)).sum(axis=(-2, -1)).astype(float)
    single = up + down - (up - down) ** 2
    deviation = np.where(known, each - (up - down)[..., None], 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        seen = (deviation**2).sum(axis=-1) / (units - 1)
        times = np.where((seen > 0) & (single > 0), single / seen, 1.0)
        count = units * np.clip(times, 1.0, np.maximum(pairs / units, 1.0))
    ties = (absolute == 0).sum(axis=(-2, -1)) - np.isnan(differences).sum(axis=(-2, -1))
    alike = ((absolute == 0) | (absolute >= size[..., None, None] * (1 - 1e-9))).all(axis=(-2, -1))
    few = (step > 0)[..., None] & (alike | (2 * ties >= pairs))
    return Tally(few, size, np.nan_to_num(up * count), np.nan_to_num(down * count), count)


def step_of(values: Array) -> Array:
    """The least difference between two values of a score of few values; 0 for any other score.

    Args:
        values: [..., prompts, replicates, cells].

    Returns:
        One number for each study, score units.
    """
    flat = np.sort(values.reshape(*values.shape[:-3], -1), axis=-1)  # NaN last
    gaps = np.diff(flat, axis=-1)
    rises = gaps > 0  # A gap to a missing value is none.
    least = np.where(rises, gaps, np.inf).min(axis=-1, initial=np.inf)
    several = rises.sum(axis=-1)
    # Two values are 0 and 1. More than two are a scale only where each is taken often.
    taken = (~np.isnan(flat)).sum(axis=-1) >= 2 * (several + 1)
    scale = (several == 1) | ((several > 1) & (several < FEW_VALUES) & taken)
    return np.where(scale, np.where(np.isfinite(least), least, 0.0), 0.0)


def bound(up: Array, down: Array, pairs: Array, quantile: float) -> Array:
    """The upper bound of the share of pairs that go up less that of those that go down.

    Source:
        Tango 1998, score interval of a difference of paired proportions, with a continuity correction.

    >>> round(float(bound(np.asarray(0.0), np.asarray(0.0), np.asarray(10.0), 1.645)), 2)  # ten ties
    0.35
    """
    low = np.clip((up - down) / np.maximum(pairs, 1), -1.0, 1.0)
    high = np.ones_like(low)
    for _ in range(_ROUNDS):
        middle = (low + high) / 2
        inside = _score(up, down, pairs, middle) > -quantile
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    return high


def _score(up: Array, down: Array, pairs: Array, truth: Array) -> Array:
    """How many standard errors the count lies above what it would be if the difference were `truth`."""
    first = 2 * pairs
    second = (2 * pairs - up + down) * truth - up - down
    third = -down * truth * (1 - truth)
    root = np.sqrt(np.maximum(second**2 - 4 * first * third, 0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        other = (root - second) / (2 * first)
        variance = pairs * (2 * other + truth * (1 - truth))
        distance = up - down + CORRECTION - pairs * truth
        found: Array = distance / np.sqrt(np.maximum(variance, 0.0))
    return np.where(variance > 0, found, np.copysign(np.inf, distance))
