"""Where pictures stop changing, and which levels break the order, in words."""

from __future__ import annotations

import math

from teststrip.analysis.sentences.answers import scope
from teststrip.analysis.sentences.phrases import between, capital, digits_of, fixed, listed, number, percent, with_group
from teststrip.records import Comparison, Estimate, Finding

MOST_LEVELS = 8
"""Shares of more levels than these are for the chart, not for a sentence."""


def write(finding: Finding, *, by_pairs: bool, unit: str = "", unseen: float = math.nan) -> str:
    """The sentences about where pictures stop changing; the finding's effect is the knee of the middle prompt or seed.

    Args:
        finding: all but its sentence; its rows are shares that have converged, and the levels that break the order.
        by_pairs: levels that break the order were found pair by pair, so they speak of these prompts alone.
        unit: of the distance.
        unseen: the distance up to which people see no difference; NaN = unknown.
    """
    of = with_group(finding.group)
    here = finding.scope == "these prompts"
    shares = [row for row in finding.comparisons if row.asked.kind == "share"]
    broken = [row for row in finding.comparisons if row.asked.kind == "pair"]
    before, most = shares[-1].asked.plus[0], finding.levels[-1]
    settled = finding.effect < (most.x or 0.0)
    middle = "for the middle seed" if here else "in the middle prompt"
    if settled:
        interval = f"95 % interval {finding.low:g} to {finding.high:g}"
        text = f"pictures stop changing{of} at {finding.effect:g} steps {middle} ({interval})"
    elif any(row.asked.plus[0].index == before.index for row in broken):
        text = f"pictures{of} at {before.label} steps are out of order, so where they stop changing cannot be said"
    else:
        text = (
            f"pictures are still changing{of} at {before.label} steps, the last but one, {middle}; where "
            f"they stop is not known, so add levels above {most.label}"
        )
    converged = listed([f"{percent(row.effect)} by {row.asked.plus[0].label}" for row in shares])
    units = f"{finding.seeds} seed" if here else f"{finding.prompts} prompt"
    plural = "" if (finding.seeds if here else finding.prompts) == 1 else "s"
    text += f"; converged{_meaning(finding)}: {converged} steps, {units}{plural}."
    if finding.verdict == "insufficient design":
        text = f"{units}{plural} cannot settle where pictures stop changing{of}; as description: {text}"
    elif finding.verdict == "inconclusive" and settled:
        text += f" Too few have converged below {most.label} steps to call that the end."
    opening = scope(finding)
    text = f"{capital(opening)}, {text}" if here else capital(text)
    at = next((level for level in finding.levels if level.x == finding.effect), most) if settled else finding.levels[-2]
    told = [text, _yardsticks(finding, at, unit, unseen), _left(finding, at)]
    return " ".join([*filter(None, told), *(out_of_order(row, most.label, by_pairs=by_pairs) for row in broken)])


def share_left(finding: Finding, level: Estimate) -> str:
    """What still changes at a level, as a share of what another seed changes: "4 %", "0.3 %"."""
    share = level.mean / finding.between_seeds
    return percent(share) if share >= 0.01 or share == 0 else f"{number(float(f'{100 * share:.1g}'))} %"


def _meaning(finding: Finding) -> str:
    """What counts as converged, where the yardstick is another seed."""
    if not finding.between_seeds > 0:
        return ""
    return f" (less than {percent(finding.margin / finding.between_seeds)} of what another seed changes)"


def _left(finding: Finding, at: Estimate) -> str:
    """What is left at other levels than the one told of, as shares of what another seed changes; "" = unknown."""
    levels = [level for level in finding.levels[:-1] if level is not at]
    if not finding.between_seeds > 0 or not 0 < len(levels) <= MOST_LEVELS:
        return ""
    return f"It is {listed([f'{share_left(finding, level)} at {level.label}' for level in levels])}."


def _yardsticks(finding: Finding, level: Estimate, unit: str, unseen: float) -> str:
    """What still changes at a level, held against what another seed changes and what people see; "" = both unknown."""
    said = []
    if finding.between_seeds > 0:
        said.append(f"{share_left(finding, level)} of what another seed changes")
    if unseen > 0 and math.isfinite(level.mean):
        fewer = "less than people usually see" if level.mean <= unseen else "enough for people to see"
        said.append(f"{fewer} (from about {number(unseen)} on)")
    amount = f"{number(level.mean)}{f' {unit}' if unit else ''}"
    return f"At {level.label} steps what still changes is {amount}: {listed(said)}." if said else ""


def out_of_order(row: Comparison, most: str, *, by_pairs: bool) -> str:
    """The sentence about a number of steps whose pictures are further from those at the most steps than fewer steps'.

    Args:
        row: the level against the next smaller one.
        most: the most steps.
        by_pairs: it was found pair by pair, so it speaks of these prompts alone.
    """
    (plus,), (minus,) = row.asked.plus, row.asked.minus
    prompts = f"{row.prompts} prompt{'' if row.prompts == 1 else 's'}"
    these = "this prompt" if row.prompts == 1 else f"these {prompts}"
    here, there = (f"On {these} p", "") if by_pairs else ("P", f", {prompts}")
    amount = f"by {fixed(row.effect, digits_of(row.low, row.high))} ({between(row.low, row.high)}){there}"
    return (
        f"{here}ictures at {plus.label} steps are further from those at {most} than those at {minus.label} are: "
        f"{amount}. More steps cannot do that, so {plus.label} steps differ in something else: `teststrip plan` says"
        " whether the scheduler gives another schedule."
    )
