"""Whether two axes really do not act together: every double difference, beyond what the planned question looks at.

The planned question about two axes of numbers is whether the rise with one changes along the other. Its answer "no"
leaves room for anything that is no straight line. So "does not depend on" is said only where every double difference
lies inside the margin, and what the widest one leaves open is said where it does not.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from teststrip.analysis.kinds.evidence import Evidence
from teststrip.analysis.numbers import effects
from teststrip.analysis.numbers.judging import judge
from teststrip.analysis.sentences import answers
from teststrip.records import Finding


def checked(found: Finding, evidence: Evidence, axes: tuple[int, int]) -> Finding:
    """The finding about two axes, with its claim tried on every double difference where it claims that nothing matters.

    Args:
        found: from the planned questions.
        evidence: of the metric.
        axes: indices of the layout's factors.
    """
    if found.verdict != "equivalent":
        return found
    size = evidence.margin
    doubles = effects.double_differences(evidence.layout, axes, evidence.values)
    if (makings := evidence.makings) and not makings.free(evidence.card):
        doubles = tuple(one for one in doubles if makings.allow(one, evidence.card))
    if not doubles:
        return found
    judged = judge(
        evidence.values,
        evidence.layout,
        doubles,
        size.value,
        evidence.margin_se,
        scope=evidence.scope,
        pairing=evidence.pairing,
    )
    widest = int(np.argmax(np.maximum(np.abs(judged.inner.low), np.abs(judged.inner.high))))
    row = replace(judged.rows()[widest], verdict="inconclusive")
    inside = bool((judged.verdict == "equivalent").all())
    found = replace(
        found,
        verdict="equivalent" if inside else "inconclusive",
        contrast=row.contrast,
        asked=row.asked,
        effect=row.effect,
        low=row.inner_low if inside else row.low,
        high=row.inner_high if inside else row.high,
        level=0.90 if inside else 0.95,
        levels=found.levels,
        comparisons=(*found.comparisons, replace(row, verdict="equivalent" if inside else "inconclusive")),
        method=f"{found.method}; every one of {len(doubles)} double differences by two one-sided tests",
        more_prompts=0 if inside else None,
    )
    return answers.worded(found, answers.write_interaction(found))
