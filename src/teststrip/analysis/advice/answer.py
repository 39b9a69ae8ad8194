"""The answer to a study in a few lines: what to use, what it costs and saves, or what can be said and the next step.

Made from recommendations and findings alone. Page, report and terminal lay it out (`card` in lines of text); none of
them words anything.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from teststrip.analysis.advice.costs import Point
from teststrip.analysis.advice.recommendation import Recommendation, opening, why
from teststrip.analysis.power.power import REACH
from teststrip.analysis.sentences import phrases
from teststrip.records import MINIMUM_DEGREES, MINIMUM_PROMPTS, Finding
from teststrip.vocabulary import spoken

FEWEST_SEEDS = 2
"""Fewer seeds of a prompt show no spread."""

OTHER_SCORE = "Name a score that judges pictures under [question] metrics and run again: no picture is made anew."


@dataclass(frozen=True, slots=True)
class Design:
    """How large a study is, and how long one of its pictures takes.

    Attributes:
        prompts, seeds, settings: how many there are; seeds of a prompt.
        seconds: of a picture; NaN = unknown.
        shared_seeds: all prompts used the same few seeds.
    """

    prompts: int
    seeds: int
    settings: int
    seconds: float = math.nan
    shared_seeds: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person reads first.

    Attributes:
        headline: "Use guidance 3, steps 10", or "No winner yet: ...", or "No recommendation".
        about: what the headline is about and goes by: "On these 5 prompts, by CLIP score".
        facts: cost, saving and score of the setting, a phrase each.
        why: what a proved setting rests on, a sentence or two; "" = nothing is proved.
        beside: what holds for other prompts, where the headline is about these alone; "" = nothing is to be added.
        step: the one step that would settle what is open, with its price; "" = nothing is open, or no step is known.
        caveats: what a reader must know before believing it, the most important first.
        settled: whether the setting is proved.
        choice: the setting; None where none can be named.
        metric: the score it goes by; "" = there is none.
    """

    headline: str
    about: str = ""
    facts: tuple[str, ...] = ()
    why: str = ""
    beside: str = ""
    step: str = ""
    caveats: tuple[str, ...] = ()
    settled: bool = False
    choice: Point | None = None
    metric: str = ""


def of(
    recommendations: Sequence[Recommendation],
    findings: Sequence[Finding],
    *,
    design: Design,
    warnings: Sequence[str] = (),
) -> Answer:
    """The answer.

    Args:
        recommendations: one a score, in the study's order; the first settled one leads, else the first with a choice.
        findings: what else is known of these scores.
        design: for the price of the next step.
        warnings: sentences on scores that know nothing of these pictures.
    """
    ranked = sorted(recommendations, key=lambda made: (not made.settled, made.choice is None))
    if not ranked:
        return Answer("No recommendation", about="No score here says which pictures are better.", step=OTHER_SCORE)
    made = ranked[0]
    about = f"{opening(made.scope, made.prompts)}, by {spoken(made.metric)}"
    caveats = tuple(dict.fromkeys([*warnings, *made.limits]))
    if made.choice is None:
        return Answer(
            "No recommendation",
            about=phrases.capital(f"{spoken(made.metric)}: {made.reason}."),
            step=_enough(made, design),
            caveats=caveats,
            metric=made.metric,
        )
    own = [one for one in findings if one.metric == made.metric and one.scope == made.scope]
    return Answer(
        headline=f"Use {made.choice.label}" if made.settled else _no_winner(made),
        about=about,
        facts=tuple(_facts(made)),
        why=why(made) if made.settled else "",
        beside=made.beside,
        step="" if made.settled else _step(made, own, design),
        caveats=caveats,
        settled=made.settled,
        choice=made.choice,
        metric=made.metric,
    )


def _no_winner(made: Recommendation) -> str:
    """What can be said where nothing is proved."""
    assert made.choice is not None
    behind = "none of the others is surely behind"
    if made.behind:
        behind = f"{made.behind} of the others {'is' if made.behind == 1 else 'are'} surely behind"
    return f"No winner yet: {made.choice.label} scored best of {made.rivals + 1}, {behind}"


def _facts(made: Recommendation) -> list[str]:
    """Cost, saving, score."""
    choice, best = made.choice, made.best
    assert choice is not None
    assert best is not None
    said = []
    costs = [phrases.duration(choice.seconds)] if math.isfinite(choice.seconds) else []
    if math.isfinite(choice.cost) and made.unit != "s":
        costs.append(f"{phrases.number(choice.cost)} {made.unit}".strip())
    if costs:
        said.append(f"{', '.join(costs)} a picture")
    if made.saves >= 0.005:
        said.append(f"saves {phrases.percent(made.saves)} against the best score, {best.label}")
    said.append(f"{spoken(made.metric)} {score(choice)}")
    return said


def card(made: Answer) -> list[str]:
    """The answer in lines of text, a line a thought. Caveats stand elsewhere.

    >>> card(Answer("Use guidance 3", about="On this prompt, by score", facts=("2 s a picture", "score 7")))
    ['Use guidance 3', 'On this prompt, by score', '2 s a picture · score 7']
    """
    step = f"Next: {made.step}" if made.step else ""
    return [made.headline, *filter(None, (made.about, " · ".join(made.facts), made.why, made.beside, step))]


def score(point: Point) -> str:
    """The mean of a setting with half its interval, in the digits that the interval deserves: "24.1 ± 0.3"."""
    return phrases.plus_minus(point.mean, point.low, point.high)


def _step(made: Recommendation, findings: Sequence[Finding], design: Design) -> str:
    """What would let the setting prove itself, or settle the nearest open question about an axis."""
    if made.more is not None and made.more > made.prompts:
        further = made.more - made.prompts
        if further > REACH:
            return "No number of prompts within reach settles this: compare fewer settings, or widen the margin."
        return f"About {_prompts(further, design)} would let an equal setting prove itself."
    seeds = made.scope == "these prompts"
    asked = [(one.more_seeds if seeds else one.more_prompts, one) for one in findings if one.kind == "axis"]
    open_ = sorted(((more, one.axis) for more, one in asked if more), key=lambda pair: pair[0])
    if not open_:
        return ""
    more, axis = open_[0]
    what = _seeds(more, design) if seeds else _prompts(more, design)
    matter = "matter" if phrases.plural(spoken(axis)) else "matters"
    return f"About {what} would settle whether {spoken(axis)} {matter}."


def _enough(made: Recommendation, design: Design) -> str:
    """The least that would let settings be ranked at all; "" where it is not the design that forbids it."""
    if not made.few:
        return OTHER_SCORE
    rows = 1 if design.shared_seeds else max(design.prompts, 1)
    seeds = max(math.ceil(MINIMUM_DEGREES / rows) + 1, FEWEST_SEEDS) - design.seeds
    prompts = MINIMUM_PROMPTS - design.prompts
    by_seeds = seeds * design.prompts if seeds > 0 else math.inf
    if prompts > 0 and prompts * design.seeds < by_seeds:
        return f"{_prompts(prompts, design)} would rank settings for prompts like these."
    if math.isfinite(by_seeds):
        return f"{_seeds(seeds, design)} would rank settings on these prompts."
    return ""


def _prompts(further: int, design: Design) -> str:
    return f"{phrases.count(further, 'more prompt')} ({_price(further * design.seeds * design.settings, design)})"


def _seeds(further: int, design: Design) -> str:
    price = _price(further * design.prompts * design.settings, design)
    return f"{phrases.count(further, 'more seed')} a prompt ({price})"


def _price(pictures: int, design: Design) -> str:
    """What so many pictures cost: "160 pictures, 5 min"."""
    time = f", {phrases.duration(pictures * design.seconds)}" if math.isfinite(design.seconds) else ""
    return f"{phrases.count(pictures, 'picture')}{time}"
