"""From how many steps on a picture no longer changes: the knee of each prompt, and how many prompts have converged.

Reads distances of each picture to the same prompt and seed at the most steps. Where the sampler draws fresh noise at
each step that distance means nothing, and a finding says so instead of drawing a curve. Knows numbers; `vocabulary`
knows which samplers draw noise.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from scipy import special

from teststrip import vocabulary
from teststrip.analysis import sentences
from teststrip.analysis.numbers.arrays import Array
from teststrip.analysis.numbers.columns import Layout
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
            names, draw = sentences.listed(sorted(samplers)), "draws" if len(samplers) == 1 else "draw"
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
    distance = np.stack([_median(values[..., level].reshape(len(values), -1)) for level in chosen], axis=1)
    # A similarity ends at its own top (1), a distance at 0: both become a distance to the reference.
    distance = np.abs(distance - np.where(np.isnan(distance[:, -1:]), 0.0, distance[:, -1:]))
    found = knees(distance, [numbers[k] for k in order], tolerance=tolerance)
    if np.isnan(found.knee).all():
        return None
    if found.slope > SHALLOW:
        shallow = sentences.fixed(found.slope, 2)
        return _refusal(group, f"distances hardly shrink with more steps (log-log slope {shallow})")
    images = int((~np.isnan(values[..., list(cells)])).sum())
    return _concluded(group, found, levels=[layout.level(axis, k) for k in order], images=images)


def _concluded(group: _Group, found: Knees, *, levels: Sequence[LevelRef], images: int) -> Finding:
    """The finding of knees; `levels` are those of the steps, rising."""
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
        contrast=f"knee{sentences.with_group(group.name)}",
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
        f"of order statistics; log-log slope {sentences.fixed(found.slope, 2)}",
        kind="convergence",
        unit="steps",
        levels=tuple(_point(found, k, level.label) for k, level in enumerate(levels)),
        comparisons=rows,
        limits=(*group.limits, "It says that pictures stopped changing, not that they are good."),
        group=group.name,
    )
    return replace(finding, sentence=sentences.write_convergence(finding))


def _row(found: Knees, k: int, level: LevelRef) -> Comparison:
    """The share of prompts converged at a level, which is the k-th from below."""
    asked = Contrast("share", (level,))
    known = found.knee[~np.isnan(found.knee)]
    hits, count = int((known <= found.steps[k]).sum()), known.size
    low, high = _share_interval(hits, count, 0.95)
    inner_low, inner_high = _share_interval(hits, count, 0.90)
    verdict: Verdict = "equivalent" if hits / count >= MOST_PROMPTS else "different"
    return Comparison(
        contrast=sentences.contrast(asked),
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


def _refusal(group: _Group, why: str) -> Finding:
    of = sentences.with_group(group.name)
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
        sentence=f"Paired convergence is not defined here{of}: {why}.",
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


def _median_interval(values: Array) -> tuple[float, float]:
    """The 95 % interval of a median by order statistics; the whole range where there are too few to exclude any."""
    ordered = np.sort(values)
    count = ordered.size
    if count == 0:
        return math.nan, math.nan
    # The largest k with P(Binomial(count, 1/2) < k) <= 2.5 %.
    k = 0
    while k < count // 2 and special.bdtr(k, count, 0.5) <= 0.025:
        k += 1
    return float(ordered[max(k - 1, 0)]), float(ordered[count - 1 - max(k - 1, 0)])


def _share_interval(hits: int, count: int, level: float) -> tuple[float, float]:
    """Clopper and Pearson 1934."""
    tail = (1 - level) / 2
    low = float(special.betaincinv(hits, count - hits + 1, tail)) if hits else 0.0
    high = float(special.betaincinv(hits + 1, count - hits, 1 - tail)) if hits < count else 1.0
    return low, high
