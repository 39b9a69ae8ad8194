"""What an audit found of a score, in words."""

from __future__ import annotations

from teststrip.analysis.sentences.phrases import between, digits_of, fixed
from teststrip.records import Finding, Outcome
from teststrip.vocabulary import spoken


def claim(finding: Finding) -> str:
    """What an audit found, without a full stop: "score is blind here: it cannot tell steps 2, ..."."""
    asked = finding.asked
    assert asked is not None
    assert finding.outcome is not None
    (bad,), (good,) = asked.plus, asked.minus
    unit = f" {finding.unit}" if finding.unit else ""
    effect = fixed(finding.effect, digits_of(finding.low, finding.high), signed=True)
    amount = f"{effect}{unit} ({between(finding.low, finding.high)})"
    score, setting_known_bad = spoken(finding.metric), f"{spoken(bad.axis)} {bad.label}"
    said: dict[Outcome, str] = {
        "sees": f"{score} sees that {setting_known_bad} is bad: {amount} against {good.label}",
        "blind": f"{score} is blind here: it cannot tell {setting_known_bad}, which is known to be bad, from "
        f"{good.label}: {amount}",
        "misled": f"{score} is misled: it prefers {setting_known_bad}, which is known to be bad, to {good.label}: "
        f"{amount}",
    }
    return said[finding.outcome]


def write(finding: Finding) -> str:
    """The sentence of an audit."""
    text = claim(finding)
    return f"{text[0].upper()}{text[1:]}." + ("" if finding.outcome == "sees" else " It recommends nothing.")
