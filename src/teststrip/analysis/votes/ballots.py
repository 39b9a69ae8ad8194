"""Votes as arrays: which cells stood left and right, what was chosen, on which prompt and seed, by which rater.

Only pairs that were asked count for strengths. A repeat says how sure a rater is, and a catch whether a rater looks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from teststrip.analysis.numbers import samples
from teststrip.analysis.numbers.arrays import Array
from teststrip.analysis.votes import tallies
from teststrip.records import PairKind, Place, RaterKind, Vote

WON = {"left": 1.0, "right": -1.0, "tie": 0.0, "both bad": 0.0}
"""What a choice counts for the left picture."""


@dataclass(frozen=True)
class Ballots:
    """Votes of one study, or of many along leading axes; arrays [..., V].

    Attributes:
        left: the cell on the left.
        right: the cell on the right.
        won: 1 = left, 0 = tie, -1 = right.
        prompt: of the pair, from 0.
        seed: of the pair, from 0.
        rater: from 0.
        weight: 0 = there is no such vote.
        prompts: how many prompts the study has.
        seeds: how many seeds a prompt has.
        raters: how many raters voted.
    """

    left: NDArray[np.intp]
    right: NDArray[np.intp]
    won: Array
    prompt: NDArray[np.intp]
    seed: NDArray[np.intp]
    rater: NDArray[np.intp]
    weight: Array
    prompts: int
    seeds: int
    raters: int

    @property
    def seed_groups(self) -> NDArray[np.intp]:
        """A number for each seed of each prompt."""
        return self.prompt * self.seeds + self.seed

    def counted(self, groups: NDArray[np.intp], count: int) -> NDArray[np.bool_]:
        """[..., count], which of these groups have a vote."""
        return tallies.counted(self.weight, groups, count)

    def prompts_there(self) -> NDArray[np.intp]:
        """How many prompts have a vote."""
        return np.asarray(self.counted(self.prompt, self.prompts).sum(axis=-1))

    def raters_there(self) -> NDArray[np.intp]:
        """How many raters have a vote."""
        return np.asarray(self.counted(self.rater, self.raters).sum(axis=-1))

    def of_these(self) -> Ballots:
        """The votes for an answer about these very prompts.

        Every prompt weighs alike, whatever the number of its votes; a prompt with votes on one seed is left out,
        because one seed shows no spread.
        """
        voted = self.counted(self.seed_groups, self.prompts * self.seeds)
        enough = voted.reshape(*voted.shape[:-1], self.prompts, self.seeds).sum(axis=-1) >= samples.LEAST_SEEDS
        size = np.where(enough, tallies.sizes(self.weight, self.prompt, self.prompts), 0)
        mean = size.sum(axis=-1, keepdims=True) / np.maximum(enough.sum(axis=-1, keepdims=True), 1)
        per = np.where(size > 0, mean / np.maximum(size, 1), 0.0)
        return replace(self, weight=np.where(self.weight > 0, np.take_along_axis(per, self.prompt, axis=-1), 0.0))


def counts(vote: Vote, places: Mapping[str, Place], pairs: PairKind = "asked") -> bool:
    """Whether a vote is about a pair of this kind, and about two cells on one seed of one prompt."""
    left, right = places.get(vote.pair.left.shot), places.get(vote.pair.right.shot)
    if vote.pair.kind != pairs or left is None or right is None:
        return False
    return (left.prompt, left.seed) == (right.prompt, right.seed) and (left.cell != right.cell or pairs == "catch")


def read(
    votes: Iterable[Vote],
    places: Mapping[str, Place],
    *,
    kind: RaterKind = "person",
    pairs: PairKind = "asked",
    prompts: int = 0,
    seeds: int = 0,
) -> Ballots:
    """The votes that count, as arrays.

    Args:
        votes: of all raters, in the order of time.
        places: of each shot by its id. A vote about a shot that is not here, or about two places that differ in more
            than the cell, is left out.
        kind: persons and judges are never counted together.
        pairs: which pairs are read.
        prompts: how many prompts the study has; 0 = as many as have a vote.
        seeds: how many seeds a prompt has; 0 = as many as have a vote.
    """
    rows = []
    raters: dict[str, int] = {}
    for vote in votes:
        if vote.rater_kind == kind and counts(vote, places, pairs):
            left, right = places[vote.pair.left.shot], places[vote.pair.right.shot]
            rater = raters.setdefault(vote.rater, len(raters))
            rows.append((left.cell, right.cell, WON[vote.choice], left.prompt, left.seed, rater))
    table = np.array(rows, dtype=float).reshape(len(rows), 6)
    left_, right_, prompt, seed, rater_ = (table[:, k].astype(np.intp) for k in (0, 1, 3, 4, 5))
    return Ballots(
        left=left_,
        right=right_,
        won=table[:, 2],
        prompt=prompt,
        seed=seed,
        rater=rater_,
        weight=np.ones(len(rows)),
        prompts=max(prompts, int(prompt.max(initial=-1)) + 1),
        seeds=max(seeds, int(seed.max(initial=-1)) + 1),
        raters=len(raters),
    )
