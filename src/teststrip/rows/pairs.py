"""Which pair of pictures a rater sees next: a balanced random order, the plainest that is fair to every setting.

A pair is two pictures of one prompt and one seed in two cells. Up to 64 settings another `NextPair`, a choice by
statistics (`results.polling`), takes the place of `Balanced`. Knows rows and votes; nothing of pages, bytes and models.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Protocol

from teststrip.records import Row
from teststrip.records.votes import Pair, Side, Vote

REPEATS = 0.08
CATCHES = 0.02
REPEATED_AFTER = 5  # pairs; an earlier one is still before the eyes
GOAL = 200  # decisive votes tell 60:40 from 50:50

_Block = tuple[str, int]


class NextPair(Protocol):
    """Chooses the pair that a rater sees next."""

    def __call__(self, rater: str, votes: Sequence[Vote], waiting: Sequence[Pair]) -> Pair | None:
        """The next pair, or None when there is nothing left to ask this rater.

        Args:
            rater: who is asked.
            votes: of all raters, in the order in which they came.
            waiting: pairs that the rater will see before this one, and pairs that must not be asked.
        """
        ...

    def needed(self, votes: Sequence[Vote]) -> int:
        """How many votes are still needed, as far as is known now."""
        ...


class Balanced:
    """A random order in which prompts, seeds and cells are shown equally often.

    Sides are thrown by a coin for each pair, so that nothing in the order tells which setting stands where.

    Args:
        rows: of the study; those without a picture are left out.
        coin: what chance comes from; by default the system's, which cannot be foreseen.
    """

    def __init__(self, rows: Sequence[Row], coin: random.Random | None = None) -> None:
        self._coin = coin or random.SystemRandom()
        self._blocks: dict[_Block, list[Side]] = {}
        self._cells: dict[Side, object] = {}
        self._block_of: dict[Side, _Block] = {}
        for row in rows:
            if row.image is not None:
                side = Side(row.image.shot_id, row.image.digest)
                block = (row.planned.prompt.id, row.planned.replicate)
                self._blocks.setdefault(block, []).append(side)
                self._cells[side], self._block_of[side] = row.planned.cell, block
        self._blocks = {block: sides for block, sides in self._blocks.items() if _can_be_asked(sides)}

    def __call__(self, rater: str, votes: Sequence[Vote], waiting: Sequence[Pair]) -> Pair | None:
        """The next pair; see `NextPair`."""
        own = [*(vote.pair for vote in votes if vote.rater == rater), *waiting]
        thrown = self._coin.random()
        if thrown < REPEATS and (again := self._repeat(own)):
            return again
        shown = [vote.pair for vote in votes if vote.rater == rater or vote.rater_kind == "person"] + list(waiting)
        asked = self._asked(own, shown)
        if asked is not None and REPEATS <= thrown < REPEATS + CATCHES:
            side = self._coin.choice((asked.left, asked.right))
            return Pair(side, side, "catch")
        return asked

    def needed(self, votes: Sequence[Vote]) -> int:
        """Votes of persons until the goal, or until each pair was asked where there are fewer."""
        pairs = sum(len(sides) * (len(sides) - 1) // 2 for sides in self._blocks.values())
        asked = sum(vote.pair.kind == "asked" and vote.rater_kind == "person" for vote in votes)
        return max(0, min(GOAL, pairs) - asked)

    def _repeat(self, own: Sequence[Pair]) -> Pair | None:
        """A pair of this rater once more, with its sides swapped."""
        repeated = {_unordered(pair) for pair in own if pair.kind == "repeat"}
        early = [pair for pair in own[: -REPEATED_AFTER or None] if pair.kind == "asked" and pair.left in self._cells]
        left = [pair for pair in early if _unordered(pair) not in repeated and pair.right in self._cells]
        if not left:
            return None
        chosen = self._coin.choice(left)
        return Pair(chosen.right, chosen.left, "repeat")

    def _asked(self, own: Sequence[Pair], shown: Sequence[Pair]) -> Pair | None:
        """A new pair of the block that was asked least, with the cells that were shown least."""
        blocks: Counter[_Block] = Counter()
        prompts: Counter[str] = Counter()
        cells: Counter[object] = Counter()
        for pair in shown:
            if pair.kind == "asked" and pair.left in self._cells:
                block = self._block_of[pair.left]
                blocks[block] += 1
                prompts[block[0]] += 1
                cells.update(self._cells[side] for side in (pair.left, pair.right) if side in self._cells)
        known = {_unordered(pair) for pair in own}
        order = sorted(self._blocks, key=lambda block: (prompts[block[0]], blocks[block], self._coin.random()))
        for block in order:
            if chosen := self._of_block(self._blocks[block], known, cells):
                left, right = chosen if self._coin.random() < 0.5 else chosen[::-1]
                return Pair(left, right)
        return None

    def _of_block(
        self, sides: Sequence[Side], known: set[frozenset[Side]], cells: Mapping[object, int]
    ) -> tuple[Side, Side] | None:
        order = sorted(sides, key=lambda side: (cells.get(self._cells[side], 0), self._coin.random()))
        for first in order:
            for second in order:
                if first.digest != second.digest and frozenset((first, second)) not in known:
                    return first, second
        return None


def _can_be_asked(sides: Sequence[Side]) -> bool:
    return any(first.digest != second.digest for first, second in combinations(sides, 2))


def _unordered(pair: Pair) -> frozenset[Side]:
    return frozenset((pair.left, pair.right))
