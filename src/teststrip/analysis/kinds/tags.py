"""The difference by tag: what the prompts of each tag make of it, shrunken towards all prompts.

Knows prompts' own differences and who has which tag; nothing of levels and words.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import special

from teststrip.analysis.numbers import multiplicity
from teststrip.analysis.numbers.arrays import Array
from teststrip.analysis.numbers.verdicts import ALPHA
from teststrip.records import TagEffect

LEAST = 3
"""A tag of fewer prompts is not told: their mean says more about them than about the tag."""
GRID = 60
"""Points on which the SD of tags is weighed."""


def of(differences: Array, names: Sequence[str], tags: Mapping[str, Sequence[str]]) -> tuple[TagEffect, ...]:
    """The difference by tag, the highest first; empty where there are not two tags to compare.

    A prompt may have several tags. A tag that all prompts have, or fewer than LEAST, is left out.

    Args:
        differences: [prompts], score units; NaN = this prompt cannot tell.
        names: of the prompts.
        tags: of each prompt, by its name.
    """
    known = ~np.isnan(differences)
    members = {
        tag: np.array([tag in tags.get(name, ()) for name in names]) & known
        for tag in dict.fromkeys(tag for name in names for tag in tags.get(name, ()))
    }
    members = {tag: has for tag, has in members.items() if has.sum() >= LEAST and (known & ~has).any()}
    if len(members) < 2:
        return ()
    groups = list(members.values())
    counts = np.array([has.sum() for has in groups], dtype=float)
    means = np.array([differences[has].mean() for has in groups])
    spread, freedom = _within(differences, groups)
    effects, errors = shrunken(means, spread / np.sqrt(counts), float(differences[known].mean()))
    half = special.stdtrit(max(freedom, 1), 0.975) * errors
    apart = multiplicity.holm(np.array([_apart(differences[has], differences[known & ~has]) for has in groups])) < ALPHA
    low, high = effects - half, effects + half
    found = [
        TagEffect(tag, int(counts[i]), float(effects[i]), float(low[i]), float(high[i]), apart=bool(apart[i]))
        for i, tag in enumerate(members)
    ]
    return tuple(sorted(found, key=lambda one: -one.effect))


def shrunken(means: Array, errors: Array, centre: float) -> tuple[Array, Array]:
    """Means of tags drawn towards the mean of all, and their errors.

    Args:
        means: [tags], score units.
        errors: [tags] their standard errors.
        centre: the mean of all prompts.

    Source:
        Rubin 1981 with Gelman's half-Cauchy (2006) on the SD of tags, weighed on a grid: few tags cannot fix that SD,
        and its doubt is part of the error.

    >>> effects, _ = shrunken(np.array([1.0, -1.0, 0.0]), np.array([0.5, 0.5, 0.5]), 0.0)
    >>> bool(0 < effects[0] < 1), round(float(effects[2]), 9)
    (True, 0.0)
    """
    scale = float(errors.max())
    if not scale > 0:
        return means, errors
    # The quantiles of a half-Cauchy: each point of the grid has the same weight beforehand.
    sd = 2 * scale * np.tan(np.pi / 2 * (np.arange(GRID) + 0.5) / GRID)[:, None]
    total = sd**2 + errors**2  # [grid, tags]
    likely = (-0.5 * (np.log(total) + (means - centre) ** 2 / total)).sum(axis=1)
    weight = np.exp(likely - likely.max())[:, None]
    weight /= weight.sum()
    share = sd**2 / total
    # What is drawn to the centre has the centre's own error, too.
    of_centre = 1 / (1 / total).sum(axis=1, keepdims=True)
    drawn = centre + share * (means - centre)
    variance = share * errors**2 + (1 - share) ** 2 * of_centre
    effects: Array = (weight * drawn).sum(axis=0)
    return effects, np.sqrt((weight * (variance + (drawn - effects) ** 2)).sum(axis=0))


def _within(differences: Array, groups: Sequence[NDArray[np.bool_]]) -> tuple[float, int]:
    """SD of prompts around the means of their tags, and its degrees of freedom."""
    squares = sum(float(differences[has].var() * has.sum()) for has in groups)
    freedom = sum(int(has.sum()) - 1 for has in groups)
    return math.sqrt(squares / freedom), freedom


def _apart(inside: Array, outside: Array) -> float:
    """p that prompts with a tag answer as those without it; NaN where they are too few.

    The larger of Student's and Welch's p: the first errs where scatters differ, the second where prompts are few.
    """
    if inside.size < LEAST or outside.size < LEAST:
        return math.nan
    freedom = np.array([inside.size - 1, outside.size - 1])
    variance = np.array([inside.var(ddof=1), outside.var(ddof=1)])
    distance = abs(float(inside.mean() - outside.mean()))
    parts = variance / (freedom + 1)
    if not parts.sum() > 0:
        return 0.0 if distance > 0 else 1.0
    pooled = float((variance * freedom).sum() / freedom.sum() * (1 / (freedom + 1)).sum())
    welch = parts.sum() ** 2 / (parts**2 / freedom).sum()
    p = special.stdtr([freedom.sum(), welch], [-distance / math.sqrt(pooled), -distance / math.sqrt(parts.sum())])
    return float(2 * p.max())
