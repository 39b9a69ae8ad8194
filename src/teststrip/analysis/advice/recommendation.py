"""A recommendation as a record, and in words: written from the record alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from teststrip.analysis.advice.costs import Point
from teststrip.analysis.power.power import REACH
from teststrip.analysis.sentences import phrases
from teststrip.records import Comparison, Outcome, Scope, Value
from teststrip.records.concluded import one_line
from teststrip.vocabulary import spoken


@dataclass(frozen=True, slots=True, repr=False)
class Recommendation:
    """What to use, or why nothing can be recommended.

    Attributes:
        metric: the score it goes by.
        sentence: what a person would write.
        choice: the recommended setting, or the one to take if one must be named now; None where not even that is said.
        best: the setting with the best mean; None where there is no choice.
        settled: the choice is proved not to be worse than any other setting by the margin; False = no winner yet.
        reason: why there is no choice; "" = there is one.
        against_best: the choice minus the best; None when they are one setting.
        candidates: every cheaper setting against the best; `equivalent` = proved not worse than any setting.
        rivals: how many other settings were compared.
        behind: how many of them are surely worse than the best.
        unproved: how many of them cost less than the best and are not surely worse.
        saves: the share of the best setting's cost that the choice saves; 0 where that may be noise.
        points: all settings, cheapest first; none where neither end of the score is good, for then none is ahead.
        cost: the column of cost.
        unit: how to write a cost.
        margin: score units.
        prompts: how many have scores.
        budget: as written, or "".
        settings: of the choice, ready for the engine: those held fixed in every cell, and those of its levels.
        options: of the engine, where levels of the choice set some.
        method: as in a Finding.
        limits: as in a Finding.
        outcome: of the audit that forbids a recommendation; None = none does.
        scope: what the recommendation is for: prompts like these, or these very prompts.
        more: prompts that would let a setting that is as good prove itself; None = unknown.
        few: there is no choice because prompts or seeds are too few for any.
        beside: what the other scope says, a sentence; "" = there is no other, or it says less.
    """

    metric: str
    sentence: str
    choice: Point | None = None
    best: Point | None = None
    settled: bool = False
    reason: str = ""
    against_best: Comparison | None = None
    candidates: tuple[Comparison, ...] = ()
    rivals: int = 0
    behind: int = 0
    unproved: int = 0
    saves: float = 0.0
    points: tuple[Point, ...] = ()
    cost: str = ""
    unit: str = ""
    margin: float = math.nan
    prompts: int = 0
    budget: str = ""
    settings: Mapping[str, Value] = field(default_factory=dict)
    options: Mapping[str, Value] = field(default_factory=dict)
    method: str = ""
    limits: tuple[str, ...] = ()
    outcome: Outcome | None = None
    scope: Scope = "prompts like these"
    more: int | None = None
    few: bool = False
    beside: str = ""

    def __repr__(self) -> str:
        said = f"{'use' if self.settled else 'no winner yet,'} {self.choice.label}" if self.choice else self.reason
        return one_line("Recommendation", f"by {self.metric}; {said}; {self.scope}")


def refused(metric: str, reason: str, scope: Scope, prompts: int) -> str:
    """The sentence that says why nothing is recommended."""
    return f"{opening(scope, prompts)}, no recommendation by {spoken(metric)}: {reason}."


def beside(made: Recommendation) -> str:
    """What one scope says, to stand beside the sentence of the other, which is settled."""
    return made.sentence if made.reason else f"{opening(made.scope, made.prompts)} there is no winner yet."


def opening(scope: Scope, prompts: int) -> str:
    """What a recommendation is for: "On these 5 prompts"."""
    if scope == "prompts like these":
        return "For prompts like these"
    return "On this prompt" if prompts == 1 else f"On these {prompts} prompts"


def write(made: Recommendation, *, more: int | None) -> str:
    """The sentence of a recommendation, from its record.

    Args:
        made: all but its sentence.
        more: prompts that would let a setting that is as good pass; None = unknown.
    """
    choice = made.choice
    assert choice is not None
    cost = f" ({_cost(choice, made.unit)} a picture)" if math.isfinite(choice.cost) else ""
    if not made.settled:
        return _no_winner(made, cost=cost, more=more)
    saved = f", and saves {phrases.percent(made.saves)}" if made.against_best and made.saves >= 0.005 else ""
    said = f"{_proof(made)}{saved}.{_dearer(made, more)}"
    return f"{opening(made.scope, made.prompts)}, use {choice.label}{cost}: {said}"


def why(made: Recommendation) -> str:
    """What a settled choice rests on, a sentence or two; what it saves is not said."""
    return phrases.capital(f"{_proof(made)}.{_dearer(made, made.more)}")


def _proof(made: Recommendation) -> str:
    """What was proved of a settled choice, without a full stop."""
    best, against = made.best, made.against_best
    assert best is not None
    score, enough = spoken(made.metric), phrases.number(made.margin)
    within = _within(made)
    on = f" ({made.prompts} prompts)" if made.scope == "prompts like these" else ""
    if made.rivals == 0:
        return f"the only setting{within}{on}"
    if against is not None:
        what = "the cheapest setting" if made.saves else "a setting"
        return (
            f"{what}{within} that no other beats in {score} by as much as {enough}{on}. It scores "
            f"{_difference(against)} against {best.label} ({_cost(best, made.unit)}), which scored best"
        )
    if made.behind == made.rivals:
        return f"every other setting{within} is surely worse in {score}{on}"
    return f"no other setting{within} beats it in {score} by as much as {enough}{on}"


def _dearer(made: Recommendation, more: int | None) -> str:
    """That no cheaper setting has proved as much, where the best one is the choice and some are open."""
    ahead = made.against_best is not None or made.behind == made.rivals
    return "" if ahead or not made.unproved else f" No cheaper setting has proved as much.{_prove(made, more)}"


def _within(made: Recommendation) -> str:
    return f" within {made.budget}" if made.budget else ""


def _no_winner(made: Recommendation, *, cost: str, more: int | None) -> str:
    """What is said where no setting is proved not to be worse than all others."""
    choice, within = made.choice, _within(made)
    assert choice is not None
    left = made.rivals - made.behind
    on = opening("these prompts", made.prompts).lower()
    if made.rivals == 0:
        known = "has no rival with as many prompts"
    elif made.behind == 0:
        known = f"scored best of {made.rivals + 1} settings{within} {on}, but "
        known += "the other one is not surely behind" if left == 1 else "none of the others is surely behind"
    else:
        behind, ahead = (f"{count} {'is' if count == 1 else 'are'}" for count in (made.behind, left))
        known = f"scored best of {made.rivals + 1} settings{within} {on}; "
        known += f"of the others {behind} surely behind, {ahead} not"
    return (
        f"{opening(made.scope, made.prompts)}, no winner yet by {spoken(made.metric)}: {choice.label} {known}. "
        f"If you must choose now: {choice.label}{cost}.{_prove(made, more)}"
    )


def _prove(made: Recommendation, more: int | None) -> str:
    if more is None or more <= made.prompts:
        return ""
    if more - made.prompts > REACH:
        return " No number of prompts within reach would let an equal one prove itself."
    return f" About {more:,} prompts would let an equal one prove itself."


def _difference(row: Comparison) -> str:
    digits = phrases.digits_of(row.low, row.high)
    return f"{phrases.fixed(row.effect, digits, signed=True)} (95 % interval {phrases.between(row.low, row.high)})"


def _cost(point: Point, unit: str) -> str:
    return f"{phrases.number(point.cost)} {unit}".strip()
