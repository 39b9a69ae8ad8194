"""A finding in words, written from its record alone, so that words, table and chart cannot disagree."""

from __future__ import annotations

import math
from collections.abc import Sequence

from teststrip.records import Comparison, Finding, Verdict
from teststrip.vocabulary import spoken


def number(value: float, *, signed: bool = False) -> str:
    """Three significant digits and a true minus: -0.1234 -> "−0.123"."""
    if not math.isfinite(value):
        return "unknown" if math.isnan(value) else ("∞" if value > 0 else "−∞")
    # Below this it is the rounding of sums of scores, not a score.
    text = f"{abs(value):.3g}" if abs(value) > 1e-12 else "0"
    text = f"{abs(value):,.0f}" if "e+" in text else text
    sign = "−" if value < 0 and float(text.replace(",", "")) != 0 else "+" if signed else ""
    return sign + text


def between(low: float, high: float) -> str:
    """An interval in words, with the digits its width deserves: "−0.23 to 0.03"."""
    digits = digits_of(low, high)
    return f"{fixed(low, digits)} to {fixed(high, digits)}"


def digits_of(low: float, high: float) -> int:
    """Decimals that show two significant digits of the interval's half-width; a number is no surer than that.

    >>> digits_of(-0.234, 0.0274), digits_of(120.0, 180.0)
    (2, 0)
    """
    half = (high - low) / 2
    return min(max(1 - math.floor(math.log10(half)), 0), 9) if math.isfinite(half) and half > 0 else 3


def fixed(value: float, digits: int, *, signed: bool = False) -> str:
    """A number with so many decimals and a true minus; no sign before a zero."""
    if not math.isfinite(value):
        return number(value)
    text = f"{abs(value):,.{digits}f}"
    zero = not text.strip("0.,")
    return ("" if zero else "−" if value < 0 else "+" if signed else "") + text


def plural(name: str) -> bool:
    """Whether a verb after this spoken name stands in the plural: "steps make", "guidance makes"."""
    return name.endswith("s") and not name.endswith("ss")


def write(finding: Finding, *, span: str = "", margin: str = "", group: str = "prompts") -> str:
    """The sentence of a finding about an axis.

    Args:
        finding: everything but its sentence.
        span: the levels in words: "6 to 9", "DDIM, Euler a and UniPC".
        margin: as a person wrote it: "0.2 SD".
        group: what the blocks are called.
    """
    score, axis = spoken(finding.metric), spoken(finding.axis)
    subject = f"{axis} {span}".strip()
    make, matter = ("make", "matter") if plural(axis) else ("makes", "matters")
    blocks = f"{finding.prompts} {group if finding.prompts != 1 else group.rstrip('s')}"
    if finding.verdict == "equivalent":
        scope = "the difference lies" if len(_pairs(finding)) == 1 else "all pairs"
        claim = f"{subject} {make} no difference that matters to {score}"
        text = f"{claim}: {scope} within ±{margin} (90 % interval), {blocks}."
    elif finding.verdict == "different":
        text = f"{_change(finding, score, axis)}, {blocks}.{_plateau(finding)}"
    elif finding.verdict == "inconclusive":
        text = (
            f"cannot tell whether {subject} {matter} to {score}: {_largest(finding)}, {blocks}, "
            f"and ±{margin} is what matters.{_settle(finding)}"
        )
    else:
        text = (
            f"{blocks} cannot settle whether {subject} {matter} to {score}. What they suggest, as description only: "
            f"{_largest(finding)}.{_settle(finding)}"
        )
    return text[0].upper() + text[1:]


def write_interaction(finding: Finding, *, change: str = "", margin: str = "") -> str:
    """The sentence of a finding about two axes together.

    Args:
        finding: everything but its sentence; its levels are what the first axis does at levels of the second.
        change: of the first axis: "from 1 to 12 it makes", "Euler against DDIM makes".
        margin: as a person wrote it.
    """
    score, axes = spoken(finding.metric), listed([spoken(axis) for axis in finding.axis.split(" × ")])
    first, second = (spoken(axis) for axis in finding.axis.split(" × "))
    blocks = f"{finding.prompts} prompts"
    if finding.verdict == "equivalent":
        text = (
            f"what {first} does to {score} does not depend on {second} in any way that matters: within ±{margin} "
            f"(90 % interval), {blocks}."
        )
    elif finding.verdict == "different":
        ends = listed(
            [
                f"{fixed(level.mean, digits_of(level.low, level.high), signed=True)} at {second} {level.label}"
                for level in (*finding.levels[:1], *finding.levels[1:][-1:])
            ]
        )
        told = f": {change} {ends}; along {second} that changes by" if ends else ", by"
        text = f"what {first} does to {score} depends on {second}{told} {_effect(finding)}, {blocks}."
    elif finding.verdict == "inconclusive":
        text = (
            f"cannot tell whether {axes} work on {score} together: {_effect(finding)}, {blocks}, "
            f"and ±{margin} is what matters.{_settle(finding)}"
        )
    else:
        text = (
            f"{blocks} cannot settle whether {axes} work on {score} together; what they suggest: "
            f"{_effect(finding)}.{_settle(finding)}"
        )
    return text[0].upper() + text[1:]


def write_cells(finding: Finding, *, best: str, word: str) -> str:
    """The sentence about whole settings: which mean stands first and which others are surely behind."""
    score = spoken(finding.metric)
    if finding.verdict == "insufficient design":
        return (
            f"{finding.prompts} prompts cannot rank settings by {score}. {best} has the {word} mean here, "
            "which is description, not evidence."
        )
    tally = {verdict: sum(row.verdict == verdict for row in finding.comparisons) for verdict in VERDICTS}
    parts = [
        f"{tally['different']} surely differ from it",
        f"{tally['equivalent']} do not in any way that matters",
        f"{tally['inconclusive'] + tally['insufficient design']} cannot be told apart from it yet",
    ]
    return (
        f"{best} has the {word} {score}; of {len(finding.comparisons)} other settings {listed(parts)}, "
        f"{finding.prompts} prompts."
    )


def write_missing(finding: Finding, head: str) -> str:
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


def _pairs(finding: Finding) -> list[Comparison]:
    return [row for row in finding.comparisons if " against " in row.contrast and " by " not in row.contrast]


def _sd(finding: Finding) -> str:
    if not (finding.seed_sd > 0):
        return ""
    share = finding.effect / finding.seed_sd
    return f"; {fixed(share, 2 if abs(share) < 10 else 0, signed=True)} SD"


def _effect(finding: Finding) -> str:
    effect = fixed(finding.effect, digits_of(finding.low, finding.high), signed=True)
    unit = f" {finding.unit}" if finding.unit else ""
    interval = f"{finding.level * 100:.0f} % interval {between(finding.low, finding.high)}"
    return f"{effect}{unit} ({interval}{_sd(finding)})"


def _change(finding: Finding, score: str, axis: str) -> str:
    if finding.contrast.startswith("linear trend, "):
        ends = finding.contrast.removeprefix("linear trend, ").removesuffix(" on a log scale")
        return f"{score} {'rises' if finding.effect > 0 else 'falls'} with {axis}: {_effect(finding)} from {ends}"
    if finding.contrast.startswith("quadratic trend"):
        where = _extreme(finding)
        shape = "is highest" if finding.effect > 0 else "is lowest"
        return (
            f"{score} bends with {axis} and {shape} at {where}: the middle stands {_effect(finding)} off the ends' line"
        )
    return f"{score} depends on {axis}: {finding.contrast} makes {_effect(finding)}"


def _extreme(finding: Finding) -> str:
    best = max(finding.levels, key=lambda level: level.mean if finding.effect > 0 else -level.mean)
    return best.label


def _largest(finding: Finding) -> str:
    what = "the difference" if len(_pairs(finding)) == 1 else "the largest difference"
    return f"{what}, {finding.contrast}, is {_effect(finding)}"


def _settle(finding: Finding) -> str:
    if not finding.more_prompts:
        return ""
    more = f" About {finding.more_prompts:,} more prompt{'' if finding.more_prompts == 1 else 's'} would settle it"
    return f"{more}; so would {finding.design}." if finding.design else f"{more}."


def _plateau(finding: Finding) -> str:
    """The longest run of neighbouring levels that are equivalent pair by pair; the later one of two."""
    same = {row.contrast for row in finding.comparisons if row.verdict == "equivalent"}
    ordered = sorted(finding.levels, key=lambda level: level.x if level.x is not None else 0.0)
    if any(level.x is None for level in ordered):
        return ""
    labels = [level.label for level in ordered]
    best: list[str] = []
    for start in range(len(labels)):
        for stop in range(start + 2, len(labels) + 1):
            run = labels[start:stop]
            pairs = [f"{b} against {a}" for i, a in enumerate(run) for b in run[i + 1 :]]
            if all(pair in same for pair in pairs) and len(run) >= len(best):
                best = run
    return f" Between {listed(best)} nothing that matters." if best else ""


def listed(words: Sequence[str]) -> str:
    """Words as in a sentence: "8, 16 and 32"."""
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def percent(share: float) -> str:
    """A share as people read it: 0.667 -> "67 %"."""
    return f"{share * 100:.0f} %"


VERDICTS: dict[Verdict, str] = {
    "different": "different",
    "equivalent": "no difference that matters",
    "inconclusive": "cannot tell yet",
    "insufficient design": "this design cannot tell",
}
"""Verdicts as table cells say them."""
