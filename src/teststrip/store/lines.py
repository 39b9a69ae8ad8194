"""Files of a study folder to which lines are only ever appended, each with a check: votes, and questions to judges.

    {"check": CHECK, KEY: ...}

`append` returns when the disk has the lines, so a kill at any moment loses at most those whose `append` had not
returned. A kill may leave the beginning of a line. The next `append` cuts it off, because no caller was told that it
counts. A line whose check does not fit is skipped.

Knows JSON tables and bytes; nothing of what they mean. The caller holds the lock of the file while it appends.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from teststrip import disk
from teststrip.errors import StoreError
from teststrip.records import canonical_json, digest_of
from teststrip.store import inside

Table = dict[str, Any]

MOST_BYTES: Final = 2**27
_FLAGS: Final = os.O_RDWR | os.O_CREAT | os.O_APPEND
_SAFELY: Final = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


@dataclass(frozen=True, slots=True)
class Further:
    """What was appended since the last look.

    Attributes:
        anew: whether another file lies there now, or none, so that what was read before no longer counts.
        tables: of the whole lines, without their check; None for a line whose check does not fit.
    """

    anew: bool
    tables: Sequence[Table | None]


class LineFile:
    """A file of checked lines. Each look reads only what was appended since.

    Args:
        folder: of the study.
        name: of the file in it.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        self._read = 0
        self._identity: tuple[int, int] | None = None

    def further(self) -> Further:
        """The whole lines that were appended since the last look.

        Raises:
            StoreError: the file cannot be read.
        """
        before = self._identity
        try:
            with inside.opened(self._folder, self._name, MOST_BYTES) as file:
                facts = os.fstat(file.fileno())
                self._identity = facts.st_dev, facts.st_ino
                anew = before not in (None, self._identity) or facts.st_size < self._read
                self._read = 0 if anew else self._read
                file.seek(self._read)
                found = file.read(MOST_BYTES)
        except FileNotFoundError:
            self._read, self._identity = 0, None
            return Further(before is not None, ())
        except OSError as error:
            raise StoreError(f"{self._folder}: {self._name} cannot be read: {error.strerror or error}") from error
        whole = found[: found.rfind(b"\n") + 1]
        self._read += len(whole)
        return Further(anew, [_table(line) for line in whole.splitlines()])

    def append(self, tables: Sequence[Table]) -> None:
        """Write lines at the end of what was read. When this returns, they survive a power cut.

        Args:
            tables: of JSON values. The caller read all lines before (`further`) and holds the lock.

        Raises:
            StoreError: it is no regular file, or cannot be written.
        """
        if not tables:
            return
        data = "".join(canonical_json({"check": _check(table), **table}) + "\n" for table in tables).encode()
        with inside.speaking(self._folder):
            file = os.open(inside.place(self._folder, self._name), _FLAGS | _SAFELY, 0o644)
            try:
                facts = os.fstat(file)
                if not stat.S_ISREG(facts.st_mode):
                    raise StoreError(f"{self._folder}: {self._name} is no regular file")
                if facts.st_size > self._read:
                    os.ftruncate(file, self._read)
                left = memoryview(data)
                while left:
                    left = left[os.write(file, left) :]
                disk.sync(file)
                self._identity = facts.st_dev, facts.st_ino
            finally:
                os.close(file)
            if self._read == 0:
                disk.sync_folder(self._folder)
        self._read += len(data)


def _table(line: bytes) -> Table | None:
    try:
        table: Table = json.loads(line)
        return table if table.pop("check") == _check(table) else None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _check(table: Table) -> str:
    return digest_of(table)[:16]
