"""Davidson's model: of two pictures the left one wins, the right one wins, or they tie. Knows arrays only.

A picture has a strength; the left side adds a strength of its own, so that a favoured side does not look like a
favoured setting. Every function takes any leading axes, so that a thousand simulated studies are fitted at once.

Source:
    Davidson 1970, ties in Bradley and Terry's model; Davidson & Beaver 1977, the order of presentation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from teststrip.analysis.numbers.arrays import Array

ROUNDS = 40
"""Newton's steps at most; 6 to 9 are usual because the likelihood is concave."""
CLOSE = 1e-9
LONGEST_STEP = 2.0
"""In any coefficient, so that the first steps from zero do not overshoot where raters are of one mind."""
TIE_PRECISION = 1 / 3.0**2
"""Prior precision of the logarithm of the ties' weight: without any tie it would fall without end."""


@dataclass(frozen=True)
class Chances:
    """What the model expects of each vote; arrays of one shape.

    Attributes:
        left: the chance that the left picture wins.
        tie: the chance of a tie.
        right: the chance that the right picture wins.
    """

    left: Array
    tie: Array
    right: Array

    @property
    def gain(self) -> Array:
        """The expected win of the left picture: 1/2 for a win, 0 for a tie, -1/2 for a loss."""
        return (self.left - self.right) / 2

    @property
    def information(self) -> Array:
        """The variance of that win, which is what one vote tells of the difference of two strengths."""
        found: Array = (self.left + self.right) / 4 - self.gain**2
        return found

    @property
    def shared(self) -> Array:
        """The covariance of win and tie."""
        found: Array = -self.tie * self.gain
        return found


def chances(difference: Array, tie: Array) -> Chances:
    """The chances of each answer.

    Args:
        difference: strength of the left picture minus that of the right one, the favour of the side included.
        tie: logarithm of the ties' weight; minus infinity = there are none.

    >>> even = chances(np.array(0.0), np.array(0.0))
    >>> round(float(even.left), 3), round(float(even.tie), 3)
    (0.333, 0.333)
    """
    half = np.abs(difference) / 2
    most = np.maximum(half, tie)
    left, right, even = (np.exp(x - most) for x in (difference / 2, -difference / 2, tie + 0.0 * difference))
    total = left + right + even
    return Chances(left / total, even / total, right / total)


@dataclass(frozen=True)
class Fit:
    """The model fitted to votes.

    Attributes:
        beta: [..., D + 1], the coefficients of the design's columns, then the logarithm of the ties' weight.
        hessian: [..., D + 1, D + 1], curvature of the penalised likelihood.
        scores: [..., V, D + 1], how each vote pulls at the coefficients.
        curvatures: [..., V, 3], weight times the variances of win and win, win and tie, tie and tie.
        design: [..., V, D].
        weight: [..., V]; 0 = no vote.
    """

    beta: Array
    hessian: Array
    scores: Array
    curvatures: Array
    design: Array
    weight: Array

    @property
    def covariance(self) -> Array:
        """What the errors would be if every vote were independent."""
        return np.asarray(np.linalg.inv(self.hessian), dtype=np.float64)


def fit(design: Array, won: Array, weight: Array, precision: Array, *, start: Array | None = None) -> Fit:
    """The coefficients of greatest penalised likelihood.

    Args:
        design: [..., V, D] of each vote, what stands left minus what stands right.
        won: [..., V], 1 = left, 0 = tie, -1 = right.
        weight: [..., V], 0 = there is no such vote.
        precision: [D], of the normal priors around 0.
        start: [..., D + 1], where Newton begins; None = at zero.
    """
    prior = np.append(precision, TIE_PRECISION)
    beta = np.zeros((*design.shape[:-2], prior.size)) if start is None else start.copy()
    for _ in range(ROUNDS):
        scores, curvatures = _pulls(design, won, weight, beta)
        hessian = _hessian(design, curvatures, prior)
        gradient = scores.sum(axis=-2) - prior * beta
        step = np.linalg.solve(hessian, gradient[..., None])[..., 0]
        beta = beta + np.clip(step, -LONGEST_STEP, LONGEST_STEP)
        if np.abs(step).max(initial=0.0) < CLOSE:
            break
    scores, curvatures = _pulls(design, won, weight, beta)
    return Fit(beta, _hessian(design, curvatures, prior), scores, curvatures, design, weight)


def _pulls(design: Array, won: Array, weight: Array, beta: Array) -> tuple[Array, Array]:
    difference = np.matmul(design, beta[..., :-1, None])[..., 0]
    of = chances(difference, beta[..., -1:])
    of_win, of_tie = weight * (won / 2 - of.gain), weight * ((won == 0) - of.tie)
    scores = np.concatenate([design * of_win[..., None], of_tie[..., None]], axis=-1)
    curvatures = np.stack([of.information, of.shared, of.tie * (1 - of.tie)], axis=-1) * weight[..., None]
    return scores, curvatures


def _hessian(design: Array, curvatures: Array, prior: Array) -> Array:
    turned = np.swapaxes(design, -1, -2)
    size = design.shape[-1]
    found = np.zeros((*design.shape[:-2], size + 1, size + 1))
    found[..., :size, :size] = turned @ (design * curvatures[..., :1])
    found[..., :size, size] = found[..., size, :size] = (turned @ curvatures[..., 1:2])[..., 0]
    found[..., size, size] = curvatures[..., 2].sum(axis=-1)
    return found + np.diag(prior)
