"""What a picture in each setting costs, and the frontier of quality against cost. Knows columns; recommends nothing."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from teststrip.analysis.kinds import cells
from teststrip.analysis.numbers import means
from teststrip.analysis.numbers.arrays import Array
from teststrip.analysis.numbers.columns import Columns, Layout
from teststrip.errors import UsageError, shortened
from teststrip.records import BUDGET, Axis, Card
from teststrip.vocabulary import UNEQUAL_CALLS

COSTS = ("denoiser_calls", "seconds", "money")
"""Columns of cost, in the order in which one is taken when no budget says which."""
UNITS = {"denoiser_calls": "calls", "seconds": "s", "money": ""}


@dataclass(frozen=True, slots=True)
class Budget:
    """What one picture may cost.

    Attributes:
        amount: in the unit of the column.
        column: one of COSTS.
        text: as it was written.
    """

    amount: float
    column: str
    text: str

    @classmethod
    def parse(cls, text: str) -> Budget:
        """Read "4s", "50 calls" or "0.02 USD".

        Raises:
            UsageError: it is none of these.

        >>> Budget.parse("4s")
        Budget(amount=4.0, column='seconds', text='4s')
        """
        match = re.fullmatch(BUDGET, text.strip())
        if match is None or math.isinf(float(match[1])):
            raise UsageError(f'{shortened(text, 60)!r} is no budget. Write "4s", "50 calls" or "0.02 USD"')
        column = {"s": "seconds", "calls": "denoiser_calls"}.get(match[2], "money")
        return cls(float(match[1]), column, text.strip())


@dataclass(frozen=True, slots=True)
class Point:
    """One setting on the chart of quality against cost.

    Attributes:
        label: the cell in words.
        levels: (axis, label of its level) for each axis.
        cost: of a picture, in the unit of the column of cost; NaN = unknown.
        seconds: of a picture; NaN = unknown.
        mean: score units, over all prompts.
        low, high: the 95 % interval to compare settings by.
        frontier: no cheaper setting has as good a mean.
        frontier_by_seconds: no faster setting has as good a mean.
        at: the index of its level on each axis.
    """

    label: str
    levels: tuple[tuple[str, str], ...]
    cost: float
    seconds: float
    mean: float
    low: float
    high: float
    frontier: bool
    frontier_by_seconds: bool
    at: tuple[int, ...] = ()


def column_of(table: Columns, limit: Budget | None, axes: Sequence[str | Axis] = ()) -> str | None:
    """The column of cost to go by: the budget's, else the first of COSTS that there is.

    Calls are passed over where the axes change what a call costs (another model, another size).

    Raises:
        UsageError: the budget's column is absent.
    """
    if limit is not None:
        if limit.column not in table:
            hint = " Say what an hour costs: [question] price_an_hour = 0.9" if limit.column == "money" else ""
            raise UsageError(
                f"budget {limit.text!r} needs a column {limit.column!r}, which these results do not have.{hint}"
            )
        return limit.column
    known = [name for name in COSTS if name in table and _any_number(table[name])]
    unequal = bool(UNEQUAL_CALLS & {name for axis in axes for name in _names(axis)})
    return min(known, key=lambda name: unequal and name == "denoiser_calls", default=None)


def _names(axis: str | Axis) -> set[str]:
    """An axis and all settings and options that its levels set."""
    if isinstance(axis, str):
        return {axis}
    return {axis.name, axis.kind, *(name for level in axis.levels for name in level.sets)}


def _any_number(column: Iterable[Any]) -> bool:
    return any(value is not None and value == value for value in column)


@dataclass(frozen=True)
class Costs:
    """What a picture costs in each cell.

    Attributes:
        middle: [C] the median over pictures, so that a warm-up or a busy moment does not count; NaN = unknown.
        noise: [C] half the notch of a box plot; medians whose notches overlap are one cost. 0 for counted calls.

    Source:
        McGill, Tukey & Larsen 1978, variations of box plots.
    """

    middle: Array
    noise: Array

    def surely_below(self, cell: int) -> NDArray[np.bool_]:
        """Which cells cost surely less than this one; [C]."""
        found: NDArray[np.bool_] = self.middle + self.noise < self.middle[cell] - self.noise[cell]
        return found


def of_cells(layout: Layout, table: Columns, column: str | None) -> Costs:
    """The cost of a picture in each cell."""
    unknown = np.full(len(layout.cells), math.nan)
    if column is None:
        return Costs(unknown, unknown)
    flat = layout.values(table[column], column).reshape(-1, len(layout.cells))
    middle, noise = unknown.copy(), unknown.copy()
    for cell, row in enumerate(flat.T):
        if (known := row[~np.isnan(row)]).size:
            low, middle[cell], high = np.quantile(known, [0.25, 0.5, 0.75])
            noise[cell] = notch(low, high, known.size)
    return Costs(middle, noise)


def notch(low: Array | float, high: Array | float, pictures: int) -> Array:
    """Half the notch of a box plot, from the quartiles: two medians differ at about 5 % where notches do not meet.

    >>> float(notch(10.0, 10.0, 60))
    0.0
    """
    return np.asarray(1.57 * (np.asarray(high) - low) / math.sqrt(pictures))


def points(layout: Layout, values: Array, card: Card, costs: Array, seconds: Array) -> tuple[Point, ...]:
    """Every cell with its cost, score and whether it is on the frontier, in the order of the layout.

    A cell with fewer prompts than the others is a point, but not on the frontier, because the frontier advises.

    Args:
        values: [prompts, replicates, cells].
        costs: [cells], NaN = unknown.
        seconds: [cells], NaN = unknown.
    """
    sign = -1.0 if card.higher_is_better is False else 1.0
    estimates = cells.estimates(values, layout)
    enough = means.enough(values, np.arange(len(estimates))[None, :])
    score = np.where(enough, [sign * estimate.mean for estimate in estimates], math.nan)
    return tuple(
        Point(
            label=layout.spoken(c),
            levels=tuple((level.axis, level.label) for level in layout.levels(c)),
            cost=float(costs[c]),
            seconds=float(seconds[c]),
            mean=estimate.mean,
            low=estimate.low,
            high=estimate.high,
            frontier=_undominated(c, costs, score),
            frontier_by_seconds=_undominated(c, seconds, score),
            at=layout.cells[c],
        )
        for c, estimate in enumerate(estimates)
    )


def _undominated(cell: int, costs: Array, score: Array) -> bool:
    """No other cell costs at most as much and scores at least as well, one of them strictly."""
    if not (math.isfinite(costs[cell]) and math.isfinite(score[cell])):
        return False
    as_good = (costs <= costs[cell]) & (score >= score[cell])
    strictly = (costs < costs[cell]) | (score > score[cell])
    return not (as_good & strictly).any()


def by_cost(points: Sequence[Point]) -> tuple[Point, ...]:
    """Cheapest first."""
    return tuple(sorted(points, key=lambda point: (point.cost, -point.mean)))
