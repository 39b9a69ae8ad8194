"""A look: what was asked of a study and what it rested on when conclusions were drawn. Knows no ledger and no words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from teststrip.records.asked import DEFAULT_MARGIN, Question
from teststrip.records.concluded import Scope, Verdict

Changed = Literal["metrics", "margin", "scope", "reference", "exclusions"]
"""A part of a question that decides what is tested."""


Exclusions = tuple[Mapping[str, tuple[str, ...]], ...]
"""Combinations that are left out, as in `Study`."""


@dataclass(frozen=True, slots=True)
class KeptMargin:
    """The smallest difference that mattered to one metric at a look, in score units.

    Attributes:
        asked: the number of seed SD that the study wrote down; None = it wrote score units.
        value: score units.
        se: the standard error of `value` over prompts.
        seeds_se: the standard error of `value` where these very prompts are meant and only seeds scatter.
        seed_sd: SD between seeds of one prompt in one cell, score units; NaN = unknown.
        version: the fingerprint id of the scores it was reckoned from.
        prompts: how many prompts it was reckoned from.
        pilot: it rests on seeds enough to be the yardstick of all later looks.
        look: the number of the look that it was reckoned at; 0 = the look that holds it.
    """

    asked: float | None
    value: float
    se: float
    seeds_se: float
    seed_sd: float
    version: str
    prompts: int
    pilot: bool
    look: int = 0


Kept = Mapping[str, KeptMargin]
"""Margins of earlier looks, by metric."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The verdict of one finding at a look.

    Attributes:
        metric: the score.
        kind: what sort of question it is, as in `Finding`.
        axis: the axis, both axes, or "".
        scope: what it is about.
        verdict: one of four.
    """

    metric: str
    kind: str
    axis: str
    scope: Scope
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a study: a run that drew conclusions.

    Attributes:
        study: the name of the study.
        question: metrics, margin and scope as they were written.
        data: a digest of the images and scores that it rested on.
        prompts: how many prompts had an image.
        images: how many images there were.
        margins: by metric, for each that had scores.
        answers: the verdicts.
        number: counted from 1 within the study; 0 = not written down yet.
        at: the time in UTC, for people; "" = not written down yet.
        exclusions: the combinations that were left out; None = an earlier version wrote the look down without them.
    """

    study: str
    question: Question
    data: str
    prompts: int
    images: int
    margins: Mapping[str, KeptMargin]
    answers: tuple[Answer, ...] = ()
    number: int = 0
    at: str = ""
    exclusions: Exclusions | None = None

    def repeats(self, other: Look) -> bool:
        """Whether both looks asked one question of one state of the data."""
        asked = changes(self.question, other.question, self.exclusions, other.exclusions)
        return self.data == other.data and not asked


@dataclass(frozen=True, slots=True)
class QuestionChange:
    """A question that was changed when there were data already.

    Attributes:
        part: what was changed.
        before: the question of the last look before the change.
        after: the question since then.
        images: how many images that last look had seen.
        look: its number.
        at: its time in UTC, for people.
        left_out: the exclusions before and after.
    """

    part: Changed
    before: Question
    after: Question
    images: int
    look: int
    at: str
    left_out: tuple[Exclusions, Exclusions] = ((), ())


@dataclass(frozen=True, slots=True)
class Registration:
    """A question that was registered: written down, with its digest, before or after there were images.

    Attributes:
        digest: SHA-256 of the file that holds the question; `sha256sum` prints it, too.
        at: the time in UTC, for people; "" = the file is not as Teststrip writes it.
        images: how many images there were.
        changed: the parts of the study file that differ today.
    """

    digest: str
    at: str = ""
    images: int = 0
    changed: tuple[str, ...] = ()


def changes(
    before: Question, after: Question, left_out: Exclusions | None = None, left_out_now: Exclusions | None = None
) -> tuple[Changed, ...]:
    """The parts in which two questions test something else; budget and price are no such parts.

    Args:
        before: a question.
        after: another one.
        left_out: the exclusions of the first study; None = unknown, and then they are not compared.
        left_out_now: those of the second.

    >>> changes(Question(("clip",), 0.2), Question(("clip",), 0.3, budget="4s"))
    ('margin',)
    """
    found: list[Changed] = []
    if set(before.metrics) != set(after.metrics):
        found.append("metrics")
    if before.margin != after.margin:
        found.append("margin")
    if before.scope != after.scope:
        found.append("scope")
    if _cell(before) != _cell(after):
        found.append("reference")
    if left_out is not None and left_out_now is not None and _unordered(left_out) != _unordered(left_out_now):
        found.append("exclusions")
    return tuple(found)


def _cell(question: Question) -> set[tuple[str, str]]:
    """The reference as axes and labels; where a level stands on its axis means nothing."""
    return {(level.axis, level.label) for level in question.reference}


def _unordered(exclusions: Exclusions) -> set[frozenset[tuple[str, frozenset[str]]]]:
    """Exclusions without the order in which a person wrote them, which means nothing."""
    return {frozenset((axis, frozenset(labels)) for axis, labels in rule.items()) for rule in exclusions}


def asked_sd(asked: float | Mapping[str, float], metric: str) -> float | None:
    """How many seed SD a study asks for of a metric; None where it asks in score units, which never move.

    >>> asked_sd({"clip": 0.5}, "clip"), asked_sd(0.3, "clip")
    (None, 0.3)
    """
    if not isinstance(asked, Mapping):
        return float(asked)
    return None if metric in asked else DEFAULT_MARGIN
