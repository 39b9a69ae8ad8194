"""Voting: what each rater is shown, and how an answer becomes a vote.

A *poll* is the voting of one study, a *booth* what one rater sees of it. A booth prepares pairs ahead, so that a rater
never waits, and hands out a *ticket* for each: random names for the ticket and its two pictures, and their blinded
bytes. A vote is the answer to a ticket of one's own booth, and a ticket is answered once. Knows no network.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

from teststrip.errors import PictureError, StoreError
from teststrip.pictures.blind import Blinded, blinded
from teststrip.records import Row
from teststrip.records.votes import Choice, Pair, Side, Vote
from teststrip.rows.pairs import Balanced, NextPair
from teststrip.store import files
from teststrip.store.votes import MOST_MILLISECONDS, VoteFile

QUESTION = "Which picture is better?"
OWNER = "owner"
AHEAD = 3  # tickets: the one that is seen, and two that a quick rater finds ready
KEPT = 20  # tickets that a rater can take back
NAME_BYTES = 16
CHOICES: tuple[Choice, ...] = get_args(Choice)


@dataclass(frozen=True, slots=True)
class Ticket:
    """A pair that a rater is shown.

    Attributes:
        id: random; becomes the id of the vote.
        pair: which pictures they are. A rater never gets to know.
        text: the prompt.
        seen: the two pictures as they are shown.
        names: random, of the left and the right picture.
        issued: when it was made, on the clock of `time.monotonic`.
    """

    id: str
    pair: Pair
    text: str
    seen: Blinded
    names: tuple[str, str] = field(default_factory=lambda: (_name(), _name()))
    issued: float = field(default_factory=time.monotonic)

    def shown(self) -> dict[str, Any]:
        """What a rater's page gets to know."""
        left, right = self.names
        return {"id": self.id, "text": self.text, "left": left, "right": right, "size": self.seen.size}


class Poll:
    """The voting of one study.

    Args:
        folder: of the study.
        rows: gives the rows of the study as they stand; the same object as long as nothing changed.
        chooser: makes what chooses the pairs, from the rows.
        question: the text that raters are asked.
    """

    def __init__(
        self,
        folder: Path,
        rows: Callable[[], Sequence[Row]],
        *,
        chooser: Callable[[Sequence[Row]], NextPair] = Balanced,
        question: str = QUESTION,
    ) -> None:
        self.file = VoteFile(folder)
        self.question = question
        self._folder, self._rows, self._chooser = folder, rows, chooser
        self._lock = threading.Lock()  # protects the booths, and what was made of the rows
        self._booths: dict[str, Booth] = {}
        self._read: Sequence[Row] | None = None
        self._next: NextPair = Balanced(())
        self._places: dict[Side, Row] = {}
        self._same: list[Pair] = []

    def booth(self, rater: str) -> Booth:
        """What a rater sees. The same one for each page that the rater opens."""
        with self._lock:
            return self._booths.setdefault(rater, Booth(self, rater))

    def needed(self) -> int:
        """How many votes are still needed."""
        return self._chosen_by().needed(self.file.votes())

    def ticket(self, rater: str, waiting: Sequence[Pair], *, light: bool = False) -> Ticket | None:
        """A ticket for the next pair of a rater; None when there is nothing left to ask."""
        choose = self._chosen_by()
        while pair := choose(rater, self.file.votes(), [*waiting, *self._same]):
            if (ticket := self.again(pair, light=light)) is not None:
                return ticket
            self._same.append(pair)
        return None

    def again(self, pair: Pair, *, light: bool = False) -> Ticket | None:
        """A ticket for a pair; None where a picture is gone, or where two that should differ do so in no pixel."""
        places = [self._places.get(side) for side in (pair.left, pair.right)]
        try:
            left, right = (files.read_whole(self._folder, row.image.path) for row in places if row and row.image)
            seen = blinded(left, right, light=light)
        except (StoreError, PictureError, ValueError):
            return None
        if seen.same and pair.kind != "catch":
            return None
        row = self._places[pair.left]
        return Ticket(_name(), pair, row.planned.prompt.text, seen)

    def _chosen_by(self) -> NextPair:
        rows = self._rows()
        with self._lock:
            if rows is not self._read:
                self._read, self._next = rows, self._chooser(rows)
                self._places = {Side(row.image.shot_id, row.image.digest): row for row in rows if row.image}
            return self._next


class Booth:
    """What one rater sees of a poll. Any number of pages and threads may use it.

    Args:
        poll: of the study.
        rater: the name that the votes get.
    """

    def __init__(self, poll: Poll, rater: str) -> None:
        self._poll, self.rater = poll, rater
        self._lock = threading.Lock()  # protects the tickets
        self._filling = threading.Lock()  # one thread prepares pairs, while others answer
        self._open: deque[Ticket] = deque()
        self._answered: deque[Ticket] = deque(maxlen=KEPT)

    def state(self) -> dict[str, Any]:
        """What the rater's page shows: the tickets in their order, and how far the voting is."""
        with self._lock:
            ready = bool(self._open)
        if not ready:
            self.fill()
        votes = self._poll.file.votes()
        with self._lock:
            return {
                "question": self._poll.question,
                "pairs": [ticket.shown() for ticket in self._open],
                "votes": sum(vote.rater == self.rater for vote in votes),
                "needed": self._poll.needed(),
                "undo": self._answered[-1].id if self._answered else None,
            }

    def fill(self) -> None:
        """Prepare tickets until there are enough."""
        with self._filling:
            while (waiting := self._waiting()) is not None:
                ticket = self._poll.ticket(self.rater, waiting)
                if ticket is None:
                    return
                with self._lock:
                    self._open.append(ticket)

    def _waiting(self) -> list[Pair] | None:
        """The pairs of the open tickets; None where there are enough of them."""
        with self._lock:
            return None if len(self._open) >= AHEAD else [ticket.pair for ticket in self._open]

    def answer(self, identity: str, choice: Choice, milliseconds: int) -> bool | None:
        """The answer to a ticket. When this returns, the vote survives a power cut.

        Args:
            identity: of the ticket.
            choice: the answer.
            milliseconds: that the rater says to have looked; never more than the ticket is old.

        Returns:
            Whether it is a new vote; None where this rater has no such ticket. An answer that is sent again is not new,
            and the first one counts.
        """
        with self._lock:
            ticket = next((one for one in self._open if one.id == identity), None)
            if ticket is None:
                return False if self._has_answered(identity) else None
            age = int(1000 * (time.monotonic() - ticket.issued))
            vote = Vote(
                id=ticket.id,
                pair=ticket.pair,
                choice=choice,
                rater=self.rater,
                rater_kind="person",
                milliseconds=max(0, min(milliseconds, age, MOST_MILLISECONDS)),
                question=self._poll.question,
                at=moment(),
            )
            self._poll.file.add([vote])
            # Taken from the open ones only now: where the disk is full, the rater may answer again.
            self._open.remove(ticket)
            self._answered.append(ticket)
        return True

    def undo(self, identity: str) -> bool:
        """Take the last answer back, and show its pair again as a new ticket.

        Args:
            identity: of the ticket that was answered last, so that a request that is sent twice takes back one vote.

        Returns:
            Whether a vote was taken back.
        """
        with self._lock:
            if not self._answered or self._answered[-1].id != identity:
                return False
            self._poll.file.withdraw(identity)
            before = self._answered.pop()
            self._open.appendleft(Ticket(_name(), before.pair, before.text, before.seen))
        return True

    def picture(self, name: str) -> tuple[bytes, str] | None:
        """The bytes and the media type of a picture of an open ticket; None where this rater has none of that name."""
        with self._lock:
            for ticket in self._open:
                for own, data in zip(ticket.names, (ticket.seen.left, ticket.seen.right), strict=True):
                    if secrets.compare_digest(own, name):
                        return data, ticket.seen.kind
        return None

    def _has_answered(self, identity: str) -> bool:
        return any(vote.id == identity and vote.rater == self.rater for vote in self._poll.file.votes())


def names(asked: str) -> tuple[str, ...]:
    """The names of raters, as they are asked for: their number, or the names themselves with commas.

    >>> names("2"), names("Ana, Ben")
    (('rater-1', 'rater-2'), ('Ana', 'Ben'))
    """
    if asked.isascii() and asked.isdigit():
        return tuple(f"rater-{n + 1}" for n in range(min(int(asked[:6]), 1000)))
    return tuple(dict.fromkeys(name.strip() for name in asked.split(",") if name.strip()))


def tickets(poll: Poll, count: int) -> Iterator[Ticket]:
    """Tickets for a page that votes without a server, of at most so many pairs."""
    waiting: list[Pair] = []
    while len(waiting) < count and (ticket := poll.ticket("", waiting, light=True)):
        waiting.append(ticket.pair)
        yield ticket


def moment() -> str:
    """Now, as a vote has it."""
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _name() -> str:
    return secrets.token_urlsafe(NAME_BYTES)
