"""How sure an estimate from votes is: how far single prompts, seeds or raters move it. Knows arrays.

Votes on one prompt are no independent witnesses, nor are votes of one rater. So the spread is counted over the groups
that are: prompts, or the seeds within them, and raters where there are enough.

Source:
    Bell & McCaffrey 2002, groups whose own pull is taken off, and groups that tell unequally much;
    Satterthwaite 1946, a sum of variances, with Welch's mend of 1947 for variances of one degree of freedom;
    Cameron, Gelbach & Miller 2011, groups in two ways.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from teststrip.analysis.numbers.arrays import Array
from teststrip.analysis.votes.davidson import Fit
from teststrip.analysis.votes.tallies import Groups, counted, sums

TINY = 1e-12
AT_ONCE = 64
"""Quantities, so that 20,000 votes take 10 MB and not 300."""


@dataclass(frozen=True)
class Moved:
    """How far each group moves each quantity, against what the other groups say.

    Attributes:
        shifts: [..., groups, quantities].
        shares: [..., groups, quantities], the part of all information on the quantity that the group holds.
        there: [..., groups], whether the group has a vote.
    """

    shifts: Array
    shares: Array
    there: NDArray[np.bool_]

    @property
    def count(self) -> Array:
        """[..., 1], how many groups have a vote."""
        found: Array = self.there.sum(axis=-1, keepdims=True).astype(float)
        return found

    @property
    def variance(self) -> Array:
        """Of each quantity; NaN where there is one group."""
        found: Array = np.where(self.count > 1, (self.shifts**2).sum(axis=-2), np.nan)
        return found

    @property
    def degrees(self) -> Array:
        """Of freedom: the number of groups that would tell as much if all told alike, less one."""
        found: Array = 1 / np.maximum((self.shares**2).sum(axis=-2), TINY) - 1
        return found


def without(fit: Fit, groups: Groups, count: int, gradients: Array) -> Moved:
    """How far each group moves each quantity.

    Args:
        fit: of all votes.
        groups: [..., V], the group of each vote, from 0.
        count: how many groups there may be.
        gradients: [..., quantities, D + 1], of each quantity by the coefficients.
    """
    pulls = sums(fit.scores, groups, count)
    changes = _freed(fit.hessian, _curvature(fit, groups, count), pulls)
    turned = np.swapaxes(gradients, -1, -2)
    aimed = np.asarray(np.linalg.solve(fit.hessian, turned), dtype=np.float64)
    told = _told(fit, aimed, groups, count)
    total = told.sum(axis=-2, keepdims=True)
    # A quantity of which no vote tells has no shares.
    shares = np.where(total > TINY, told / np.maximum(total, TINY), 0.0)
    return Moved(changes @ turned, shares, counted(fit.weight, groups, count))


def _told(fit: Fit, aimed: Array, groups: Groups, count: int) -> Array:
    """What each group's votes tell of each quantity: [..., count, quantities].

    Args:
        fit: of all votes.
        aimed: [..., D + 1, quantities], the way in which the coefficients move with each quantity.
        groups: [..., V].
        count: of groups.
    """
    parts = []
    for start in range(0, aimed.shape[-1], AT_ONCE):
        part = aimed[..., start : start + AT_ONCE]
        win, tie = fit.design @ part[..., :-1, :], part[..., -1:, :]
        of_win, of_both, of_tie = (fit.curvatures[..., k, None] for k in range(3))
        parts.append(sums(win * (of_win * win + 2 * of_both * tie) + of_tie * tie**2, groups, count))
    return np.concatenate(parts, axis=-1) if parts else np.zeros((*aimed.shape[:-2], count, 0))


def _freed(hessian: Array, within: Array, pulls: Array) -> Array:
    """How far each group moves the coefficients: between its pull and what is left when the group is gone.

    The power of one half makes the sum of squares unbiased where all groups scatter alike. A power of one is the
    jackknife itself, which is too wide by 3 % with six prompts.
    """
    inverse = np.linalg.inv(np.linalg.cholesky(hessian))[..., None, :, :]
    held = inverse @ within @ np.swapaxes(inverse, -1, -2)
    sizes, turns = np.linalg.eigh(held)
    free = np.maximum(1 - sizes, 1e-6) ** -0.5
    inner = np.swapaxes(turns, -1, -2) @ (inverse @ pulls[..., None])
    found: Array = (np.swapaxes(inverse, -1, -2) @ turns @ (free[..., None] * inner))[..., 0]
    return found


def _curvature(fit: Fit, groups: Groups, count: int) -> Array:
    """The curvature that each group's votes add: [..., groups, D + 1, D + 1]."""
    size = fit.design.shape[-1]
    full = np.concatenate([fit.design, np.ones((*fit.design.shape[:-1], 1))], axis=-1)
    of_win, of_both, of_tie = (fit.curvatures[..., k, None] for k in range(3))
    found = np.empty((*fit.design.shape[:-2], count, size + 1, size + 1))
    # Row by row, because all products of 20,000 votes on 64 settings would take 700 MB.
    for row in range(size):
        rest = np.concatenate([full[..., row:size] * of_win, of_both], axis=-1) * full[..., row, None]
        found[..., row, row:] = found[..., row:, row] = sums(rest, groups, count)
    found[..., size, size] = sums(of_tie, groups, count)[..., 0]
    return found


@dataclass(frozen=True)
class Error:
    """How sure quantities are; arrays [..., quantities].

    Attributes:
        variance: of the estimate.
        degrees: of freedom.
        nominal: degrees of freedom if all groups told alike, [..., 1]; the least design is told in these.
    """

    variance: Array
    degrees: Array
    nominal: Array


def over(moved: Moved) -> Error:
    """Groups are the witnesses: prompts like these."""
    return Error(moved.variance, np.minimum(moved.degrees, moved.count - 1), moved.count - 1)


def within(moved: Moved, parents: Groups, count: int) -> Error:
    """Groups are the witnesses inside of parents, whose own differences are part of the answer: these very prompts.

    Args:
        moved: by each seed of a prompt.
        parents: [groups], the prompt of each.
        count: how many prompts there are.
    """
    of = (parents == np.arange(count)[:, None]).astype(float)
    there = moved.there.astype(float)
    size = (of @ there[..., None])[..., 0]  # [..., parents]
    shifts = np.where(moved.there[..., None], moved.shifts, 0.0)
    total, squares = of @ shifts, of @ shifts**2
    with np.errstate(divide="ignore", invalid="ignore"):
        middle = np.where(size[..., None] > 0, total / size[..., None], 0.0)
        scale = np.where(size > 1, size / (size - 1), 0.0)[..., None]
        parts = scale * np.maximum(squares - size[..., None] * middle**2, 0.0)
        freedom = np.maximum(size - 1, 0.0)
        variance = parts.sum(axis=-2)
        degrees = variance**2 / (parts**2 / (freedom + 2)[..., None]).sum(axis=-2) - 2
    nominal = freedom.sum(axis=-1, keepdims=True)
    return Error(variance, np.where(np.isfinite(degrees), np.minimum(degrees, nominal), nominal), nominal)


def crossed(first: Error, raters: Moved, both: Moved) -> Error:
    """The witnesses and the raters are two samples: what both have in common is counted once.

    Args:
        first: of prompts, or of seeds within them.
        raters: moved by each rater.
        both: moved by the votes of each rater on each of the witnesses.
    """
    of_raters, common = raters.variance, both.variance
    # Raters who scatter less than their votes do are not shown to differ; what they add is then 0, and never less.
    own = np.maximum(of_raters - common, 0.0)
    variance = first.variance + own
    unsure = own * (of_raters + common) / np.maximum(raters.degrees, 1)
    parts = first.variance**2 / np.maximum(first.degrees, 1) + unsure
    with np.errstate(divide="ignore", invalid="ignore"):
        degrees = variance**2 / parts
    least = np.minimum(first.nominal, raters.count - 1)
    return Error(variance, degrees, least)
