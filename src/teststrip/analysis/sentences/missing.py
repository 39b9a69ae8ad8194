"""Where pictures are missing, in words."""

from __future__ import annotations

from teststrip.analysis.sentences.phrases import listed, percent
from teststrip.records import Finding, Verdict
from teststrip.vocabulary import spoken


def write(finding: Finding, head: str) -> str:
    """The sentence about missing pictures and one axis."""
    axis = spoken(finding.axis)
    rates = listed([f"{level.label}: {percent(level.mean)}" for level in finding.levels])
    said: dict[Verdict, str] = {
        "different": f"how many depends on {axis}",
        "equivalent": f"how many does not depend on {axis} (within ±5 points)",
        "inconclusive": f"whether that depends on {axis} cannot be told yet",
        "insufficient design": f"{finding.prompts} prompts cannot tell whether that depends on {axis}",
    }
    return f"{head}; {said[finding.verdict]} ({rates})."
