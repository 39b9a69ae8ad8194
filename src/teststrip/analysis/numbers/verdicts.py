"""The four verdicts: one rule, for one comparison and for a whole axis. Knows numbers, not words or pictures.

equivalent: the 90 % interval lies inside the margin (two one-sided tests at 5 %), whether or not zero does too.
different: else, when the family-corrected p is below .05.
inconclusive: else.
insufficient design: always below MINIMUM_PROMPTS prompts, or as few seeds, whatever the numbers say.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from teststrip.analysis.numbers.arrays import Array
from teststrip.records import MINIMUM_PROMPTS, Verdict

ALPHA = 0.05
NAMES: tuple[Verdict, ...] = ("different", "equivalent", "inconclusive", "insufficient design")


def decide(
    *,
    p: Array | float,
    inner_low: Array | float,
    inner_high: Array | float,
    margin: Array | float,
    prompts: Array | int,
) -> NDArray[np.str_]:
    """The verdict of each comparison, element by element.

    Args:
        p: two-sided, after the family's correction; NaN = not tested for difference.
        inner_low, inner_high: the 90 % interval, score units.
        margin: smallest difference that matters, score units.
        prompts: how many differences the comparison rests on, one more than its degrees of freedom. Where seeds are the
            unit of evidence: one more than the paired seeds beyond one a prompt.

    >>> str(decide(p=0.001, inner_low=0.3, inner_high=0.6, margin=0.2, prompts=40))
    'different'
    >>> str(decide(p=0.001, inner_low=0.3, inner_high=0.6, margin=0.2, prompts=5))
    'insufficient design'
    """
    inside = (np.asarray(inner_low) >= -np.asarray(margin)) & (np.asarray(inner_high) <= np.asarray(margin))
    verdict = np.where(np.asarray(p) < ALPHA, "different", "inconclusive")
    verdict = np.where(inside, "equivalent", verdict)
    return np.where(np.asarray(prompts) < MINIMUM_PROMPTS, "insufficient design", verdict)


def named(text: str) -> Verdict:
    """The verdict that an element of `decide`'s answer is."""
    return NAMES[NAMES.index(str(text))]


def of_axis(pairs: NDArray[np.str_], planned: NDArray[np.str_]) -> Verdict:
    """The verdict of a whole axis.

    Args:
        pairs: verdicts of all pairs of levels: equivalent only if every one is (intersection-union).
        planned: verdicts of the axis' planned contrasts: different if any one is, after Holm.

    >>> of_axis(np.array(["equivalent", "equivalent"]), np.array(["inconclusive"]))
    'equivalent'
    """
    if (pairs == "insufficient design").any() or pairs.size == 0:
        return "insufficient design"
    if (pairs == "equivalent").all():
        return "equivalent"
    return "different" if (planned == "different").any() else "inconclusive"
