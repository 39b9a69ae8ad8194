"""Whole settings against each other, in both scopes: the samples of pairs of cells. Knows arrays and no costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from teststrip.analysis.numbers import samples, ties, verdicts
from teststrip.analysis.numbers.arrays import Array, mean
from teststrip.analysis.numbers.comparing import comparison
from teststrip.analysis.numbers.judging import OWN_SEEDS, WIDE, Pairing
from teststrip.analysis.numbers.margin import Margin
from teststrip.analysis.numbers.samples import Interval, Sample
from teststrip.analysis.numbers.ties import Tally
from teststrip.records import MINIMUM_DEGREES, Comparison, Contrast, Scope


@dataclass(frozen=True)
class Pairs:
    """Pairs of cells, each the first minus the second; arrays [pairs].

    Attributes:
        sample: the mean difference and its error.
        tally: the same counted, for scores of few values.
        differences: [pairs, prompts].
    """

    sample: Sample
    tally: Tally
    differences: Array

    @property
    def tested(self) -> NDArray[np.bool_]:
        """Which pairs rest on evidence enough for a verdict."""
        found: NDArray[np.bool_] = np.asarray(self.sample.nominal >= MINIMUM_DEGREES)
        return found

    @property
    def p(self) -> Array:
        """Two-sided p that a pair does not differ; NaN where the error is unknown."""
        return self.tally.at_least(samples.t_p(self.sample), self.tally.p)

    def not_below_p(self, least: Array | float, *, extra_se: Array | float = 0.0) -> Array:
        """p of the claim that the first is not worse than the second by as much as `least`, which is below 0."""
        p = samples.one_sided_p(self.sample, least, extra_se=extra_se)
        return self.tally.at_least(p, self.tally.not_below_p(least))

    def interval(self, level: float = 0.95, *, extra_se: Array | float = 0.0) -> Interval:
        """Each pair's own interval."""
        return self.tally.widened(samples.interval(self.sample, level, extra_se=extra_se), level)

    def rows(
        self, asked: Sequence[Contrast], margin: Margin, *, family: Array, images: Sequence[int], scope: Scope
    ) -> tuple[Comparison, ...]:
        """The pairs as rows of a table.

        Args:
            asked: what each pair compares.
            margin: of the score.
            family: [pairs], p after correction.
            images: how many each pair rests on.
            scope: what the rows are about.
        """
        outer, inner, p = self.interval(), self.interval(0.90, extra_se=margin.se_in(scope)), self.p
        family = np.where(self.tested, family, np.nan)
        decided = verdicts.decide(
            p=family, inner_low=inner.low, inner_high=inner.high, margin=margin.value, prompts=self.sample.nominal + 1
        )
        return tuple(
            comparison(
                one,
                outer=outer[i],
                inner=inner[i],
                p=float(p[i]),
                p_family=float(family[i]),
                images=images[i],
                verdict=verdicts.named(decided[i]),
            )
            for i, one in enumerate(asked)
        )


def compared(
    values: Array, pairs: Sequence[tuple[int, int]], *, scope: Scope = WIDE, pairing: Pairing = OWN_SEEDS, sign: int = 1
) -> Pairs:
    """Compare pairs of cells.

    Args:
        values: [prompts, replicates, cells], score units, NaN = missing.
        pairs: cells; first minus second.
        scope: what the answer is about.
        pairing: what a seed means in this study.
        sign: -1 where lower is better, so that above zero is better.
    """
    first, second = (np.array([pair[side] for pair in pairs], dtype=np.intp) for side in (0, 1))
    values = sign * values
    one, other = (np.moveaxis(values[..., cells], -1, 0) for cells in (first, second))  # [pairs, P, R]
    each = one - other if pairing.paired else (mean(one, -1) - mean(other, -1))[..., None]
    differences = mean(each, -1)
    units = each
    if scope == WIDE:
        sample = samples.over_both(each) if pairing.crossed else samples.over_prompts(differences)
    elif pairing.paired:
        sample = samples.over_seeds(each, shared_seeds=pairing.shared)
        units = (
            np.swapaxes(each, -1, -2)
            if pairing.shared
            else each.reshape(len(pairs), each.shape[-1] * each.shape[-2], 1)
        )
    else:
        sample = _unpaired(one, other)
    return Pairs(sample, ties.tally(units, ties.step_of(values)), differences)


def _unpaired(one: Array, other: Array) -> Sample:
    middle, variance, count = samples.moments(np.stack([one, other], axis=-1))  # of [pairs, P, R, 2]
    able = (count >= samples.LEAST_SEEDS).all(axis=-1, keepdims=True)
    return samples.unpaired(middle, variance, count, np.where(able, np.array([1.0, -1.0]), 0.0))
