"""Variances from images that exist: what scatters, for planning the next ones. Knows arrays of scores."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from teststrip.analysis.numbers.arrays import Array, mean
from teststrip.analysis.numbers.columns import Columns, read
from teststrip.analysis.numbers.margin import paired_sd, sd_of_seeds
from teststrip.analysis.power.equality import margin_error
from teststrip.analysis.power.power import PILOT, Variances
from teststrip.analysis.power.spread import of_cells
from teststrip.analysis.sentences.phrases import count
from teststrip.records import Axis

MOST_PAIRS = 400
"""Pairs of cells looked at; of a larger design an even sample."""


def of_columns(table: Columns, names: Iterable[str], *, axes: Sequence[str | Axis]) -> Variances | None:
    """The variances of the first of these scores that has enough values, or None."""
    layout = read(table, axes)
    for name in names:
        if name in table and (measured := variances(layout.values(table[name], name))) is not None:
            return replace(measured, metric=name)
    return None


def variances(values: Array, *, margin_sd: float | None = None) -> Variances | None:
    """Residual, interaction and seed SD of a metric, or None when there is too little to tell.

    Args:
        values: [prompts, replicates, cells], score units, NaN = missing.
        margin_sd: the seed SD if it is known from elsewhere.

    Returns:
        Standard deviations in score units. With one seed a prompt residual and interaction cannot be told apart:
        all of it counts as residual, which is exact as long as the plan keeps one seed.
    """
    prompts, replicates, cells = values.shape
    pairs = [(a, b) for a in range(cells) for b in range(a)]
    pairs = pairs[:: max(1, len(pairs) // MOST_PAIRS)]
    if prompts < 2 or not pairs:
        return None
    within, between = _components(values, pairs)
    seed = margin_sd
    if seed is None:
        seed = float(sd_of_seeds(values)[0]) if replicates > 1 else paired_sd(values)[0]
    if not (math.isfinite(between) and math.isfinite(seed) and seed > 0):
        return None
    enough = prompts >= PILOT[0] and replicates >= PILOT[1]
    size = f"{count(prompts, 'prompt')} × {count(replicates, 'seed')}"
    source = f"measured on {size}" + ("" if enough else " (small for a pilot: 12 × 2)")
    residual, interaction = math.sqrt(between / 2), 0.0
    if math.isfinite(within):
        residual = math.sqrt(within / 2)
        interaction = math.sqrt(max(between / 2 - within / 2 / replicates, 0.0))
    found = Variances(residual, interaction, seed, source, degrees=max(round(of_cells(mean(values, 1))), 1))
    if replicates < 2 or margin_sd is not None:
        return found
    error = margin_error(replicates, cells, found.shared)
    return replace(found, seed_degrees=max(round(prompts / (2 * error**2)), 1))


def _components(values: Array, pairs: list[tuple[int, int]]) -> tuple[float, float]:
    """Mean over pairs of the variance of a paired difference: within a prompt, and of prompt means."""
    within: list[float] = []
    between: list[float] = []
    for a, b in pairs:
        difference = values[..., a] - values[..., b]
        present = ~np.isnan(difference)
        seeds = present.sum(axis=1)
        means = mean(difference, 1)
        squares = np.where(present, (difference - means[:, None]) ** 2, 0.0).sum()
        freedom = np.maximum(seeds - 1, 0).sum()
        if freedom > 0:
            within.append(float(squares / freedom))
        means = means[~np.isnan(means)]
        if means.size > 1:
            between.append(float(means.var(ddof=1)))
    return (
        float(np.mean(within)) if within else math.nan,
        float(np.mean(between)) if between else math.nan,
    )
