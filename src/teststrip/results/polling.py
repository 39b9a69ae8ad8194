"""The choice of pairs by statistics, for rows and sides: an adapter between `analysis.votes.choice` and raters' pages.

NumPy is loaded when the first pair is asked for, so a page that no one votes on starts without it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from teststrip import plan as planning
from teststrip.records import PairKind, Place, Row, Study, VotesNeeded
from teststrip.records.votes import Pair, Side, Vote
from teststrip.rows import tables
from teststrip.rows.pairs import Balanced, NextPair

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from teststrip.analysis.numbers.columns import Layout
    from teststrip.analysis.votes.choice import Booth, Offer
    from teststrip.analysis.votes.strengths import Strengths

MOST_CELLS = 64
"""Settings up to which pairs are weighed against each other: 2,016 pairs, 45 ms a choice on a busy core."""
MOST_STRENGTHS = 64
"""Levels of all axes together, or settings, up to which votes are modelled: seconds for 20,000 votes."""


def chooser(study: Study) -> Callable[[Sequence[Row]], NextPair]:
    """What chooses the pairs of a study, from its rows as they stand."""

    kept: list[Asked] = []

    def made(rows: Sequence[Row]) -> NextPair:
        cells = {row.planned.cell for row in rows}
        if not 1 < len(cells) <= MOST_CELLS:
            return Balanced(rows)
        # A run adds pictures between two votes, and what is asked stays the same.
        if not kept or kept[0].shots != shots(rows):
            kept[:] = [Asked(study, rows)]
        return Telling(kept[0], rows)

    return made


def prices(strengths: Strengths, layout: Layout) -> tuple[VotesNeeded, VotesNeeded]:
    """What all planned contrasts cost in votes: to see a preference of 60 : 40, and to see that settings are alike."""
    from teststrip.analysis.votes import price

    chosen = len(layout.cells) <= MOST_CELLS
    return price.of_study((price.share_of_a_vote if chosen else price.share_of_a_random_vote)(strengths))


def price(study: Study) -> tuple[VotesNeeded, ...]:
    """What the planned contrasts of a study cost in votes, before there are pictures; empty where none can be asked."""
    from teststrip.analysis.numbers import columns
    from teststrip.analysis.votes import strengths

    rows = [Row(one) for one in planning.of(study)]
    if not can_be_modelled(study, rows):
        return ()
    layout = columns.read(tables.columns(study, rows), study.axes)
    return prices(strengths.of(layout), layout)


def can_be_modelled(study: Study, rows: Sequence[Row]) -> bool:
    """Whether there are two settings to compare, and not so many that each adds a strength of its own."""
    cells = len({row.planned.cell for row in rows})
    return cells > 1 and min(cells, sum(len(axis.levels) for axis in study.axes)) <= MOST_STRENGTHS


def shots(rows: Sequence[Row]) -> list[str]:
    """The id of the shot of each row, as votes name it."""
    return [row.image.shot_id if row.image else row.planned.shot.id for row in rows]


class Asked:
    """What a study asks of raters, whichever of its pictures are there by now.

    Args:
        study: of the rows.
        rows: of the study.
    """

    def __init__(self, study: Study, rows: Sequence[Row]) -> None:
        self._study, self._rows = study, rows
        self.shots = shots(rows)

    @cached_property
    def layout(self) -> Layout:
        """Where each row stands."""
        from teststrip.analysis.numbers import columns

        return columns.read(tables.columns(self._study, self._rows), self._study.axes)

    @cached_property
    def strengths(self) -> Strengths:
        """The planned contrasts."""
        from teststrip.analysis.votes import strengths

        return strengths.of(self.layout)

    @cached_property
    def places(self) -> dict[str, Place]:
        """Where each shot stands."""
        from teststrip.analysis.votes.conclude import places_of

        return places_of(self.layout, self.shots)

    @cached_property
    def goal(self) -> int:
        """Votes until a preference of 60 : 40 shows."""
        return prices(self.strengths, self.layout)[0].votes


class Telling:
    """A `NextPair` that asks what tells most of the planned contrasts.

    Args:
        asked: by the study.
        rows: of the study as they stand; those without a picture are not shown.
    """

    def __init__(self, asked: Asked, rows: Sequence[Row]) -> None:
        self._asked, self._rows = asked, rows

    def __call__(self, rater: str, votes: Sequence[Vote], waiting: Sequence[Pair]) -> Pair | None:
        """The next pair; see `NextPair`."""
        import numpy as np

        own = [*(vote.pair for vote in votes if vote.rater == rater), *waiting]
        others = [vote.pair for vote in votes if vote.rater != rater and vote.rater_kind == "person"]
        # A new generator each time, so that no rater can work out the next side from earlier ones.
        booth = replace(self._booth, rng=np.random.default_rng())
        offer = booth.next(self._offers(own), self._offers(others))
        return self._pair(offer) if offer else None

    def needed(self, votes: Sequence[Vote]) -> int:
        """Votes of persons until 60 : 40 shows, or until each pair was asked where there are fewer."""
        asked = sum(vote.pair.kind == "asked" and vote.rater_kind == "person" for vote in votes)
        return max(0, min(self._asked.goal, self._pairs) - asked)

    @cached_property
    def _booth(self) -> Booth:
        import numpy as np

        from teststrip.analysis.votes.choice import Booth

        return Booth(self._asked.strengths, self._pictures, np.random.default_rng())

    @cached_property
    def _pictures(self) -> NDArray[np.intp]:
        """[prompts, seeds, cells], a number for each picture; -1 = there is none, or none that counts."""
        import numpy as np

        from teststrip.records import NO_ROW

        numbers: dict[str, int] = {}
        found = np.full(self._asked.layout.row.shape, -1, dtype=np.intp)
        for place in np.ndindex(*found.shape):
            row = int(self._asked.layout.row[place])
            image = self._rows[row].image if row >= 0 and self._asked.layout.reasons[place] != NO_ROW else None
            if image is not None:
                found[place] = numbers.setdefault(image.digest, len(numbers))
        return found

    @cached_property
    def _pairs(self) -> int:
        """How many pairs can be asked."""
        from teststrip.analysis.votes import choice

        blocks = self._pictures.reshape(-1, self._pictures.shape[-1])
        one, other = (blocks[:, side] for side in choice.pairs_of(blocks.shape[-1]).T)
        return int(((one >= 0) & (other >= 0) & (one != other)).sum())

    def _offers(self, pairs: Sequence[Pair]) -> list[Offer]:
        """Pairs by where they stand; those that the study does not ask for any more are left out."""
        from teststrip.analysis.votes.choice import Offer

        found = []
        for pair in pairs:
            left, right = self._asked.places.get(pair.left.shot), self._asked.places.get(pair.right.shot)
            if left and right and (left.prompt, left.seed) == (right.prompt, right.seed):
                found.append(Offer(left.prompt, left.seed, left.cell, right.cell, pair.kind))
        return found

    def _pair(self, offer: Offer) -> Pair:
        kind: PairKind = offer.kind
        left, right = (self._side(offer.prompt, offer.seed, cell) for cell in (offer.left, offer.right))
        return Pair(left, right, kind)

    def _side(self, prompt: int, seed: int, cell: int) -> Side:
        image = self._rows[int(self._asked.layout.row[prompt, seed, cell])].image
        assert image is not None
        return Side(image.shot_id, image.digest)
