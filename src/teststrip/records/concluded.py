"""What is concluded: verdicts, comparisons and findings. Knows nothing of shots or pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MINIMUM_PROMPTS = 6
"""Fewer prompts cannot reach p < .05 in an exact two-sided sign-flip test: 2 / 2**5 = .0625."""

Verdict = Literal["different", "equivalent", "inconclusive", "insufficient design"]


@dataclass(frozen=True, slots=True)
class MetricInfo:
    """What a conclusion has to know of a metric, in plain values, so that a column of any table can have one.

    Attributes:
        name: of the column.
        unit: of the value; "" for a bare number.
        higher_is_better: None when neither end is good; no setting is then recommended by this metric.
        grouped: one value a prompt and cell (diversity), not one an image.
        paired: a distance to the same prompt and seed at the most steps (convergence), not a score of a picture.
        cost: the metric counts what a picture took (seconds), not what it looks like.
        couples: settings that move the value without better pictures ("guidance_scale" for CLIP-like scores).
        caveat: how the metric is known to mislead, in one sentence that is printed beside every finding.
    """

    name: str
    unit: str = ""
    higher_is_better: bool | None = None
    grouped: bool = False
    paired: bool = False
    cost: bool = False
    couples: tuple[str, ...] = ()
    caveat: str = ""


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
class Comparison:
    """One row of a finding's table.

    Attributes:
        contrast: what is compared, in words.
        effect: score units.
        low, high: 95 % interval of this contrast alone, score units.
        inner_low, inner_high: 90 % interval; inside the margin = equivalent (two one-sided tests at 5 %).
        p: two-sided, of this contrast alone.
        p_family: after the family's correction; NaN = not tested.
        prompts: how many prompts the effect rests on.
        images: how many images it rests on.
        verdict: one of four.
    """

    contrast: str
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


@dataclass(frozen=True, slots=True)
class Finding:
    """One conclusion, with its evidence.

    Attributes:
        metric: the score that the finding is about.
        axis: the factor, or "" when the finding is about whole cells.
        contrast: what is compared, in words: "8 against 6", "linear trend".
        effect: the estimate, in score units; NaN when there is none.
        low, high: the estimate's interval, in score units; NaN when there is none.
        level: coverage of the interval, 0..1.
        margin: the smallest difference that matters, in score units.
        p: two-sided, after the family's correction; NaN when there is none.
        prompts: how many prompts the finding rests on.
        images: how many images it rests on.
        verdict: one of four.
        method: one line: test, correction, cross-check.
        more_prompts: about how many further prompts would settle the question; 0 = settled; None = unknown.
        sentence: what a person would write.
        kind: what sort of question the finding answers.
        unit: of the score.
        seed_sd: the score's SD between seeds of one prompt, score units; NaN = unknown.
        levels: the points of the chart; of an interaction, what the first axis does at levels of the second.
        comparisons: the rows of the table.
        limits: what the finding does not show, a sentence each.
        design: a design that would settle the question, in words; "" = settled, or unknown.
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
    kind: Literal["axis", "trend", "interaction", "cells", "missing", "convergence", "audit"] = "axis"
    unit: str = ""
    seed_sd: float = float("nan")
    levels: tuple[Estimate, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    limits: tuple[str, ...] = ()
    design: str = ""
