"""From how many steps on a picture no longer changes: the knee of each prompt, and how many prompts have converged.

Reads distances of each picture to the same prompt and seed at the most steps. Where the sampler draws fresh noise at
each step that distance means nothing, and a finding says so instead of drawing a curve. A level whose pictures are
surely further from those at the most steps than pictures with fewer steps is named: something other than its steps has
changed there. Knows numbers; `vocabulary` knows which samplers draw noise.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from teststrip.analysis.kinds import order as order_of_steps
from teststrip.analysis.kinds import samplers
from teststrip.analysis.kinds.knee import OF_ANOTHER_SEED, Knees, knees
from teststrip.analysis.kinds.middles import median, median_interval, share_interval
from teststrip.analysis.numbers.arrays import Array
from teststrip.analysis.numbers.columns import Layout
from teststrip.analysis.sentences import phrases, stops
from teststrip.records import (
    MINIMUM_DEGREES,
    MINIMUM_PROMPTS,
    Axis,
    Card,
    Comparison,
    Contrast,
    Estimate,
    Finding,
    LevelRef,
    Scope,
    Value,
    Verdict,
)
from teststrip.vocabulary import STEPS

MOST_PROMPTS = 0.9
"""This share of prompts must have converged below the highest level for the verdict `equivalent`."""
SHALLOW = -0.3
"""Log-log slope of distance against steps above which pictures do not settle; a first-order sampler has about -1."""
MOST_GROUPS = 12
"""Above so many combinations of the other axes of words, one finding is about all of them."""


def findings(
    layout: Layout,
    values: Array,
    card: Card,
    *,
    axes: Sequence[str | Axis] = (),
    settings: Mapping[str, Value] | None = None,
    noise: Sequence[str | None] | None = None,
    tolerance: float | None = None,
    limits: tuple[str, ...] = (),
    scope: Literal[Scope, "both"] = "both",
    shared_seeds: bool = False,
    between_seeds: Array | None = None,
    apart: Collection[int] = (),
) -> list[Finding]:
    """One finding for each combination of the other axes' words (the scheduler, say); refusals among them.

    Args:
        values: [prompts, replicates, cells] of a metric of pairs.
        axes: the study's, whose levels may set a scheduler.
        settings: held fixed in every cell.
        noise: for each row of the columns the sampler that draws fresh noise, "" for none; None = no picture. Without
            it the settings decide.
        tolerance: as in `knees`; None = a share of what another seed changes, where that is known.
        limits: what holds for each finding.
        scope: what the findings may be about. Both = prompts like these, or these very prompts where they are too few
            for that and their seeds are enough.
        shared_seeds: all prompts used the same few seeds, so their pairs of pictures are no independent witnesses.
        between_seeds: in the shape of the values, the distance of a picture to that of another seed; None = unknown.
        apart: axes, by their indices, whose levels the metric may not compare: each level has a finding of its own.
    """
    where = [i for i, factor in enumerate(layout.factors) if factor.name == STEPS and factor.numbers]
    if not where or len(layout.factors[where[0]].labels) < 2:
        return []
    words = [
        i
        for i, factor in enumerate(layout.factors)
        if len(factor.labels) > 1 and (factor.numbers is None or i in apart)
    ]
    combinations = list(product(*(range(len(layout.factors[i].labels)) for i in words)))
    if len(combinations) > MOST_GROUPS:
        words, combinations = [], [()]
    found: list[Finding | None] = []
    for levels in combinations:
        cells = [
            c for c, cell in enumerate(layout.cells) if all(cell[i] == k for i, k in zip(words, levels, strict=True))
        ]
        name = ", ".join(layout.factors[i].labels[k] for i, k in zip(words, levels, strict=True))
        noisy = samplers.drawn(layout, cells, noise) if noise else samplers.named(layout, cells, axes, settings or {})
        group = _Group(card, layout.factors[where[0]].name, name, limits, scope, shared_seeds, between_seeds)
        if noisy:
            names, draw = phrases.listed(sorted(noisy)), "draws" if len(noisy) == 1 else "draw"
            why = f"{names} {draw} fresh noise at each step, so more steps make another picture, not a better copy"
            found.append(_refusal(group, why))
        else:
            found.append(_finding(group, layout, values, axis=where[0], cells=cells, tolerance=tolerance))
    return [finding for finding in found if finding is not None]


@dataclass(frozen=True)
class _Group:
    """Pictures that are looked at together, and what every finding about them says.

    Attributes:
        card: what is known of the metric.
        axis: the column of steps.
        name: the levels of the axes of words that these pictures have; "" = all.
        limits: what holds for each finding.
        scope, shared_seeds, between_seeds: as in `findings`.
    """

    card: Card
    axis: str
    name: str
    limits: tuple[str, ...]
    scope: Literal[Scope, "both"]
    shared_seeds: bool
    between_seeds: Array | None


@dataclass(frozen=True)
class _Units:
    """What is counted: prompts, or the paired seeds of these very prompts.

    Attributes:
        prompts: how many prompts have a distance.
        seeds: how many pairs of a prompt and a seed have one.
        here: whether the pairs are the unit, and the answer is about these prompts.
        enough: whether they are enough for a verdict.
    """

    prompts: int
    seeds: int
    here: bool
    enough: bool

    @classmethod
    def of(cls, each: Array, group: _Group) -> _Units:
        """The unit for distances [prompts, replicates, levels]."""
        known: NDArray[np.bool_] = np.any(~np.isnan(each[..., :-1]), axis=-1)
        prompts, seeds = int(known.any(axis=1).sum()), int(known.sum())
        settles = seeds - prompts >= MINIMUM_DEGREES and not (group.shared_seeds and prompts > 1)
        few = prompts < MINIMUM_PROMPTS
        here = group.scope == "these prompts" or (group.scope == "both" and few and settles)
        return cls(prompts, seeds, here, settles if here else not few)


def _finding(
    group: _Group, layout: Layout, values: Array, *, axis: int, cells: Sequence[int], tolerance: float | None
) -> Finding | None:
    """The knee of these cells along an axis (by its index); None where a level has no cell or no distance."""
    factor = layout.factors[axis]
    numbers = factor.numbers or ()
    order = factor.rising
    chosen = [[c for c in cells if layout.cells[c][axis] == k] for k in order]
    if any(not level for level in chosen):
        return None
    seeds = values.shape[:2]
    each = np.stack([median(values[..., k].reshape(-1, len(k))).reshape(seeds) for k in chosen], axis=-1)
    distance = np.stack([median(values[..., level].reshape(len(values), -1)) for level in chosen], axis=1)
    # A similarity ends at its own top (1), a distance at 0: both become a distance to the reference.
    each, distance = (np.abs(found - np.nan_to_num(found[..., -1:])) for found in (each, distance))
    units = _Units.of(each, group)
    apart = _between_seeds(group, values, chosen[-1])
    if tolerance is None and apart > 0:
        tolerance = OF_ANOTHER_SEED * apart
    counted = each.reshape(-1, each.shape[-1]) if units.here else distance
    found = knees(counted, [numbers[k] for k in order], tolerance=tolerance)
    if np.isnan(found.knee).all():
        return None
    levels = [layout.level(axis, k) for k in order]
    by_pairs = units.here or units.prompts < MINIMUM_PROMPTS
    broken = order_of_steps.broken(distance, each, float(np.nanmedian(found.tolerance)), levels, by_pairs=by_pairs)
    if found.slope > SHALLOW:
        shallow = phrases.fixed(found.slope, 2)
        why = f"distances hardly shrink with more steps (log-log slope {shallow})"
        return _refusal(group, why, broken, levels[-1], by_pairs=by_pairs)
    images = int((~np.isnan(values[..., list(cells)])).sum())
    concluded = _concluded(group, found, units, levels=levels, broken=broken, images=images)
    concluded = replace(concluded, between_seeds=apart)
    unit, unseen = group.card.unit, group.card.unseen
    sentence = stops.write(concluded, by_pairs=by_pairs, unit=unit, unseen=unseen)
    return replace(concluded, sentence=sentence)


def _between_seeds(group: _Group, values: Array, most: Sequence[int]) -> float:
    """The middle distance of two seeds' pictures at the most steps, whose cells these are; NaN = unknown."""
    if group.between_seeds is None or np.isnan(ends := group.between_seeds[..., most]).all():
        return math.nan
    own = values[..., most]
    top = 0.0 if np.isnan(own).all() else float(np.nanmedian(own))  # 1 of a similarity, 0 of a distance
    return float(np.nanmedian(np.abs(ends - top)))


def _concluded(
    group: _Group,
    found: Knees,
    units: _Units,
    *,
    levels: Sequence[LevelRef],
    broken: tuple[Comparison, ...],
    images: int,
) -> Finding:
    """The finding but for its sentence; `levels` are those of the steps, rising, and `broken` the rows out of order."""
    knee = found.knee[~np.isnan(found.knee)]
    rows = tuple(_row(found, units, k, level) for k, level in enumerate(levels[:-1]))
    if not units.enough:
        verdict: Verdict = "insufficient design"
    else:
        verdict = "equivalent" if rows[-1].effect >= MOST_PROMPTS else "inconclusive"
    low, high = median_interval(knee)
    of_seeds = "each seed of these prompts alone" if units.here else "median over seeds"
    return Finding(
        metric=group.card.name,
        axis=group.axis,
        contrast=f"knee{phrases.with_group(group.name)}",
        effect=float(np.sort(knee)[(knee.size - 1) // 2]),
        low=low,
        high=high,
        level=0.95,
        margin=float(np.nanmedian(found.tolerance)),
        p=math.nan,
        prompts=units.prompts,
        images=images,
        verdict=verdict,
        method=f"distance to the same prompt and seed at the most steps, {of_seeds}; knee = least steps from which on "
        "it stays within the tolerance; shares with Clopper and Pearson's interval, the middle knee with that of order "
        "statistics; levels out of order by an exact one-sided sign test with Holm's correction; log-log slope "
        f"{phrases.fixed(found.slope, 2)}",
        kind="convergence",
        unit="steps",
        levels=tuple(_point(found, units, k, level.label) for k, level in enumerate(levels)),
        comparisons=(*rows, *broken),
        limits=(*group.limits, "It says that pictures stopped changing, not that they are good."),
        group=group.name,
        scope="these prompts" if units.here else "prompts like these",
        seeds=units.seeds if units.here else 0,
    )


def _row(found: Knees, units: _Units, k: int, level: LevelRef) -> Comparison:
    """The share of prompts, or of their seeds, converged at a level, which is the k-th from below."""
    asked = Contrast("share", (level,))
    known = found.knee[~np.isnan(found.knee)]
    hits, count = int((known <= found.steps[k]).sum()), known.size
    low, high = share_interval(hits, count, 0.95)
    inner_low, inner_high = share_interval(hits, count, 0.90)
    verdict: Verdict = "equivalent" if hits / count >= MOST_PROMPTS else "different"
    return Comparison(
        contrast=phrases.contrast(asked),
        asked=asked,
        effect=hits / count,
        low=low,
        high=high,
        inner_low=inner_low,
        inner_high=inner_high,
        p=math.nan,
        p_family=math.nan,
        prompts=units.prompts,
        images=int((~np.isnan(found.distance[:, k])).sum()),
        verdict=verdict if units.enough else "insufficient design",
    )


def _point(found: Knees, units: _Units, k: int, label: str) -> Estimate:
    column = found.distance[:, k][~np.isnan(found.distance[:, k])]
    low, high = median_interval(column)
    middle = float(np.median(column)) if column.size else math.nan
    return Estimate(label, found.steps[k], middle, low, high, units.prompts if units.here else column.size, column.size)


def _refusal(
    group: _Group,
    why: str,
    broken: tuple[Comparison, ...] = (),
    most: LevelRef | None = None,
    *,
    by_pairs: bool = False,
) -> Finding:
    of = phrases.with_group(group.name)
    return Finding(
        metric=group.card.name,
        axis=group.axis,
        contrast=f"knee{of}",
        effect=math.nan,
        low=math.nan,
        high=math.nan,
        level=0.95,
        margin=math.nan,
        p=math.nan,
        prompts=0,
        images=0,
        verdict="insufficient design",
        method="refused",
        kind="convergence",
        unit="steps",
        limits=group.limits,
        group=group.name,
        comparisons=broken,
        sentence=" ".join(
            [
                f"Paired convergence is not defined here{of}: {why}.",
                *(stops.out_of_order(row, most.label, by_pairs=by_pairs) for row in broken if most),
            ]
        ),
    )
