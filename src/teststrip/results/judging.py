"""Which pairs a judge is asked: first those that persons were asked, then what the chooser of the study says.

The pairs of persons come first because only they tell whether the judge sees what persons see. A judge gives the same
answer to the same question, so it is asked no pair twice; one picture twice is kept, because a judge may err there.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from teststrip.records import Row
from teststrip.records.votes import Pair, Side, Vote
from teststrip.rows.pairs import CATCHES, NextPair


class ForJudge:
    """A `NextPair` for a judge.

    Args:
        rows: of the study; pairs of pictures that are not among them are left out.
        choose: chooses when the pairs of persons are exhausted.
        begun: pairs of an earlier run that lack an answer; they come before all others.
        coin: decides where one picture is shown twice.
    """

    def __init__(
        self, rows: Sequence[Row], choose: NextPair, begun: Sequence[Pair] = (), coin: random.Random | None = None
    ) -> None:
        self._there = {Side(row.image.shot_id, row.image.digest) for row in rows if row.image}
        self._choose, self._begun, self._coin = choose, begun, coin or random.SystemRandom()

    def __call__(self, rater: str, votes: Sequence[Vote], waiting: Sequence[Pair]) -> Pair | None:
        """The next pair; see `NextPair`."""
        own = [*(vote.pair for vote in votes if vote.rater == rater), *waiting]
        seen = {sides(pair) for pair in own}
        for pair in self._begun:
            if sides(pair) not in seen and self._there.issuperset(sides(pair)):
                return pair
        for vote in votes:
            pair = vote.pair
            asked = vote.rater_kind == "person" and pair.kind == "asked" and self._there.issuperset(sides(pair))
            if asked and sides(pair) not in seen:
                twice = Pair(pair.left, pair.left, "catch")
                return twice if self._coin.random() < CATCHES and sides(twice) not in seen else pair
        while (pair_or_none := self._choose(rater, votes, waiting)) is not None:
            if pair_or_none.kind != "repeat" and sides(pair_or_none) not in seen:
                return pair_or_none
        return None

    def needed(self, votes: Sequence[Vote]) -> int:
        """As the chooser says."""
        return self._choose.needed(votes)


def sides(pair: Pair) -> frozenset[Side]:
    """The pictures of a pair, whichever stands on the left."""
    return frozenset((pair.left, pair.right))
