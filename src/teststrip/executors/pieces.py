"""Which shots go to which worker next: pieces, longest first, the same model to whom has it loaded.

Every shot is waiting, under way in one piece, or answered. A piece is small enough that a lost worker costs little, and
large enough that batches stay full. Knows shots, costs and numbers of pieces; nothing of processes or machines, so that
each executor of several workers hands out by it.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Collection, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from types import MappingProxyType
from typing import Final

from teststrip.records import Failure, Shot

MOST: Final = 64
"""Shots of a piece: as many as the batcher looks ahead."""

SHARES: Final = 2
"""A piece is 1 / (workers x this) of what waits, by cost, so that pieces grow short towards the end of a run."""

TRIES: Final = 3
"""How often a shot may be in a piece that was lost, before it fails. Before the last time it goes alone."""

AGAIN: Final = MOST // 2
"""Shots of a piece that were lost once. Most workers end by a machine's fault, so these shots still fill batches. Where
a shot ends its worker, this many go alone afterwards."""


@dataclass(frozen=True, slots=True)
class Item:
    """A shot that has no answer yet.

    Attributes:
        shot: what is asked.
        cost: denoiser rows, or 1 where the engine cannot know.
        weights: equal for shots that need the same weights in memory.
        lost: how often the shot was in a piece that was lost.
    """

    shot: Shot
    cost: float
    weights: Hashable
    lost: int = 0


@dataclass(frozen=True, slots=True)
class Whole:
    """What is known of the shots with one piece's weights: the worker of a piece prepares as if they were all its own.

    Attributes:
        shots: of one run, answered ones included; of earlier runs the largest.
        cost: of this run and all earlier ones.
    """

    shots: int = 0
    cost: float = 0


@dataclass(frozen=True, slots=True)
class Piece:
    """Shots that one worker makes, all with the same weights.

    Attributes:
        number: of no other piece.
        weights: as in `Item`.
        whole: what it is a piece of.
        items: without an answer, by the id of their shot.
    """

    number: int
    weights: Hashable
    whole: Whole = Whole()
    items: dict[str, Item] = field(default_factory=dict)

    @property
    def shots(self) -> list[Shot]:
        """The shots without an answer, the longest first."""
        return [item.shot for item in self.items.values()]


class Pieces:
    """The shots of a run that have no answer.

    Args:
        numbers: of the pieces, each larger than the one before. Workers that outlive a run need numbers that no earlier
            run had, or what was said of an old piece would be taken for a new one.
        before: by weights, what earlier runs asked for.

    >>> from teststrip.records import EngineRef
    >>> pieces = Pieces()
    >>> for steps in (10, 50, 20):
    ...     pieces.add(Shot(EngineRef("pattern"), {"prompt": "an owl", "seed": steps}), cost=steps, weights="one model")
    >>> first, second = pieces.take(None, workers=2), pieces.take(None, workers=2)
    >>> [shot.seed for shot in first.shots], [shot.seed for shot in second.shots]
    ([50], [20])
    """

    def __init__(
        self, numbers: Iterator[int] | None = None, before: Mapping[Hashable, Whole] = MappingProxyType({})
    ) -> None:
        self._before = before
        self._asked: dict[Hashable, Whole] = {}
        self._waiting: dict[Hashable, list[Item]] = {}
        self._under_way: dict[int, Piece] = {}
        self._numbers = numbers or count(1)

    def __len__(self) -> int:
        """Shots that wait."""
        return sum(map(len, self._waiting.values()))

    @property
    def under_way(self) -> Collection[int]:
        """Numbers of the pieces that were taken and did not end."""
        return self._under_way.keys()

    @property
    def asked(self) -> Mapping[Hashable, Whole]:
        """By weights, what this run and earlier ones asked for so far."""
        return {weights: self._whole(weights) for weights in {*self._before, *self._asked}}

    def add(self, shot: Shot, cost: float, weights: Hashable) -> None:
        """Let a shot wait."""
        asked = self._asked.get(weights, Whole())
        self._asked[weights] = Whole(asked.shots + 1, asked.cost + cost)
        self._put(Item(shot, cost, weights))

    def take(self, loaded: Hashable | None, *, workers: int) -> Piece | None:
        """The next piece for a worker, the longest shots first.

        Args:
            loaded: the weights that the worker has in memory; None = none.
            workers: that make pieces at a time, now; machines come and go in a run.

        Returns:
            shots of the loaded weights where some wait, else of the weights with most to do that no other worker has;
            None where nothing waits.
        """
        if not self._waiting:
            return None
        weights = loaded if loaded in self._waiting else self._most_to_do()
        waiting = self._waiting[weights]
        waits = sum(item.cost for items in self._waiting.values() for item in items)
        # A worker that is alone evens nothing out by short pieces at the end, and its batches would not be full.
        share = waits / (workers * SHARES) if workers > 1 else waits
        piece = Piece(next(self._numbers), weights, self._whole(weights))
        # Shots that were lost equally often are together, so that one that ends workers takes no new one with it.
        lost = waiting[0].lost
        most = 1 if lost == TRIES - 1 else AGAIN if lost else MOST
        spent = 0.0
        while waiting and len(piece.items) < most and waiting[0].lost == lost:
            if piece.items and spent + waiting[0].cost > share:
                break
            item = waiting.pop(0)
            piece.items[item.shot.id] = item
            spent += item.cost
        if not waiting:
            del self._waiting[weights]
        self._under_way[piece.number] = piece
        return piece

    def answered(self, number: int, shot: str) -> bool:
        """Note an answer.

        Returns:
            False for a late one, which must not be counted: the piece was lost before, or the shot answered.
        """
        piece = self._under_way.get(number)
        return piece is not None and piece.items.pop(shot, None) is not None

    def end(self, number: int) -> None:
        """Forget a piece that a worker ended because the run is to finish: its shots stay without an answer."""
        self._under_way.pop(number, None)

    def lost(self, number: int, why: str, *, blameless: bool = False) -> list[Failure]:
        """Let the shots of a piece that have no answer wait again.

        Args:
            number: of the piece.
            why: it was lost.
            blameless: whether no shot can be the reason, as where a whole machine was taken away. This loss is then
                not counted.

        Returns:
            a failure for each shot that was lost too often; `why` says how.
        """
        piece = self._under_way.pop(number, None)
        failures = []
        for item in piece.items.values() if piece else ():
            lost = item.lost + (not blameless)
            if lost < TRIES:
                self._put(Item(item.shot, item.cost, item.weights, lost))
            else:
                failures.append(Failure(item.shot, "error", f"{why}, {TRIES} times"))
        return failures

    def _put(self, item: Item) -> None:
        # What was lost comes last: if it is this shot that ends workers, the others are made before it.
        insort(self._waiting.setdefault(item.weights, []), item, key=lambda one: (one.lost, -one.cost))

    def _whole(self, weights: Hashable) -> Whole:
        before, asked = self._before.get(weights, Whole()), self._asked.get(weights, Whole())
        return Whole(max(before.shots, asked.shots), before.cost + asked.cost)

    def _most_to_do(self) -> Hashable:
        held = {piece.weights for piece in self._under_way.values()}
        free = [weights for weights in self._waiting if weights not in held] or list(self._waiting)
        return max(free, key=lambda weights: sum(item.cost for item in self._waiting[weights]))
