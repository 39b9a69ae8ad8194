"""Where pictures stop changing, and which levels break the order, in words."""

from __future__ import annotations

from teststrip.analysis.sentences.phrases import between, digits_of, fixed, listed, percent, with_group
from teststrip.records import MINIMUM_PROMPTS, Comparison, Finding


def write(finding: Finding) -> str:
    """The sentence about where pictures stop changing; its effect is the middle prompt's knee.

    Its rows are shares of prompts, and the levels that break the order.
    """
    of = with_group(finding.group)
    shares = [row for row in finding.comparisons if row.asked.kind == "share"]
    broken = [row for row in finding.comparisons if row.asked.kind == "pair"]
    before, most = shares[-1].asked.plus[0], finding.levels[-1]
    settled = finding.effect < (most.x or 0.0)
    if settled:
        interval = f"95 % interval {finding.low:g} to {finding.high:g}"
        text = f"pictures stop changing{of} at {finding.effect:g} steps in the middle prompt ({interval})"
    elif any(row.asked.plus[0].index == before.index for row in broken):
        text = f"pictures{of} at {before.label} steps are out of order, so where they stop changing cannot be said"
    else:
        text = (
            f"pictures are still changing{of} at {before.label} steps, the last but one, in the middle prompt; where "
            f"they stop is not known, so add levels above {most.label}"
        )
    converged = listed([f"{percent(row.effect)} by {row.asked.plus[0].label}" for row in shares])
    text += f"; converged: {converged} steps, {finding.prompts} prompt{'' if finding.prompts == 1 else 's'}."
    if finding.verdict == "insufficient design":
        text = f"{finding.prompts} prompts cannot settle where pictures stop changing{of}; as description: {text}"
    elif finding.verdict == "inconclusive" and settled:
        text += f" Too few have converged below {most.label} steps to call that the end."
    return " ".join([text[0].upper() + text[1:], *(out_of_order(row, most.label) for row in broken)])


def out_of_order(row: Comparison, most: str) -> str:
    """The sentence about a number of steps whose pictures are further from those at the most steps than fewer steps'.

    Args:
        row: the level against the next smaller one.
        most: the most steps.
    """
    (plus,), (minus,) = row.asked.plus, row.asked.minus
    prompts = f"{row.prompts} prompt{'' if row.prompts == 1 else 's'}"
    here, there = (f"On these {prompts} p", "") if row.prompts < MINIMUM_PROMPTS else ("P", f", {prompts}")
    amount = f"by {fixed(row.effect, digits_of(row.low, row.high))} ({between(row.low, row.high)}){there}"
    return (
        f"{here}ictures at {plus.label} steps are further from those at {most} than those at {minus.label} are: "
        f"{amount}. More steps cannot do that, so {plus.label} steps differ in something else: `teststrip plan` says"
        " whether the scheduler gives another schedule."
    )
