"""What differences say of their mean: its standard error and degrees of freedom, for each unit of evidence.

A `Sample` is made by one of four rules (over prompts, over seeds, over both, or unpaired), and everything after it is
the same: Student's interval, p, the tests against a margin. Every function leaves out NaN and takes any leading axes,
so that thousands of simulated studies run through the very code that judges a real one. Knows numbers only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from teststrip.analysis.numbers.arrays import Array, mean

LEAST_SEEDS = 2
"""A prompt with fewer paired seeds shows no spread, so answers about these prompts leave it out."""
LEAST_SHARED_SEEDS = 3
"""Seeds that all prompts share are a sample of their own; from fewer its spread cannot be judged."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and its interval; arrays of one shape.

    Attributes:
        mean: score units.
        low, high: the ends of the interval, score units.
        se: standard error of the mean.
        prompts: how many prompts the mean rests on.
    """

    mean: Array
    low: Array
    high: Array
    se: Array
    prompts: Array

    def __getitem__(self, index: int) -> Interval:
        """One of many: the interval at this place of the first axis."""
        return Interval(self.mean[index], self.low[index], self.high[index], self.se[index], self.prompts[index])

    def signed(self, sign: int) -> Interval:
        """The same of the difference the other way round, where `sign` is -1."""
        low, high = (self.low, self.high) if sign > 0 else (-self.high, -self.low)
        return Interval(sign * self.mean, low, high, self.se, self.prompts)


@dataclass(frozen=True, slots=True)
class Sample:
    """What a sample says of each comparison; arrays of one shape.

    Attributes:
        mean: over prompts with equal weight, score units; NaN where no prompt is left.
        se: standard error of the mean, score units; NaN where there is too little to scatter.
        degrees: of freedom.
        prompts: how many prompts the mean rests on.
        seeds: how many pairs of pictures with the same seed those prompts have together; of prompts alone 0.
        nominal: degrees of freedom if everything scattered alike; the least design is told in these.
    """

    mean: Array
    se: Array
    degrees: Array
    prompts: Array
    seeds: Array
    nominal: Array


def over_prompts(differences: Array) -> Sample:
    """Prompts like these: each prompt is one witness.

    Args:
        differences: [..., prompts], each averaged over the prompt's seeds; NaN = missing.
    """
    present = ~np.isnan(differences)
    count = present.sum(axis=-1).astype(float)
    middle = mean(differences, -1)
    with np.errstate(divide="ignore", invalid="ignore"):
        deviation = np.where(present, differences - middle[..., None], 0.0)
        variance = np.where(count > 1, (deviation**2).sum(axis=-1) / (count - 1), np.nan)
        se = np.sqrt(_spread(variance, middle) / count)
    freedom = count - 1
    return Sample(middle, se, freedom, count, np.zeros_like(count), freedom)


def over_seeds(differences: Array, *, shared_seeds: bool = False) -> Sample:
    """These very prompts: each pair of seeds is a witness, and a prompt's own response is part of the answer.

    Args:
        differences: [..., prompts, seeds]; NaN = no pair.
        shared_seeds: a column is one seed for all prompts. Prompts are then no independent witnesses: they are averaged
            seed by seed, and the seeds that all prompts have are the whole sample.

    Source:
        Satterthwaite 1946, for a sum of variances that are estimated apart.

    >>> one = over_seeds(np.array([[1.0, 2.0, 3.0, 4.0]]))
    >>> float(one.mean), float(one.degrees), int(one.seeds)
    (2.5, 3.0, 4)
    """
    if shared_seeds:
        prompts = (~np.isnan(differences)).any(axis=-1).sum(axis=-1)
        known = ~np.isnan(differences).all(axis=-1, keepdims=True)
        total = np.where(known, differences, 0.0).sum(axis=-2, keepdims=True)
        with np.errstate(divide="ignore", invalid="ignore"):
            # 0 / 0 is the NaN that is wanted where no prompt has a pair.
            one = over_seeds(total / prompts[..., None, None])
        return Sample(one.mean, one.se, one.degrees, np.where(one.prompts > 0, prompts, 0), one.seeds, one.nominal)
    present = ~np.isnan(differences)
    count = present.sum(axis=-1).astype(float)
    used = count >= LEAST_SEEDS
    middle = mean(differences, -1)
    deviation = np.where(present, differences - middle[..., None], 0.0)
    variance = np.where(used, (deviation**2).sum(axis=-1) / np.maximum(count - 1, 1), 0.0)
    of_mean = _spread(variance, np.nan_to_num(middle)) / np.maximum(count, 1)
    freedom = np.where(used, count - 1, 0.0)
    prompts, nominal = used.sum(axis=-1).astype(float), freedom.sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        se = np.sqrt(of_mean.sum(axis=-1)) / prompts
    degrees = _satterthwaite(of_mean, freedom, nominal)
    return Sample(mean(np.where(used, middle, np.nan), -1), se, degrees, prompts, nominal + prompts, nominal)


def over_both(differences: Array) -> Sample:
    """Prompts like these where all prompts share their seeds: prompts and seeds are two samples, crossed.

    The variances of both are added and their common part is not taken off again, so the error is never too small.

    Args:
        differences: [..., prompts, seeds]; a column is one seed for all prompts; NaN = no pair.

    Source:
        Cameron, Gelbach & Miller 2011, errors clustered in two ways, with the degrees of freedom of the smaller sample.
    """
    present = ~np.isnan(differences)
    of_prompt = mean(differences, -1)
    prompts = (~np.isnan(of_prompt)).sum(axis=-1).astype(float)
    seeds = present.any(axis=-2).sum(axis=-1).astype(float)
    middle = mean(of_prompt, -1)
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = present / np.maximum(present.sum(axis=-1, keepdims=True), 1) / prompts[..., None, None]
        residual = np.where(present, weight * (differences - middle[..., None, None]), 0.0)
        parts = [
            np.where(count > 1, count / (count - 1) * (residual.sum(axis=axis) ** 2).sum(axis=-1), np.nan)
            for axis, count in ((-1, prompts), (-2, seeds))
        ]
        of_mean = _spread(np.stack(parts, axis=-1), middle)
    # Not Satterthwaite's: with few seeds his degrees of freedom are too many just where the variance is too small.
    degrees = np.minimum(prompts, seeds) - 1
    nominal = np.where(seeds >= LEAST_SHARED_SEEDS, prompts - 1, 0.0)
    return Sample(middle, np.sqrt(of_mean.sum(axis=-1)), degrees, prompts, present.sum(axis=(-2, -1)) * 1.0, nominal)


def moments(values: Array) -> tuple[Array, Array, Array]:
    """Mean, variance and number of each prompt's pictures of a cell.

    Args:
        values: [..., prompts, replicates, cells]; NaN = missing.

    Returns:
        Three arrays [..., prompts, cells], as `unpaired` takes them.
    """
    count = (~np.isnan(values)).sum(axis=-2)
    middle = mean(values, -2)
    deviation = np.where(np.isnan(values), 0.0, values - middle[..., None, :])
    return middle, (deviation**2).sum(axis=-2) / np.maximum(count - 1, 1), count


def unpaired(means: Array, variances: Array, counts: Array, weights: Array) -> Sample:
    """These very prompts where a seed does not give its picture again: two settings share no seeds.

    Args:
        means: [..., prompts, cells] over a cell's pictures.
        variances: [..., prompts, cells] between them.
        counts: [..., prompts, cells] how many there are.
        weights: [..., prompts, cells] of each cell in the comparison; all 0 in a prompt that cannot tell.

    Source:
        Welch 1947.
    """
    used = weights != 0
    able = used.any(axis=-1)
    prompts = able.sum(axis=-1).astype(float)
    middle = np.where(used, weights * np.where(used, means, 0.0), 0.0).sum(axis=-1)
    spread = _spread(np.where(used, variances, 0.0), np.where(used, means, 0.0))
    of_mean = (np.where(used, weights, 0.0) ** 2 * spread / np.maximum(counts, 1)).reshape(*used.shape[:-2], -1)
    freedom = np.where(used, counts - 1, 0).reshape(*used.shape[:-2], -1).astype(float)
    nominal = freedom.sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        se = np.sqrt(of_mean.sum(axis=-1)) / prompts
    seeds = np.where(used, counts, 0).max(axis=-1).sum(axis=-1) * 1.0
    degrees = _satterthwaite(of_mean, freedom, nominal)
    return Sample(mean(np.where(able, middle, np.nan), -1), se, degrees, prompts, seeds, nominal)


def _spread(variance: Array, middle: Array) -> Array:
    """Variances without those that are rounding: all values are equal but for the last bits."""
    middle = middle if middle.shape == variance.shape else middle[..., None]
    with np.errstate(invalid="ignore"):
        found: Array = np.where(variance < (1e-12 * np.abs(middle)) ** 2, 0.0, variance)
    return found


def _satterthwaite(variances: Array, freedom: Array, otherwise: Array) -> Array:
    """Degrees of freedom of a sum over the last axis; `otherwise` where nothing scatters."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found = variances.sum(axis=-1) ** 2 / (variances**2 / np.maximum(freedom, 1)).sum(axis=-1)
    return np.where(np.isfinite(found), found, otherwise)


def interval(found: Sample, level: Array | float = 0.95, *, extra_se: Array | float = 0.0) -> Interval:
    """Student's interval of the mean; NaN where nothing scatters that could be seen.

    Args:
        found: what the sample says.
        level: coverage, strictly between 0 and 1.
        extra_se: another standard error to add in quadrature (that of an estimated margin).
    """
    quantile = special.stdtrit(np.maximum(found.degrees, 1), 0.5 + np.asarray(level) / 2)
    half = quantile * np.hypot(found.se, extra_se)
    return Interval(found.mean, found.mean - half, found.mean + half, found.se, found.prompts)


def t_p(found: Sample, null: Array | float = 0.0) -> Array:
    """Two-sided p of Student's t that the mean is `null`; NaN where the error is unknown.

    Differences that are all equal have no error: p is 1 where they equal the null, else 0.
    """
    distance = found.mean - null
    p: Array = 2 * special.stdtr(np.maximum(found.degrees, 1), -np.abs(_over(distance, found.se)))
    return np.where(np.isnan(found.se), np.nan, p)


def one_sided_p(found: Sample, bound: Array | float, *, extra_se: Array | float = 0.0) -> Array:
    """p of the claim "the mean is above `bound`" (not inferior when the bound is minus the margin)."""
    total = np.hypot(found.se, extra_se)
    distance = found.mean - bound
    t = np.where((total == 0) & (distance == 0), np.inf, _over(distance, total))
    p: Array = special.stdtr(np.maximum(found.degrees, 1), -t)
    return np.where(np.isnan(found.se), np.nan, p)


def _over(distance: Array, se: Array) -> Array:
    """Distance in standard errors; without any error 0 or infinitely many."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(se > 0, distance / se, np.where(distance == 0, 0.0, np.copysign(np.inf, distance)))
