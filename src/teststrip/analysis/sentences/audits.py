"""What an audit found of a score, in words."""

from __future__ import annotations

from teststrip.analysis.sentences.answers import scope
from teststrip.analysis.sentences.phrases import between, capital, count, digits_of, fixed, setting
from teststrip.records import Finding
from teststrip.vocabulary import spoken


def claim(finding: Finding, *, margin: str = "") -> str:
    """What an audit found, without a full stop: "score is blind here: it cannot tell steps 2, ..."."""
    asked = finding.asked
    assert asked is not None
    unit = f" {finding.unit}" if finding.unit else ""
    effect = fixed(finding.effect, digits_of(finding.low, finding.high), signed=True)
    amount = f"{effect}{unit} ({between(finding.low, finding.high)})"
    score, bad = spoken(finding.metric), setting(asked.plus)
    good = asked.minus[0].label if asked.kind == "pair" else setting(asked.minus)
    narrow = scope(finding) if finding.scope == "these prompts" else ""
    if finding.outcome == "sees":
        return f"{score} sees{narrow and ' '}{narrow} that {bad} is bad: {amount} against {good}"
    if finding.outcome == "misled":
        return f"{score} is misled {narrow or 'here'}: it prefers {bad}, which is known to be bad, to {good}: {amount}"
    if finding.outcome == "blind":
        alike = f", where less than {margin} counts as alike" if margin else ""
        return (
            f"{score} is blind {narrow or 'here'}: it cannot tell {bad}, which is known to be bad, from {good}: "
            f"{amount}{alike}"
        )
    prompts = count(finding.prompts, "prompt")
    return f"{score} is not tested yet: on {prompts}, {bad}, which is known to be bad, makes {amount} against {good}"


def write(finding: Finding, *, margin: str = "") -> str:
    """The sentence of an audit; `margin` is as a person wrote it: "0.2 SD"."""
    text = claim(finding, margin=margin)
    return f"{capital(text)}.{_after(finding)}"


def _after(finding: Finding) -> str:
    """What follows from the outcome."""
    if finding.outcome == "sees":
        return ""
    if finding.outcome != "not tested yet":
        return " It recommends nothing."
    if finding.more_seeds:
        many = f"{finding.more_seeds:,} more seed{'' if finding.more_seeds == 1 else 's'} a prompt"
    elif finding.more_prompts:
        many = f"{finding.more_prompts:,} more prompt{'' if finding.more_prompts == 1 else 's'}"
    else:
        return ""
    return f" About {many} would show whether it sees a bad picture."
