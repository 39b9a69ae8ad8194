"""Numbers of steps that break the order: their pictures are further from the end than pictures with fewer steps are.

More steps cannot do that, so something other than the steps has changed there. Knows distances; no sampler.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import special

from teststrip.analysis.kinds.middles import median_interval
from teststrip.analysis.numbers.arrays import Array
from teststrip.analysis.sentences import phrases
from teststrip.records import Comparison, Contrast, LevelRef

BY_CHANCE = 0.05
"""The chance to name a level that breaks the order where none does, over all levels of a finding."""


def broken(
    distance: Array, each: Array, tolerance: float, levels: Sequence[LevelRef], *, by_pairs: bool
) -> tuple[Comparison, ...]:
    """The levels that are surely and clearly further from the most steps than the next smaller number of steps is.

    Surely: the exact one-sided sign test, with Holm's correction over all levels. Clearly: by more than the distance
    that counts as the same picture.

    Args:
        distance: [prompts, levels], medians over seeds.
        each: [prompts, replicates, levels], distances of single seeds.
        tolerance: the distance that counts as the same picture.
        levels: of the steps, rising.
        by_pairs: the unit is the pair of pictures and not the prompt, which speaks of these prompts alone.
    """
    tested = []
    for k in range(1, len(levels) - 1):
        further = (each[..., k] - each[..., k - 1]).ravel() if by_pairs else distance[:, k] - distance[:, k - 1]
        further = further[~np.isnan(further)]
        up, down = int((further > 0).sum()), int((further < 0).sum())
        # Of the pairs that differ, at least so many up where up and down are equally likely.
        p = float(special.bdtrc(up - 1, up + down, 0.5)) if up else 1.0
        tested.append((p, k, further))
    rows = []
    corrected = 0.0
    for rank, (p, k, further) in enumerate(sorted(tested, key=lambda one: one[0])):
        corrected = max(corrected, min(1.0, p * (len(tested) - rank)))
        if corrected > BY_CHANCE:
            break
        if np.median(further) > tolerance:
            rows.append(_further(each[..., k - 1 : k + 1], further, p, corrected, (levels[k], levels[k - 1])))
    return tuple(sorted(rows, key=lambda row: row.asked.plus[0].index))


def _further(each: Array, further: Array, p: float, corrected: float, pair: tuple[LevelRef, LevelRef]) -> Comparison:
    """The row of a level that breaks the order.

    Args:
        each: [prompts, replicates, 2], the distances of both levels.
        further: by how much each unit of the test is further away.
        p: of the sign test.
        corrected: the same after Holm's correction.
        pair: the level and the next smaller one.
    """
    low, high = median_interval(further)
    inner_low, inner_high = median_interval(further, 0.90)
    both = ~np.isnan(each[..., 0] + each[..., 1])
    asked = Contrast("pair", pair[:1], pair[1:])
    return Comparison(
        contrast=phrases.contrast(asked),
        asked=asked,
        effect=float(np.median(further)),
        low=low,
        high=high,
        inner_low=inner_low,
        inner_high=inner_high,
        p=p,
        p_family=corrected,
        prompts=int(both.any(axis=1).sum()),
        images=2 * int(both.sum()),
        verdict="different",
    )
