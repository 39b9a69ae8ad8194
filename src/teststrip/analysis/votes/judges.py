"""How far a judge can be trusted: does the order of two pictures change what it says, and does it choose as persons do?

A judge is measured as a metric is: of the choices that persons made, the share that it made alike. A pair that the
person left undecided says nothing of it, and one that the judge calls a tie counts half.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from teststrip.analysis.numbers.columns import Layout
from teststrip.analysis.numbers.judging import WIDE
from teststrip.analysis.votes import agreement, ballots, orders, probes, scale
from teststrip.records import Judged, Place, Vote


def trusted(votes: Sequence[Vote], places: Mapping[str, Place], layout: Layout) -> tuple[Judged, ...]:
    """What is known of each judge, by name.

    Args:
        votes: of the study, of persons and judges, in the order of time.
        places: of each shot by its id.
        layout: the axes.
    """
    persons = [vote for vote in votes if vote.rater_kind == "person"]
    blind = probes.one_sided(persons)  # their votes say nothing of pictures (decision 61)
    heard = [vote for vote in persons if vote.rater not in blind]
    again = [pair for rater in {vote.rater for vote in heard} for pair in agreement.repeated(_of(heard, rater))]
    judges = [vote for vote in votes if vote.rater_kind == "judge"]
    return tuple(
        _judged(_of(judges, name), heard, places, layout, ceiling=agreement.ceiling(again))
        for name in sorted({vote.rater for vote in judges})
    )


def _judged(
    own: Sequence[Vote], heard: Sequence[Vote], places: Mapping[str, Place], layout: Layout, *, ceiling: float
) -> Judged:
    said = dict(agreement.pair_of(vote) for vote in own if vote.pair.kind == "asked")
    both = [vote for vote in heard if agreement.pair_of(vote)[0] in said]
    shared = ballots.read(both, places, prompts=len(layout.prompts), seeds=max(len(layout.replicates), 1))
    counted = [vote for vote in both if ballots.counts(vote, places)]
    alike = [said[key] * won for key, won in map(agreement.pair_of, counted)]  # 1 = the same side, 0 = a tie
    hit = (np.array(alike, dtype=float) + 1) / 2
    found = scale.of_hits(shared, hit, (shared.weight > 0) & (shared.won != 0), WIDE)
    twice = [vote.judged.answers for vote in own if vote.judged and len(vote.judged.answers) == 2]
    last = own[-1]
    return Judged(
        judge=last.rater,
        model=last.judged.model if last.judged else "",
        question=last.question,
        turned=agreement.share(sum(map(orders.turned, twice)), len(twice)),
        persons=len({vote.rater for vote in heard}),
        same=replace(found, metric=last.rater, ceiling=ceiling),
    )


def _of(votes: Sequence[Vote], rater: str) -> list[Vote]:
    return [vote for vote in votes if vote.rater == rater]
