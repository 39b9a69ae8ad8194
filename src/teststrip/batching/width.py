"""How many rows a forward should have: the smallest number that wastes almost nothing.

Knows a function from rows to seconds; nothing of models.
"""

from __future__ import annotations

from collections.abc import Callable

# Even numbers, because guidance brings rows in pairs; beyond 64 nothing measured so far still gains.
LADDER = (2, 4, 6, 8, 12, 16, 24, 32, 48, 64)
# A wider forward must earn its memory and its ragged ends: 3 % of the best time a row is below what a user notices.
WORTH = 0.03


# Of all lanes together. A processor computes wide forwards no faster a row: what it still gains there is less than
# fillers cost a small study.
MOST_ON_CPU = 16


def smallest_good(seconds: Callable[[int], float | None], least: int = 1, most: int = LADDER[-1]) -> int:
    """The smallest width whose time a row is within 3 % of the best.

    Climbs a ladder and stops after two widths in a row that are no better, so few wide (slow) forwards are tried.

    Args:
        seconds: time of one forward at that many rows; None = memory ran out, nothing wider is tried.
        least: rows that one call brings; no narrower width is tried. most: no wider one is.

    Returns:
        a width of the ladder, or `least` where not even that fitted.

    >>> smallest_good(lambda rows: 1.0 + rows)           # a fixed cost that more and more rows share
    16
    >>> smallest_good(lambda rows: 0.1 * max(rows, 12))  # saturated at twelve rows
    12
    >>> smallest_good(lambda rows: 1.0 + rows if rows <= 8 else None)
    8
    """
    each: dict[int, float] = {}
    worse = 0
    for rows in LADDER:
        if not least <= rows <= most:
            continue
        taken = seconds(rows)
        if taken is None:
            break
        better = not each or taken / rows < min(each.values()) * (1 - WORTH)
        each[rows] = taken / rows
        worse = 0 if better else worse + 1
        if worse == 2:
            break
    best = min(each.values(), default=0.0)
    return next((rows for rows in each if each[rows] <= best * (1 + WORTH)), least)
