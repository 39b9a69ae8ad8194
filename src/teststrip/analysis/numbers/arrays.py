"""Arrays in which NaN means "no value": their type, and their mean. Knows nothing else."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def mean(values: Array, axis: int, *, keepdims: bool = False) -> Array:
    """The mean along an axis of the values that there are; NaN where there is none.

    >>> mean(np.array([[1.0, np.nan, 3.0], [np.nan, np.nan, np.nan]]), -1)
    array([ 2., nan])
    """
    present = ~np.isnan(values)
    count = present.sum(axis=axis, keepdims=keepdims)
    with np.errstate(divide="ignore", invalid="ignore"):
        # 0 / 0 is the NaN that is wanted.
        found: Array = np.where(present, values, 0.0).sum(axis=axis, keepdims=keepdims) / count
    return found
