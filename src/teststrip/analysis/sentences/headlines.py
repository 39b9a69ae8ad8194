"""A finding in one short line, and what that line rests on in another: for cards, where the whole text has no room.

The numbers have the digits that the whole text has. To teach it a new kind of finding, add a function to `_WRITERS`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from operator import attrgetter

from teststrip.analysis.sentences import fidelity, shapes
from teststrip.analysis.sentences.phrases import (
    capital,
    count,
    digits_of,
    fixed,
    number,
    percent,
    plural,
    seeds,
    setting,
    span,
    with_group,
)
from teststrip.analysis.sentences.stops import share_left
from teststrip.records import Finding
from teststrip.vocabulary import spoken


def write(finding: Finding) -> str:
    """The headline: a short claim without a full stop, or a question that is not settled."""
    sided = finding.kind not in ("missing", "convergence", "fidelity")
    bare = f"{spoken(finding.metric)}: {finding.contrast}"  # of a finding without sides nothing more is known
    text = bare if sided and finding.asked is None else _WRITERS.get(finding.kind, _axis)(finding)
    return capital(text)


def detail(finding: Finding) -> str:
    """What a headline rests on: the interval, the units of evidence, what counts as no change."""
    unit = f" {finding.unit}" if finding.unit else ""
    parts = []
    if finding.kind in ("axis", "interaction", "cells") and math.isfinite(finding.low):
        parts.append(f"{span(finding.low, finding.high)}{unit} fits")
    if finding.fidelity:
        parts += filter(None, [fidelity.detail(finding)])
    prompts = count(finding.prompts, "prompt")
    if finding.prompts:
        parts.append(f"these {prompts}" if finding.scope == "these prompts" and finding.prompts > 1 else prompts)
    if finding.seeds:
        parts.append(seeds(finding.seeds, paired=finding.paired))
    if finding.kind in ("axis", "interaction", "cells") and finding.margin > 1e-9 * abs(finding.effect):
        parts.append(f"less than {number(finding.margin)} counts as no change")
    return " · ".join(parts)


def levels_in_words(finding: Finding) -> str:
    """The levels of an axis: "6 to 9", or nothing of words, which are too many for a headline."""
    numbered = sorted((level for level in finding.levels if level.x is not None), key=lambda level: level.x or 0.0)
    return f" {numbered[0].label} to {numbered[-1].label}" if len(numbered) > 1 else ""


def _axis(finding: Finding) -> str:
    score, axis = spoken(finding.metric), spoken(finding.axis)
    subject = f"{axis}{levels_in_words(finding)}"
    if finding.verdict == "equivalent":
        average = ", on average" if finding.on_average else ""
        return f"{subject} {'make' if plural(axis) else 'makes'} no difference that matters to {score}{average}"
    if finding.verdict == "different":
        return _difference(finding, score, axis)
    if finding.verdict == "inconclusive":
        return f"{subject}, {score}: not settled"
    return f"too few pictures to say whether {subject} {'matter' if plural(axis) else 'matters'} to {score}"


def _difference(finding: Finding, score: str, axis: str) -> str:
    """The shape of the score along an axis, and the level that stands first where there are several."""
    assert finding.asked is not None
    (plus,), (minus,) = finding.asked.plus, finding.asked.minus
    digits, unit = digits_of(finding.low, finding.high), f" {finding.unit}" if finding.unit else ""
    size = f"{fixed(finding.effect, digits, signed=True)}{unit}"
    if finding.shape in ("rises", "falls"):
        return f"{score} {shapes.verb(score, finding.shape)} with {axis}: {size} from {minus.label} to {plus.label}"
    if finding.shape in ("peak", "trough"):
        level = plus if (finding.effect > 0) == (finding.shape == "peak") else minus
        word = "highest" if finding.shape == "peak" else "lowest"
        return f"{score} {shapes.verb(score, 'is')} {word} at {axis} {level.label}"
    known = [level for level in finding.levels if math.isfinite(level.mean)]
    if finding.shape == "waves" and known:
        top = max(known, key=attrgetter("mean"))
        return f"{score} {shapes.verb(score, 'goes')} up and down with {axis}, highest at {top.label}"
    higher, lower = (plus, minus) if finding.effect > 0 else (minus, plus)
    words = any(level.x is None for level in finding.levels)
    where = f"{'with' if words else f'at {axis}'} {higher.label} than {'with' if words else 'at'} {lower.label}"
    return f"{score} {shapes.verb(score, 'is')} higher {where}: {fixed(abs(finding.effect), digits, signed=True)}{unit}"


def _interaction(finding: Finding) -> str:
    assert finding.asked is not None
    score = spoken(finding.metric)
    first, second = (spoken(level.axis) for level in finding.asked.plus)
    do = "do" if plural(first) else "does"
    if finding.verdict == "different":
        return f"what {first} {do} to {score} depends on {second}"
    if finding.verdict == "equivalent":
        return f"what {first} {do} to {score} does not depend on {second}"
    if finding.verdict == "inconclusive":
        return f"{first} with {second}, {score}: not settled"
    return f"too few pictures to say whether {first} and {second} work together on {score}"


def _cells(finding: Finding) -> str:
    assert finding.asked is not None
    score, first = spoken(finding.metric), setting(finding.asked.minus)
    if finding.verdict == "insufficient design":
        return f"too few pictures to rank settings by {score}"
    behind = sum(row.verdict == "different" for row in finding.comparisons)
    others = len(finding.comparisons)
    are = "is" if behind == 1 else "are"
    return f"{first} stands first by {score}; {behind} of {others} others {are} surely behind"


def _missing(finding: Finding) -> str:
    axis = spoken(finding.axis)
    if finding.verdict == "different":
        return f"what is missing depends on {axis}"
    if finding.verdict == "equivalent":
        return f"what is missing does not depend on {axis}"
    return f"something is missing; whether {axis} {'are' if plural(axis) else 'is'} the cause is not settled"


def _convergence(finding: Finding) -> str:
    of = with_group(finding.group)
    if not math.isfinite(finding.effect):
        return f"convergence{of} cannot be measured here"
    if finding.verdict == "insufficient design":
        return f"too few pictures to say at how many steps they stop changing{of}"
    most = max((level.x or 0.0) for level in finding.levels)
    if finding.effect >= most:
        before = finding.levels[-2]
        left = f": {share_left(finding, before)} of what another seed changes" if finding.between_seeds > 0 else ""
        return f"pictures{of} still change at {before.label} steps{left}"
    shares = [row for row in finding.comparisons if row.asked.kind == "share"]
    at = next((level for level in finding.levels if level.x == finding.effect), None)
    if at is not None and finding.between_seeds > 0:
        left = f"{share_left(finding, at)} of what another seed changes is left"
        return f"pictures{of} stop changing at {finding.effect:g} steps: {left}"
    done = next((row for row, level in zip(shares, finding.levels, strict=False) if level.x == finding.effect), None)
    of_all = f" in {percent(done.effect)} of the cases" if done is not None else ""
    return f"pictures{of} stop changing at {finding.effect:g} steps{of_all}"


def _audit(finding: Finding) -> str:
    assert finding.asked is not None
    score, bad = spoken(finding.metric), setting(finding.asked.plus)
    said = {
        "sees": f"{score} sees that {bad} is bad",
        "blind": f"{score} is blind: it cannot tell that {bad} is bad",
        "misled": f"{score} is misled: it prefers {bad}, which is known to be bad",
    }
    return said.get(finding.outcome or "", f"{score} is not tested yet on {bad}, which is known to be bad")


_WRITERS: Mapping[str, Callable[[Finding], str]] = {
    "axis": _axis,
    "interaction": _interaction,
    "cells": _cells,
    "missing": _missing,
    "convergence": _convergence,
    "fidelity": fidelity.headline,
    "audit": _audit,
}
