"""Which pair of levels a finding about one axis is told by, and what shape is told with it.

A fitted line or bend is a test, never a change that pictures show: what a sentence says is always a pair of levels.
Knows judged contrasts; no words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from teststrip.analysis.numbers import effects
from teststrip.analysis.numbers.judging import Judgement
from teststrip.records import Shape, Verdict


@dataclass(frozen=True)
class Headline:
    """What a sentence is about.

    Attributes:
        index: of a contrast of the judgement.
        shape: of the score along the axis, where levels differ; else None.
    """

    index: int
    shape: Shape | None = None


def of(
    verdict: Verdict, judged: Judgement, *, chosen: Sequence[int], pairs: Sequence[int], falling_is_better: bool
) -> Headline:
    """The headline of an axis, or of an interaction.

    Args:
        verdict: of the whole.
        judged: all contrasts.
        chosen: the contrasts of the axis.
        pairs: those of `chosen` that compare two levels, or two axes.
        falling_is_better: of two turns the lowest level is named, and not the highest.
    """
    if verdict == "equivalent":
        return Headline(max(pairs, key=lambda i: max(abs(judged.inner.low[i]), abs(judged.inner.high[i]))))
    if verdict != "different":
        return Headline(max(pairs, key=lambda i: np.nan_to_num(abs(judged.outer.mean[i]), nan=-1.0)))
    if any(judged.contrasts[i].kind in ("trend", "bend") for i in chosen):
        return _Levels.of(judged, chosen, pairs).headline(falling_is_better=falling_is_better)
    return Headline(_surest(judged, [i for i in pairs if judged.verdict[i] == "different"]), "pair")


def _surest(judged: Judgement, among: Sequence[int]) -> int:
    return min(among, key=lambda i: (judged.family[i], -abs(judged.outer.mean[i])))


@dataclass(frozen=True)
class _Levels:
    """The pairs of a numeric axis.

    Attributes:
        judged: all contrasts.
        trends, bends: the contrasts of those shapes that are sure.
        places: its levels, from the lowest number up.
        of_two: the contrast of two levels by their places, the higher level first.
    """

    judged: Judgement
    trends: Sequence[int]
    bends: Sequence[int]
    places: Sequence[int]
    of_two: dict[tuple[int, int], int]

    @classmethod
    def of(cls, judged: Judgement, chosen: Sequence[int], pairs: Sequence[int]) -> _Levels:
        asked = {i: judged.contrasts[i].asked for i in pairs}
        of_two = {(one.plus[0].index, one.minus[0].index): i for i, one in asked.items()}
        # A level that is the lower side of many pairs stands low.
        below = [minus for _, minus in of_two]
        places = sorted({place for two in of_two for place in two}, key=lambda place: -below.count(place))
        shapes = {kind: [i for i in chosen if judged.contrasts[i].kind == kind] for kind in effects.SHAPES}
        trends, bends = ([i for i in own if judged.verdict[i] == "different"] for own in shapes.values())
        return cls(judged, trends, bends, places, of_two)

    def headline(self, *, falling_is_better: bool) -> Headline:
        sure = [i for i in self.of_two.values() if self.judged.verdict[i] == "different"]
        ends = self.of_two.get((self.places[-1], self.places[0]))
        ways = {float(np.sign(self.judged.outer.mean[i])) for i in (*sure, *self.trends)}
        if len(ways) == 1 and ends is not None and (ends in sure or not sure):
            # Where no pair is sure, the trend is: all levels together show the direction, though not how far it goes.
            return Headline(ends, "falls" if ways == {-1.0} else "rises")
        if len(ways) == 1 and sure:
            return Headline(_surest(self.judged, sure), "pair")
        signs = [-1.0, 1.0] if falling_is_better else [1.0, -1.0]
        if not sure:
            signs = [float(np.sign(self.judged.outer.mean[i])) for i in self.bends]
        for sign in signs:
            index = self._turn(sign, sure)
            if index is not None:
                return Headline(index, "peak" if sign > 0 else "trough")
        return Headline(max(sure or self.of_two.values(), key=lambda i: abs(self.judged.outer.mean[i])), "waves")

    def _turn(self, sign: float, sure: Sequence[int]) -> int | None:
        """The pair that tells of a highest (+1) or lowest (-1) level between the ends; None = there is none.

        Where any pair is sure, the turn must be so on both sides; else the bend of all levels together is what is sure.
        """
        first, last = self.places[0], self.places[-1]
        heights = {place: self._effect(place, first) for place in self.places[1:]} | {first: 0.0}
        top = max(self.places, key=lambda place: sign * heights[place])
        at = self.places.index(top)
        before = [self.of_two.get((top, place)) for place in self.places[:at]]
        after = [self.of_two.get((place, top)) for place in self.places[at + 1 :]]
        up = [i for i in before if i is not None and sign * self.judged.outer.mean[i] > 0]
        down = [i for i in after if i is not None and sign * self.judged.outer.mean[i] < 0]
        if sure:
            up, down = ([i for i in side if i in sure] for side in (up, down))
        if not (up and down):
            return None
        ends = [i for i in (self.of_two.get((top, first)), self.of_two.get((last, top))) if i in (*up, *down)]
        return ends[0] if ends else None

    def _effect(self, plus: int, minus: int) -> float:
        index = self.of_two.get((plus, minus))
        return float("nan") if index is None else float(self.judged.outer.mean[index])
