"""What was found about whole settings, in words."""

from __future__ import annotations

from teststrip.analysis.sentences.answers import begun
from teststrip.analysis.sentences.phrases import VERDICTS, listed
from teststrip.records import Finding
from teststrip.vocabulary import spoken


def write(finding: Finding, *, best: str, word: str) -> str:
    """The sentence about whole settings: which mean stands first and which others are surely behind."""
    score = spoken(finding.metric)
    if finding.verdict == "insufficient design":
        return begun(
            finding,
            f"settings cannot be ranked by {score}. {best} has the {word} mean here, which is description, not "
            "evidence.",
        )
    return begun(
        finding, f"{best} has the {word} {score}. Of {len(finding.comparisons)} other settings {_tally(finding)}."
    )


def write_beside(finding: Finding) -> str:
    """What one scope says of whole settings, to stand beside the sentence of the other."""
    if finding.verdict == "insufficient design":
        return begun(finding, "settings cannot be ranked.")
    return begun(finding, f"of the other settings {_tally(finding)}.")


def _tally(finding: Finding) -> str:
    tally = {verdict: sum(row.verdict == verdict for row in finding.comparisons) for verdict in VERDICTS}
    parts = {
        "surely differ from it": tally["different"],
        "do not in any way that matters": tally["equivalent"],
        "cannot be told apart from it yet": tally["inconclusive"] + tally["insufficient design"],
    }
    return listed([f"{number} {what}" for what, number in parts.items() if number])
