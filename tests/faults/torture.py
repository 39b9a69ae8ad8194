"""Kill a run at random moments, look at the folder as it lies there, run it again; at the end count everything.

Knows the folder's promises and nothing of the code that keeps them: it reads the ledger with plain SQLite, from a copy,
so that looking mends nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import select
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, Self

PAINTER = Path(__file__).with_name("painter.py")


@dataclass
class Outcome:
    """Attributes: kills: that met a living process; faults: promises that were broken, each said once."""

    kills: int = 0
    faults: list[str] = field(default_factory=list)

    def found(self, fault: str) -> None:
        if fault not in self.faults:
            self.faults.append(fault)


class Child(Protocol):
    """What can be killed; `subprocess.Popen` is one."""

    @property
    def pid(self) -> int: ...
    def poll(self) -> int | None: ...
    def kill(self) -> None: ...
    def wait(self) -> int: ...


def torture(
    start: Callable[[], Child],
    folder: Path,
    *,
    kills: int,
    commits: int = 4,
    spread: float = 0.02,
    expected: int,
    seed: int = 0,
    patient: bool = True,
) -> Outcome:
    """Start a process and kill it, `kills` times; then let it end.

    Args:
        start: a process that makes what is missing in `folder`, holding its lock meanwhile; exits 0 when all is there.
        commits, spread: a kill comes after the child was seen to take the lock and then commit a random number of
            times, 0 to `commits`, and a random time of at most `spread` seconds more. Progress and not the clock alone:
            on a busy machine a child may do nothing for a second.
        expected: pictures that are there in the end.
        patient: go on after a fault was found.
    """
    moments, outcome, rows, whole = random.Random(seed), Outcome(), {}, set()
    for _ in range(kills):
        child = start()
        _wait_for_lock(folder, child)
        _wait_for_commits(folder, child, moments.randint(0, commits))
        time.sleep(moments.uniform(0, spread))
        outcome.kills += child.poll() is None
        child.kill()
        if child.wait() > 0:
            outcome.found("the run gave up")
        rows = _look(folder, rows, whole, outcome)
        if outcome.faults and not patient:
            return outcome
    if start().wait():
        outcome.found("the last run failed")
    _look(folder, rows, whole, outcome)
    for fault in count(folder, expected):
        outcome.found(fault)
    return outcome


def command(*words: str) -> Callable[[], Child]:
    """Starts a command of its own each time."""
    return lambda: subprocess.Popen(words, stdout=subprocess.DEVNULL)


class Forks:
    """Starts painters forked from one that has imported everything: a kill then costs milliseconds. Close it."""

    def __init__(self, *words: str) -> None:
        painter = [sys.executable, str(PAINTER), "--forks", *words]
        self._parent = subprocess.Popen(painter, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)

    def __call__(self, *words: str) -> Child:
        return _Fork(self._parent, words)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._parent.communicate()


class _Fork:
    def __init__(self, parent: subprocess.Popen[bytes], words: Sequence[str]) -> None:
        self._parent, self._code = parent, None
        parent.stdin.write(json.dumps(words).encode() + b"\n")
        self.pid = int(parent.stdout.readline())

    def poll(self) -> int | None:
        if self._code is None and select.select([self._parent.stdout], [], [], 0)[0]:
            self.wait()
        return self._code

    def kill(self) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # ended and reaped, but its parent has not said so yet
                os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> int:
        if self._code is None:
            self._code = int(self._parent.stdout.readline())
        return self._code


def rows_of(folder: Path) -> dict[str, tuple[str, str, int]]:
    """Shot and fingerprint id to digest, path and size, out of a copy of the ledger."""
    if not (folder / "study.sqlite").exists():
        return {}
    with tempfile.TemporaryDirectory() as room:
        _copied(folder, Path(room))
        connection = sqlite3.connect(Path(room) / "study.sqlite")
        try:
            found = connection.execute("SELECT shot_id || fingerprint_id, digest, path, size FROM images").fetchall()
        finally:
            connection.close()
    return {key: (digest, path, size) for key, digest, path, size in found}


def _copied(folder: Path, room: Path) -> None:
    """The ledger as it lies there; once more where its log went away meanwhile."""
    for _ in range(20):
        try:
            for name in ("study.sqlite", "study.sqlite-wal"):
                (room / name).unlink(missing_ok=True)
                if (folder / name).exists():
                    shutil.copy(folder / name, room)
        except FileNotFoundError:
            continue
        return


def pictures_of(folder: Path) -> Iterator[Path]:
    """Every file below `images/`, finished or not."""
    return (path for path in (folder / "images").glob("*/*") if path.is_file())


def _wait_for_lock(folder: Path, child: Child) -> None:
    while child.poll() is None:
        try:
            if json.loads((folder / "study.lock").read_text())["pid"] == child.pid:
                return
        except (OSError, ValueError):
            pass
        time.sleep(0.002)


def _wait_for_commits(folder: Path, child: Child, number: int) -> None:
    log, before = folder / "study.sqlite-wal", None
    while number > 0 and child.poll() is None:
        now = log.stat().st_mtime_ns if log.exists() else None
        number -= now != before
        before = now
        time.sleep(0.001)


def _look(
    folder: Path, before: dict[str, tuple[str, str, int]], whole: set[str], outcome: Outcome
) -> dict[str, tuple[str, str, int]]:
    """What must hold at every instant: nothing is lost; a row has its whole file; a final name has its whole file."""
    rows = rows_of(folder)
    if any(rows.get(key) != row for key, row in before.items()):
        outcome.found("a picture that was there is lost or another one")
    for path in pictures_of(folder):
        if not path.name.startswith(".") and path.name not in whole:
            if hashlib.sha256(path.read_bytes()).hexdigest() == path.stem:
                whole.add(path.name)
            else:
                outcome.found("a file under its final name is not whole")
    for _, path, _ in rows.values():
        if Path(path).name not in whole or not (folder / path).is_file():
            outcome.found("a row has no whole file")
    return rows


def count(folder: Path, expected: int) -> list[str]:
    """What must hold when a run has ended: every picture once, files and rows the same, nothing left over."""
    rows, pictures, faults = rows_of(folder), list(pictures_of(folder)), []
    if len(rows) != expected:
        faults.append(f"{len(rows)} pictures instead of {expected}")
    if any(path.name.startswith(".") for path in pictures):
        faults.append("a temporary file is left")
    if {path.relative_to(folder).as_posix() for path in pictures} != {path for _, path, _ in rows.values()}:
        faults.append("files and rows are not the same pictures")
    for digest, path, size in rows.values():
        data = (folder / path).read_bytes() if (folder / path).is_file() else b""
        if hashlib.sha256(data).hexdigest() != digest or len(data) != size:
            faults.append("a file is not what its row says")
    if (folder / "quarantine").exists():
        faults.append("a picture had to be put into quarantine")
    return faults
