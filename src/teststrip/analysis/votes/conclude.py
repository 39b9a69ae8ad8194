"""The door of the room: the votes of a study in, one record of all that they say out. Makes no words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import get_args

from teststrip.analysis.numbers.arrays import Array
from teststrip.analysis.numbers.columns import Layout
from teststrip.analysis.numbers.judging import WIDE
from teststrip.analysis.votes import agreement, ballots, judges, probes, scale, strengths, winning
from teststrip.records import Card, Place, Polled, RaterKind, Scope, Vote
from teststrip.records.voted import RATE_MARGIN


def places_of(layout: Layout, shots: Sequence[str]) -> dict[str, Place]:
    """Where each shot stands.

    Args:
        layout: of the columns that the shots are rows of.
        shots: the id of each row of the columns.
    """
    prompts, seeds, cells = layout.row.shape
    return {
        shots[layout.row[p, s, c]]: Place(p, s, c)
        for p in range(prompts)
        for s in range(seeds)
        for c in range(cells)
        if layout.row[p, s, c] >= 0
    }


def of_votes(
    votes: Sequence[Vote],
    shots: Sequence[str],
    layout: Layout,
    *,
    metrics: Sequence[tuple[Card, Array]] = (),
    scored: Callable[[Vote], bool] = lambda vote: True,
    kind: RaterKind = "person",
    margin: float = RATE_MARGIN,
) -> Polled:
    """All that the votes of one kind of rater say.

    Votes of raters who chose one side always say nothing of settings, so no verdict rests on them (decision 61).

    Args:
        votes: of the study, in the order of time.
        shots: the id of the shot of each row of the columns that the layout was read from.
        layout: the axes.
        metrics: each with its scores [prompts, replicates, cells], as `Layout.values` gives them.
        scored: whether a vote is about the very pictures that have these scores. One on a picture that was made again
            since then counts for its setting, and says nothing of a metric.
        kind: persons or judges.
        margin: a win rate so far from one half is one that matters, 0..1.
    """
    places, asked = places_of(layout, shots), strengths.of(layout)
    own = [vote for vote in votes if vote.rater_kind == kind]
    left_out = probes.one_sided(own)
    heard = [vote for vote in own if vote.rater not in left_out]
    cast = ballots.read(heard, places, kind=kind, prompts=len(layout.prompts), seeds=max(len(layout.replicates), 1))
    seen = [vote for vote in heard if scored(vote)]
    met = ballots.read(seen, places, kind=kind, prompts=len(layout.prompts), seeds=max(len(layout.replicates), 1))
    again = [pair for rater in {vote.rater for vote in heard} for pair in agreement.repeated(_of(heard, rater))]
    best = agreement.ceiling(again)
    return Polled(
        kind=kind,
        margin=margin,
        rates=tuple(
            row
            for scope in get_args(Scope)
            if cast.weight.size
            for row in winning.judge(cast, asked, scope=scope, margin=margin).rows()
        ),
        care=agreement.care(own, kind=kind),
        alpha=agreement.between_raters(heard, kind=kind),
        probes=probes.probes(own, places, asked, kind=kind),
        foretold=tuple(
            one
            for card, values in metrics
            if met.weight.size
            for one in scale.foretold(met, values, card, layout, scope=WIDE, ceiling=best)
        ),
        left_out=left_out,
        judges=judges.trusted(votes, places, layout) if kind == "judge" else (),
    )


def _of(votes: Sequence[Vote], rater: str) -> list[Vote]:
    return [vote for vote in votes if vote.rater == rater]
