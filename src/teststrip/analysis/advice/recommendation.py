"""A recommendation as a record, and in words: written from the record alone."""

from __future__ import annotations

import math
from dataclasses import dataclass

from teststrip.analysis import sentences
from teststrip.analysis.advice.costs import Point
from teststrip.records import Comparison, Estimate, Outcome
from teststrip.vocabulary import spoken


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What to use, or why nothing can be recommended.

    Attributes:
        metric: the score it goes by.
        sentence: what a person would write.
        choice: the recommended setting; None without a recommendation.
        best: the setting with the best mean; None without a recommendation.
        reason: why there is none; "" = there is one.
        against_best: the choice minus the best on the prompts that chose; None when they are one setting.
        held_out: the choice minus the best on the prompts that had no say; None when those are too few.
        fresh: the choice's own score on the prompts that had no say, 95 % interval over prompts.
        candidates: every cheaper setting against the best; `equivalent` = proved not worse.
        points: all settings, cheapest first.
        cost: the column of cost.
        unit: how to write a cost.
        margin: score units.
        prompts: how many chose.
        budget: as written, or "".
        method: as in a Finding.
        limits: as in a Finding.
        outcome: of the audit that forbids a recommendation; None = none does.
    """

    metric: str
    sentence: str
    choice: Point | None = None
    best: Point | None = None
    reason: str = ""
    against_best: Comparison | None = None
    held_out: Comparison | None = None
    fresh: Estimate | None = None
    candidates: tuple[Comparison, ...] = ()
    points: tuple[Point, ...] = ()
    cost: str = ""
    unit: str = ""
    margin: float = math.nan
    prompts: int = 0
    budget: str = ""
    method: str = ""
    limits: tuple[str, ...] = ()
    outcome: Outcome | None = None


def write(made: Recommendation, *, margin: str, more: int | None) -> str:
    """The sentence of a recommendation, from its record.

    Args:
        made: all but its sentence.
        margin: as a person wrote it.
        more: prompts that would let a cheaper setting pass; None = unknown.
    """
    choice, best, against = made.choice, made.best, made.against_best
    assert choice is not None
    assert best is not None
    score = spoken(made.metric)
    within = f" within {made.budget}" if made.budget else ""
    cost = f" ({_cost(choice, made.unit)} a picture)" if math.isfinite(choice.cost) else ""
    if against is None:
        text = f"Use {choice.label}{cost}: the best mean {score}{within}, {made.prompts} prompts."
        if made.candidates:
            text += " No cheaper setting has proved that it is not worse."
            if more and more > made.prompts:
                text += f" About {more:,} prompts would let an equal one prove it."
    else:
        digits = sentences.digits_of(against.low, against.high)
        saved = 1 - choice.cost / best.cost if best.cost else 0.0
        text = (
            f"Use {choice.label}{cost}: the cheapest setting{within} that is not worse in {score} than the best, "
            f"{best.label} ({_cost(best, made.unit)}), by more than {margin}: "
            f"{sentences.fixed(against.effect, digits, signed=True)} "
            f"(95 % interval {sentences.between(against.low, against.high)}), {made.prompts} prompts; "
            f"it saves {saved * 100:.0f} %."
        )
    return text + _on_held_out(made)


def _on_held_out(made: Recommendation) -> str:
    row, own = made.held_out, made.fresh
    parts = []
    if row is not None and math.isfinite(row.low):
        effect = sentences.fixed(row.effect, sentences.digits_of(row.low, row.high), signed=True)
        parts.append(f"against the best {effect} ({sentences.between(row.low, row.high)})")
    if own is not None and math.isfinite(own.low):
        mean = sentences.fixed(own.mean, sentences.digits_of(own.low, own.high))
        parts.append(f"its own {spoken(made.metric)} {mean} ({sentences.between(own.low, own.high)})")
    return f" On {own.prompts} prompts that had no say: {sentences.listed(parts)}." if parts and own else ""


def _cost(point: Point, unit: str) -> str:
    return f"{sentences.number(point.cost)} {unit}".strip()
