"""From how many steps on a picture no longer changes: the knee of each prompt, and how many prompts have converged.

Reads distances of each picture to the same prompt and seed at the most steps. Where the sampler draws fresh noise at
each step that distance means nothing, and a finding says so instead of drawing a curve. A level whose pictures are
surely further from those at the most steps than pictures with fewer steps is named: something other than its steps has
changed there. Knows numbers; `vocabulary` knows which samplers draw noise.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from scipy import special

from teststrip import vocabulary
from teststrip.analysis.numbers.arrays import Array
from teststrip.analysis.numbers.columns import Layout
from teststrip.analysis.sentences import phrases, stops
from teststrip.records import (
    MINIMUM_PROMPTS,
    Axis,
    Card,
    Comparison,
    Contrast,
    Estimate,
    Finding,
    LevelRef,
    Value,
    Verdict,
)

STEPS = "num_inference_steps"
SHARE = 0.1
"""Converged = within a tenth of the prompt's distance at the fewest steps, unless a tolerance is given."""
MOST_PROMPTS = 0.9
"""This share of prompts must have converged below the highest level for the verdict `equivalent`."""
SHALLOW = -0.3
"""Log-log slope of distance against steps above which pictures do not settle; a first-order sampler has about -1."""
BY_CHANCE = 0.05
"""The chance to name a level that breaks the order where none does, over all levels of a finding."""
MOST_GROUPS = 12
"""Above so many combinations of the other axes of words, one finding is about all of them."""


@dataclass(frozen=True)
class Knees:
    """Where the pictures of each prompt stop changing.

    Attributes:
        steps: the levels, rising.
        distance: [prompts, levels], medians over seeds; 0 at the last.
        tolerance: [prompts], the distance that counts as converged.
        knee: [prompts], least steps from which on every distance is within tolerance; NaN = no distances.
        slope: median over prompts of the log-log slope of distance against steps; NaN = fewer than three levels.
    """

    steps: tuple[float, ...]
    distance: Array
    tolerance: Array
    knee: Array
    slope: float


def knees(distance: Array, steps: Sequence[float], *, tolerance: float | None = None) -> Knees:
    """The knee of each prompt.

    Args:
        distance: [prompts, levels], steps rising; the last level is the reference.
        steps: the levels.
        tolerance: distance that counts as the same picture; None = SHARE of the prompt's first distance.
    """
    limit = np.full(len(distance), tolerance) if tolerance is not None else SHARE * distance[:, 0]
    inside = (distance <= limit[:, None]) | np.isnan(distance)
    inside[:, -1] = True
    first = inside.shape[1] - np.logical_and.accumulate(inside[:, ::-1], axis=1).sum(axis=1)
    known = ~np.isnan(distance[:, :-1]).all(axis=1)
    knee = np.where(known, np.asarray(steps)[np.minimum(first, len(steps) - 1)], np.nan)
    return Knees(tuple(steps), distance, limit, knee, _slope(distance, steps))


def _slope(distance: Array, steps: Sequence[float]) -> float:
    """Median log-log slope, without the reference itself and without levels within a factor of two of it.

    Near the reference the distance falls because the reference comes near, not because the picture settles.
    """
    x = np.asarray(steps, dtype=float)
    chosen = x <= x[-1] / 2
    slopes = []
    for row in distance:
        usable = chosen & (row > 0)
        if usable.sum() >= 2:
            slopes.append(np.polyfit(np.log(x[usable]), np.log(row[usable]), 1)[0])
    return float(np.median(slopes)) if slopes else math.nan


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
) -> list[Finding]:
    """One finding for each combination of the other axes' words (the scheduler, say); refusals among them.

    Args:
        values: [prompts, replicates, cells] of a metric of pairs.
        axes: the study's, whose levels may set a scheduler.
        settings: held fixed in every cell.
        noise: for each row of the columns the sampler that draws fresh noise, "" for none; None = no picture. Without
            it the settings decide.
        tolerance: as in `knees`.
        limits: what holds for each finding.
    """
    where = [i for i, factor in enumerate(layout.factors) if factor.name == STEPS and factor.numbers]
    if not where or len(layout.factors[where[0]].labels) < 2:
        return []
    words = [i for i, factor in enumerate(layout.factors) if factor.numbers is None and len(factor.labels) > 1]
    combinations = list(product(*(range(len(layout.factors[i].labels)) for i in words)))
    if len(combinations) > MOST_GROUPS:
        words, combinations = [], [()]
    found: list[Finding | None] = []
    for levels in combinations:
        cells = [
            c for c, cell in enumerate(layout.cells) if all(cell[i] == k for i, k in zip(words, levels, strict=True))
        ]
        name = ", ".join(layout.factors[i].labels[k] for i, k in zip(words, levels, strict=True))
        samplers = _drawn(layout, cells, noise) if noise else _named(layout, cells, axes, settings or {})
        group = _Group(card, layout.factors[where[0]].name, name, limits)
        if samplers:
            names, draw = phrases.listed(sorted(samplers)), "draws" if len(samplers) == 1 else "draw"
            why = f"{names} {draw} fresh noise at each step, so more steps make another picture, not a better copy"
            found.append(_refusal(group, why))
        else:
            found.append(_finding(group, layout, values, axis=where[0], cells=cells, tolerance=tolerance))
    return [finding for finding in found if finding is not None]


def _drawn(layout: Layout, cells: Sequence[int], noise: Sequence[str | None]) -> set[str]:
    """The noisy samplers of all pictures in these cells; none where a picture has none."""
    found = {noise[int(row)] for row in layout.row[..., cells].ravel() if row >= 0}
    names = {name for name in found if name is not None}
    return names if all(names) else set()


def _named(layout: Layout, cells: Sequence[int], axes: Sequence[str | Axis], fixed: Mapping[str, Value]) -> set[str]:
    """The noisy samplers that the settings of all these cells name; none where a cell has none."""
    names = set()
    for cell in cells:
        merged = dict(fixed)
        for i, level in enumerate(layout.cells[cell]):
            axis = axes[i] if i < len(axes) else ""
            merged |= (
                axis.levels[level].settings
                if isinstance(axis, Axis)
                else {layout.factors[i].name: layout.factors[i].labels[level]}
            )
        names.add(vocabulary.noise(merged))
    return names if all(names) else set()


@dataclass(frozen=True)
class _Group:
    """Pictures that are looked at together, and what every finding about them says.

    Attributes:
        card: what is known of the metric.
        axis: the column of steps.
        name: the levels of the axes of words that these pictures have; "" = all.
        limits: what holds for each finding.
    """

    card: Card
    axis: str
    name: str
    limits: tuple[str, ...]


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
    each = np.stack([_median(values[..., k].reshape(-1, len(k))).reshape(seeds) for k in chosen], axis=-1)
    distance = np.stack([_median(values[..., level].reshape(len(values), -1)) for level in chosen], axis=1)
    # A similarity ends at its own top (1), a distance at 0: both become a distance to the reference.
    each, distance = (np.abs(found - np.nan_to_num(found[..., -1:])) for found in (each, distance))
    found = knees(distance, [numbers[k] for k in order], tolerance=tolerance)
    if np.isnan(found.knee).all():
        return None
    levels = [layout.level(axis, k) for k in order]
    broken = _broken(found, each, levels)
    if found.slope > SHALLOW:
        shallow = phrases.fixed(found.slope, 2)
        why = f"distances hardly shrink with more steps (log-log slope {shallow})"
        return _refusal(group, why, broken, levels[-1])
    images = int((~np.isnan(values[..., list(cells)])).sum())
    return _concluded(group, found, levels=levels, broken=broken, images=images)


def _broken(found: Knees, each: Array, levels: Sequence[LevelRef]) -> tuple[Comparison, ...]:
    """The levels that are surely and clearly further from the most steps than the next smaller number of steps is.

    Surely: the exact one-sided sign test, with Holm's correction over all levels. Its unit is the prompt, or the pair
    of pictures where there are too few prompts; the latter speaks of these prompts alone. Clearly: by more than the
    distance that counts as the same picture.

    Args:
        found: the knees and distances.
        each: [prompts, replicates, levels], distances of single seeds.
        levels: of the steps, rising.
    """
    few = len(each) < MINIMUM_PROMPTS
    tested = []
    for k in range(1, len(levels) - 1):
        further = (each[..., k] - each[..., k - 1]).ravel() if few else found.distance[:, k] - found.distance[:, k - 1]
        further = further[~np.isnan(further)]
        up, down = int((further > 0).sum()), int((further < 0).sum())
        # Of the pairs that differ, at least so many up where up and down are equally likely.
        p = float(special.bdtrc(up - 1, up + down, 0.5)) if up else 1.0
        tested.append((p, k, further))
    rows = []
    corrected = 0.0
    for rank, (p, k, further) in enumerate(sorted(tested, key=lambda one: one[0])):
        corrected = max(corrected, min(1.0, p * (len(tested) - rank)))
        if corrected > BY_CHANCE:
            break
        if np.median(further) > np.nanmedian(found.tolerance):
            rows.append(_further(each[..., k - 1 : k + 1], further, p, corrected, (levels[k], levels[k - 1])))
    return tuple(sorted(rows, key=lambda row: row.asked.plus[0].index))


def _further(each: Array, further: Array, p: float, corrected: float, pair: tuple[LevelRef, LevelRef]) -> Comparison:
    """The row of a level that breaks the order.

    Args:
        each: [prompts, replicates, 2], the distances of both levels.
        further: by how much each unit of the test is further away.
        p: of the sign test.
        corrected: the same after Holm's correction.
        pair: the level and the next smaller one.
    """
    low, high = _median_interval(further)
    inner_low, inner_high = _median_interval(further, 0.90)
    both = ~np.isnan(each[..., 0] + each[..., 1])
    asked = Contrast("pair", pair[:1], pair[1:])
    return Comparison(
        contrast=phrases.contrast(asked),
        asked=asked,
        effect=float(np.median(further)),
        low=low,
        high=high,
        inner_low=inner_low,
        inner_high=inner_high,
        p=p,
        p_family=corrected,
        prompts=int(both.any(axis=1).sum()),
        images=2 * int(both.sum()),
        verdict="different",
    )


def _concluded(
    group: _Group, found: Knees, *, levels: Sequence[LevelRef], broken: tuple[Comparison, ...], images: int
) -> Finding:
    """The finding of knees; `levels` are those of the steps, rising, and `broken` the rows of those out of order."""
    knee = found.knee[~np.isnan(found.knee)]
    rows = tuple(_row(found, k, level) for k, level in enumerate(levels[:-1]))
    if knee.size < MINIMUM_PROMPTS:
        verdict: Verdict = "insufficient design"
    else:
        verdict = "equivalent" if rows[-1].effect >= MOST_PROMPTS else "inconclusive"
    low, high = _median_interval(knee)
    finding = Finding(
        metric=group.card.name,
        axis=group.axis,
        contrast=f"knee{phrases.with_group(group.name)}",
        effect=float(np.sort(knee)[(knee.size - 1) // 2]),
        low=low,
        high=high,
        level=0.95,
        margin=float(np.nanmedian(found.tolerance)),
        p=math.nan,
        prompts=knee.size,
        images=images,
        verdict=verdict,
        method="distance to the same prompt and seed at the most steps, median over seeds; knee = least steps from "
        "which on it stays within the tolerance; shares with Clopper and Pearson's interval, the median knee with that "
        "of order statistics; levels out of order by an exact one-sided sign test with Holm's correction; log-log "
        f"slope {phrases.fixed(found.slope, 2)}",
        kind="convergence",
        unit="steps",
        levels=tuple(_point(found, k, level.label) for k, level in enumerate(levels)),
        comparisons=(*rows, *broken),
        limits=(*group.limits, "It says that pictures stopped changing, not that they are good."),
        group=group.name,
    )
    return replace(finding, sentence=stops.write(finding))


def _row(found: Knees, k: int, level: LevelRef) -> Comparison:
    """The share of prompts converged at a level, which is the k-th from below."""
    asked = Contrast("share", (level,))
    known = found.knee[~np.isnan(found.knee)]
    hits, count = int((known <= found.steps[k]).sum()), known.size
    low, high = _share_interval(hits, count, 0.95)
    inner_low, inner_high = _share_interval(hits, count, 0.90)
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
        prompts=count,
        images=int((~np.isnan(found.distance[:, k])).sum()),
        verdict=verdict if count >= MINIMUM_PROMPTS else "insufficient design",
    )


def _point(found: Knees, k: int, label: str) -> Estimate:
    column = found.distance[:, k][~np.isnan(found.distance[:, k])]
    low, high = _median_interval(column)
    middle = float(np.median(column)) if column.size else math.nan
    return Estimate(label, found.steps[k], middle, low, high, column.size, column.size)


def _refusal(group: _Group, why: str, broken: tuple[Comparison, ...] = (), most: LevelRef | None = None) -> Finding:
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
                *(stops.out_of_order(row, most.label) for row in broken if most),
            ]
        ),
    )


def _median(values: Array) -> Array:
    """Median over the last axis without NaN; NaN where nothing is left."""
    ordered = np.sort(values, axis=-1)  # NaN last
    count = (~np.isnan(values)).sum(axis=-1)
    rows = np.arange(len(values))
    low, high = (
        ordered[rows, np.maximum(count - 1, 0) // 2],
        ordered[rows, np.minimum(count // 2, ordered.shape[1] - 1)],
    )
    middle: Array = (low + np.where(count > 0, high, np.nan)) / 2
    return middle


def _median_interval(values: Array, level: float = 0.95) -> tuple[float, float]:
    """The interval of a median by order statistics; the whole range where there are too few to exclude any."""
    ordered = np.sort(values)
    count = ordered.size
    if count == 0:
        return math.nan, math.nan
    # The largest k with P(Binomial(count, 1/2) < k) <= 2.5 % (at 95 %).
    k = 0
    while k < count // 2 and special.bdtr(k, count, 0.5) <= (1 - level) / 2:
        k += 1
    return float(ordered[max(k - 1, 0)]), float(ordered[count - 1 - max(k - 1, 0)])


def _share_interval(hits: int, count: int, level: float) -> tuple[float, float]:
    """Clopper and Pearson 1934."""
    tail = (1 - level) / 2
    low = float(special.betaincinv(hits, count - hits + 1, tail)) if hits else 0.0
    high = float(special.betaincinv(hits + 1, count - hits, 1 - tail)) if hits < count else 1.0
    return low, high
