"""Requests to paid services as rows of the ledger: written before anything is sent, completed when an answer is stored.

A row without an answer is the trace of a run that died between the two. Knows rows and transactions, no limit.
"""

from __future__ import annotations

from collections.abc import Iterator

from teststrip.records import Price, Shot
from teststrip.store.ledger import Ledger, insert_shot, now
from teststrip.store.rows import NO_CURRENCY, REQUESTS, Request


def reserve(ledger: Ledger, shot: Shot, price: Price | None) -> Request:
    """Write down, for good, that a request may cost so much; the caller sends it afterwards."""
    amount, currency = (price.amount, price.currency) if price else (0.0, NO_CURRENCY)
    with ledger.transaction() as connection:
        insert_shot(connection, shot)
        row = connection.execute(
            "INSERT INTO requests (shot_id, at, state, currency, reserved, facts)"
            " VALUES (?, ?, 'reserved', ?, ?, '{}') RETURNING sequence",
            (shot.id, now(), currency, amount),
        ).fetchone()
    return Request(int(row[0]), shot.id, "reserved", currency, amount, None)


def settle(ledger: Ledger, request: Request, state: str, paid: float | None) -> None:
    """Write down what became of a request, and what was paid for it; None = not known."""
    with ledger.transaction() as connection:
        connection.execute("UPDATE requests SET state = ?, paid = ? WHERE sequence = ?", (state, paid, request.number))


def note(ledger: Ledger, request: Request, ticket: str) -> None:
    """Write down how the service can be asked after a request."""
    with ledger.transaction() as connection:
        connection.execute("UPDATE requests SET remote_id = ? WHERE sequence = ?", (ticket, request.number))


def every(ledger: Ledger) -> Iterator[Request]:
    """All requests, the newest last."""
    return ledger.read(REQUESTS)
