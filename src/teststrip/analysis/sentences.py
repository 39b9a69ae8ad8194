"""A finding in words, written from its record alone, so that words, table and chart cannot disagree.

Words are made here, last of all, and no code reads them again: what was compared stands in the record's `asked`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import combinations

from teststrip.records import MINIMUM_PROMPTS, Comparison, Contrast, Finding, LevelRef, Outcome, Verdict
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


def setting(levels: Sequence[LevelRef], name: Callable[[str], str] = spoken) -> str:
    """A whole setting: "guidance 7, steps 50"; `name` says how an axis is called."""
    return ", ".join(f"{name(level.axis)} {level.label}" for level in levels) or "the only setting"


def contrast(asked: Contrast) -> str:
    """What is compared, as a table says it: "8 against 6", "linear trend, 6 to 9"."""
    if asked.kind == "settings":
        return f"{setting(asked.plus)} against {setting(asked.minus)}"
    if asked.kind == "share":
        return f"converged at {asked.plus[0].label} (share of prompts)"
    if asked.kind == "interaction":
        return " by ".join(
            f"{plus.axis} ({'trend' if plus.axis in asked.trends else _against(plus, minus)})"
            for plus, minus in zip(asked.plus, asked.minus, strict=True)
        )
    (plus,), (minus,) = asked.plus, asked.minus
    if asked.kind == "pair":
        return _against(plus, minus)
    name = "linear trend" if asked.kind == "trend" else "quadratic trend (bend)"
    return f"{name}, {_from_to(asked)}{' on a log scale' if asked.logarithmic else ''}"


def _against(plus: LevelRef, minus: LevelRef) -> str:
    return f"{plus.label} against {minus.label}"


def _from_to(asked: Contrast) -> str:
    return f"{asked.minus[0].label} to {asked.plus[0].label}"


def scope(finding: Finding) -> str:
    """What a finding is about, to begin a sentence with: "on these 5 prompts", "for prompts like these"."""
    if finding.scope == "prompts like these":
        return "for prompts like these"
    return "on this prompt" if finding.prompts == 1 else f"on these {finding.prompts} prompts"


def told(finding: Finding) -> str:
    """A finding's sentence, and the other scope's beside it."""
    return f"{finding.sentence} {finding.beside}".rstrip()


def _begun(finding: Finding, text: str) -> str:
    """A sentence that begins with its scope."""
    opening = scope(finding)
    return f"{opening[0].upper()}{opening[1:]}, {text}"


def _blocks(finding: Finding) -> str:
    """What a finding counts: "30 prompts", or of these prompts "30 paired seeds"."""
    if finding.scope == "these prompts":
        return f"{finding.seeds} paired seed{'' if finding.seeds == 1 else 's'}"
    return f"{finding.prompts} prompt{'' if finding.prompts == 1 else 's'}"


def write_beside(finding: Finding) -> str:
    """What one scope says, to stand beside the sentence of the other: its verdict and the number behind it."""
    opening = scope(finding)
    verdict = VERDICTS[finding.verdict]
    if finding.verdict == "insufficient design":
        amount = f" ({_blocks(finding)})"
    elif finding.verdict == "equivalent" or finding.asked is None:
        amount = ""
    else:
        amount = f", {contrast(finding.asked)}: {_effect(finding)}"
    return f"{opening[0].upper()}{opening[1:]}: {verdict}{amount}.{_settle(finding)}"


def write(finding: Finding, *, span: str = "", margin: str = "") -> str:
    """The sentence of a finding about an axis.

    Args:
        finding: everything but its sentence.
        span: the levels in words: "6 to 9", "DDIM, Euler a and UniPC".
        margin: as a person wrote it: "0.2 SD".
    """
    score, axis = spoken(finding.metric), spoken(finding.axis)
    subject = f"{axis} {span}".strip()
    make, matter = ("make", "matter") if plural(axis) else ("makes", "matters")
    blocks = _blocks(finding)
    if finding.verdict == "equivalent":
        pairs = "the difference lies" if _single(finding) else "all pairs"
        claim = f"{subject} {make} no difference that matters to {score}"
        text = f"{claim}: {pairs} within ±{margin} (90 % interval), {blocks}."
    elif finding.verdict == "different":
        text = f"{_change(finding, score, axis)}, {blocks}.{_plateau(finding)}"
    elif finding.verdict == "inconclusive":
        text = (
            f"it is not settled whether {subject} {matter} to {score}: {_largest(finding)}, {blocks}, "
            f"and ±{margin} is what matters.{_settle(finding)}"
        )
    else:
        text = (
            f"{blocks} cannot settle whether {subject} {matter} to {score}. What they suggest, as description only: "
            f"{_largest(finding)}.{_settle(finding)}"
        )
    return _begun(finding, text)


def write_interaction(finding: Finding, *, margin: str = "") -> str:
    """The sentence of a finding about two axes together.

    Args:
        finding: everything but its sentence; its levels are what the first axis does at levels of the second.
        margin: as a person wrote it.
    """
    asked = finding.asked
    assert asked is not None
    score = spoken(finding.metric)
    first, second = (spoken(level.axis) for level in asked.plus)
    axes = listed([first, second])
    blocks = _blocks(finding)
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
        change = f": {_first_change(asked)} {ends}; along {second} that changes by" if ends else ", by"
        text = f"what {first} does to {score} depends on {second}{change} {_effect(finding)}, {blocks}."
    elif finding.verdict == "inconclusive":
        text = (
            f"it is not settled whether {axes} work on {score} together: {_effect(finding)}, {blocks}, "
            f"and ±{margin} is what matters.{_settle(finding)}"
        )
    else:
        text = (
            f"{blocks} cannot settle whether {axes} work on {score} together; what they suggest: "
            f"{_effect(finding)}.{_settle(finding)}"
        )
    return _begun(finding, text)


def _first_change(asked: Contrast) -> str:
    """The first axis' change that an interaction is about: "from 1 to 12 it makes", "Euler against DDIM makes"."""
    plus, minus = asked.plus[0], asked.minus[0]
    return f"from {_from_to(asked)} it makes" if plus.axis in asked.trends else f"{_against(plus, minus)} makes"


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


def audit_claim(finding: Finding) -> str:
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


def write_audit(finding: Finding) -> str:
    """The sentence of an audit."""
    text = audit_claim(finding)
    return f"{text[0].upper()}{text[1:]}." + ("" if finding.outcome == "sees" else " It recommends nothing.")


def write_convergence(finding: Finding) -> str:
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


def with_group(group: str) -> str:
    """The group that a finding of convergence is about, to stand after a word: " with UniPC"; "" = all."""
    return f" with {group}" if group else ""


def _single(finding: Finding) -> bool:
    """Whether the axis has but one pair of levels."""
    return sum(row.asked.kind == "pair" for row in finding.comparisons) == 1


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
    asked = finding.asked
    assert asked is not None
    if asked.kind == "trend":
        direction = "rises" if finding.effect > 0 else "falls"
        return f"{score} {direction} with {axis}: {_effect(finding)} from {_from_to(asked)}"
    if asked.kind == "bend":
        where = _extreme(finding)
        shape = "is highest" if finding.effect > 0 else "is lowest"
        return (
            f"{score} bends with {axis} and {shape} at {where}: the middle stands {_effect(finding)} off the ends' line"
        )
    return f"{score} depends on {axis}: {contrast(asked)} makes {_effect(finding)}"


def _extreme(finding: Finding) -> str:
    rows = (row.asked for row in finding.comparisons if row.asked.kind == "pair")
    compared = {level.index for asked in rows for level in (*asked.plus, *asked.minus)}
    levels = [level for index, level in enumerate(finding.levels) if index in compared]
    return max(levels, key=lambda level: level.mean if finding.effect > 0 else -level.mean).label


def _largest(finding: Finding) -> str:
    what = "the difference" if _single(finding) else "the largest difference"
    assert finding.asked is not None
    return f"{what}, {contrast(finding.asked)}, is {_effect(finding)}"


def _settle(finding: Finding) -> str:
    if finding.more_seeds:
        seeds = f"{finding.more_seeds:,} more seed{'' if finding.more_seeds == 1 else 's'}"
        return f" About {seeds} a prompt would settle it."
    if not finding.more_prompts:
        return ""
    more = f" About {finding.more_prompts:,} more prompt{'' if finding.more_prompts == 1 else 's'} would settle it"
    return f"{more}; so would {finding.alternative}." if finding.alternative else f"{more}."


def _plateau(finding: Finding) -> str:
    """The longest run of neighbouring levels that are equivalent pair by pair; the later one of two."""
    if any(level.x is None for level in finding.levels):
        return ""
    same = {
        frozenset((row.asked.plus[0].index, row.asked.minus[0].index))
        for row in finding.comparisons
        if row.asked.kind == "pair" and row.verdict == "equivalent"
    }
    order = sorted(range(len(finding.levels)), key=lambda index: finding.levels[index].x or 0.0)
    best: list[int] = []
    for start in range(len(order)):
        for stop in range(start + 2, len(order) + 1):
            run = order[start:stop]
            if len(run) >= len(best) and all(frozenset(pair) in same for pair in combinations(run, 2)):
                best = run
    labels = [finding.levels[index].label for index in best]
    return f" Between {listed(labels)} nothing that matters." if labels else ""


def listed(words: Sequence[str]) -> str:
    """Words as in a sentence: "8, 16 and 32"."""
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def percent(share: float) -> str:
    """A share as people read it: 0.667 -> "67 %"."""
    return f"{fixed(share * 100, 0)} %"


VERDICTS: dict[Verdict, str] = {
    "different": "different",
    "equivalent": "no difference that matters",
    "inconclusive": "cannot tell yet",
    "insufficient design": "this design cannot tell",
}
"""Verdicts as table cells say them."""
