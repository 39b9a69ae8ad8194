"""Can a metric tell a setting that is known to be bad? One that cannot is blind, and recommends nothing.

Known bad: at most 3 steps beside at least 8; guidance of 30 or more beside a moderate one. Knows no metric by name.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from teststrip.analysis.kinds.convergence import STEPS
from teststrip.analysis.numbers import effects, intervals
from teststrip.analysis.numbers.arrays import Array
from teststrip.analysis.numbers.columns import Factor, Layout
from teststrip.analysis.numbers.comparing import comparison
from teststrip.analysis.sentences import audits
from teststrip.records import MINIMUM_PROMPTS, Card, Finding, Outcome

GUIDANCE = "guidance_scale"
FEW_STEPS, ENOUGH_STEPS = 3, 8
EXTREME_GUIDANCE, MODERATE_GUIDANCE = 30, (2, 12)


def findings(layout: Layout, values: Array, card: Card) -> list[Finding]:
    """One audit for each known-bad level in the study; none where the study has none, or too few prompts to ask.

    Args:
        values: [prompts, replicates, cells].

    Returns:
        Findings by their outcome: `sees`: the bad level scores surely worse; `misled`: surely better; `blind`: neither
        can be said.
    """
    if not card.needs_pixels or card.arity == 2 or card.higher_is_better is None:
        return []
    found = (_audit(layout, values, card, axis) for axis in range(len(layout.factors)))
    return [finding for finding in found if finding is not None]


def known_bad(factor: Factor) -> tuple[int, int] | None:
    """The levels (bad, good) of an axis that has both, or None.

    >>> known_bad(Factor("num_inference_steps", ("2", "8", "32"), (2.0, 8.0, 32.0)))
    (0, 2)
    """
    if factor.numbers is None:
        return None
    numbers = factor.numbers
    lowest, highest = int(np.argmin(numbers)), int(np.argmax(numbers))
    if factor.name == STEPS and numbers[lowest] <= FEW_STEPS and numbers[highest] >= ENOUGH_STEPS:
        return lowest, highest
    low, high = MODERATE_GUIDANCE
    moderate = [k for k, number in enumerate(numbers) if low <= number <= high]
    if factor.name == GUIDANCE and numbers[highest] >= EXTREME_GUIDANCE and moderate:
        return highest, moderate[len(moderate) // 2]
    return None


def _audit(layout: Layout, values: Array, card: Card, axis: int) -> Finding | None:
    levels = known_bad(layout.factors[axis])
    if levels is None:
        return None
    bad, good = levels
    contrast = effects.pair(layout, axis, bad, good)
    difference, images = effects.per_prompt(values, layout, contrast)
    outer, inner = intervals.paired_interval(difference), intervals.paired_interval(difference, 0.90)
    if int(outer.prompts) < MINIMUM_PROMPTS:
        return None
    worse = -1.0 if card.higher_is_better else 1.0
    sure = float(outer.low) > 0 or float(outer.high) < 0
    outcome: Outcome = "blind" if not sure else "sees" if float(outer.mean) * worse > 0 else "misled"
    p = float(intervals.t_p(difference))
    row = comparison(
        contrast.asked,
        outer=outer,
        inner=inner,
        p=p,
        p_family=p,
        images=int(images.sum()),
        verdict="different" if sure else "inconclusive",
    )
    found = Finding(
        metric=card.name,
        axis=layout.factors[axis].name,
        contrast=row.contrast,
        effect=row.effect,
        low=row.low,
        high=row.high,
        level=0.95,
        margin=math.nan,
        p=p,
        prompts=row.prompts,
        images=row.images,
        verdict=row.verdict,
        method="a known-bad setting against a good one, paired by prompt and seed; Student's t on prompts",
        more_prompts=None if outcome == "blind" else 0,
        kind="audit",
        unit=card.unit,
        comparisons=(row,),
        asked=contrast.asked,
        outcome=outcome,
    )
    return replace(found, sentence=audits.write(found))
