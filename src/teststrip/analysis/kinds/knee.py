"""The knee of distances along rising steps: the least steps from which on a picture stays what it is. Knows numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from teststrip.analysis.numbers.arrays import Array

OF_ANOTHER_SEED = 0.05
"""Converged = within this share of what another seed changes, where that is known: far below what a reader compares."""
SHARE = 0.1
"""Where it is not known, converged = within a tenth of the unit's distance at the fewest steps."""


@dataclass(frozen=True)
class Knees:
    """Where the pictures of each unit stop changing; a unit is a prompt, or one seed of a prompt.

    Attributes:
        steps: the levels, rising.
        distance: [units, levels], medians over seeds; 0 at the last.
        tolerance: [units], the distance that counts as converged.
        knee: [units], least steps from which on every distance is within tolerance; NaN = no distances.
        slope: median over units of the log-log slope of distance against steps; NaN = fewer than three levels.
    """

    steps: tuple[float, ...]
    distance: Array
    tolerance: Array
    knee: Array
    slope: float


def knees(distance: Array, steps: Sequence[float], *, tolerance: float | None = None) -> Knees:
    """The knee of each unit.

    Args:
        distance: [units, levels], steps rising; the last level is the reference.
        steps: the levels.
        tolerance: distance that counts as the same picture; None = SHARE of the unit's first distance.
    """
    limit = np.full(len(distance), tolerance) if tolerance is not None else SHARE * distance[:, 0]
    inside = (distance <= limit[:, None]) | np.isnan(distance)
    inside[:, -1] = True
    first = inside.shape[1] - np.logical_and.accumulate(inside[:, ::-1], axis=1).sum(axis=1)
    known = ~np.isnan(distance[:, :-1]).all(axis=1)
    knee = np.where(known, np.asarray(steps)[np.minimum(first, len(steps) - 1)], np.nan)
    return Knees(tuple(steps), distance, limit, knee, _slope(distance, steps))


def _slope(distance: Array, steps: Sequence[float]) -> float:
    """Median log-log slope, without the reference itself and without levels within a factor of two of it.

    Near the reference the distance falls because the reference comes near, not because the picture settles.
    """
    x = np.asarray(steps, dtype=float)
    chosen = x <= x[-1] / 2
    slopes = []
    for row in distance:
        usable = chosen & (row > 0)
        if usable.sum() >= 2:
            slopes.append(np.polyfit(np.log(x[usable]), np.log(row[usable]), 1)[0])
    return float(np.median(slopes)) if slopes else math.nan
