"""How many rows a forward has: the smallest number that wastes almost nothing.

`smallest_good` is the search, `worthwhile` bounds it by what it can save, and `Widths` keeps what it found for each
shape of row. A search that had to end early goes on in a later run (`earlier`). Knows how long a forward takes and what
is left to make from functions that it is given; nothing of how models compute.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from typing import Literal

from teststrip.batching.calls import Counts
from teststrip.batching.earlier import Earlier, Work
from teststrip.batching.pending import Pending, ProxiedModel
from teststrip.batching.stacking import Request

# Even numbers, because guidance brings rows in pairs; beyond 64 nothing measured so far still gains.
LADDER = (2, 4, 6, 8, 12, 16, 24, 32, 48, 64)
# A wider forward must earn its memory and its ragged ends: 3 % of the best time a row is below what a user notices.
WORTH = 0.03
# Upper bound of rows over all lanes: on a CPU a wider forward saves less time than its filler rows cost a small study.
MOST_ON_CPU = 16
# Positions of latents decoded at once, up to 8 pictures: decoders are large and gain little from a wide forward.
DECODED = 2048

# The share of the time that wider forwards may save at most: batched calls of a tiny model on a CPU take 1 / 2.2 of the
# time of plain calls (docs/performance.md).
HOPE = 0.5

Seconds = Callable[[ProxiedModel, Request, int], float | None]
"""The time of a forward of a model, full of a request's rows, at a width; None = it cannot be computed."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found.

    Attributes:
        rows: the width.
        settled: whether a search that may try wider forwards finds the same.
    """

    rows: int
    settled: bool


class Widths:
    """The width of the forwards for each shape of row: given, known from earlier, or found at the first request.

    Args:
        seconds: measures a forward.
        trial: how many forwards it costs to measure one width for a model and a request.
        left: what is left to make of a pending call's shape, the call itself and earlier runs included.
        rows: of every denoiser forward; "auto" = searched for.
        decode_rows: of every decoder forward; "auto" = by the size of the latents.
        lanes: forwards that are computed at a time.
        known: widths found earlier, by shape; what is found is written into it, unless another process was first.
        earlier: what searches measured in earlier runs; what is measured is written into it.
        counts: `widths` and `halved` are written into it.

    Attributes:
        all_lanes: rows of the widest denoiser forward known so far, times the lanes.
    """

    def __init__(
        self,
        seconds: Seconds,
        *,
        trial: Callable[[ProxiedModel, Request], int],
        left: Callable[[Pending], Work],
        rows: int | Literal["auto"],
        decode_rows: int | Literal["auto"],
        lanes: int,
        known: MutableMapping[str, int],
        earlier: Earlier,
        counts: Counts,
    ) -> None:
        if any(number != "auto" and number < 1 for number in (rows, decode_rows)):
            raise ValueError(f"a forward has at least one row, not rows={rows}, decode_rows={decode_rows}")
        self._seconds = seconds
        self._trial = trial
        self._left = left
        self._rows = rows
        self._decode_rows = decode_rows
        self._lanes = lanes
        self._known = known
        self._earlier = earlier
        self._counts = counts
        self.all_lanes = lanes

    def of(self, pending: Pending) -> int:
        """The width of the forwards that answer this request."""
        shape = pending.shape
        if shape not in self._counts.widths:
            width = self._counts.widths[shape] = self._first(pending, shape)
            if not pending.model.decodes:
                self.all_lanes = max(self.all_lanes, width * self._lanes)
        return self._counts.widths[shape]

    def halve(self, shape: str, width: int) -> bool:
        """Halve a width at which memory ran out.

        Returns:
            False when it is smaller by now, because another lane ran out of memory at the same width.
        """
        if self._counts.widths[shape] != width:
            return False
        self._counts.widths[shape] = width // 2
        if shape in self._known:
            self._known[shape] = width // 2
        self._earlier.forget_from(shape, width)
        self._counts.halved.append(f"{shape}: out of memory at {width} rows, {width // 2} from here on")
        return True

    def _first(self, pending: Pending, shape: str) -> int:
        model, request = pending.model, pending.request
        if model.decodes:
            positions = request.shape[-1] * request.shape[-2] if len(request.shape) > 1 else DECODED
            return max(1, min(8, DECODED // positions)) if self._decode_rows == "auto" else self._decode_rows
        if self._rows != "auto":
            return self._rows
        if shape in self._known:
            return self._known[shape]
        widest = MOST_ON_CPU // self._lanes if model.device.type == "cpu" else LADDER[-1]
        most = self._most(pending, widest)
        tried = self._earlier.tried.setdefault(shape, {})

        def seconds(rows: int) -> float | None:
            if rows not in tried:
                tried[rows] = self._seconds(model, request, rows)
            return tried[rows]

        found = smallest_good(seconds, request.rows, most)
        if found.settled or most >= widest:  # else it is no knowledge for a larger study
            return self._known.setdefault(shape, found.rows)
        return found.rows

    def _most(self, pending: Pending, widest: int) -> int:
        """The widest width that the search may try here; the rows of one call where no search is worth its time."""
        model, request, work = pending.model, pending.request, self._left(pending)
        cheapest = worthwhile(request.rows, widest, work, forwards=1)
        if cheapest <= request.rows:  # then it need not be known what a trial costs
            return request.rows
        trials = self._earlier.trials
        if pending.shape not in trials:
            trials[pending.shape] = self._trial(model, request)
        return worthwhile(request.rows, widest, work, forwards=trials[pending.shape])


def worthwhile(least: int, most: int, work: Work, *, forwards: int) -> int:
    """The widest width that a search may try, so that the search takes no longer than it can save.

    All is counted in rows at the price of the narrowest forward, which is the dearest: a trial of a width costs that
    width, times the forwards of a trial. A width beyond the rows of all calls that are left saves nothing.

    Args:
        least: rows that one call brings.
        most: no wider width is asked for.
        work: what is left to make.
        forwards: that the trial of a width costs.

    Returns:
        a width of the ladder, or `least` where fewer than two widths can be tried.

    >>> worthwhile(2, 16, Work(calls=1, rows=100), forwards=6)  # one call has no one to share with
    2
    >>> worthwhile(2, 16, Work(calls=4, rows=400), forwards=6)
    8
    >>> worthwhile(2, 16, Work(calls=4, rows=40), forwards=6)
    2
    """
    tried: list[int] = []
    spent = 0
    for rows in LADDER:
        if least <= rows <= min(most, work.calls * least):
            spent += forwards * rows
            if spent > HOPE * work.rows:
                break
            tried.append(rows)
    return tried[-1] if len(tried) > 1 else least


def smallest_good(seconds: Callable[[int], float | None], least: int = 1, most: int = LADDER[-1]) -> Found:
    """The smallest width whose time a row is within 3 % of the best.

    Climbs a ladder and stops after two widths in a row that are no better, so few wide (slow) forwards are tried.

    Args:
        seconds: time of one forward at that many rows; None = memory ran out, nothing wider is tried.
        least: rows that one call brings; no narrower width is tried.
        most: no wider width is tried.

    Returns:
        a width of the ladder, or `least` where not even that fitted; it is settled where the search stopped by itself.

    >>> smallest_good(lambda rows: 1.0 + rows)           # a fixed cost that more and more rows share
    Found(rows=16, settled=True)
    >>> smallest_good(lambda rows: 0.1 * max(rows, 12))  # saturated at twelve rows
    Found(rows=12, settled=True)
    >>> smallest_good(lambda rows: 1.0 + rows if rows <= 8 else None)
    Found(rows=8, settled=True)
    >>> smallest_good(lambda rows: 1.0 + rows, most=8)
    Found(rows=8, settled=False)
    """
    if most <= least:
        return Found(least, settled=False)
    each: dict[int, float] = {}
    worse = 0
    settled = False
    for rows in LADDER:
        if not least <= rows <= most:
            continue
        taken = seconds(rows)
        if taken is None:
            settled = bool(each)
            break
        better = not each or taken / rows < min(each.values()) * (1 - WORTH)
        each[rows] = taken / rows
        worse = 0 if better else worse + 1
        if worse == 2:
            settled = True
            break
    best = min(each.values(), default=0.0)
    return Found(next((rows for rows in each if each[rows] <= best * (1 + WORTH)), least), settled)
