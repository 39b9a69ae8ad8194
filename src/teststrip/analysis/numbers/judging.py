"""All contrasts of a metric at once: estimate, correct, decide. Any leading axes (many studies) go through together.

Knows arrays; `conclude` makes findings of them, `bench/calibration.py` counts how often they are wrong.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from teststrip.analysis.numbers import effects, intervals, multiplicity, verdicts
from teststrip.analysis.numbers.arrays import Array
from teststrip.analysis.numbers.columns import Layout
from teststrip.analysis.numbers.comparing import comparison
from teststrip.analysis.numbers.effects import WeightedContrast
from teststrip.records import MINIMUM_PROMPTS, Comparison, Scope


@dataclass(frozen=True)
class Judgement:
    """What was found of each contrast; arrays [..., contrasts].

    Attributes:
        contrasts: what was asked.
        differences: [..., contrasts, prompts], score units.
        images: how many stand behind each contrast.
        outer: the 95 % interval.
        inner: the 90 % interval, widened by the margin's own error.
        p: two-sided, of each contrast alone.
        family: `p` after Holm: of a planned contrast over the planned ones; of any other over all, and no smaller than
            its axis' own (NaN = too few prompts to be tested).
        verdict: one of four, as text.
        scope: what the verdicts are about.
        seeds: how many paired seeds stand behind each contrast, where they are the unit of evidence.
    """

    contrasts: tuple[WeightedContrast, ...]
    differences: Array
    images: Array
    outer: intervals.Interval
    inner: intervals.Interval
    p: Array
    family: Array
    verdict: NDArray[np.str_]
    scope: Scope = "prompts like these"
    seeds: Array | None = None

    @property
    def size(self) -> int:
        """How many planned contrasts Holm corrects for (in a single study)."""
        planned = np.array([contrast.planned for contrast in self.contrasts])
        return int((planned & ~np.isnan(self.family)).sum(axis=-1).max(initial=0))

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
) -> Judgement:
    """Estimate, correct and decide every contrast.

    Args:
        values: [..., prompts, replicates, cells], score units, NaN = missing.
        layout: what the last three axes stand for.
        contrasts: at least one.
        margin: score units; a scalar, or an array of the leading axes.
        margin_se: the standard error of the margin, in the same shape.
    """
    both = [effects.per_prompt(values, layout, contrast) for contrast in contrasts]
    differences = np.stack([d for d, _ in both], axis=-2)
    images = np.stack([np.where(np.isnan(d), 0, count).sum(axis=-1) for d, count in both], axis=-1)
    margin, margin_se = (np.asarray(x)[..., None] for x in (margin, margin_se))
    outer = intervals.paired_interval(differences, 0.95)
    inner = intervals.paired_interval(differences, 0.90, extra_se=margin_se)
    p = intervals.t_p(differences)
    family = corrected(contrasts, np.where(outer.prompts >= MINIMUM_PROMPTS, p, np.nan))
    decided = verdicts.decide(
        p=family, inner_low=inner.low, inner_high=inner.high, margin=margin, prompts=outer.prompts
    )
    return Judgement(tuple(contrasts), differences, images, outer, inner, p, family, decided)


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
