"""How many of all prompts like some are surely within a distance that these few do not exceed. Loads no NumPy."""

from __future__ import annotations

import math

MOST = 0.95
"""The share of prompts that "most" stands for."""
SURE = 0.95
"""How sure a bound is."""


def within(prompts: int) -> float:
    """The share, at most MOST, of all prompts like these that surely change no more than the furthest of so many.

    Source:
        Wilks 1941: limits of tolerance by order statistics, which assume no distribution.

    >>> [round(within(prompts), 3) for prompts in (6, 12, 58, 59)]
    [0.607, 0.779, 0.95, 0.95]
    """
    return min(math.pow(1 - SURE, 1 / prompts), MOST)


def prompts_for_most() -> int:
    """So many prompts speak for MOST of all prompts like them.

    >>> prompts_for_most()
    59
    """
    return math.ceil(math.log(1 - SURE) / math.log(MOST))
