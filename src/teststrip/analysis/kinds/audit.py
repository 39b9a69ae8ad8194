"""Can a metric tell a setting that everybody knows is bad? One that cannot is blind, and recommends nothing.

Known bad: at most 3 steps beside at least 8; guidance of 30 or more beside a moderate one. Knows no metric by name.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from teststrip.analysis import sentences
from teststrip.analysis.kinds.convergence import STEPS
from teststrip.analysis.numbers import effects, intervals
from teststrip.analysis.numbers.columns import Array, Design, Factor
from teststrip.analysis.numbers.effects import Contrast
from teststrip.records import MINIMUM_PROMPTS, Card, Comparison, Finding, Verdict
from teststrip.vocabulary import spoken

GUIDANCE = "guidance_scale"
FEW_STEPS, ENOUGH_STEPS = 3, 8
EXTREME_GUIDANCE, MODERATE_GUIDANCE = 30, (2, 12)

Outcome = Literal["sees", "blind", "misled"]


@dataclass(frozen=True)
class Audit:
    """What a metric made of one known-bad setting. Attributes: outcome; finding: its record."""

    outcome: Outcome
    finding: Finding


def audits(design: Design, values: Array, info: Card) -> tuple[Audit, ...]:
    """One audit for each known-bad level in the study; none where the study has none, or too few prompts to ask.

    Args:
        values: [prompts, replicates, cells].

    Returns:
        `sees`: the bad level scores surely worse; `misled`: surely better; `blind`: neither can be said.
    """
    if not info.needs_pixels or info.arity == 2 or info.higher_is_better is None:
        return ()
    found = (_audit(design, values, info, axis) for axis in range(len(design.factors)))
    return tuple(audit for audit in found if audit is not None)


def findings(design: Design, values: Array, info: Card) -> list[Finding]:
    """The audits as findings."""
    return [audit.finding for audit in audits(design, values, info)]


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


def _audit(design: Design, values: Array, info: Card, axis: int) -> Audit | None:
    factor = design.factors[axis]
    levels = known_bad(factor)
    if levels is None:
        return None
    bad, good = levels
    weights = np.zeros(len(factor.labels))
    weights[bad], weights[good] = 1.0, -1.0
    text = f"{factor.labels[bad]} against {factor.labels[good]}"
    difference, images = effects.per_prompt(values, design, Contrast("pair", (axis,), text, weights))
    outer, inner = intervals.paired_interval(difference), intervals.paired_interval(difference, 0.90)
    prompts = int(outer.prompts)
    if prompts < MINIMUM_PROMPTS:
        return None
    worse = -1.0 if info.higher_is_better else 1.0
    effect = float(outer.mean)
    sure = float(outer.low) > 0 or float(outer.high) < 0
    outcome: Outcome = "blind" if not sure else "sees" if effect * worse > 0 else "misled"
    verdict: Verdict = "different" if sure else "inconclusive"
    p = float(intervals.t_p(difference))
    row = Comparison(
        contrast=text,
        effect=effect,
        low=float(outer.low),
        high=float(outer.high),
        inner_low=float(inner.low),
        inner_high=float(inner.high),
        p=p,
        p_family=p,
        prompts=prompts,
        images=int(images.sum()),
        verdict=verdict,
    )
    digits = sentences.digits_of(row.low, row.high)
    unit = f" {info.unit}" if info.unit else ""
    amount = f"{sentences.fixed(effect, digits, signed=True)}{unit} ({sentences.between(row.low, row.high)})"
    score, knob = spoken(info.name), spoken(factor.name)
    told = {
        "sees": f"{score} sees that {knob} {factor.labels[bad]} is bad: {amount} against {factor.labels[good]}.",
        "blind": f"{score} is blind here: it cannot tell {knob} {factor.labels[bad]}, which is known to be bad, from "
        f"{factor.labels[good]}: {amount}. It recommends nothing.",
        "misled": f"{score} is misled: it prefers {knob} {factor.labels[bad]}, which is known to be bad, to "
        f"{factor.labels[good]}: {amount}. It recommends nothing.",
    }[outcome]
    finding = Finding(
        metric=info.name,
        axis=factor.name,
        contrast=text,
        effect=effect,
        low=row.low,
        high=row.high,
        level=0.95,
        margin=math.nan,
        p=p,
        prompts=prompts,
        images=row.images,
        verdict=verdict,
        method="a known-bad setting against a good one, paired by prompt and seed; Student's t on prompts",
        more_prompts=None if outcome == "blind" else 0,
        kind="audit",
        unit=info.unit,
        comparisons=(row,),
        sentence=told[0].upper() + told[1:],
    )
    return Audit(outcome, finding)
