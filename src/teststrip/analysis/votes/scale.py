"""Metrics on the scale of votes: of the choices that raters made, how many would a metric have foretold?

A pair that the rater left undecided says nothing of it. A metric that finds both pictures equal has foretold half.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import special

from teststrip.analysis.numbers.arrays import Array
from teststrip.analysis.numbers.columns import Layout
from teststrip.analysis.numbers.judging import HERE, WIDE
from teststrip.analysis.votes.ballots import Ballots
from teststrip.records import MINIMUM_DEGREES, Card, Foretold, Scope
from teststrip.records.voted import EVEN

LUCKY = 2.0
"""Votes may look as if they were so many times as many, where groups are alike by luck; a bound for few groups."""


def foretold(
    ballots: Ballots, values: Array, card: Card, layout: Layout, *, scope: Scope = WIDE, ceiling: float = float("nan")
) -> tuple[Foretold, ...]:
    """How many votes a metric foretells: of all pairs, then of those that differ on one axis alone.

    Args:
        ballots: the asked votes of one study.
        values: [prompts, seeds, cells], score units, NaN = no score.
        card: of the metric. One without a better end is taken as higher is better.
        layout: the axes.
        scope: what the intervals are about.
        ceiling: what repeats let hope for, as `agreement.ceiling` says.
    """
    sign = -1.0 if card.higher_is_better is False else 1.0
    at = (ballots.prompt, ballots.seed)
    ahead = sign * (values[(*at, ballots.left)] - values[(*at, ballots.right)])
    hit = np.where(ahead == 0, 0.5, np.sign(ahead) == ballots.won)
    counts: NDArray[np.bool_] = (ballots.weight > 0) & (ballots.won != 0) & ~np.isnan(ahead)
    cells = np.array(layout.cells, dtype=np.intp).reshape(len(layout.cells), len(layout.factors))
    apart = cells[ballots.left] != cells[ballots.right]
    found = [of_hits(ballots, hit, counts, scope)]
    for axis, factor in enumerate(layout.factors):
        alone = apart[:, axis] & (apart.sum(axis=1) == 1)
        found.append(replace(of_hits(ballots, hit, counts & alone, scope), axis=factor.name))
    return tuple(replace(one, metric=card.name, ceiling=ceiling) for one in found)


def of_hits(ballots: Ballots, hit: Array, counts: NDArray[np.bool_], scope: Scope) -> Foretold:
    """The share of votes that were foretold, with its interval.

    Args:
        ballots: of raters.
        hit: [V], 1 = foretold, 0 = not, one half = undecided.
        counts: [V], which votes count.
        scope: what the interval is about.
    """
    size, nan = int(counts.sum()), float("nan")
    prompts = np.unique(ballots.prompt[counts]).size
    share, (variance, degrees, groups) = nan, (nan, 0.0, 0)
    if size:
        share = float(hit[counts].mean())
        variance, degrees, groups = _error(ballots, hit - share, counts, scope)
    low, high = (0.0, 1.0) if degrees < 1 else _interval(share, size, variance, degrees, groups)
    # Half a degree less is still as many groups, of which some have more votes than others.
    surely = degrees >= MINIMUM_DEGREES - 0.5 and low > EVEN
    return Foretold("", "", share, low, high, scope, size, prompts, ceiling=nan, recommends=surely)


def _error(ballots: Ballots, away: Array, counts: NDArray[np.bool_], scope: Scope) -> tuple[float, float, int]:
    """Variance of the share, its degrees of freedom and how many groups there are: prompts, or seeds within them."""
    here = scope == HERE
    groups = (ballots.seed_groups if here else ballots.prompt)[counts]
    count = ballots.prompts * (ballots.seeds if here else 1)
    votes = np.bincount(groups, minlength=count)
    pull = np.bincount(groups, away[counts], minlength=count) / votes.sum()
    there = votes > 0
    number = int(there.sum())
    if not here:
        variance = float((pull**2).sum()) * number / max(number - 1, 1)
        return variance, 1 / float(((votes / votes.sum()) ** 2).sum()) - 1, number
    parents = np.repeat(np.arange(ballots.prompts), ballots.seeds)[there]
    of_prompt = np.bincount(parents, minlength=ballots.prompts)
    middle = np.bincount(parents, pull[there], minlength=ballots.prompts) / np.maximum(of_prompt, 1)
    scale = np.where(of_prompt > 1, of_prompt / np.maximum(of_prompt - 1, 1), 0.0)[parents]
    variance = float((scale * (pull[there] - middle[parents]) ** 2).sum())
    return variance, float((of_prompt - 1).clip(0).sum()), number


def _interval(share: float, size: int, variance: float, degrees: float, groups: int) -> tuple[float, float]:
    """Wilson's interval for so many independent votes as tell as much, its quantile Student's over the groups."""
    own = share * (1 - share)
    # Votes of one mind scatter nowhere; then only as many groups as there are can be counted.
    independent = min(own / variance, LUCKY * size) if variance > 0 and own > 0 else float(groups)
    square = float(special.stdtrit(degrees, 0.975)) ** 2 / independent
    middle, half = share + square / 2, (square * own + square**2 / 4) ** 0.5
    return (middle - half) / (1 + square), (middle + half) / (1 + square)
