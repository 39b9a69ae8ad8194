"""Few prompts that carry a difference: without them it is gone, and they stand apart from all others.

A sample mean is a poor witness where a few prompts answer strongly and the others do not. Knows differences
[contrasts, prompts]; nothing of levels and words.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import special

from teststrip.analysis.numbers import intervals, judging
from teststrip.analysis.numbers.arrays import Array
from teststrip.analysis.numbers.effects import WeightedContrast
from teststrip.analysis.numbers.verdicts import ALPHA

MOST = 5
SHARE = 0.1
APART = 0.01
"""How often normal differences are said to have prompts that stand apart: so much power is lost at most."""


def of(differences: Array, contrasts: Sequence[WeightedContrast], index: int) -> NDArray[np.intp]:
    """The prompts that carry a contrast which was found different; empty = there are none.

    At most a tenth of the prompts, at least one and at most MOST: those that stand apart from the others on the
    contrast's own side, and without which it is not different any more, or has the other sign.

    Args:
        differences: [contrasts, prompts], score units, NaN = missing.
        contrasts: the family.
        index: of the contrast.
    """
    apart = standing_apart(differences[index])
    for count in range(len(apart), 0, -1):
        rest = differences.copy()
        rest[:, apart[:count]] = np.nan
        turned = np.nanmean(rest[index]) * np.nanmean(differences[index]) <= 0
        if turned or not judging.corrected(contrasts, intervals.t_p(rest))[index] < ALPHA:
            return apart[:count]
    return apart[:0]


def standing_apart(differences: Array) -> NDArray[np.intp]:
    """The prompts [.] that stand apart from the others on the side of the mean, the furthest first.

    Source: Rosner 1983, the generalized many-outlier procedure, on one side.
    """
    known = np.flatnonzero(~np.isnan(differences))
    n = known.size
    side = np.sign(differences[known].mean()) if n else 0.0
    order = known[np.argsort(-side * differences[known], kind="stable")]
    most = min(MOST, max(1, int(SHARE * n)), n - 3)
    found = 0
    for k in range(most):
        rest = side * differences[order[k:]]
        spread = rest.std(ddof=1)
        t = special.stdtrit(n - k - 2, 1 - APART / (n - k))
        least = (n - k - 1) * t / np.sqrt((n - k - 2 + t**2) * (n - k))
        if rest[0] - rest.mean() > least * spread:
            found = k + 1
    return order[:found]
