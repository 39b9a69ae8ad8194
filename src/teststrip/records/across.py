"""What several scores say together: how many questions were put to them, where they agree, where they trade off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from teststrip.records.concluded import Contrast, Scope

Agreement = Literal["agree", "trade off", "alike", "alone", "undecided"]
"""Of the scores that say which end is good, on one axis: two or more get better at the same end; one gets better where
another gets worse; none changes in a way that matters; one alone changes; or too little is settled."""


@dataclass(frozen=True, slots=True)
class Family:
    """How much was asked of one score in one scope; multiplicity is corrected inside of a family.

    Attributes:
        metric: the score.
        scope: what the answers are about.
        questions: axes, and pairs of axes that may work together.
        comparisons: what was compared to answer them.
    """

    metric: str
    scope: Scope
    questions: int
    comparisons: int


@dataclass(frozen=True, slots=True)
class Together:
    """What several scores say about one axis.

    Attributes:
        axis: its name.
        scope: what is spoken of.
        prompts: how many prompts there are in that scope.
        agreement: one of five.
        asked: the comparison that shows it; None where none does.
        better: scores that are surely better on its upper side.
        worse: scores that are surely worse there.
        alike: scores that this axis does not change in a way that matters.
        unsettled: all other scores with an opinion.
        dearer: costs that are surely higher on the upper side.
        cheaper: costs that are surely lower there.
    """

    axis: str
    scope: Scope
    prompts: int
    agreement: Agreement
    asked: Contrast | None = None
    better: tuple[str, ...] = ()
    worse: tuple[str, ...] = ()
    alike: tuple[str, ...] = ()
    unsettled: tuple[str, ...] = ()
    dearer: tuple[str, ...] = ()
    cheaper: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Across:
    """What several scores say together.

    Attributes:
        families: what was asked, a family for each score and scope.
        axes: what the scores say about each axis; empty where fewer than two say which end is good.
        text: all of it in one paragraph.
    """

    families: tuple[Family, ...]
    axes: tuple[Together, ...]
    text: str = ""
