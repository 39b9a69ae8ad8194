"""Win rates of settings: how often raters would choose one over another, with intervals and the four verdicts.

A win rate counts ties as half and is the mean over both sides, so that 50 % means "neither". Intervals are reckoned on
the log odds of winning, where they are symmetric, and told as shares. Knows arrays; `sentences.votes` makes the words.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import special

from teststrip.analysis.numbers import judging, samples, verdicts
from teststrip.analysis.numbers.arrays import Array
from teststrip.analysis.numbers.judging import HERE, LEVEL, WIDE
from teststrip.analysis.numbers.samples import Interval, Sample
from teststrip.analysis.votes import davidson, spread
from teststrip.analysis.votes.ballots import Ballots
from teststrip.analysis.votes.davidson import Fit
from teststrip.analysis.votes.strengths import Strengths
from teststrip.records import MINIMUM_DEGREES, MINIMUM_RATERS, Scope, WinRate
from teststrip.records.voted import EVEN, RATE_MARGIN

FLOOR = 0.05
"""A spread that so small a share of samples shows by luck is not believed: raters of one mind are no certainty."""


UNSEEN = 3.0
"""So many votes for a side may be missing by luck, at 95 %, where all are ties: none of n seen means up to 3 / n."""


@dataclass(frozen=True)
class Won:
    """What votes say of each contrast; arrays [..., contrasts].

    Attributes:
        strengths: what was asked.
        fit: the model.
        sample: log odds of winning, their error and degrees of freedom.
        outer: 95 % intervals of the win rate that hold together.
        inner: 90 % intervals of the win rate, each alone.
        p: two-sided, of each contrast alone.
        family: `p` after Holm.
        verdict: one of four, as text.
        scope: what the verdicts are about.
        votes: [...] how many counted.
        raters: [...] how many raters those are of.
        raters_meant: [...] whether the answer holds for raters like these, and not for these very raters alone.
    """

    strengths: Strengths
    fit: Fit
    sample: Sample
    outer: Interval
    inner: Interval
    p: Array
    family: Array
    verdict: NDArray[np.str_]
    scope: Scope
    votes: NDArray[np.intp]
    raters: NDArray[np.intp]
    raters_meant: NDArray[np.bool_]

    def rows(self) -> tuple[WinRate, ...]:
        """A single study's contrasts as records."""
        return tuple(
            WinRate(
                asked=contrast.asked,
                planned=contrast.planned,
                rate=float(special.expit(self.sample.mean[k])),
                low=float(self.outer.low[k]),
                high=float(self.outer.high[k]),
                inner_low=float(self.inner.low[k]),
                inner_high=float(self.inner.high[k]),
                p=float(self.p[k]),
                p_family=float(self.family[k]),
                votes=int(self.votes),
                prompts=int(self.sample.prompts[k]),
                raters=int(self.raters),
                scope=self.scope,
                raters_meant=bool(self.raters_meant),
                verdict=verdicts.named(self.verdict[k]),
            )
            for k, contrast in enumerate(self.strengths.contrasts)
        )


def log_odds(fit: Fit, weights: Array) -> tuple[Array, Array]:
    """The log odds of winning of each contrast, ties half, both sides alike; and their gradients.

    Args:
        fit: of the votes.
        weights: [contrasts, K], of the coefficients without the side.

    Returns:
        [..., contrasts] and [..., contrasts, D + 1].
    """
    difference = fit.beta[..., :-2] @ weights.T
    side, tie = fit.beta[..., -2, None], fit.beta[..., -1, None]
    there, back = davidson.chances(difference + side, tie), davidson.chances(difference - side, tie)
    rate = 0.5 + (there.gain + back.gain) / 2
    odd = np.maximum(rate * (1 - rate), 1e-12)
    by_strength = (there.information + back.information) / 2 / odd
    by_side = (there.information - back.information) / 2 / odd
    by_tie = (there.shared + back.shared) / 2 / odd
    gradients = np.concatenate([by_strength[..., None] * weights, by_side[..., None], by_tie[..., None]], axis=-1)
    return special.logit(np.clip(rate, 1e-12, 1 - 1e-12)), gradients


def judge(ballots: Ballots, strengths: Strengths, *, scope: Scope = WIDE, margin: float = RATE_MARGIN) -> Won:
    """Estimate, correct and decide every contrast.

    Args:
        ballots: the votes that count; any leading axes.
        strengths: what is asked.
        scope: what the verdicts are about.
        margin: a win rate so far from one half is one that matters; 0.05 = five points.
    """
    used = ballots.of_these() if scope == HERE else ballots
    design = strengths.design(used.left, used.right)
    fit = davidson.fit(design, used.won, used.weight, strengths.precision)
    value, gradients = log_odds(fit, strengths.weights)
    error, raters, meant = _error(used, fit, gradients, scope)
    alone = np.einsum("...kd,...de,...ke->...k", gradients, fit.covariance, gradients)
    least = special.chdtri(np.maximum(error.degrees, 1), 1 - FLOOR) / np.maximum(error.degrees, 1)
    se = np.sqrt(np.maximum(error.variance, (least + UNSEEN / decided(fit)[..., None]) * alone))
    nominal = np.broadcast_to(error.nominal, value.shape)
    prompts = np.broadcast_to(used.prompts_there()[..., None] * 1.0, value.shape)
    sample = Sample(value, se, error.degrees, prompts, np.zeros_like(value), nominal)
    enough: NDArray[np.bool_] = np.asarray(nominal >= MINIMUM_DEGREES)
    p = samples.t_p(sample)
    family = judging.corrected(strengths.contrasts, np.where(enough, p, np.nan))
    among = judging.members(strengths.contrasts, enough)
    outer = judging.no_surer_than(family, samples.interval(sample, 1 - (1 - LEVEL) / among))
    inner = samples.interval(sample, 0.90)
    verdict = verdicts.decide(
        p=family,
        inner_low=special.expit(inner.low) - EVEN,
        inner_high=special.expit(inner.high) - EVEN,
        margin=margin,
        prompts=nominal + 1,
    )
    return Won(
        strengths=strengths,
        fit=fit,
        sample=sample,
        outer=as_rates(outer),
        inner=as_rates(inner),
        p=p,
        family=family,
        verdict=verdict,
        scope=scope,
        votes=(used.weight > 0).sum(axis=-1),
        raters=raters,
        raters_meant=meant,
    )


def decided(fit: Fit) -> Array:
    """How many votes for a side the model expects; at least a small number."""
    difference = np.matmul(fit.design, fit.beta[..., :-1, None])[..., 0]
    sides = 1 - davidson.chances(difference, fit.beta[..., -1:]).tie
    found: Array = np.maximum((fit.weight * sides).sum(axis=-1), 1e-3)
    return found


def as_rates(odds: Interval) -> Interval:
    """An interval of log odds as one of shares."""
    return replace(odds, mean=special.expit(odds.mean), low=special.expit(odds.low), high=special.expit(odds.high))


def _error(
    used: Ballots, fit: Fit, gradients: Array, scope: Scope
) -> tuple[spread.Error, NDArray[np.intp], NDArray[np.bool_]]:
    """How sure each contrast is, how many raters there are, and whether raters like these are meant."""
    if scope == HERE:
        groups, count = used.seed_groups, used.prompts * used.seeds
        parents = np.repeat(np.arange(used.prompts), used.seeds)
        first = spread.within(spread.without(fit, groups, count, gradients), parents, used.prompts)
    else:
        groups, count = used.prompt, used.prompts
        first = spread.over(spread.without(fit, groups, count, gradients))
    raters = used.raters_there()
    meant = raters >= MINIMUM_RATERS
    if not meant.any():
        return first, raters, meant
    of_raters = spread.without(fit, used.rater, used.raters, gradients)
    both = spread.without(fit, groups * used.raters + used.rater, count * used.raters, gradients)
    two = spread.crossed(first, of_raters, both)
    chosen = meant[..., None]
    return (
        spread.Error(
            np.where(chosen, two.variance, first.variance),
            np.where(chosen, two.degrees, first.degrees),
            np.where(chosen, two.nominal, first.nominal),
        ),
        raters,
        meant,
    )
