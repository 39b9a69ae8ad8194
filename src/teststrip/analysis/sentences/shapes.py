"""How a score goes along one axis, in words: it rises, or is highest in the middle, or higher at one of two levels."""

from __future__ import annotations

import math

from teststrip.analysis.sentences.phrases import digits_of, fixed, number, plural
from teststrip.analysis.sentences.phrases import span as interval
from teststrip.records import Comparison, Finding, LevelRef
from teststrip.vocabulary import spoken


def amount(effect: float, low: float, high: float, unit: str = "") -> str:
    """A difference with what fits it: "+0.80 (+0.62 to +0.98)"; alone where one unit shows no scatter."""
    if not math.isfinite(low):
        return number(effect, signed=True) + (f" {unit}" if unit else "")
    return f"{fixed(effect, digits_of(low, high), signed=True)}{f' {unit}' if unit else ''} ({interval(low, high)})"


def change(finding: Finding, *, bounds: bool = True, largest: bool = False) -> str:
    """The headline of an open question: "from 6 to 9 it changed by −0.8 on average".

    Args:
        finding: the answer.
        bounds: with the interval, where there is one.
        largest: it is the largest change of several, and is said to be.
    """
    assert finding.asked is not None
    (plus,), (minus,) = finding.asked.plus, finding.asked.minus
    unit = finding.unit if bounds or not finding.unit else f" {finding.unit}"
    size = fixed(finding.effect, digits_of(finding.low, finding.high), signed=True) + unit
    if not math.isfinite(finding.low):  # of one unit alone there is no scatter
        size = number(finding.effect, signed=True) + (f" {finding.unit}" if finding.unit else "")
    elif bounds:
        size = amount(finding.effect, finding.low, finding.high, unit)
    words = any(level.x is None for level in finding.levels)
    where = f"with {plus.label} instead of {minus.label}" if words else f"from {minus.label} to {plus.label}"
    return f"the largest change, {where}, is {size}" if largest else f"{where} it changed by {size} on average"


def write(finding: Finding) -> str:
    """The claim of a finding of difference, without a full stop."""
    assert finding.asked is not None
    score, axis = spoken(finding.metric), spoken(finding.axis)
    (plus,), (minus,) = finding.asked.plus, finding.asked.minus
    size = amount(finding.effect, finding.low, finding.high, finding.unit)
    if finding.shape in ("rises", "falls"):
        ends = f"from {minus.label} to {plus.label}{_together(finding)}"
        return f"{score} {verb(score, finding.shape)} with {axis}: {size} {ends}"
    if finding.shape in ("peak", "trough"):
        return _turn(finding, score, axis, size) + _together(finding)
    higher, lower = (plus, minus) if finding.effect > 0 else (minus, plus)
    is_ = verb(score, "is")
    if finding.shape == "waves":
        is_ = f"{verb(score, 'goes')} up and down with {axis}: {'they are' if plural(score) else 'it is'}"
    levels = f"{_at(finding, axis, higher)} than {_at(finding, '', lower)}"
    return f"{score} {is_} higher {levels}: {amount(*_upwards(finding), finding.unit)}"


def verb(score: str, word: str) -> str:
    """The verb in the number of the score: "CLIP score rises", "seconds rise"."""
    plurals = {"is": "are", "goes": "go", "rises": "rise", "falls": "fall"}
    return plurals[word] if plural(score) else word


def _together(finding: Finding) -> str:
    """What is sure where the two levels of the headline alone are not; "" where they are."""
    row = next(row for row in finding.comparisons if row.asked == finding.asked)
    if row.verdict == "different":
        return ""
    return "; that shape is sure of all levels together, the size of this step is not"


def _upwards(finding: Finding) -> tuple[float, float, float]:
    """Effect, low and high of a difference, told so that the effect is positive."""
    if finding.effect > 0:
        return finding.effect, finding.low, finding.high
    return -finding.effect, -finding.high, -finding.low


def _at(finding: Finding, axis: str, level: LevelRef) -> str:
    word = "with" if any(point.x is None for point in finding.levels) else "at"
    return " ".join(part for part in (word, axis, level.label) if part)


def _turn(finding: Finding, score: str, axis: str, size: str) -> str:
    """Highest or lowest between the ends: the turn against the first level, then the last against the same."""
    assert finding.asked is not None
    (plus,), (minus,) = finding.asked.plus, finding.asked.minus
    word, back = ("highest", "lower") if finding.shape == "peak" else ("lowest", "higher")
    if (finding.effect > 0) != (finding.shape == "peak"):  # the last level against the turn
        turn = f"{score} {verb(score, 'is')} {word} at {axis} {minus.label}"
        return f"{turn} and {back} again at {plus.label}: {size} against {minus.label}"
    rows = [row for row in finding.comparisons if row.asked.kind == "pair" and row.asked.minus == (minus,)]
    order = [level.x or 0.0 for level in finding.levels]
    last = max(rows, key=lambda row: order[row.asked.plus[0].index])
    end = last.asked.plus[0].label
    return (
        f"{score} {verb(score, 'is')} {word} at {axis} {plus.label} and {back} again at {end}: against {minus.label} "
        f"{'they change' if plural(score) else 'it changes'} by "
        f"{size} at {plus.label} and by {_row(last, finding.unit)} at {end}"
    )


def _row(row: Comparison, unit: str) -> str:
    return amount(row.effect, row.low, row.high, unit)
