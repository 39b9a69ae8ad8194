"""Where pictures or scores are missing, and what that could change, in words."""

from __future__ import annotations

from collections.abc import Sequence

from teststrip.analysis.sentences.phrases import between, contrast, digits_of, fixed, listed, percent
from teststrip.records import Comparison, Finding, Verdict
from teststrip.vocabulary import spoken


def head(count: int, known: int, reasons: Sequence[tuple[str, int]], *, of: str = "") -> str:
    """How much is missing and why: "2 of 14 images are missing (2 refused)".

    Args:
        count: how many are missing.
        known: how many are missing or there.
        reasons: each with how often it occurs.
        of: the score that is missing; "" = pictures are.
    """
    what = f"images have no {spoken(of)}" if of else "images are missing"
    several = not of or len(reasons) > 1  # of scores alone the one reason is that there is none
    why = f" ({listed([f'{number} {reason}' for reason, number in reasons])})" if several else ""
    return f"{count} of {known} {what}{why}"


def write(finding: Finding, head: str) -> str:
    """The sentence about what is missing and one axis."""
    axis = spoken(finding.axis)
    said: dict[Verdict, str] = {
        "different": f"how many depends on {axis}",
        "equivalent": f"how many does not depend on {axis} (within ±5 points)",
        "inconclusive": f"whether that depends on {axis} cannot be told yet",
        "insufficient design": f"{finding.prompts} prompts cannot tell whether that depends on {axis}",
    }
    return f"{head}; {said[finding.verdict]} ({_rates(finding)})."


def by_level(finding: Finding) -> str:
    """The share missing at each level, as a limit of a finding about scores."""
    return f"Missing by {spoken(finding.axis)}: {_rates(finding)}."


def clause(finding: Finding) -> str:
    """What follows the sentence of a finding where the share missing surely differs by level."""
    return f"What is missing surely depends on {spoken(finding.axis)} ({_rates(finding)})."


def worst_case(
    finding: Finding, rows: Sequence[Comparison | None], turns: Sequence[bool], *, higher_is_better: bool | None
) -> str:
    """What the leading comparison would be if all missing scores were the lowest, or the highest, that were seen.

    Args:
        finding: of the scores that are there.
        rows: its leading comparison with the lowest and with the highest in the place of the missing ones.
        turns: whether the verdict would be another one with each.
        higher_is_better: of the metric.
    """
    assert finding.asked is not None
    lowest, highest = {True: ("worst", "best"), False: ("best", "worst"), None: ("lowest", "highest")}[higher_is_better]
    what = contrast(finding.asked)
    if not any(turns):
        amounts = listed([_amount(row) for row in rows if row is not None])
        return (
            f"Even if all missing ones scored like the {lowest} or the {highest} seen, the verdict would stand: "
            f"{what} would make {amounts}."
        )
    said = [
        f"had they all scored like the {name} seen, {what} would make {_amount(row)}"
        for name, row, turned in zip((lowest, highest), rows, turns, strict=True)
        if turned and row is not None
    ]
    return f"The missing ones alone could turn this{f': {listed(said)}' if said else ''}."


def _amount(row: Comparison) -> str:
    return f"{fixed(row.effect, digits_of(row.low, row.high), signed=True)} ({between(row.low, row.high)})"


def _rates(finding: Finding) -> str:
    return listed([f"{level.label}: {percent(level.mean)}" for level in finding.levels])
