"""The smallest difference that matters, in score units, from what the study wrote down before it had data.

A margin is either in score units (then it is exact) or in within-prompt seed SD (then it is an estimate, and its own
standard error widens the interval that has to fit inside it). Knows arrays of scores; nothing of verdicts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from teststrip.analysis.numbers.arrays import Array, mean
from teststrip.errors import UsageError
from teststrip.records import DEFAULT_MARGIN, Scope


@dataclass(frozen=True, slots=True)
class Margin:
    """A margin and where it comes from.

    Attributes:
        value: score units.
        se: the standard error of `value`; 0 when the margin was given in score units.
        text: as a person would write it: "0.2 SD", "0.5".
        seed_sd: SD between seeds of one prompt in one cell, score units; NaN = unknown.
        note: what stands in for the seed SD where it cannot be seen; "" = nothing.
        seeds_se: the standard error of `value` where these very prompts are meant and only seeds scatter.
    """

    value: float
    se: float
    text: str
    seed_sd: float
    note: str = ""
    seeds_se: float = 0.0

    def se_in(self, scope: Scope) -> float:
        """The standard error of `value` in a scope: over prompts, or over the seeds of these prompts."""
        return self.se if scope == "prompts like these" else self.seeds_se


def margin_of(
    asked: float | Mapping[str, float], metric: str, values: Array, *, seed_sd: float | None = None
) -> Margin:
    """The margin for one metric.

    Args:
        asked: as in the study file: a number of seed SD, or score units by metric (others get 0.2 SD).
        metric: its name.
        values: [prompts, replicates, cells].
        seed_sd: known beforehand (a pilot), score units; None = estimate it from these values.

    Raises:
        UsageError: the margin is not above zero.
    """
    in_units = isinstance(asked, Mapping) and metric in asked
    number = float(asked[metric]) if isinstance(asked, Mapping) and in_units else DEFAULT_MARGIN
    if not isinstance(asked, Mapping):
        number = float(asked)
    if not (number > 0 and math.isfinite(number)):
        raise UsageError(f"margin of {metric}: {number} is not above 0. It is the smallest difference that matters")
    note = ""
    if seed_sd is not None:
        sd, se = seed_sd, 0.0
    elif values.shape[1] > 1:
        sd, se = (float(x) for x in sd_of_seeds(values))
    else:
        sd, se = paired_sd(values)
        note = (
            "one value a prompt in each cell: the SD between seeds cannot be seen; the SD of a paired difference / √2 "
            "stands in (it lacks what seeds share across settings, so it is usually smaller: a stricter margin)"
        )
    if in_units:
        return Margin(number, 0.0, f"{number:.3g}", sd)
    degrees = 0 if seed_sd is not None else _seed_degrees(values)
    # Normal theory: var(s) = s² / (2 df).
    seeds_se = number * sd / math.sqrt(2 * degrees) if degrees else 0.0
    return Margin(number * sd, number * se, f"{number:.3g} SD", sd, note, seeds_se)


def _seed_degrees(values: Array) -> int:
    """Degrees of freedom of the seeds [P, R, C]; a seed that is seen in many cells counts once."""
    seeds = (~np.isnan(values)).any(axis=-1).sum(axis=-1)
    return int(np.maximum(seeds - 1, 0).sum())


def sd_of_seeds(values: Array) -> tuple[Array, Array]:
    """SD between seeds of the same prompt in the same cell: the median over cells, and its standard error.

    The median, so that a few cells in which everything falls apart (2 steps) do not widen the margin of the rest.

    Args:
        values: [..., prompts, replicates, cells]; NaN = missing.

    Returns:
        Two arrays [...], score units. The error is that of the middle cell by linearisation over prompts: the prompts
        are the sample, and cells share the luck of their seeds.
    """
    present = ~np.isnan(values)
    freedom = np.maximum(present.sum(axis=-2) - 1, 0).astype(float)  # [..., P, C]
    deviations = np.where(present, values - mean(values, -2, keepdims=True), 0.0)
    squares = (deviations**2).sum(axis=-2)
    total = freedom.sum(axis=-2)
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = squares.sum(axis=-2) / total  # [..., C]
        order = np.argsort(np.where(np.isnan(variance), np.inf, variance), axis=-1)
        known = (total > 0).sum(axis=-1, keepdims=True)
        middle = [np.take_along_axis(order, np.maximum(known - 1 + up, 0) // 2, axis=-1) for up in (0, 1)]
        sd = np.sqrt(variance)
        residual = (squares - variance[..., None, :] * freedom) / (2 * sd * total)[..., None, :]
        residual = np.where((sd > 0)[..., None, :], residual, 0.0)  # seeds that never differ leave no doubt
        prompts = (freedom.sum(axis=-1) > 0).sum(axis=-1)
        low, high = (np.take_along_axis(residual, cell[..., None, :], axis=-1)[..., 0] for cell in middle)
        pull = (low + high) / 2
        error = np.sqrt(prompts / np.maximum(prompts - 1, 1) * (pull**2).sum(axis=-1))
    low, high = (np.take_along_axis(sd, cell, axis=-1)[..., 0] for cell in middle)
    found = (low + high) / 2
    return found, np.where(found > 0, error, np.where(np.isnan(found), np.nan, 0.0))


def paired_sd(values: Array) -> tuple[float, float]:
    """SD of a paired difference / √2, the median over pairs of cells, and its standard error; [P, R, C] in.

    The median, so that a few cells in which everything falls apart (2 steps) do not widen the margin of the rest.
    """
    means = mean(values, 1)  # [P, C]
    found: list[tuple[float, int]] = []
    for a in range(means.shape[1]):
        for b in range(a):
            difference = means[:, a] - means[:, b]
            difference = difference[~np.isnan(difference)]
            if difference.size > 1:
                found.append((float(difference.var(ddof=1) / 2), difference.size))
    if not found:
        return math.nan, math.nan
    found.sort()
    variance, prompts = found[len(found) // 2]
    sd = math.sqrt(variance)
    # Normal theory: var(s) = s² / (2 df).
    return sd, sd / math.sqrt(2 * (prompts - 1))
