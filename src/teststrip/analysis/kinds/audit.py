"""Can a metric tell a setting that is known to be bad? One that surely cannot recommends nothing.

What is known to be bad comes from the study, or else from the kind of its models: 3 steps or fewer beside 8 or more,
and guidance of 30 or more beside a moderate one, are bad for ordinary diffusion models, and right for some distilled
ones. Knows no metric by name.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from itertools import product

import numpy as np

from teststrip.analysis.kinds import settling
from teststrip.analysis.kinds.evidence import Evidence
from teststrip.analysis.numbers import judging
from teststrip.analysis.numbers.arrays import Array
from teststrip.analysis.numbers.columns import Factor, Layout
from teststrip.analysis.numbers.comparing import comparison
from teststrip.analysis.numbers.effects import WeightedContrast
from teststrip.analysis.numbers.judging import OWN_SEEDS, Judgement, Pairing
from teststrip.analysis.numbers.margin import Margin
from teststrip.analysis.numbers.verdicts import named
from teststrip.analysis.sentences import audits
from teststrip.records import Axis, Card, Contrast, Finding, LevelRef, Outcome, Study
from teststrip.vocabulary import STEPS, made_for_few_steps, made_for_high_guidance

GUIDANCE = "guidance_scale"
FEW_STEPS, ENOUGH_STEPS = 3, 8
EXTREME_GUIDANCE, MODERATE_GUIDANCE = 30, (2, 12)
NAMING = ("model", "lora", "scheduler")
"""Options and settings whose values name what makes the pictures."""

KnownBad = Sequence[tuple[LevelRef, ...]]
"""Combinations of levels that are known to be bad."""


def findings(
    layout: Layout,
    values: Array,
    card: Card,
    size: Margin,
    *,
    known_bad: KnownBad | None = None,
    pairing: Pairing = OWN_SEEDS,
) -> list[Finding]:
    """One audit for each known-bad combination of levels that can be compared with a good one.

    Args:
        values: [prompts, replicates, cells].
        size: the margin; a difference inside it does not matter.
        known_bad: None = what is usually bad.
        pairing: what a seed means in the study.

    Returns:
        Findings by their outcome: `sees`: the bad level scores surely worse; `misled`: surely better; `blind`: surely
        alike, within the margin; `not tested yet`: these pictures are too few to tell.
    """
    if not card.needs_pixels or card.arity != 1 or card.higher_is_better is None or np.isnan(values).all():
        return []
    bad = usual(layout.factors) if known_bad is None else known_bad
    found = []
    for contrast in _contrasts(layout, bad):
        judged = _judge(layout, values, contrast, size, pairing=pairing)
        if judged.outer.prompts[0]:  # else the two were never made for one prompt and seed
            found.append(_finding(Evidence(layout, values, card, size, judged, (), pairing)))
    return found


def of_study(study: Study) -> KnownBad:
    """What is known to be bad in a study: what it says itself, else what is usual for models with these names."""
    if study.question.known_bad is not None:
        return study.question.known_bad
    settings = [study.settings, *(level.sets for axis in study.axes for level in axis.levels)]
    said = [*(ref.options for ref in study.engines.values()), *settings]
    return usual(study.axes, {str(one[name]) for one in said for name in NAMING if one.get(name)})


def usual(axes: Sequence[Factor | Axis], models: Collection[str] = ()) -> KnownBad:
    """The extreme levels that are bad for ordinary diffusion models.

    Args:
        axes: what was varied.
        models: names of models, LoRAs and samplers in use. A name may say that few steps or high guidance are right.

    >>> [levels[0].label for levels in usual([Factor("num_inference_steps", ("2", "8", "32"), (2.0, 8.0, 32.0))])]
    ['2']
    """
    few, high = any(map(made_for_few_steps, models)), any(map(made_for_high_guidance, models))
    found = []
    for axis in axes:
        numbers = axis.numbers or (math.nan,)
        lowest, highest = int(np.argmin(numbers)), int(np.argmax(numbers))
        if axis.name == STEPS and not few and numbers[lowest] <= FEW_STEPS and numbers[highest] >= ENOUGH_STEPS:
            found.append((LevelRef(axis.name, lowest, axis.labels[lowest]),))
        if axis.name == GUIDANCE and not high and numbers[highest] >= EXTREME_GUIDANCE and any(map(_moderate, numbers)):
            found.append((LevelRef(axis.name, highest, axis.labels[highest]),))
    return found


def _moderate(guidance: float) -> bool:
    low, high = MODERATE_GUIDANCE
    return low <= guidance <= high


def _contrasts(layout: Layout, bad: KnownBad) -> Iterator[WeightedContrast]:
    """Each bad combination against a good one of the same axes, everything else being equal."""
    places = {factor.name: i for i, factor in enumerate(layout.factors)}
    for levels in bad:
        axes = [places[level.axis] for level in levels if level.axis in places]
        candidates = [_candidates(layout.factors[axis], level.index) for axis, level in zip(axes, levels, strict=False)]
        combinations = product(
            *([layout.level(axis, k) for k in ks] for axis, ks in zip(axes, candidates, strict=True))
        )
        good = next((one for one in combinations if not _is_bad(one, bad)), None)
        if good is None or len(axes) < len(levels):
            continue
        shape = product(*(range(len(layout.factors[axis].labels)) for axis in axes))
        sides = [[level.index for level in side] for side in (levels, good)]
        weights = np.array([float(list(at) == sides[0]) - float(list(at) == sides[1]) for at in shape])
        # Of a pair only the sets count that have both of its sides; that holds for pairs of combinations as well.
        yield WeightedContrast(Contrast("pair", levels, good), tuple(axes), weights)


def _is_bad(levels: Collection[LevelRef], known: KnownBad) -> bool:
    """Whether a known-bad combination is among these levels, which two levels of an axis never are."""
    there = {(level.axis, level.index) for level in levels}
    return any(there >= {(level.axis, level.index) for level in one} for one in known)


def _candidates(factor: Factor, bad: int) -> list[int]:
    """The levels to hold a bad one against, best first: the most steps, moderate numbers, words as they come."""
    left = [k for k in factor.rising if k != bad]
    if factor.numbers is None:
        return left
    if factor.name == STEPS:
        return left[::-1]
    middle = [k for k in left if factor.name == GUIDANCE and _moderate(factor.numbers[k])] or left
    centre = left.index(middle[len(middle) // 2]) if left else 0
    return sorted(left, key=lambda k: abs(left.index(k) - centre))


def _judge(layout: Layout, values: Array, contrast: WeightedContrast, size: Margin, *, pairing: Pairing) -> Judgement:
    """The contrast judged for prompts like these; for these very prompts where only their seeds are enough."""
    wide = judging.judge(values, layout, [contrast], size.value, size.se, pairing=pairing)
    if named(wide.verdict[0]) != "insufficient design":
        return wide
    here = judging.judge(values, layout, [contrast], size.value, size.seeds_se, scope=judging.HERE, pairing=pairing)
    return wide if named(here.verdict[0]) == "insufficient design" else here


def _finding(evidence: Evidence) -> Finding:
    layout, card, size, judged = evidence.layout, evidence.card, evidence.margin, evidence.judged
    (contrast,) = judged.contrasts
    verdict, here = named(judged.verdict[0]), evidence.by_seeds
    worse = -1.0 if card.higher_is_better else 1.0
    if verdict == "equivalent":
        outcome: Outcome = "blind"
    elif verdict == "different":
        outcome = "sees" if float(judged.outer.mean[0]) * worse > 0 else "misled"
    else:
        outcome = "not tested yet"
    asked = contrast.asked if len(contrast.axes) == 1 else replace(contrast.asked, kind="settings")
    row = comparison(
        asked,
        outer=judged.outer[0],
        inner=judged.inner[0],
        p=float(judged.p[0]),
        p_family=float(judged.family[0]),
        images=int(judged.images[0]),
        verdict=verdict,
    )
    settled = settling.of(evidence, chosen=[0], pairs=[0]) if outcome == "not tested yet" else settling.Settling()
    unit = "seeds" if here else "prompts"
    found = Finding(
        metric=card.name,
        axis=" × ".join(layout.factors[axis].name for axis in contrast.axes),
        contrast=row.contrast,
        effect=row.effect,
        low=row.low,
        high=row.high,
        level=0.95,
        margin=size.value,
        p=row.p,
        prompts=row.prompts,
        images=row.images,
        verdict=verdict,
        method=f"a known-bad setting against a good one, paired by prompt and seed; Student's t on {unit}; blind = the "
        "90 % interval lies inside the margin",
        more_prompts=_soonest(settled.prompts, settled.prompts_if_different) if not here else 0,
        kind="audit",
        unit=card.unit,
        seed_sd=size.seed_sd,
        comparisons=(row,),
        asked=asked,
        outcome=outcome,
        scope=judged.scope,
        seeds=int(judged.seeds[0]) if here else 0,
        more_seeds=_soonest(settled.seeds, settled.seeds_if_different) if here else 0,
    )
    return replace(found, sentence=audits.write(found, margin=size.text))


def _soonest(*needed: int | None) -> int | None:
    """The smaller number; whichever of two truths holds, one of them is shown first."""
    return min((number for number in needed if number is not None), default=None)
