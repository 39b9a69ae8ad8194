"""Values of pairs of pictures as distances, of which means can be taken, and back. Knows cards and numbers.

A distance grows with what differs and is 0 for equal pictures. Of decibels it is the squared error by its largest
value, because the mean of decibels would let one pair of equal pictures outweigh all others.
"""

from __future__ import annotations

import math

import numpy as np

from teststrip.analysis.numbers.arrays import Array
from teststrip.records import Card


def rising(card: Card) -> bool:
    """Whether a larger value is nearer to the reference."""
    return card.scale != "distance"


def distances(values: Array, card: Card) -> Array:
    """The distances that belong to values; NaN where there is no value.

    >>> distances(np.array([40.0]), Card("psnr", scale="decibels"))
    array([0.0001])
    """
    if card.scale == "decibels":
        return np.power(10.0, -values / 10)
    return np.maximum(card.high - values, 0.0) if card.scale == "similarity" else values


def value(distance: float, card: Card) -> float:
    """The value that belongs to a distance; the nearest or furthest that a metric knows where the distance is beyond.

    >>> round(value(1e-4, Card("psnr", scale="decibels")), 9)
    40.0
    """
    if math.isnan(distance):
        return math.nan
    if card.scale == "decibels":
        found = -10 * math.log10(distance) if distance > 0 else card.high
    else:
        found = card.high - distance if card.scale == "similarity" else distance
    return min(max(found, card.low), card.high)


def limit(card: Card, said: float | None) -> float:
    """The distance up to which pictures are the same: as the study says in the metric's unit, else unseen; or NaN."""
    given = card.unseen if said is None else said
    return math.pow(10, -given / 10) if card.scale == "decibels" else given


def share(distance: float, of: float, card: Card) -> float:
    """A distance as a share of another one, as people compare them: of squared errors the root."""
    if not of > 0:
        return math.nan
    return math.sqrt(distance / of) if card.scale == "decibels" else distance / of


def part(of: float, portion: float, card: Card) -> float:
    """The distance that is this portion of another one; the inverse of `share`."""
    return of * portion**2 if card.scale == "decibels" else of * portion
