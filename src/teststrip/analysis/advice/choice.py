"""The rule of the recommendation, on arrays: which setting is proved not to be worse than every other one.

Whole settings are compared, never sums of what each axis does (docs/decisions/0013). Knows no words.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from teststrip.analysis.advice.costs import Costs
from teststrip.analysis.numbers import means, multiplicity
from teststrip.analysis.numbers.arrays import Array, mean
from teststrip.analysis.numbers.judging import OWN_SEEDS, WIDE, Pairing
from teststrip.analysis.numbers.margin import Margin
from teststrip.analysis.numbers.settings import Pairs, compared
from teststrip.analysis.numbers.verdicts import ALPHA
from teststrip.records import Scope


@dataclass(frozen=True)
class Choice:
    """The outcome of the rule.

    Attributes:
        cells: the cells that were compared, [N].
        best: the one with the best mean, an index of `cells`.
        choice: the one to name, an index of `cells`; where nothing is settled, `best`.
        settled: the choice is proved not to be worse than any other cell by the margin.
        against_best: each cell but the best minus the best; above zero = better.
        others: [N - 1] the indices of `cells` that `against_best` is about, in its order.
        p: [N], of the claim that the cell is not worse than any other one by the margin; after Holm.
        cheaper: [N], the cell costs surely less than `best`.
        behind: [N], the cell is surely worse than `best`.
    """

    cells: tuple[int, ...]
    best: int
    choice: int
    settled: bool
    against_best: Pairs
    others: tuple[int, ...]
    p: Array
    cheaper: NDArray[np.bool_]
    behind: NDArray[np.bool_]


def choose(
    values: Array,
    costs: Costs,
    cells: Sequence[int],
    *,
    sign: int,
    margin: Margin,
    scope: Scope = WIDE,
    pairing: Pairing = OWN_SEEDS,
) -> Choice:
    """The cheapest cell that is proved not worse than *every* other one.

    The best of all is one of the others, so a cell that is worse than it by the margin passes in at most 5 % of studies
    (an intersection-union test for each cell, Holm over cells).

    Args:
        values: [prompts, replicates, cells].
        costs: of all cells.
        cells: those to choose from, at least one, each with enough prompts.
        sign: 1 when higher is better, else -1.
        margin: of the score.
        scope: what the choice is for.
        pairing: what a seed means in this study.

    Source:
        Hsu 1984, multiple comparisons with the best.
    """
    chosen = np.asarray(cells)
    count = len(cells)
    # Where seeds do not give a picture again, no setting is taken for better because its seed was.
    comparable = values if pairing.paired else mean(values, 1, keepdims=True)
    score = sign * means.of_levels(comparable, chosen[None, :]).levels
    best = int(np.argmax(score))
    error = margin.se_in(scope)
    worst = np.zeros(count)
    for c in range(count):
        rivals = [(cells[c], other) for other in cells if other != cells[c]]
        against = compared(values, rivals, scope=scope, pairing=pairing, sign=sign)
        p = against.not_below_p(-margin.value, extra_se=error)
        worst[c] = np.where(against.tested, p, 1.0).max(initial=0.0)
    # One of the cells is the best, so at most all others can pass wrongly.
    proved = multiplicity.holm(worst, spare=1)
    others = tuple(c for c in range(count) if c != best)
    pairs = compared(values, [(cells[c], cells[best]) for c in others], scope=scope, pairing=pairing, sign=sign)
    # Corrected for all pairs, because the scores themselves picked the best.
    apart = pairs.p * count * (count - 1) / 2 < ALPHA
    behind = np.zeros(count, dtype=bool)
    behind[list(others)] = apart & pairs.tested & (pairs.sample.mean < 0)
    less = np.array([costs.surely_below(c)[chosen] for c in chosen])  # [a, b]: b costs surely less than a
    passing = (proved < ALPHA) & ~less[:, best]
    choice = best
    if passing.any():
        cheapest = int(np.argmin(np.where(passing, np.nan_to_num(costs.middle[chosen], nan=math.inf), math.inf)))
        equal = passing & ~less[:, cheapest]
        choice = int(np.argmax(np.where(equal, score, -math.inf)))
    settled = bool(passing.any() or behind.sum() == count - 1)
    return Choice(tuple(cells), best, choice, settled, pairs, others, proved, less[best], behind)
