"""Sums over groups of votes: over the votes on a prompt, on a seed, or of a rater. Knows arrays.

Bins are filled vote by vote. A table of groups by votes would take 200 MB for 20,000 votes on 1,200 pictures' seeds.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from teststrip.analysis.numbers.arrays import Array

Groups = NDArray[np.intp]


def sums(values: Array, groups: Groups, count: int) -> Array:
    """The sum over the votes of each group: [..., V, M] to [..., count, M].

    Args:
        values: of each vote.
        groups: [..., V], the group of each vote, from 0.
        count: how many groups there may be.

    >>> sums(np.array([[1.0], [2.0], [4.0]]), np.array([1, 0, 1]), 3).ravel()
    array([2., 5., 0.])
    """
    *studies, votes, width = values.shape
    number = int(np.prod(studies, dtype=np.intp))
    of_study = np.broadcast_to(groups, (*studies, votes)).reshape(number, votes)
    bins = (of_study + count * np.arange(number)[:, None]).ravel()
    flat = values.reshape(-1, width)
    found = np.empty((number * count, width))
    for column in range(width):
        found[:, column] = np.bincount(bins, flat[:, column], minlength=number * count)
    return found.reshape(*studies, count, width)


def sizes(weight: Array, groups: Groups, count: int) -> Array:
    """How many votes of any weight each group has: [..., count]."""
    found: Array = sums((weight > 0)[..., None].astype(float), groups, count)[..., 0]
    return found


def counted(weight: Array, groups: Groups, count: int) -> NDArray[np.bool_]:
    """Whether each group has a vote of any weight: [..., count]."""
    return sizes(weight, groups, count) > 0
