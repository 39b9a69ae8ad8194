"""Kill a run at random moments, look at the folder as it lies there, run it again; at the end count everything.

Knows the folder's promises and nothing of the code that keeps them: it reads the ledger with plain SQLite, from a copy,
so that looking mends nothing.
"""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Outcome:
    """Attributes: kills: that met a living process; faults: promises that were broken, each said once."""

    kills: int = 0
    faults: list[str] = field(default_factory=list)

    def found(self, fault: str) -> None:
        if fault not in self.faults:
            self.faults.append(fault)


def torture(
    command: Sequence[str],
    folder: Path,
    *,
    kills: int,
    spread: float,
    expected: int,
    seed: int = 0,
    patient: bool = True,
) -> Outcome:
    """Start `command` and kill it `kills` times; then let it end.

    Args:
        command: makes what is missing in `folder`, holding its lock meanwhile; exits 0 when nothing is missing.
        spread: a kill comes at a random moment of so many seconds after the lock was taken.
        expected: pictures that are there in the end.
        patient: go on after a fault was found.
    """
    moments, outcome, rows, whole = random.Random(seed), Outcome(), {}, set()
    for _ in range(kills):
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        _wait_for_lock(folder, child)
        time.sleep(moments.uniform(0, spread))
        outcome.kills += child.poll() is None
        child.kill()
        said = child.communicate()[1]
        if child.returncode > 0:
            outcome.found(f"the run gave up: {said.decode()[-300:]}")
        rows = _look(folder, rows, whole, outcome)
        if outcome.faults and not patient:
            return outcome
    last = subprocess.run(command, capture_output=True, check=False)
    if last.returncode:
        outcome.found(f"the last run failed: {last.stderr.decode()[-300:]}")
    _look(folder, rows, whole, outcome)
    for fault in count(folder, expected):
        outcome.found(fault)
    return outcome


def rows_of(folder: Path) -> dict[str, tuple[str, str, int]]:
    """Shot and fingerprint id to digest, path and size, out of a copy of the ledger."""
    if not (folder / "study.sqlite").exists():
        return {}
    with tempfile.TemporaryDirectory() as room:
        for name in ("study.sqlite", "study.sqlite-wal"):
            if (folder / name).exists():
                shutil.copy(folder / name, room)
        connection = sqlite3.connect(Path(room) / "study.sqlite")
        try:
            found = connection.execute("SELECT shot_id || fingerprint_id, digest, path, size FROM images").fetchall()
        finally:
            connection.close()
    return {key: (digest, path, size) for key, digest, path, size in found}


def pictures_of(folder: Path) -> Iterator[Path]:
    """Every file below `images/`, finished or not."""
    return (path for path in (folder / "images").glob("*/*") if path.is_file())


def _wait_for_lock(folder: Path, child: subprocess.Popen[bytes]) -> None:
    while child.poll() is None:
        try:
            if json.loads((folder / "study.lock").read_text())["pid"] == child.pid:
                return
        except (OSError, ValueError):
            pass
        time.sleep(0.002)


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
