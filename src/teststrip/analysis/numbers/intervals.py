"""Intervals and p-values of within-prompt differences. The unit is the prompt, never the image.

Every function works on the last axis (prompts) of an array with any leading axes, and leaves out NaN, so that two
thousand simulated studies run through the very code that judges a real one. Knows numbers only.
"""

from __future__ import annotations

import numpy as np

from teststrip.analysis.numbers import samples
from teststrip.analysis.numbers.arrays import Array
from teststrip.analysis.numbers.samples import Interval
from teststrip.errors import UsageError

EXACT_FLIPS = 12
"""Up to this many prompts all 2**n sign flips are counted; beyond, a fixed random sample of FLIPS."""
FLIPS = 9_999


def paired_interval(differences: Array, level: float = 0.95, *, extra_se: Array | float = 0.0) -> Interval:
    """The mean within-prompt difference with Student's interval.

    Args:
        differences: [..., prompts], already averaged over each prompt's seeds; score units, NaN = missing.
        level: coverage, strictly between 0 and 1.
        extra_se: another standard error to add in quadrature (that of an estimated margin).

    Returns:
        Arrays of shape [...]; NaN where fewer than two prompts are left.

    Raises:
        UsageError: the level is not strictly between 0 and 1.

    Source:
        Student 1908; why prompts and not images are the unit: docs/statistics.md.

    >>> i = paired_interval(np.array([1.0, 2.0, 3.0, 4.0]))
    >>> round(float(i.mean), 3), round(float(i.low), 3), round(float(i.high), 3)
    (2.5, 0.446, 4.554)
    """
    if not 0 < level < 1:
        raise UsageError(f"level {level} is not strictly between 0 and 1; 0.95 means 95 %")
    return samples.interval(samples.over_prompts(differences), level, extra_se=extra_se)


def t_p(differences: Array, null: Array | float = 0.0) -> Array:
    """Two-sided p of Student's t that the mean difference is `null`; [..., prompts] -> [...].

    Differences that are all equal have no error: p is 1 where they equal the null, else 0.
    """
    return samples.t_p(samples.over_prompts(differences), null)


def one_sided_p(differences: Array, bound: Array | float, *, extra_se: Array | float = 0.0) -> Array:
    """p of the claim "the mean difference is above `bound`" (not inferior when the bound is minus the margin)."""
    return samples.one_sided_p(samples.over_prompts(differences), bound, extra_se=extra_se)


def tost_p(differences: Array, margin: Array | float, *, extra_se: Array | float = 0.0) -> Array:
    """p of two one-sided tests that the mean difference lies inside ± margin.

    Source: Schuirmann 1987. p < .05 exactly when the 90 % interval lies inside the margin.
    """
    above = one_sided_p(differences, -np.asarray(margin), extra_se=extra_se)
    below = one_sided_p(-differences, -np.asarray(margin), extra_se=extra_se)
    return np.maximum(above, below)


def sign_flip_p(differences: Array, *, seed: int = 0) -> float:
    """Two-sided p of the sign-flip test on the mean, one set of prompts: exact up to EXACT_FLIPS prompts.

    Assumes only that a prompt's difference is as likely to be +d as -d when nothing differs. With n prompts it
    cannot fall below 2 / 2**n: five prompts never reach .05.

    >>> sign_flip_p(np.array([1.0, 2.0, 3.0, 4.0, 5.0]))
    0.0625
    """
    kept = differences[~np.isnan(differences)]
    if kept.size < 2:
        return float("nan")
    totals = np.abs(flips(kept.size, seed=seed) @ kept)
    # 1e-12: sums of the same numbers in another order must count as ties.
    hits = np.count_nonzero(totals >= abs(kept.sum()) * (1 - 1e-12))
    return float(hits / totals.size if kept.size <= EXACT_FLIPS else (hits + 1) / (totals.size + 1))


def flips(prompts: int, *, seed: int = 0) -> Array:
    """Signs [flips, prompts]: all 2**prompts of them, or a fixed random sample of FLIPS."""
    if prompts <= EXACT_FLIPS:
        bits = (np.arange(2**prompts)[:, None] >> np.arange(prompts)) & 1
        return np.where(bits == 1, -1.0, 1.0)
    return np.random.default_rng(seed).choice([-1.0, 1.0], size=(FLIPS, prompts))


def bootstrap_t(differences: Array, level: float = 0.95, *, draws: int = 4_999, seed: int = 0) -> Interval:
    """The bootstrap-t interval over prompts, for skewed or bounded scores; one set of prompts.

    Raises:
        UsageError: fewer than ten prompts; below that its own quantiles are noise.

    Source:
        Efron & Tibshirani 1993, chapter 12.
    """
    kept = differences[~np.isnan(differences)]
    if kept.size < 10:
        raise UsageError(f"bootstrap-t needs at least 10 prompts, there are {kept.size}; use paired_interval")
    whole = samples.over_prompts(kept)
    middle, se = whole.mean, whole.se
    drawn = np.random.default_rng(seed).choice(kept, size=(draws, kept.size))
    again = samples.over_prompts(drawn)
    usable = again.se > 0
    t = (again.mean[usable] - middle) / again.se[usable]
    if t.size == 0:
        return Interval(middle, middle, middle, se, np.asarray(float(kept.size)))
    low, high = np.quantile(t, [0.5 + level / 2, 0.5 - level / 2])
    return Interval(middle, middle - low * se, middle - high * se, se, np.asarray(float(kept.size)))
