"""Whether pictures are still those of the reference: how far they are from it on average, and how far most of them are.

Reads distances of each picture to the reference cell's picture of the same prompt and seed. The unit is the prompt, or
the picture where these very prompts are meant. Closeness is no quality, so nothing is recommended. Knows numbers only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from teststrip.analysis.kinds import limits
from teststrip.analysis.kinds.knee import OF_ANOTHER_SEED
from teststrip.analysis.kinds.terms import Terms
from teststrip.analysis.numbers import bounds, scales
from teststrip.analysis.numbers.arrays import Array, mean
from teststrip.analysis.numbers.columns import Layout
from teststrip.analysis.sentences import fidelity as words
from teststrip.analysis.sentences import phrases
from teststrip.records import (
    MINIMUM_DEGREES,
    MINIMUM_PROMPTS,
    NO_ROW,
    Card,
    Estimate,
    Fidelity,
    Finding,
    LevelRef,
    Likeness,
    PromptDistance,
    Scope,
    Verdict,
    Yardstick,
)

MOST_NAMED = 3
"""Prompts that are named because their pictures changed most."""
RANK: tuple[Verdict, ...] = ("different", "insufficient design", "inconclusive", "equivalent")
"""What one setting says of all: the first of these that any has."""


def findings(
    layout: Layout,
    values: Array,
    card: Card,
    terms: Terms,
    *,
    reference: Sequence[LevelRef],
    between_seeds: Array | None = None,
) -> list[Finding]:
    """One finding, or none where the reference is no part of these columns or there are no scores.

    Args:
        layout: who stands where.
        values: [prompts, replicates, cells] of a metric of pairs.
        card: what is known of the metric.
        terms: of the study.
        reference: the levels that name the reference cell.
        between_seeds: in the shape of the values, the value of a reference and that of another seed; None = unknown.
    """
    axes = [i for named in reference for i, factor in enumerate(layout.factors) if factor.name == named.axis]
    if not axes or len(axes) < len(reference):
        return []
    at = tuple(named.index for named in reference)
    places: dict[tuple[int, ...], list[int]] = {}
    for cell, levels in enumerate(layout.cells):
        places.setdefault(tuple(levels[axis] for axis in axes), []).append(cell)
    others = {levels: cells for levels, cells in places.items() if levels != at}
    apart = scales.distances(values, card)
    if not others or np.isnan(apart).all():
        return []
    seed = math.nan if between_seeds is None else _middle(scales.distances(between_seeds, card))
    judge = _Judge.of(apart[..., [cell for cells in others.values() for cell in cells]], card, terms, seed)
    settings = tuple(
        judge.likeness(
            layout, apart[..., cells], tuple(map(layout.level, axes, levels)), layout.reasons[..., cells] != NO_ROW
        )
        for levels, cells in others.items()
    )
    return [_concluded(judge, layout, Fidelity(tuple(reference), scales.rising(card), *judge.told, settings), axes)]


@dataclass(frozen=True)
class _Judge:
    """What holds for all settings of a finding.

    Attributes:
        card: of the metric.
        terms: of the study.
        limit: the distance up to which pictures are the same; NaN = unknown.
        yardstick: where the limit comes from.
        seed: the distance of two seeds' pictures; NaN = unknown.
        here: the pictures of these very prompts are counted, and the answer is about these prompts.
    """

    card: Card
    terms: Terms
    limit: float
    yardstick: Yardstick
    seed: float
    here: bool

    @classmethod
    def of(cls, apart: Array, card: Card, terms: Terms, seed: float) -> _Judge:
        """The judge of these distances [prompts, replicates, cells]."""
        prompts, pairs = _counts(mean(apart, -1))
        few, settles = prompts < MINIMUM_PROMPTS, pairs - prompts >= MINIMUM_DEGREES
        here = terms.scope == "these prompts" or (terms.scope == "both" and few and settles)
        return cls(card, terms, *_limit(card, terms.margin, seed), seed, here)

    @property
    def told(self) -> tuple[float, Yardstick, float]:
        """The limit in the metric's unit, where it comes from, and which share of another seed's change it is."""
        return scales.value(self.limit, self.card), self.yardstick, scales.share(self.limit, self.seed, self.card)

    def likeness(
        self, layout: Layout, apart: Array, levels: tuple[LevelRef, ...], asked: NDArray[np.bool_]
    ) -> Likeness:
        """How near the pictures of a setting are; distances and what was asked are [prompts, replicates, cells]."""
        each = mean(apart, -1)
        by_prompt = mean(each, 1)
        units = each.ravel() if self.here else by_prompt
        found = bounds.skewed_interval(units)
        middle = float(found.mean)
        near = far = share = within = math.nan
        if self._enough(each):
            near, far = max(float(found.low), 0.0), float(found.high)
            share, within = bounds.surely_within(units)
        last = sorted(np.flatnonzero(~np.isnan(by_prompt)), key=lambda p: -by_prompt[p])[:MOST_NAMED]

        def told(distance: float) -> float:
            return scales.value(distance, self.card)

        return Likeness(
            levels=levels,
            mean=told(middle),
            near=told(near),
            far=told(far),
            most=told(bounds.most(units)),
            share=share,
            within=told(within),
            prompts=int((~np.isnan(by_prompt)).sum()),
            pairs=int((~np.isnan(apart)).sum()),
            unknown=int((np.isnan(apart) & asked).sum()),
            of_another_seed=scales.share(middle, self.seed, self.card),
            furthest=tuple(PromptDistance(layout.prompts[p], told(float(by_prompt[p]))) for p in last),
            verdict=self._verdict(near, far),
        )

    def _enough(self, each: Array) -> bool:
        """Whether these distances [prompts, replicates] are enough for a verdict."""
        prompts, pairs = _counts(each)
        if not self.terms.pairing.paired or (self.terms.pairing.shared and prompts > 1):
            return False
        return pairs - prompts >= MINIMUM_DEGREES if self.here else prompts >= MINIMUM_PROMPTS

    def _verdict(self, near: float, far: float) -> Verdict:
        if not (math.isfinite(self.limit) and math.isfinite(far)):
            return "insufficient design"
        if far <= self.limit:
            return "equivalent"
        return "different" if near > self.limit else "inconclusive"


def _limit(card: Card, margin: float | Mapping[str, float], seed: float) -> tuple[float, Yardstick]:
    """The distance up to which pictures are the same, and why: asked for, unseen, or far below what a seed changes."""
    asked = margin.get(card.name) if isinstance(margin, Mapping) else None
    if asked is not None:
        return scales.limit(card, asked), "asked"
    if math.isfinite(card.unseen):
        return scales.limit(card, None), "unseen"
    if math.isnan(card.unseen) and seed > 0:
        return scales.part(seed, OF_ANOTHER_SEED, card), "another seed"
    return math.nan, ""


def _concluded(judge: _Judge, layout: Layout, fidelity: Fidelity, axes: Sequence[int]) -> Finding:
    """The finding with its words; its effect is that of the setting that is furthest away."""
    card, settings = judge.card, fidelity.settings
    furthest = words.furthest(fidelity)
    unit = "picture of these prompts" if judge.here else "prompt"
    scope: Scope = "these prompts" if judge.here else "prompts like these"
    made = Finding(
        metric=card.name,
        axis=layout.factors[axes[0]].name if len(axes) == 1 else "",
        contrast=f"against {phrases.setting(fidelity.reference)}",
        effect=furthest.mean,
        low=min(furthest.near, furthest.far),
        high=max(furthest.near, furthest.far),
        level=0.95,
        margin=fidelity.limit,
        p=math.nan,
        prompts=max(one.prompts for one in settings),
        images=sum(one.pairs for one in settings),
        verdict=next(verdict for verdict in RANK if any(one.verdict == verdict for one in settings)),
        method=f"distance to the picture of the same prompt and seed at {phrases.setting(fidelity.reference)}; one "
        f"value a {unit}; 95 % interval of the mean by Student's t and by Hall's transformation for skewed distances, "
        "whichever reaches further, each setting by itself; shares that are surely within a distance by order "
        "statistics",
        kind="fidelity",
        unit=card.unit,
        levels=tuple(_point(one, layout, axes) for one in settings),
        limits=tuple(_limits(judge)),
        scope=scope,
        seeds=max(one.pairs for one in settings) if judge.here else 0,
        paired=judge.terms.pairing.paired,
        fidelity=fidelity,
    )
    said = words.write(made)
    return replace(made, sentence=" ".join(said), lines=tuple(said))


def _limits(judge: _Judge) -> list[str]:
    found = [*limits.of_card(judge.card), words.NOT_GOOD]
    if not judge.terms.pairing.paired:
        found.append(words.CHANCE)
    elif judge.terms.pairing.shared:
        found.append(words.SHARED)
    return found


def _point(one: Likeness, layout: Layout, axes: Sequence[int]) -> Estimate:
    """A setting as a point of a chart."""
    numbers = layout.factors[axes[0]].numbers if len(axes) == 1 else None
    low, high = sorted((one.near, one.far))
    label = one.levels[0].label if len(axes) == 1 else phrases.setting(one.levels)
    x = numbers[one.levels[0].index] if numbers else None
    return Estimate(label, x, one.mean, low, high, one.prompts, one.pairs)


def _counts(each: Array) -> tuple[int, int]:
    """How many prompts, and how many pairs of a prompt and a seed, have a distance, of [prompts, replicates]."""
    known = ~np.isnan(each)
    return int(np.any(known, axis=1).sum()), int(known.sum())


def _middle(values: Array) -> float:
    return math.nan if np.isnan(values).all() else float(np.nanmedian(values))
