"""Whole settings side by side: the points of charts, and every cell against the first by max-t."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from teststrip.analysis.kinds.evidence import Evidence
from teststrip.analysis.numbers import effects, intervals, means, multiplicity, verdicts
from teststrip.analysis.numbers.arrays import Array, mean
from teststrip.analysis.numbers.columns import Layout
from teststrip.analysis.numbers.judging import HERE, WIDE, Pairing
from teststrip.analysis.numbers.settings import Pairs, compared
from teststrip.analysis.sentences import settings
from teststrip.records import Card, Contrast, Estimate, Finding

MOST_CELLS = 40
"""Up to here all pairs are corrected together by max-t (780 of them); beyond, Bonferroni over all pairs."""
LUCK = "The first of many settings owes part of its lead to luck."


def levels(values: Array, layout: Layout, axis: int) -> tuple[Estimate, ...]:
    """The levels of one axis as points of a chart, averaged over seeds and the other axes."""
    factor = layout.factors[axis]
    return of_grid(values, layout.grid((axis,)), factor.labels, factor.numbers)


def estimates(values: Array, layout: Layout) -> tuple[Estimate, ...]:
    """Every cell as a point of a chart."""
    labels = tuple(layout.label(cell) for cell in range(len(layout.cells)))
    return of_grid(values, np.arange(len(labels))[None, :], labels, None)


def of_grid(
    values: Array, grid: means.Indices, labels: tuple[str, ...], numbers: tuple[float, ...] | None
) -> tuple[Estimate, ...]:
    """Points of a chart for the columns of a grid of cells [M, K]; labels and numbers are [K]."""
    found = means.of_levels(values, grid)
    interval = intervals.paired_interval(found.by_prompt.T)
    # Morey 2008: taking the prompts' heights out takes 1/K of the variance with them; give it back.
    half = (interval.high - interval.mean) * math.sqrt(len(labels) / max(len(labels) - 1, 1))
    return tuple(
        Estimate(
            label,
            numbers[k] if numbers else None,
            float(found.levels[k]),
            float(found.levels[k] - half[k]),
            float(found.levels[k] + half[k]),
            int(found.prompts[k]),
            int(found.images[k]),
        )
        for k, label in enumerate(labels)
    )


def first_cell(points: tuple[Estimate, ...], card: Card, judged: Sequence[int]) -> int:
    """The cell with the best mean among those that are judged; the highest where the metric has no better end."""
    sign = -1.0 if card.higher_is_better is False else 1.0
    return max(judged, key=lambda cell: sign * points[cell].mean if math.isfinite(points[cell].mean) else -math.inf)


def left_out(points: Sequence[Estimate], unjudged: Collection[int]) -> list[str]:
    """A sentence on each level or cell that rests on fewer prompts than the others."""
    most = max((point.prompts for point in points), default=0)
    return [
        f"{points[k].label} rests on {points[k].prompts} of {most} prompts: shown, never compared or recommended."
        for k in sorted(unjudged)
    ]


def finding(evidence: Evidence) -> Finding | None:
    """Every cell against the one that stands first, corrected for having looked for the first among all.

    A cell with fewer prompts than the others is a point of the chart and has no row: it is never first, and never
    changes what is said of the others. So is a cell whose size was not made as asked.

    Returns:
        None where the metric may not compare all cells, or fewer than two were made as asked.
    """
    layout, values, card, size = evidence.layout, evidence.values, evidence.card, evidence.margin
    scope, pairing = evidence.scope, evidence.pairing
    points = estimates(values, layout)
    judged = means.judged(values, np.arange(len(points))[None, :])
    if (makings := evidence.makings) and not makings.free(card):
        judged = [cell for cell in judged if not makings.is_unmade(cell)]
        if len(judged) < 2 or not makings.alike(judged, card):
            return None
    # Where seeds do not give a picture again, no setting is taken for better because its seed was.
    comparable = points if pairing.paired else estimates(mean(values, 1, keepdims=True), layout)
    best = first_cell(comparable, card, judged)
    others = [cell for cell in judged if cell != best]
    found = compared(values, [(cell, best) for cell in others], scope=scope, pairing=pairing)
    family, correction = _together(values, judged, others, best, found, pairing)
    rows = found.rows(
        [Contrast("settings", layout.levels(cell), layout.levels(best)) for cell in others],
        size,
        family=family,
        images=[points[cell].images + points[best].images for cell in others],
        scope=scope,
    )
    decided = np.array([row.verdict for row in rows])
    verdict = verdicts.of_axis(decided, decided)
    head = max(rows, key=lambda row: abs(row.effect) if math.isfinite(row.effect) else -1.0)
    unit = "prompts" if scope == WIDE else "seeds within prompts"
    made = Finding(
        metric=card.name,
        axis="",
        contrast=head.contrast,
        effect=head.effect,
        low=head.low,
        high=head.high,
        level=0.95,
        margin=size.value,
        p=head.p_family,
        prompts=min(row.prompts for row in rows),
        images=int((~np.isnan(values)).sum()),
        verdict=verdict,
        method=f"whole settings, {'' if pairing.paired else 'not '}paired by prompt and seed; Student's t on {unit}; "
        f"{correction}; intervals are each comparison's own",
        more_prompts=0 if verdict in ("different", "equivalent") else None,
        kind="cells",
        unit=card.unit,
        seed_sd=size.seed_sd,
        levels=points,
        comparisons=rows,
        limits=(*evidence.limits, LUCK, *left_out(points, _poor(evidence, judged))),
        asked=head.asked,
        scope=scope,
        seeds=int(found.sample.seeds.max(initial=0)) if scope == HERE else 0,
    )
    word = "highest" if card.higher_is_better is None else "best"
    return replace(made, sentence=settings.write(made, best=layout.spoken(best), word=word))


def _poor(evidence: Evidence, judged: Sequence[int]) -> set[int]:
    """The cells that are not judged because they rest on too few prompts."""
    made = evidence.makings
    return {
        cell for cell in range(len(evidence.layout.cells)) if cell not in judged and not (made and made.is_unmade(cell))
    }


def _together(
    values: Array, judged: Sequence[int], others: Sequence[int], best: int, found: Pairs, pairing: Pairing
) -> tuple[Array, str]:
    """The p of each cell against the best, corrected for all pairs, and how; the best was picked by the same data."""
    count = len(judged) * (len(judged) - 1) // 2
    prompts_alone = found.sample.seeds.max(initial=0) == 0
    if len(judged) > MOST_CELLS or not prompts_alone or not pairing.paired or found.tally.few.any():
        return np.minimum(found.p * count, 1.0), f"Bonferroni over all {count:,} pairs of settings"
    pairs = list(combinations(judged, 2))
    together = dict(zip(pairs, multiplicity.max_t(effects.cell_pairs(values, pairs)), strict=True))
    family = np.array([together[min(cell, best), max(cell, best)] for cell in others])
    return family, f"max-t over all {count} pairs of settings, by sign flips of prompts"
