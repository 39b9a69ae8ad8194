"""All contrasts of a metric at once: estimate, correct, decide. Any leading axes (many studies) go through together.

One rule for both scopes: they differ in what their samples are made of (`samples`), and in nothing after that. Knows
arrays; `conclude` makes findings of them, `bench` counts how often they are wrong.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from teststrip.analysis.numbers import effects, multiplicity, samples, ties, verdicts
from teststrip.analysis.numbers.arrays import Array, mean
from teststrip.analysis.numbers.columns import Layout
from teststrip.analysis.numbers.comparing import comparison
from teststrip.analysis.numbers.effects import WeightedContrast
from teststrip.analysis.numbers.samples import Interval, Sample
from teststrip.records import MINIMUM_DEGREES, Comparison, Scope

LEVEL = 0.95
"""Coverage of the intervals of all contrasts together."""
HERE: Scope = "these prompts"
WIDE: Scope = "prompts like these"


@dataclass(frozen=True)
class Pairing:
    """What a seed means in a study.

    Attributes:
        paired: a seed gives its picture again, so that two settings can be compared seed by seed.
        shared: all prompts use the same few seeds.
    """

    paired: bool = True
    shared: bool = False

    @property
    def crossed(self) -> bool:
        """Whether prompts and seeds are two samples, because one seed moves all prompts."""
        return self.shared and self.paired


OWN_SEEDS = Pairing()
"""Each prompt has seeds of its own, and they can be had again."""


@dataclass(frozen=True)
class Judgement:
    """What was found of each contrast; arrays [..., contrasts].

    Attributes:
        contrasts: what was asked.
        differences: [..., contrasts, prompts], score units.
        images: how many stand behind each contrast.
        sample: the mean of each contrast, its error and degrees of freedom.
        outer: the 95 % intervals, which hold together (Bonferroni): those of the planned contrasts among themselves, of
            any other one among all.
        inner: the 90 % interval of each contrast alone, widened by the margin's own error.
        p: two-sided, of each contrast alone.
        family: `p` after Holm: of a planned contrast over the planned ones; of any other over all, and no smaller than
            its axis' own (NaN = too little evidence to be tested).
        verdict: one of four, as text.
        scope: what the verdicts are about.
        paired: two settings are compared seed by seed.
    """

    contrasts: tuple[WeightedContrast, ...]
    differences: Array
    images: Array
    sample: Sample
    outer: Interval
    inner: Interval
    p: Array
    family: Array
    verdict: NDArray[np.str_]
    scope: Scope = WIDE
    paired: bool = True

    @property
    def size(self) -> int:
        """How many planned contrasts Holm corrects for (in a single study)."""
        planned = np.array([contrast.planned for contrast in self.contrasts])
        return int((planned & ~np.isnan(self.family)).sum(axis=-1).max(initial=0))

    @property
    def seeds(self) -> Array:
        """How many paired seeds stand behind each contrast, where they are the unit of evidence."""
        return self.sample.seeds

    def rows(self) -> tuple[Comparison, ...]:
        """A single study's contrasts as rows of a table."""
        return tuple(
            comparison(
                contrast.asked,
                outer=self.outer[i],
                inner=self.inner[i],
                p=float(self.p[i]),
                p_family=float(self.family[i]),
                images=int(self.images[i]),
                verdict=verdicts.named(self.verdict[i]),
            )
            for i, contrast in enumerate(self.contrasts)
        )


def judge(
    values: Array,
    layout: Layout,
    contrasts: Sequence[WeightedContrast],
    margin: Array | float,
    margin_se: Array | float = 0.0,
    *,
    scope: Scope = WIDE,
    pairing: Pairing = OWN_SEEDS,
) -> Judgement:
    """Estimate, correct and decide every contrast.

    Args:
        values: [..., prompts, replicates, cells], score units, NaN = missing.
        layout: what the last three axes stand for.
        contrasts: at least one.
        margin: score units; a scalar, or an array of the leading axes.
        margin_se: the standard error of the margin (over seeds, where these prompts are meant), in the same shape.
        scope: what the verdicts are about.
        pairing: what a seed means in this study.
    """
    step = ties.step_of(values)
    found = _Evidence.of(values, layout, contrasts, scope, pairing, counted=bool(np.any(step > 0)))
    sample = found.sample
    counted = ties.tally(found.units, step)
    margin, margin_se = (np.asarray(x)[..., None] for x in (margin, margin_se))
    enough: NDArray[np.bool_] = np.asarray(sample.nominal >= MINIMUM_DEGREES)
    p = counted.at_least(samples.t_p(sample), counted.p)
    family = corrected(contrasts, np.where(enough, p, np.nan))
    outer = samples.interval(sample, 1 - (1 - LEVEL) / members(contrasts, enough))
    inner = counted.widened(samples.interval(sample, 0.90, extra_se=margin_se), 0.90)
    decided = verdicts.decide(
        p=family, inner_low=inner.low, inner_high=inner.high, margin=margin, prompts=sample.nominal + 1
    )
    return Judgement(
        contrasts=tuple(contrasts),
        differences=found.differences,
        images=found.images,
        sample=sample,
        outer=no_surer_than(family, counted.widened(outer, LEVEL)),
        inner=inner,
        p=p,
        family=family,
        verdict=decided,
        scope=scope,
        paired=pairing.paired,
    )


@dataclass(frozen=True)
class _Evidence:
    """What every contrast rests on.

    Attributes:
        sample: the mean of each contrast and its error.
        differences: [..., contrasts, prompts].
        units: [..., contrasts, units, pairs], the differences one by one; a unit is what scatters independently.
        images: [..., contrasts].
    """

    sample: Sample
    differences: Array
    units: Array
    images: Array

    @classmethod
    def of(
        cls,
        values: Array,
        layout: Layout,
        contrasts: Sequence[WeightedContrast],
        scope: Scope,
        pairing: Pairing,
        *,
        counted: bool,
    ) -> _Evidence:
        """Gather it; `counted` = the differences are needed pair by pair."""
        if scope == HERE:
            kind = cls._of_these if pairing.paired else cls._unpaired
            return kind(values, layout, contrasts, pairing)
        if not pairing.paired:
            values = mean(values, -2, keepdims=True)
        whole = [effects.per_prompt(values, layout, contrast) for contrast in contrasts]
        differences = np.stack([d for d, _ in whole], axis=-2)
        images = np.stack([np.where(np.isnan(d), 0, count).sum(axis=-1) for d, count in whole], axis=-1)
        units = differences[..., None]
        if counted or pairing.crossed:
            units = np.stack([effects.per_seed(values, layout, contrast)[0] for contrast in contrasts], axis=-3)
        return cls(
            samples.over_both(units) if pairing.crossed else samples.over_prompts(differences),
            differences,
            units,
            images,
        )

    @classmethod
    def _of_these(
        cls, values: Array, layout: Layout, contrasts: Sequence[WeightedContrast], pairing: Pairing
    ) -> _Evidence:
        both = [effects.per_seed(values, layout, contrast) for contrast in contrasts]
        pairs = np.stack([d for d, _ in both], axis=-3)
        least = 1 if pairing.shared else samples.LEAST_SEEDS
        pairs = np.where((~np.isnan(pairs)).sum(axis=-1, keepdims=True) >= least, pairs, np.nan)
        images = np.stack([count for _, count in both], axis=-3)
        return cls(
            samples.over_seeds(pairs, shared_seeds=pairing.shared),
            mean(pairs, -1),
            np.swapaxes(pairs, -1, -2) if pairing.shared else pairs.reshape(*pairs.shape[:-2], -1, 1),
            np.where(np.isnan(pairs), 0, images).sum(axis=(-2, -1)),
        )

    @classmethod
    def _unpaired(cls, values: Array, layout: Layout, contrasts: Sequence[WeightedContrast], _: Pairing) -> _Evidence:
        middle, variance, count = samples.moments(values)
        weights = np.stack(
            [effects.cell_weights(count >= samples.LEAST_SEEDS, layout, contrast) for contrast in contrasts], axis=-3
        )
        middle, variance, count = (x[..., None, :, :] for x in (middle, variance, count))
        used = weights != 0
        differences = np.where(used, weights * middle, 0.0).sum(axis=-1)
        differences = np.where(used.any(axis=-1), differences, np.nan)
        sample = samples.unpaired(*np.broadcast_arrays(middle, variance, count, weights))
        return cls(sample, differences, differences[..., None], np.where(used, count, 0).sum(axis=(-2, -1)))


def no_surer_than(family: Array, outer: Interval) -> Interval:
    """Intervals that hold 0 where the corrected p does not exclude it, so that no interval says more than the verdict.

    Source:
        Strassburger & Bretz 2008, simultaneous bounds that are compatible with a stepwise test.
    """
    open_ = family >= verdicts.ALPHA
    low, high = (
        np.where(open_, np.minimum(outer.low, 0), outer.low),
        np.where(open_, np.maximum(outer.high, 0), outer.high),
    )
    return Interval(outer.mean, low, high, outer.se, outer.prompts)


def members(contrasts: Sequence[WeightedContrast], enough: NDArray[np.bool_]) -> Array:
    """How many intervals each contrast's interval has to hold together with; at least 1.

    Args:
        contrasts: all of the family.
        enough: [..., contrasts] whether there is evidence enough to test it.
    """
    planned = np.array([contrast.planned for contrast in contrasts])
    asked, among = (planned & enough).sum(axis=-1), enough.sum(axis=-1)
    found: Array = np.maximum(np.where(planned, asked[..., None], among[..., None]), 1).astype(float)
    return found


def corrected(contrasts: Sequence[WeightedContrast], tested: Array) -> Array:
    """Holm's p: of a planned contrast over the planned ones, of any other over all and no less than `_gate`.

    Args:
        contrasts: all of the family.
        tested: [..., contrasts], two-sided p of each alone; NaN = not tested.
    """
    planned = np.array([contrast.planned for contrast in contrasts])
    first = multiplicity.holm(np.where(planned, tested, np.nan))
    return np.where(planned, first, np.maximum(multiplicity.holm(tested), _gate(contrasts, first)))


def _gate(contrasts: Sequence[WeightedContrast], first: Array) -> Array:
    """For each contrast the least corrected p among the planned ones of its axes.

    A pair that was not planned is looked at only where its axis has shown itself: no further false claims when nothing
    differs.
    """
    gate = np.full(first.shape, np.nan)
    for axes in {contrast.axes for contrast in contrasts}:
        own = [i for i, contrast in enumerate(contrasts) if contrast.axes == axes]
        among = first[..., own]
        known = np.where(np.isnan(among), np.inf, among).min(axis=-1)
        gate[..., own] = np.where(np.isfinite(known), known, np.nan)[..., None]
    return gate


def sd_of_one_seed(values: Array, layout: Layout, contrast: WeightedContrast) -> float:
    """SD over prompts of a contrast where each prompt has one seed: the seeds of a study one by one, pooled."""
    variances = []
    for r in range(values.shape[1]):
        d = effects.per_prompt(values[:, r : r + 1], layout, contrast)[0]
        d = d[~np.isnan(d)]
        if d.size > 1:
            variances.append(d.var(ddof=1))
    return float(np.sqrt(np.mean(variances))) if variances else math.nan
