"""The tables of the ledger, and the way from each older version to the next.

To change a table: raise VERSION, change TABLES, add one entry to STEPS, and add the old version to the makers of old
ledgers in `tests/store/test_store.py`. A step's result must have the very text of TABLES (white space aside), because a
ledger whose tables read otherwise is refused: a stranger's file may hold triggers or views.

    version 1   no count of attempts, no events
    version 2   failures.attempts; events
"""

from __future__ import annotations

import re
import sqlite3

APPLICATION = 0x54535452  # "TSTR": tells a ledger from any other database, for `file study.sqlite` and for `ledger`
VERSION = 2

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
)

STEPS: dict[int, tuple[str, ...]] = {
    1: (
        "ALTER TABLE failures ADD COLUMN attempts INTEGER NOT NULL DEFAULT 1",
        "CREATE TABLE events (sequence INTEGER PRIMARY KEY, at TEXT NOT NULL, kind TEXT NOT NULL, facts TEXT NOT NULL)",
    ),
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
