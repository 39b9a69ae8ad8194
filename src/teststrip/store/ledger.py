"""The SQLite file: opened with suspicion, written in whole transactions.

The journal is WAL with synchronous=FULL: readers go on while one writer writes, and what is committed survives a power
cut. A file that is empty, damaged, newer, another program's or that holds triggers is refused with the remedy, and is
never silently replaced by a new one. Knows tables and records; nothing of picture files.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from teststrip.disk import sync, sync_folder
from teststrip.errors import StoreError
from teststrip.folder import LEDGER_FILE
from teststrip.pictures.stamps import asked, to_json
from teststrip.records import Fingerprint, Image, Shot
from teststrip.store import files, inside, rows, schema

T = TypeVar("T")

_LONGEST_VALUE = 64 * 2**20  # bytes of a text in a column; a study text has at most 1 MB besides its prompts


class Ledger:
    """An open ledger with one connection. Only the thread that opened it may write."""

    def __init__(self, connection: sqlite3.Connection, folder: Path) -> None:
        self.folder = folder
        self._connection = connection

    def find(self, query: str, values: Sequence[object] = ()) -> Iterator[tuple[object, ...]]:
        """What a query finds, lazily. Raises StoreError where the file cannot be read."""
        with speaking(self.folder):
            yield from self._connection.execute(query, values)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Commit all statements inside to the disk, or none of them.

        Raises:
            StoreError: the disk is full or damaged; nothing of the transaction is left.
        """
        with speaking(self.folder):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # SQLite has already rolled back on some errors
                    self._connection.execute("ROLLBACK")
                raise

    def read(self, kind: rows.Kind[T], where: str = "", values: Sequence[object] = ()) -> Iterator[T]:
        """The records of a kind, lazily. Raises StoreError at the first row that cannot be believed."""
        for row in self.find(kind.query(where), values):
            yield kind.record(row, self.folder)

    def image(self, shot_id: str, fingerprint_id: str) -> Image | None:
        """The picture of a shot by a fingerprint; None when there is none."""
        where = "WHERE shot_id = ? AND fingerprint_id = ?"
        return next(self.read(rows.IMAGES, where, (shot_id, fingerprint_id)), None)

    def images(self) -> Iterator[Image]:
        """Pictures in the order in which they were added."""
        return self.read(rows.IMAGES)

    def close(self) -> None:
        """Close the file. The last process to close it folds the write-ahead log in."""
        self._connection.close()


def insert(connection: sqlite3.Connection, shot: Shot, fingerprint: Fingerprint, image: Image) -> None:
    """Write down a picture whose file lies safely on the disk, inside the caller's transaction."""
    insert_shot(connection, shot)
    insert_fingerprint(connection, fingerprint)
    connection.execute(
        f"INSERT INTO images ({rows.IMAGES.columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - our own text
        rows.row_of(image),
    )
    connection.execute("DELETE FROM failures WHERE shot_id = ?", (image.shot_id,))


def insert_shot(connection: sqlite3.Connection, shot: Shot) -> None:
    """Write down what a shot asks, once."""
    connection.execute("INSERT OR IGNORE INTO shots VALUES (?, ?)", (shot.id, to_json(asked(shot))))


def insert_fingerprint(connection: sqlite3.Connection, fingerprint: Fingerprint) -> None:
    """Write down what made or scored pictures, once."""
    facts = to_json(fingerprint.facts)
    connection.execute("INSERT OR IGNORE INTO fingerprints VALUES (?, ?)", (fingerprint.id, facts))


def insert_event(connection: sqlite3.Connection, kind: str, facts: Mapping[str, object]) -> None:
    """Write down that the store found or did something out of the ordinary."""
    connection.execute("INSERT INTO events (at, kind, facts) VALUES (?, ?, ?)", (now(), kind, to_json(facts)))


def withdraw(connection: sqlite3.Connection, image: Image, kind: str, kept: str | None) -> None:
    """Make a picture's shot pending again. The picture's row becomes an event that says where its file is kept."""
    connection.execute("DELETE FROM images WHERE digest = ?", (image.digest,))
    row = {name: getattr(image, name) for name in rows.IMAGES.columns.split(", ")}
    insert_event(connection, kind, {**row, "kept": kept})


def now() -> str:
    """The time in UTC, for people. Rows are ordered by their sequence and never by a clock.

    >>> len(now())
    20
    """
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"


def create(folder: Path) -> None:
    """Make an empty ledger where there is none. The file gets its name when it is complete."""
    draft = folder / f".{LEDGER_FILE}.tmp"
    for path in _with_logs(draft):
        path.unlink(missing_ok=True)
    with speaking(folder):
        connection = _connect(draft.absolute().as_uri())
        try:
            # Not yet WAL: closing would fold the log in, and says nothing when the disk is too full for that.
            connection.execute("BEGIN IMMEDIATE")
            schema.create(connection)
            connection.execute("COMMIT")
        finally:
            connection.close()
        draft.replace(folder / LEDGER_FILE)
        sync_folder(folder)


def open_to_write(folder: Path) -> Ledger:
    """Open for the holder of the folder's lock. In a new folder the ledger is made; an older ledger is migrated.

    Raises:
        StoreError: the ledger is damaged, newer, another program's, or gone while its pictures are still there.
    """
    _refuse_link(folder)
    if not (folder / LEDGER_FILE).exists():
        _refuse_orphaned(folder)
        create(folder)
    with speaking(folder):
        connection = _connect(f"{(folder / LEDGER_FILE).resolve().as_uri()}?mode=rw")
        try:
            version = _examined(connection, folder)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA foreign_keys = ON")
            if version < schema.VERSION:
                _migrate(connection, folder, version)
        except BaseException:
            connection.close()
            raise
    return Ledger(connection, folder)


def open_to_read(folder: Path) -> Ledger:
    """Open beside a writer, or without one. No row is changed, and an older ledger is migrated in memory.

    Raises:
        StoreError: there is no ledger, or as `open_to_write`.
    """
    path = folder / LEDGER_FILE
    _refuse_link(folder)
    if not path.exists():
        _refuse_orphaned(folder)
        raise StoreError(f"{folder}: no study is here (there is no {LEDGER_FILE}). Name the folder of a run.")
    uri = path.resolve().as_uri()
    with speaking(folder):
        if os.access(folder, os.W_OK) and os.access(path, os.W_OK):
            mode = "rw"  # not to write, but so that the last reader out removes the logs it made
        else:
            mode = "ro" if path.with_name(f"{LEDGER_FILE}-wal").exists() else "ro&immutable=1"
        connection = _connect(f"{uri}?mode={mode}", one_thread=False)
        try:
            version = _examined(connection, folder)
            if version < schema.VERSION:
                copy = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
                connection.backup(copy)
                connection.close()
                connection = copy
                schema.migrate(connection, version)
                _refuse_strange(connection, folder)
            connection.execute("PRAGMA query_only = ON")
        except BaseException:
            connection.close()
            raise
    return Ledger(connection, folder)


def set_aside(folder: Path) -> str | None:
    """Move a ledger that cannot be used, and its logs, into the quarantine.

    Returns:
        the new relative path of the ledger; None when there was none.
    """
    kept = None
    for path in reversed(_with_logs(folder / LEDGER_FILE)):
        kept = files.quarantine(folder, path.name)
    return kept


@contextmanager
def speaking(folder: Path) -> Iterator[None]:
    """Turn errors of SQLite and of the system into a StoreError that says where, what and the remedy."""
    try:
        with inside.speaking(folder):
            yield
    except sqlite3.Error as error:
        raise _said(error, folder) from error


def _said(error: sqlite3.Error, folder: Path) -> StoreError:
    name = getattr(error, "sqlite_errorname", "") or ""
    if "decode" in str(error):  # bytes in a column that are no UTF-8: Python says it, not SQLite
        return _damaged(folder, "a text in it is no text")
    if name.startswith("SQLITE_TOOBIG") or isinstance(error, sqlite3.DataError):
        return _damaged(folder, "a text in it is too long")
    if name.startswith("SQLITE_FULL"):
        return StoreError(f"{folder}: the disk is full. Free some space and run again; what is done is kept.")
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return _damaged(folder, str(error))
    if name.startswith("SQLITE_BUSY"):
        return StoreError(f"{folder}: {LEDGER_FILE} is in use by another program for too long. Close it and run again.")
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
        return StoreError(f"{folder}: {LEDGER_FILE} cannot be opened: {error}. Check the rights of the folder.")
    if name.startswith("SQLITE_IOERR"):
        return StoreError(
            f"{folder}: the disk failed or is full ({error}, {name}). Check it and run again; what is done is kept."
        )
    return StoreError(f"{folder}: {LEDGER_FILE}: {error}")


def _damaged(folder: Path, what: str) -> StoreError:
    return StoreError(f"{folder}: {LEDGER_FILE} is damaged: {what}. {rows.REBUILD.format(folder=folder)}")


def _refuse_link(folder: Path) -> None:
    for path in _with_logs(folder / LEDGER_FILE):
        if inside.is_link(path):
            raise StoreError(
                f"{folder}: {path.name} is a link. Put the file itself there: a ledger of two names gets damaged."
            )
        if path.exists() and not path.is_file():
            raise StoreError(f"{folder}: {path.name} is no regular file. Remove it, and run the study again.")


def _refuse_orphaned(folder: Path) -> None:
    if any(True for _ in files.sweep(folder)):
        raise StoreError(
            f"{folder}: there are pictures, but {LEDGER_FILE} is gone. {rows.REBUILD.format(folder=folder)}"
        )


def _connect(uri: str, *, one_thread: bool = True) -> sqlite3.Connection:
    # timeout: a reader may meet the instant in which another process recovers the log of a killed run
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=30, check_same_thread=one_thread)
    for pragma in (
        "trusted_schema = OFF",  # no function of ours runs out of a stranger's tables
        "cell_size_check = ON",
        "synchronous = FULL",
        "fullfsync = ON",  # macOS; nothing elsewhere
        "checkpoint_fullfsync = ON",
    ):
        connection.execute(f"PRAGMA {pragma}")
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_VALUE)
    if sys.version_info >= (3, 12):
        connection.setconfig(sqlite3.SQLITE_DBCONFIG_DEFENSIVE, True)  # noqa: FBT003 - SQLite's own spelling
    return connection


def _examined(connection: sqlite3.Connection, folder: Path) -> int:
    """The version of a ledger that is sound, ours and not newer than this program."""
    if (folder / LEDGER_FILE).stat().st_size == 0:
        raise _damaged(folder, "it is empty")
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if application != schema.APPLICATION or version < 1:
        raise StoreError(f"{folder}: {LEDGER_FILE} is another program's database. Choose another folder with --out.")
    if version > schema.VERSION:
        raise StoreError(
            f"{folder}: {LEDGER_FILE} was written by a newer Teststrip (version {version} of its tables, this one "
            f"knows {schema.VERSION}). Run: pip install -U teststrip"
        )
    if version == schema.VERSION:
        _refuse_strange(connection, folder)
    report = [str(line) for (line,) in connection.execute("PRAGMA quick_check(3)")]
    if report != ["ok"]:
        raise _damaged(folder, "; ".join(report).replace("\n", " "))
    return version


def _refuse_strange(connection: sqlite3.Connection, folder: Path) -> None:
    strange = schema.differences(connection)
    if strange:
        raise _damaged(folder, f"its tables are not as Teststrip makes them ({', '.join(strange[:5])})")


def _migrate(connection: sqlite3.Connection, folder: Path, version: int) -> None:
    backup = folder / f"study-version-{version}.sqlite"
    draft = backup.with_name(f".{backup.name}.tmp")
    draft.unlink(missing_ok=True)
    connection.execute("VACUUM INTO ?", (str(draft),))
    with draft.open("rb+") as file:
        sync(file.fileno())
    draft.replace(backup)
    sync_folder(folder)
    connection.execute("BEGIN IMMEDIATE")
    schema.migrate(connection, version)
    _refuse_strange(connection, folder)
    insert_event(connection, "migrated", {"from": version, "to": schema.VERSION, "backup": backup.name})
    connection.execute("COMMIT")


def _with_logs(path: Path) -> list[Path]:
    return [path, *(path.with_name(path.name + ending) for ending in ("-journal", "-wal", "-shm"))]
