"""What an answer costs in votes, before any vote is given.

A study asks several things at once, and a vote on two settings that differ on two axes tells of both:
`share_of_a_vote` says how much of a vote reaches each contrast. Prompts and raters who answer in their own ways cost
more than is told here, so the numbers are the least.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import special

from teststrip.analysis.numbers.arrays import Array
from teststrip.analysis.votes import choice
from teststrip.analysis.votes.strengths import Strengths
from teststrip.records import VotesNeeded
from teststrip.records.voted import EVEN, RATE_MARGIN

POWER = 0.8
ALPHA = 0.05
USUAL_TIES = 0.15
"""Share of votes for neither side, before there are any."""
ENOUGH = 600
"""Pairs after which the shares of a vote no longer move."""


def to_see(rate: float, *, ties: float = USUAL_TIES, family: int = 1, share: float = 1.0) -> VotesNeeded:
    """Votes that show a win rate to differ from one half, in 80 % of studies.

    Args:
        rate: the win rate that is there, ties half.
        ties: the share of votes for neither side.
        family: how many contrasts share the 5 %.
        share: of a vote that reaches the contrast.

    >>> to_see(0.6, ties=0.0).votes
    197
    """
    quantile = float(special.ndtri(1 - ALPHA / family / 2) + special.ndtri(POWER))
    votes = _votes(quantile, abs(rate - EVEN), ties, share)
    return VotesNeeded("different", rate, votes, round(votes * (1 - ties)), POWER)


def to_be_alike(margin: float = RATE_MARGIN, *, ties: float = USUAL_TIES, share: float = 1.0) -> VotesNeeded:
    """Votes that show two settings to be chosen equally often within the margin, in 80 % of studies where they are.

    >>> to_be_alike(0.05, ties=0.0).votes, to_be_alike(0.03, ties=0.0).votes
    (857, 2379)
    """
    quantile = float(special.ndtri(1 - ALPHA) + special.ndtri(1 - (1 - POWER) / 2))
    votes = _votes(quantile, margin, ties, share)
    return VotesNeeded("equivalent", EVEN + margin, votes, round(votes * (1 - ties)), POWER)


def for_width(half: float, *, ties: float = USUAL_TIES, family: int = 1, share: float = 1.0) -> int:
    """Votes that make the 95 % interval reach so far to each side: 0.05 = five points."""
    quantile = float(special.ndtri(1 - ALPHA / family / 2))
    return _votes(quantile, half, ties, share)


def _votes(quantile: float, away: float, ties: float, share: float) -> int:
    """A vote that is no tie is half a win off the middle, so its variance is 1/4."""
    return math.ceil(quantile**2 * (1 - ties) / 4 / away**2 / share)


def share_of_a_vote(strengths: Strengths, pictures: int = ENOUGH) -> Array:
    """What part of a vote reaches each planned contrast, when pairs are chosen as `choice` does: [planned].

    A share of 1 is a direct comparison of two settings. It is above 1 where a contrast is less than the difference of
    two single settings (a bend), and below 1 where others have to be asked as well.

    Args:
        strengths: what is asked.
        pictures: pairs after which the shares are read.
    """
    pairs = choice.pairs_of(len(strengths.basis))
    asked = strengths.weights[strengths.planned]
    difference = strengths.basis[pairs[:, 0]] - strengths.basis[pairs[:, 1]]
    covariance = np.diag(1 / strengths.precision[:-1])
    shared = asked @ covariance @ difference.T
    own = ((difference @ covariance) * difference).sum(axis=1)
    variance = ((asked @ covariance) * asked).sum(axis=1)
    for _ in range(pictures):
        # A vote changes the covariance by one outer product (Sherman & Morrison 1950), and so all that follows from it.
        best = int(np.argmax(choice.narrowed(shared, own, variance)))
        moved = covariance @ difference[best]
        scale = choice.told() / (1 + choice.told() * own[best])
        of_pairs, of_asked = difference @ moved, asked @ moved
        covariance = covariance - scale * np.outer(moved, moved)
        shared = shared - scale * np.outer(of_asked, of_pairs)
        own, variance = own - scale * of_pairs**2, variance - scale * of_asked**2
    found: Array = 1 / (variance * pictures * choice.told())
    return found


def share_of_a_random_vote(strengths: Strengths) -> Array:
    """The same where all pairs are asked equally often: [planned].

    The columns of the basis are orthonormal and add to zero, so that the differences of all pairs tell alike of each.

    Args:
        strengths: what is asked.
    """
    asked = strengths.weights[strengths.planned]
    found: Array = 2 / ((len(strengths.basis) - 1) * (asked**2).sum(axis=1))
    return found


def of_study(
    shares: Array, *, rate: float = 0.6, margin: float = RATE_MARGIN, ties: float = USUAL_TIES
) -> tuple[VotesNeeded, VotesNeeded]:
    """What all planned contrasts of a study cost together, the dearest of them deciding: to see a rate, to be alike.

    Args:
        shares: of a vote that reach each planned contrast.
        rate: a win rate that is to be seen.
        margin: within which two settings are alike.
        ties: the share of votes for neither side.
    """
    least = float(shares.min(initial=1.0))
    return (
        to_see(rate, ties=ties, family=max(len(shares), 1), share=least),
        to_be_alike(margin, ties=ties, share=least),
    )
