"""What the votes of a study say, joined with its design and its scores. A study without votes loads nothing here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, get_args

from teststrip.errors import UsageError
from teststrip.folder import VOTES_FILE
from teststrip.records import Card, Polled, Preferred, RaterKind, Row, Study
from teststrip.records.votes import Side, Vote
from teststrip.store.votes import VoteFile

TALLIES = ("votes_won", "votes_lost", "votes_tied")
"""Names of the columns that count the votes of persons on a picture."""
JUDGED = ("judged_won", "judged_lost", "judged_tied")
"""Names of the columns that count the votes of judges on a picture."""


class Source(Protocol):
    """What is read here of a `Result`."""

    study: Study

    @property
    def folder(self) -> Path:
        """Of the study."""

    @property
    def cards(self) -> Mapping[str, Card]:
        """What is known of each metric."""

    def rows(self) -> Sequence[Row]:
        """Each planned shot and what became of it."""

    def columns(self) -> dict[str, list[Any]]:
        """The table that analysis reads."""


def votes_in(folder: Path) -> tuple[Vote, ...]:
    """The votes of a study folder that count; none where no one voted."""
    return VoteFile(folder).votes() if (folder / VOTES_FILE).exists() else ()


def of(result: Source) -> tuple[Polled, ...]:
    """What the votes say, of persons first, then of judges; empty where no one voted or nothing can be compared."""
    votes = votes_in(result.folder)
    if not votes or not result.study.axes:
        return ()
    from teststrip.analysis.numbers import columns
    from teststrip.analysis.votes import conclude
    from teststrip.results import polling

    if not polling.can_be_modelled(result.study, result.rows()):
        return ()
    table = result.columns()
    layout = columns.read(table, result.study.axes)
    shots = polling.shots(result.rows())
    metrics = [
        (card, layout.values(table[name], name))
        for name, card in result.cards.items()
        if name in table and card.higher_is_better is not None and card.needs_pixels and card.arity == 1
    ]
    kinds = [kind for kind in get_args(RaterKind) if any(vote.rater_kind == kind for vote in votes)]
    there = sides(result.rows())
    return tuple(
        conclude.of_votes(
            votes,
            shots,
            layout,
            metrics=metrics,
            scored=lambda vote: there.issuperset((vote.pair.left, vote.pair.right)),
            kind=kind,
        )
        for kind in kinds
    )


def sides(rows: Iterable[Row]) -> set[Side]:
    """The pictures that are there now, as votes name them."""
    return {Side(row.image.shot_id, row.image.digest) for row in rows if row.image}


def best(result: Source, budget: str | None = None) -> Preferred:
    """The setting to use by the votes of persons; where none voted, by those of judges.

    Raises:
        UsageError: no one voted, there is nothing to compare, or the budget cannot be read.
    """
    votes = votes_in(result.folder)
    if not votes:
        raise UsageError(f"no one has voted on {result.study.name!r} yet. Run: teststrip vote {result.folder}")
    from teststrip.analysis.advice import by_votes
    from teststrip.results import polling

    cells = len({row.planned.cell for row in result.rows()})
    if not 2 <= cells <= polling.MOST_CELLS:
        raise UsageError(f"votes rank 2 to {polling.MOST_CELLS} settings, and this study has {cells}")
    kind: RaterKind = "person" if any(vote.rater_kind == "person" for vote in votes) else "judge"
    shots = polling.shots(result.rows())
    return by_votes.of_votes(votes, shots, result.columns(), result.study, budget=budget, kind=kind)


def counted(rows: Iterable[Row], votes: Sequence[Vote]) -> tuple[Row, ...]:
    """The rows with the votes on each picture beside its scores: won, lost and tied, of all raters of a kind together.

    Args:
        rows: of the study.
        votes: that count; a kind without any has no columns. Repeats and catches are not counted.
    """
    rows = tuple(rows)
    for kind, columns in (("person", TALLIES), ("judge", JUDGED)):
        if own := [vote for vote in votes if vote.rater_kind == kind]:
            rows = _counted(rows, own, columns)
    return rows


def _counted(rows: Iterable[Row], votes: Sequence[Vote], columns: tuple[str, str, str]) -> tuple[Row, ...]:
    won, lost, tied = columns
    tallies: dict[Side, dict[str, float]] = {}
    for vote in votes:
        if vote.pair.kind != "asked":
            continue
        for side, other, own in ((vote.pair.left, "right", "left"), (vote.pair.right, "left", "right")):
            tally = tallies.setdefault(side, dict.fromkeys(columns, 0.0))
            tally[won if vote.choice == own else lost if vote.choice == other else tied] += 1
    none = dict.fromkeys(columns, 0.0)
    return tuple(
        replace(row, scores={**row.scores, **tallies.get(Side(row.image.shot_id, row.image.digest), none)})
        if row.image
        else row
        for row in rows
    )
