"""How level means scatter over prompts, as far as few prompts can tell: the covariance, and how sure it is.

Eight levels of twelve prompts have 28 pairs, and by chance alone some of them seem to scatter twice as much as others.
So the covariance is drawn towards one in which all pairs scatter alike, as far as the prompts cannot tell it from that.
Knows arrays.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from teststrip.analysis.numbers.arrays import Array, mean


@dataclass(frozen=True, slots=True)
class Spread:
    """How contrasts scatter over units: prompts, or seeds within prompts.

    Attributes:
        root: [contrasts, directions]; times its own transpose it is the covariance of the contrasts in one unit.
        degrees: of freedom behind the mean variance of all directions.
    """

    root: Array
    degrees: float


def of_contrasts(differences: Array, weights: Array, *, blocks: int = 1) -> Spread:
    """The spread of contrasts of the same levels.

    Args:
        differences: [contrasts, units], NaN = missing.
        weights: [contrasts, levels] that the contrasts give to the levels.
        blocks: how many means the units scatter around.
    """
    back = np.linalg.pinv(weights)
    rank = int(np.linalg.matrix_rank(weights))
    levels = back @ _residuals(differences, blocks)  # [levels, units]
    freedom = differences.shape[1] - blocks
    covariance = levels @ levels.T / freedom
    possible = back @ weights  # the projection on what the contrasts can see
    effective = directions(covariance, freedom, most=rank)
    mean_variance, total = float(np.trace(covariance)) / rank, float((covariance**2).sum())
    excess = total - rank * mean_variance**2
    true = rank * mean_variance**2 * (rank / effective - 1)
    keep = math.sqrt(min(true / excess, 1.0)) if excess > 0 and true > 0 else 0.0
    shrunk = keep * covariance + (1 - keep) * mean_variance * possible
    values, vectors = np.linalg.eigh((shrunk + shrunk.T) / 2)
    kept = np.argsort(values)[::-1][:rank]
    root = weights @ (vectors[:, kept] * np.sqrt(np.maximum(values[kept], 0.0)))
    return Spread(root, effective * freedom)


def directions(covariance: Array, freedom: int, *, most: int) -> float:
    """How many directions of equal spread are worth as much as those of this sample covariance, from 1 to `most`.

    Source:
        Box 1954 for the measure, without the bias of few prompts: Lecoutre 1991.
    """
    trace, total = float(np.trace(covariance)), float((covariance**2).sum())
    if freedom < 2 or most < 2:
        return 1.0
    of_squares = freedom * total - trace**2
    if of_squares <= 0:
        return float(most)
    return min(max(((freedom + 1) * trace**2 - 2 * total) / of_squares, 1.0), float(most))


def of_cells(means: Array) -> float:
    """Degrees of freedom behind the mean variance of a difference of two cells.

    Args:
        means: [prompts, cells], NaN = missing.
    """
    centred = _residuals((means - mean(means, 1, keepdims=True)).T, 1)
    freedom = len(means) - 1
    return freedom * directions(centred @ centred.T / freedom, freedom, most=len(centred) - 1)


def _residuals(differences: Array, blocks: int) -> Array:
    """What is left of [contrasts, units] without each contrast's mean; 0 where missing, yet with the right variance."""
    present = ~np.isnan(differences)
    count = np.maximum(present.sum(axis=1, keepdims=True), blocks + 1)
    left = np.where(present, differences - mean(differences, 1, keepdims=True), 0.0)
    scaled: Array = left * np.sqrt((differences.shape[1] - blocks) / (count - blocks))
    return scaled
