"""The tables of the ledger, and the way from each older version to the next.

To change a table: raise VERSION, change TABLES, add one entry to STEPS, and add the old version to the makers of old
ledgers in `tests/store/test_store.py`. A step's result must have the very text of TABLES (white space aside), because a
ledger whose tables read otherwise is refused: a stranger's file may hold triggers or views.

    version 1   no count of attempts, no events
    version 2   failures.attempts; events
    version 3   looks, requests, votes
"""

from __future__ import annotations

import re
import sqlite3

APPLICATION = 0x54535452  # "TSTR", so that `file study.sqlite` and we can tell a ledger from any other database
VERSION = 3

_VERSION_3 = (
    # A row each time a study was concluded from: question, scope and margins in score units as they were then.
    """CREATE TABLE looks (
        sequence INTEGER PRIMARY KEY,
        at TEXT NOT NULL,
        study TEXT NOT NULL,
        question TEXT NOT NULL,
        facts TEXT NOT NULL
    )""",
    # A row before a paid service is asked. state: reserved (its money counts against the cap), sent, settled, failed,
    # or unknown: the answer was lost, so the picture may be paid for and must be asked after before it is asked again.
    """CREATE TABLE requests (
        sequence INTEGER PRIMARY KEY,
        shot_id TEXT NOT NULL REFERENCES shots (id),
        at TEXT NOT NULL,
        state TEXT NOT NULL,
        currency TEXT NOT NULL,
        reserved REAL NOT NULL,
        paid REAL,
        remote_id TEXT,
        facts TEXT NOT NULL
    )""",
    "CREATE INDEX requests_by_shot ON requests (shot_id)",
    # A copy of the file of votes, which has a lock of its own and is the truth; id is the vote's own, so that a vote
    # that is read twice counts once.
    """CREATE TABLE votes (
        id TEXT PRIMARY KEY,
        at TEXT NOT NULL,
        rater TEXT NOT NULL,
        digests TEXT NOT NULL,
        choice TEXT NOT NULL,
        facts TEXT NOT NULL
    ) WITHOUT ROWID""",
)

TABLES = (
    "CREATE TABLE shots (id TEXT PRIMARY KEY, asked TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE fingerprints (id TEXT PRIMARY KEY, facts TEXT NOT NULL) WITHOUT ROWID",
    """CREATE TABLE images (
        sequence INTEGER PRIMARY KEY,
        shot_id TEXT NOT NULL REFERENCES shots (id),
        fingerprint_id TEXT NOT NULL REFERENCES fingerprints (id),
        digest TEXT NOT NULL,
        path TEXT NOT NULL,
        width INTEGER NOT NULL,
        height INTEGER NOT NULL,
        size INTEGER NOT NULL,
        seconds REAL NOT NULL,
        facts TEXT NOT NULL,
        UNIQUE (shot_id, fingerprint_id)
    )""",
    "CREATE INDEX images_by_digest ON images (digest)",
    """CREATE TABLE failures (
        shot_id TEXT PRIMARY KEY REFERENCES shots (id),
        reason TEXT NOT NULL,
        text TEXT NOT NULL,
        retryable INTEGER NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 1) WITHOUT ROWID""",
    # value NULL = NaN: the metric does not apply. digests: joined by spaces, in the metric's order.
    """CREATE TABLE scores (
        metric TEXT NOT NULL,
        fingerprint_id TEXT NOT NULL,
        digests TEXT NOT NULL,
        value REAL,
        PRIMARY KEY (metric, fingerprint_id, digests)
    ) WITHOUT ROWID""",
    "CREATE TABLE studies (sequence INTEGER PRIMARY KEY, name TEXT NOT NULL, text TEXT NOT NULL, at TEXT NOT NULL)",
    "CREATE TABLE events (sequence INTEGER PRIMARY KEY, at TEXT NOT NULL, kind TEXT NOT NULL, facts TEXT NOT NULL)",
    *_VERSION_3,
)

STEPS: dict[int, tuple[str, ...]] = {
    1: (
        "ALTER TABLE failures ADD COLUMN attempts INTEGER NOT NULL DEFAULT 1",
        "CREATE TABLE events (sequence INTEGER PRIMARY KEY, at TEXT NOT NULL, kind TEXT NOT NULL, facts TEXT NOT NULL)",
    ),
    2: _VERSION_3,
}
"""From a version to the next, statement by statement."""


def create(connection: sqlite3.Connection) -> None:
    """Make the tables in an empty database, inside the caller's transaction."""
    for statement in TABLES:
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION}")
    connection.execute(f"PRAGMA user_version = {VERSION}")


def migrate(connection: sqlite3.Connection, version: int) -> None:
    """Bring an older ledger to VERSION, inside the caller's transaction: all of it or nothing."""
    for step in range(version, VERSION):
        for statement in STEPS[step]:
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {VERSION}")


def differences(connection: sqlite3.Connection) -> list[str]:
    """Names of tables, indexes, views and triggers that are not as TABLES says; empty when all are."""
    empty = sqlite3.connect(":memory:")
    try:
        create(empty)
        known, found = _texts(empty), _texts(connection)
    finally:
        empty.close()
    return sorted(str(name) for name in {*known, *found} if known.get(name) != found.get(name))


def _texts(connection: sqlite3.Connection) -> dict[str, str]:
    rows = connection.execute("SELECT name, type, sql FROM sqlite_master")
    return {name: kind + re.sub(r"\s+", "", text or "") for name, kind, text in rows}
