"""Answers about these very prompts: the unit of evidence is the seed within a prompt.

The estimate is the mean over prompts, each with equal weight, of the mean paired difference over seeds. Only seeds
scatter, because the prompts are all that the answer is about. Every function works on the last two axes (prompts,
seeds) of an array with any leading axes, so that a simulation runs the very code that judges a study.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from teststrip.analysis.numbers import effects, judging, verdicts
from teststrip.analysis.numbers.arrays import Array, mean
from teststrip.analysis.numbers.columns import Layout
from teststrip.analysis.numbers.effects import WeightedContrast
from teststrip.analysis.numbers.intervals import Interval
from teststrip.analysis.numbers.judging import Judgement
from teststrip.records import MINIMUM_DEGREES

LEAST_SEEDS = 2
"""A prompt with fewer paired seeds shows no spread, so this scope leaves the prompt out."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What the paired seeds say of each contrast; arrays of one shape.

    Attributes:
        mean: over prompts with equal weight, score units; NaN where no prompt is left.
        se: standard error of the mean when only seeds scatter, score units.
        degrees: of freedom, by Satterthwaite.
        prompts: how many have at least LEAST_SEEDS paired seeds.
        seeds: how many paired seeds those prompts have together.
        nominal: degrees of freedom if all prompts scattered alike.
    """

    mean: Array
    se: Array
    degrees: Array
    prompts: Array
    seeds: Array
    nominal: Array


def per_seed(values: Array, layout: Layout, contrast: WeightedContrast) -> tuple[Array, Array]:
    """The contrast inside each prompt and seed, averaged over the other axes.

    Args:
        values: [..., prompts, replicates, cells], score units, NaN = missing.

    Returns:
        Differences [..., prompts, replicates] (NaN = this seed cannot tell) and images used, in the same shape.
    """
    alone = values.reshape(*values.shape[:-3], -1, 1, values.shape[-1])
    differences, images = effects.per_prompt(alone, layout, contrast)
    return differences.reshape(values.shape[:-1]), images.reshape(values.shape[:-1])


def sample(differences: Array, *, shared_seeds: bool = False) -> Sample:
    """The mean over prompts of their paired seeds, with its error.

    Args:
        differences: [..., prompts, seeds]; NaN = no pair.
        shared_seeds: a column is one seed for all prompts. Prompts are then no independent witnesses: they are averaged
            seed by seed, and the seeds that all prompts have are the whole sample.

    Source:
        Satterthwaite 1946, for a sum of variances that are estimated apart.

    >>> one = sample(np.array([[1.0, 2.0, 3.0, 4.0]]))
    >>> float(one.mean), float(one.degrees), int(one.seeds)
    (2.5, 3.0, 4)
    """
    if shared_seeds:
        prompts = (~np.isnan(differences)).any(axis=-1).sum(axis=-1)
        known = ~np.isnan(differences).all(axis=-1, keepdims=True)
        total = np.where(known, differences, 0.0).sum(axis=-2, keepdims=True)
        one = sample(total / np.maximum(prompts, 1)[..., None, None])
        return Sample(one.mean, one.se, one.degrees, np.where(one.prompts > 0, prompts, 0), one.seeds, one.nominal)
    present = ~np.isnan(differences)
    count = present.sum(axis=-1).astype(float)
    used = count >= LEAST_SEEDS
    middle = mean(differences, -1)
    deviation = np.where(present, differences - middle[..., None], 0.0)
    variance = np.where(used, (deviation**2).sum(axis=-1) / np.maximum(count - 1, 1), 0.0)
    # Rounding, not spread: all differences of a prompt are equal but for the last bits.
    variance = np.where(variance < (1e-12 * np.nan_to_num(np.abs(middle))) ** 2, 0.0, variance)
    of_mean = variance / np.maximum(count, 1)
    freedom = np.where(used, count - 1, 0.0)
    prompts, nominal = used.sum(axis=-1).astype(float), freedom.sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        se = np.sqrt(of_mean.sum(axis=-1)) / prompts
        degrees = of_mean.sum(axis=-1) ** 2 / (of_mean**2 / np.maximum(freedom, 1)).sum(axis=-1)
    degrees = np.where(np.isfinite(degrees), degrees, nominal)
    return Sample(mean(np.where(used, middle, np.nan), -1), se, degrees, prompts, nominal + prompts, nominal)


def interval(found: Sample, level: Array | float = 0.95, *, extra_se: Array | float = 0.0) -> Interval:
    """Student's interval of the mean over these prompts; NaN where no prompt has two paired seeds.

    Args:
        found: what the seeds say.
        level: coverage, strictly between 0 and 1.
        extra_se: another standard error to add in quadrature (that of an estimated margin).
    """
    quantile = special.stdtrit(np.maximum(found.degrees, 1), 0.5 + np.asarray(level) / 2)
    half = quantile * np.hypot(found.se, extra_se)
    return Interval(found.mean, found.mean - half, found.mean + half, found.se, found.prompts)


def t_p(found: Sample) -> Array:
    """Two-sided p of Student's t that the mean over these prompts is zero; NaN where there is no pair of seeds."""
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(found.se > 0, found.mean / found.se, np.where(found.mean == 0, 0.0, np.inf))
    p: Array = 2 * special.stdtr(np.maximum(found.degrees, 1), -np.abs(t))
    return np.where(found.prompts > 0, p, np.nan)


def judge(
    values: Array,
    layout: Layout,
    contrasts: Sequence[WeightedContrast],
    margin: Array | float,
    margin_se: Array | float = 0.0,
    *,
    shared_seeds: bool = False,
) -> Judgement:
    """Estimate, correct and decide every contrast for these prompts, as `judging.judge` does for prompts like these.

    The 95 % intervals hold together: Bonferroni over the planned contrasts, for other pairs over all of them.

    Args:
        values: [..., prompts, replicates, cells], score units, NaN = missing.
        layout: what the last three axes stand for.
        contrasts: at least one.
        margin: score units; a scalar, or an array of the leading axes.
        margin_se: the standard error of the margin over seeds, in the same shape.
        shared_seeds: as in `sample`.
    """
    both = [per_seed(values, layout, contrast) for contrast in contrasts]
    differences = np.stack([d for d, _ in both], axis=-3)
    usable = (~np.isnan(differences)).sum(axis=-1, keepdims=True) >= (1 if shared_seeds else LEAST_SEEDS)
    differences = np.where(usable, differences, np.nan)
    images = np.stack([count for _, count in both], axis=-3)
    images = np.where(np.isnan(differences), 0, images).sum(axis=(-2, -1))
    margin, margin_se = (np.asarray(x)[..., None] for x in (margin, margin_se))
    found = sample(differences, shared_seeds=shared_seeds)
    enough: NDArray[np.bool_] = np.asarray(found.nominal >= MINIMUM_DEGREES)
    tally = _Tally.of(differences, _step(values))
    p = np.where(tally.one_size, np.maximum(t_p(found), tally.p), t_p(found))
    tested = np.where(enough, p, np.nan)
    family = judging.corrected(contrasts, tested)
    planned = np.array([contrast.planned for contrast in contrasts])
    asked, among = np.logical_and(planned, enough).sum(axis=-1), enough.sum(axis=-1)
    members = np.where(planned, asked[..., None], among[..., None])
    outer = interval(found, 1 - (1 - 0.95) / np.maximum(members, 1))
    inner = tally.widened(interval(found, 0.90, extra_se=margin_se))
    decided = verdicts.decide(
        p=family, inner_low=inner.low, inner_high=inner.high, margin=margin, prompts=found.nominal + 1
    )
    return Judgement(
        tuple(contrasts),
        mean(differences, -1),
        images,
        outer,
        inner,
        p,
        family,
        decided,
        scope="these prompts",
        seeds=found.seeds,
    )


def _step(values: Array) -> Array:
    """How far the two values of a score of two values stand apart, for each study; 0 for every other score."""
    flat = values.reshape(*values.shape[:-3], -1)
    known = ~np.isnan(flat)
    low = np.where(known, flat, np.inf).min(axis=-1, keepdims=True)
    high = np.where(known, flat, -np.inf).max(axis=-1, keepdims=True)
    two = (~known | (flat == low) | (flat == high)).all(axis=-1)
    return np.where(np.logical_and(two, known.any(axis=-1)), (high - low)[..., 0], 0.0)


@dataclass(frozen=True, slots=True)
class _Tally:
    """Differences of one size, which can only be counted: so many up, so many down, all others ties.

    Attributes:
        one_size: whether a contrast's differences are of one size.
        size: that size, score units; of ties alone it is the step between the two values of the score.
        up, down: how many pairs.
        pairs: how many with the ties.
        p: of the exact sign test.
    """

    one_size: Array
    size: Array
    up: Array
    down: Array
    pairs: Array
    p: Array

    @classmethod
    def of(cls, differences: Array, step: Array) -> _Tally:
        """Count the differences [..., contrasts, prompts, seeds]; `step` is of the leading axes alone."""
        flat = differences.reshape(*differences.shape[:-2], -1)
        sizes = np.where(np.isnan(flat), 0.0, np.abs(flat))
        size = sizes.max(axis=-1)
        one_size = ((sizes == 0) | (sizes >= size[..., None] * (1 - 1e-9))).all(axis=-1)
        up, down = (flat > 0).sum(axis=-1), (flat < 0).sum(axis=-1)
        p = np.minimum(2 * special.bdtr(np.minimum(up, down), up + down, 0.5), 1.0)
        return cls(one_size, np.maximum(size, step[..., None]), up, down, (~np.isnan(flat)).sum(axis=-1), p)

    def widened(self, inner: Interval) -> Interval:
        """The 90 % interval, not shorter than what Clopper and Pearson's bounds on both counts allow."""
        bounds = []
        for hits in (self.up, self.down):
            rest = self.pairs - hits
            bound = special.betaincinv(hits + 1, np.maximum(rest, 1), 0.95)
            bounds.append(np.where(self.one_size, self.size * np.where(rest > 0, bound, 1.0), -np.inf))
        high, low = np.maximum(inner.high, bounds[0]), np.minimum(inner.low, -bounds[1])
        return Interval(inner.mean, low, high, inner.se, inner.prompts)
