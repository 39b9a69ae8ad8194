"""What settings cost, as facts and no questions: "Seconds a picture: 1.7 at 50 steps, 4.6 at 200 steps (2.7×)"."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from teststrip.analysis.sentences.phrases import capital, number
from teststrip.records import Card, Estimate, Finding
from teststrip.vocabulary import spoken

TOLD = 1.1
"""Levels that cost less than this many times the cheapest cost the same to people."""


def counts(card: Card) -> bool:
    """Whether a metric counts a cost, of which facts are told and no verdicts.

    >>> counts(Card("seconds", needs_pixels=False)), counts(Card("sharpness"))
    (True, False)
    """
    return not card.needs_pixels


def facts(findings: Sequence[Finding], cards: Mapping[str, Card]) -> tuple[str, ...]:
    """A line on each cost that was measured.

    Args:
        findings: of the study; those about single axes of costs count, each axis once.
        cards: what is known of its metrics.
    """
    said = []
    for name, card in cards.items():
        own = {one.axis: one for one in findings if one.metric == name and one.kind == "axis" and one.leads}
        if counts(card) and own:
            said.append(_of_metric(card, list(own.values())))
    return tuple(said)


def _of_metric(card: Card, findings: Sequence[Finding]) -> str:
    name = spoken(card.name)
    head = f"{capital(name)} a picture"
    told = [text for one in findings if (text := _along(one))]
    if told:
        return f"{head}: {'; '.join(told)}."
    known = [level.mean for level in findings[0].levels if math.isfinite(level.mean)]
    middle = f" {_short(sum(known) / len(known))}" if known else ""
    return f"{head}:{middle} in every setting, or nearly so."


def _along(finding: Finding) -> str:
    """The ends of an axis, or the cheapest and the dearest word; "" where luck alone may part what they cost."""
    known = [level for level in finding.levels if math.isfinite(level.mean)]
    if len(known) < 2 or finding.verdict in ("inconclusive", "equivalent"):
        return ""
    numbered = all(level.x is not None for level in known)
    known.sort(key=(lambda level: level.x or 0.0) if numbered else _mean)
    first, last = known[0], known[-1]
    cheap, dear = sorted((first.mean, last.mean))
    if not (cheap > 0 and dear >= TOLD * cheap):
        return ""
    times = _short(dear / cheap)
    return f"{_level(finding, first)}, {_level(finding, last)} ({times}×)"


def _level(finding: Finding, level: Estimate) -> str:
    """What a level costs: "1.7 at 50 steps", "2.4 at guidance 1", "3 with Euler a"."""
    axis = spoken(finding.axis)
    where = f"at {axis} {level.label}" if level.x is not None else f"with {level.label}"
    if axis == "steps":
        where = f"at {level.label} steps"
    return f"{_short(level.mean)} {where}"


def _short(amount: float) -> str:
    """Two digits, which is as sure as a clock on a busy machine is."""
    return number(float(f"{amount:.2g}"))


def _mean(level: Estimate) -> float:
    return level.mean
