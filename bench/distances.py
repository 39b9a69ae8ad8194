"""Distances to a reference, drawn from stated truths: most are small, some are zero, a few are large. Their mean is 1.

Imports nothing of Teststrip, on purpose: what judges the distances must not have a say in how they are made. To add a
kind: a function of a generator and a shape, whose values have mean 1, and a line in MILD, SKEWED or BROKEN.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[np.float64]]
Shape = tuple[int, ...]
Rng = np.random.Generator


@dataclass(frozen=True)
class Kind:
    """How distances scatter over prompts.

    Attributes:
        draw: distances of mean 1 in this shape.
        within: the chance of a distance below another.
    """

    draw: Callable[[Rng, Shape], Array]
    within: Callable[[float], float]


def _normal(x: float) -> float:
    return (1 + math.erf(x / math.sqrt(2))) / 2


def half_normal(rng: Rng, shape: Shape) -> Array:
    """Rounding that is as often up as down."""
    return np.abs(rng.standard_normal(shape)) * math.sqrt(math.pi / 2)


def log_normal(rng: Rng, shape: Shape, *, sd: float) -> Array:
    """Each prompt multiplies what another one would have changed."""
    return np.exp(sd * rng.standard_normal(shape) - sd**2 / 2)


def partly_equal(rng: Rng, shape: Shape, *, changed: float) -> Array:
    """A share of prompts changes, and all others are equal to the pixel."""
    return (rng.random(shape) < changed) * log_normal(rng, shape, sd=0.5) / changed


def partly_broken(rng: Rng, shape: Shape, *, broken: float, by: float) -> Array:
    """A share of prompts is so many times as far away as the others."""
    far = rng.random(shape) < broken
    return np.where(far, by, 1.0) * log_normal(rng, shape, sd=0.2) / (1 + (by - 1) * broken)


def _within_log_normal(x: float, sd: float) -> float:
    return _normal((math.log(x) + sd**2 / 2) / sd) if x > 0 else 0.0


def _within_partly_broken(x: float, broken: float, by: float) -> float:
    unit = 1 + (by - 1) * broken
    near, far = (_within_log_normal(x * unit / size, 0.2) for size in (1.0, by))
    return (1 - broken) * near + broken * far


MILD: Mapping[str, Kind] = {
    "half normal": Kind(half_normal, lambda x: 2 * _normal(x / math.sqrt(math.pi / 2)) - 1),
    "uniform": Kind(lambda rng, shape: 2 * rng.random(shape), lambda x: min(x / 2, 1.0)),
    "exponential": Kind(lambda rng, shape: rng.standard_exponential(shape), lambda x: 1 - math.exp(-x)),
    "log-normal, SD 0.5": Kind(partial(log_normal, sd=0.5), partial(_within_log_normal, sd=0.5)),
    "half equal": Kind(partial(partly_equal, changed=0.5), lambda x: 0.5 + 0.5 * _within_log_normal(0.5 * x, 0.5)),
}
SKEWED: Mapping[str, Kind] = {
    "log-normal, SD 1": Kind(partial(log_normal, sd=1.0), partial(_within_log_normal, sd=1.0)),
    "four fifths equal": Kind(
        partial(partly_equal, changed=0.2), lambda x: 0.8 + 0.2 * _within_log_normal(0.2 * x, 0.5)
    ),
}
BROKEN: Mapping[str, Kind] = {
    "one in ten is ten times as far": Kind(
        partial(partly_broken, broken=0.1, by=10.0), partial(_within_partly_broken, broken=0.1, by=10.0)
    ),
    "one in fifty is ten times as far": Kind(
        partial(partly_broken, broken=0.02, by=10.0), partial(_within_partly_broken, broken=0.02, by=10.0)
    ),
}
ALL: Mapping[str, Kind] = {**MILD, **SKEWED, **BROKEN}
