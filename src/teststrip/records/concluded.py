"""What is concluded: verdicts, comparisons and findings. Knows nothing of shots or pictures.

What was compared is a record here (`Contrast`). Its words stand beside it for readers; no code reads them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MINIMUM_PROMPTS = 6
"""Fewer prompts cannot reach p < .05 in an exact two-sided sign-flip test: 2 / 2**5 = .0625."""

MINIMUM_DEGREES = MINIMUM_PROMPTS - 1
"""Paired seeds need so many degrees of freedom for a verdict on these prompts: 1 prompt × 6 seeds, 5 × 2."""

Scope = Literal["these prompts", "prompts like these"]
"""What an answer is about: the very prompts of the study, seed by seed; or prompts of their kind, prompt by prompt."""

Verdict = Literal["different", "equivalent", "inconclusive", "insufficient design"]

Outcome = Literal["sees", "blind", "misled", "not tested yet"]
"""What an audit found of a metric: a bad setting scores surely worse, surely alike, surely better, or none of these."""


MOST_LETTERS = 120
"""The longest representation of a record, so that a list of them can be read in a notebook."""


def one_line(kind: str, text: str) -> str:
    """The representation of a record that has too many fields for Python's own: one line, cut where it is long.

    >>> one_line("Finding axis", "sharpness by eta; 1 against 0; equivalent")
    '<Finding axis: sharpness by eta; 1 against 0; equivalent>'
    """
    line = " ".join(f"<{kind}: {text}".split())
    return f"{line}>" if len(line) < MOST_LETTERS else f"{line[: MOST_LETTERS - 2]}…>"


@dataclass(frozen=True, slots=True)
class Estimate:
    """One point of a chart: a level of an axis, or a cell.

    Attributes:
        label: of the level or cell.
        x: the level's number, or None.
        mean: over prompts, score units.
        low, high: 95 % interval of differences within a prompt, to compare levels by.
        prompts: how many prompts the mean rests on.
        images: how many images it rests on.
    """

    label: str
    x: float | None
    mean: float
    low: float
    high: float
    prompts: int
    images: int


@dataclass(frozen=True, slots=True)
class Curve:
    """A line of an interaction plot: the score along one axis, at one level of another.

    Attributes:
        axis: the axis along which the line runs.
        by: the other axis.
        label: the level of the other axis.
        points: one a level of `axis`, in rising order; those without pictures are left out.
        x: that level's number, or None.
    """

    axis: str
    by: str
    label: str
    points: tuple[Estimate, ...]
    x: float | None = None


@dataclass(frozen=True, slots=True)
class LevelRef:
    """A level of an axis by its place there, which two levels never share.

    Attributes:
        axis: the name of the axis.
        index: the place of the level on that axis, from 0.
        label: the level as people write it.
    """

    axis: str
    index: int
    label: str


@dataclass(frozen=True, slots=True)
class Contrast:
    """What is compared with what; `analysis.sentences` makes the words.

    Attributes:
        kind: two levels of an axis, its linear trend, its bend, an interaction of two axes, two whole settings, or the
            share of prompts that have something in common at a level.
        plus: one level of each axis that is compared, on the side that counts upwards; of a trend or bend the highest.
        minus: the levels that `plus` is held against; of a trend or bend the lowest; empty for a share.
        trends: of an interaction, the axes of which the whole trend counts and not two levels alone.
        logarithmic: the trend or bend is over the logarithm of the levels.
    """

    kind: Literal["pair", "trend", "bend", "interaction", "settings", "share"]
    plus: tuple[LevelRef, ...]
    minus: tuple[LevelRef, ...] = ()
    trends: tuple[str, ...] = ()
    logarithmic: bool = False


@dataclass(frozen=True, slots=True)
class Comparison:
    """One row of a finding's table.

    Attributes:
        contrast: what is compared, in words, for people.
        asked: what is compared, as a record, for code.
        effect: score units.
        low, high: the 95 % interval: of this contrast alone, or of these prompts together with all others asked.
        inner_low, inner_high: the 90 % interval; inside the margin = equivalent (two one-sided tests at 5 %).
        p: two-sided, of this contrast alone.
        p_family: after the family's correction; NaN = not tested.
        prompts: how many prompts the effect rests on.
        images: how many images the effect rests on.
        verdict: one of four.
    """

    contrast: str
    asked: Contrast
    effect: float
    low: float
    high: float
    inner_low: float
    inner_high: float
    p: float
    p_family: float
    prompts: int
    images: int
    verdict: Verdict


Shape = Literal["rises", "falls", "peak", "trough", "waves", "pair"]
"""How a score goes along an axis: one way, with one turn, with several; "pair" says that two levels differ."""


@dataclass(frozen=True, slots=True)
class PromptEffect:
    """What one prompt makes of a difference.

    Attributes:
        prompt: its name.
        effect: score units, shrunken towards the mean of all prompts by as much as its seeds leave open.
    """

    prompt: str
    effect: float


@dataclass(frozen=True, slots=True)
class Response:
    """How the prompts of a study answer one difference, each on its own.

    Attributes:
        asked: the difference.
        up, down: how many prompts go so; where seeds can tell, only those in which they are clear.
        unclear: how many others; where seeds cannot tell, those without any difference.
        clear: whether seeds can tell. False = one seed a prompt: `up` and `down` count signs, luck included.
        better: the share of prompts in which the first side is better, ties half, 0..1; in which it is higher where the
            score has no better end.
        higher_is_better: of the score; None = neither end is.
        sd: SD of the prompts' own response, the luck of seeds taken out, score units; NaN = seeds cannot tell.
        sd_high: the largest SD that still fits, a one-sided 95 % bound; NaN = seeds cannot tell.
        beyond: the share of prompts whose own difference may lie beyond the margin, if the SD is `sd_high`, 0..1.
        p: that all prompts answer alike; NaN = seeds cannot tell.
        most, least: the two most extreme prompts; None where prompts are not seen to differ.
    """

    asked: Contrast
    up: int
    down: int
    unclear: int
    clear: bool
    better: float
    higher_is_better: bool | None = None
    sd: float = float("nan")
    sd_high: float = float("nan")
    beyond: float = float("nan")
    p: float = float("nan")
    most: PromptEffect | None = None
    least: PromptEffect | None = None


@dataclass(frozen=True, slots=True)
class TagEffect:
    """What the prompts of one tag make of a difference.

    Attributes:
        tag: as in the study file.
        prompts: how many have it.
        effect: score units, shrunken towards the mean of all prompts.
        low, high: its 95 % interval.
        apart: whether prompts with the tag clearly differ from those without it.
    """

    tag: str
    prompts: int
    effect: float
    low: float
    high: float
    apart: bool


Yardstick = Literal["", "asked", "unseen", "another seed"]
"""Why pictures so near are the same: the study says so, people see no difference, or another seed changes more."""


@dataclass(frozen=True, slots=True)
class PromptDistance:
    """How far a prompt's pictures are from those of the reference.

    Attributes:
        prompt: its name.
        distance: the mean over its pictures, in the metric's unit.
    """

    prompt: str
    distance: float


@dataclass(frozen=True, slots=True)
class Likeness:
    """How near the pictures of one setting are to those of the reference; distances are in the metric's unit.

    Attributes:
        levels: of the axes that the reference names.
        mean: over prompts, or over pictures where these very prompts are meant; of decibels, that of the mean error.
        near, far: the mean's 95 % interval, the end that is nearer to the reference first; NaN = too few to tell.
        most: the distance that 95 of 100 of what was seen are within.
        share: so many, 0..1, of prompts like these, or of pictures of these prompts, surely lie within `within`;
            NaN = too few to tell.
        within: the distance that goes with `share`.
        prompts: how many prompts have a distance.
        pairs: how many pictures have one.
        unknown: how many pictures have none, because one of a pair is missing or their sizes differ.
        of_another_seed: the mean as a share of what another seed changes; NaN = unknown.
        furthest: the prompts whose pictures are furthest away, the furthest first, with their distances.
        verdict: equivalent = the same picture on average, different = another one.
    """

    levels: tuple[LevelRef, ...]
    mean: float
    near: float
    far: float
    most: float
    share: float
    within: float
    prompts: int
    pairs: int
    unknown: int
    of_another_seed: float
    furthest: tuple[PromptDistance, ...]
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Fidelity:
    """How near the pictures of all settings are to those of the reference.

    Attributes:
        reference: the levels that name it.
        rising: a larger value is nearer to the reference (a similarity, decibels).
        limit: the distance up to which a picture counts as the same, in the metric's unit; NaN = unknown.
        yardstick: where the limit comes from; "" = there is none.
        of_another_seed: the limit as a share of what another seed changes; NaN = unknown.
        settings: in the order of the study.
    """

    reference: tuple[LevelRef, ...]
    rising: bool
    limit: float
    yardstick: Yardstick
    of_another_seed: float
    settings: tuple[Likeness, ...]


@dataclass(frozen=True, slots=True, repr=False)
class Finding:
    """One conclusion, with its evidence.

    Attributes:
        metric: the score that the finding is about.
        axis: the factor, both factors of an interaction, or "" when it is about whole cells.
        contrast: what is compared, in words, for people: "8 against 6", "linear trend, 6 to 9".
        effect: the estimate, in score units; NaN when there is none.
        low, high: the estimate's interval, in score units; NaN when there is none.
        level: coverage of the interval, 0..1.
        margin: the smallest difference that matters, in score units.
        p: two-sided, after the family's correction; NaN when there is none.
        prompts: how many prompts the finding rests on.
        images: how many images the finding rests on.
        verdict: one of four.
        method: one line: test, correction, cross-check.
        more_prompts: about how many further prompts would show that nothing differs, if nothing does; 0 = settled;
            None = unknown, or not within reach.
        sentence: what a person would write.
        lines: the sentence, a claim a line; empty = it is one line.
        kind: what sort of question the finding answers.
        unit: of the score.
        seed_sd: the score's SD between seeds of one prompt, score units; NaN = unknown.
        levels: the points of the chart; of an interaction, what the first axis does at levels of the second.
        comparisons: the rows of the table.
        limits: what the finding does not show, a sentence each.
        alternative: another design that would show that nothing differs for fewer images, in words; "" = none.
        asked: what is compared, as a record, for code; None where there are no two sides (convergence).
        group: of convergence, the levels of the axes of words, as people write them; "" = all.
        outcome: of an audit; None = the finding is no audit.
        scope: what the finding is about: the very prompts of the study, or prompts of their kind.
        seeds: how many paired seeds it rests on where seeds are the unit of evidence; else 0. Without pairs: pictures
            of a setting.
        paired: two settings of a prompt share their seeds.
        more_seeds: about how many further seeds a prompt would show that nothing differs on these prompts, if nothing
            does; 0 = settled or no such question; None = unknown, or not within reach.
        leads: False where the same question is answered in the other scope by a finding that is told first.
        prompts_if_different: about how many further prompts would show the difference, if it is what was seen;
            0 = settled; None = unknown, or not within reach.
        seeds_if_different: the same in further seeds a prompt, of a question about these prompts.
        beside: what the other scope says, in a sentence, of a finding that leads; "" = there is no other.
        on_average: the axis makes no difference on average, and that is all: single prompts, or settings of the other
            axes, are not shown to be alike.
        response: how single prompts answer the difference; None where that is not asked.
        simple: of an average that hides something, the difference at settings of the other axes where it is not shown
            to be small, the largest first.
        carriers: prompts that carry the difference, by name: without these few it is gone.
        by_tag: the difference by tag.
        shape: how the score goes along the axis, where levels differ; None = they are not shown to.
        between_seeds: of convergence, the distance of two seeds' pictures; NaN = unknown.
        curves: of an interaction, the lines of its plot; empty where there are too many for one.
        fidelity: how near pictures are to those of the reference; None = the finding is about something else.
    """

    metric: str
    axis: str
    contrast: str
    effect: float
    low: float
    high: float
    level: float
    margin: float
    p: float
    prompts: int
    images: int
    verdict: Verdict
    method: str
    more_prompts: int | None = None
    sentence: str = ""
    kind: Literal["axis", "trend", "interaction", "cells", "missing", "convergence", "fidelity", "audit"] = "axis"
    unit: str = ""
    seed_sd: float = float("nan")
    levels: tuple[Estimate, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    limits: tuple[str, ...] = ()
    alternative: str = ""
    asked: Contrast | None = None
    group: str = ""
    outcome: Outcome | None = None
    scope: Scope = "prompts like these"
    seeds: int = 0
    more_seeds: int | None = 0
    leads: bool = True
    prompts_if_different: int | None = None
    seeds_if_different: int | None = 0
    beside: str = ""
    on_average: bool = False
    response: Response | None = None
    simple: tuple[Comparison, ...] = ()
    carriers: tuple[str, ...] = ()
    by_tag: tuple[TagEffect, ...] = ()
    shape: Shape | None = None
    lines: tuple[str, ...] = ()
    paired: bool = True
    curves: tuple[Curve, ...] = ()
    between_seeds: float = float("nan")
    fidelity: Fidelity | None = None

    def __repr__(self) -> str:
        about = " by ".join(filter(None, (self.metric, self.axis)))
        known = self.effect == self.effect
        numbers = f"{self.effect:+.3g} [{self.low:+.3g}, {self.high:+.3g}]" if known else ""
        parts = (about, self.contrast, numbers, self.outcome or self.verdict, self.scope)
        return one_line(f"Finding {self.kind}", "; ".join(filter(None, parts)))
