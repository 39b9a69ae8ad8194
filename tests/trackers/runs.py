"""What the tests of trackers share: runs of the contract's study, also slow ones and killed ones, and its truth."""

from __future__ import annotations

import atexit
import contextlib
import math
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import psutil
from tests import studies
from tests.command import COMMAND, command, environment

from teststrip.protocols import Tracker
from teststrip.records import Row
from teststrip.testing.tracker_contract import STUDY, digests, rows_of, wait_for
from teststrip.verbs.run import drive

__all__ = [
    "children",
    "digests",
    "files",
    "finished",
    "goes_on",
    "kill",
    "killed_run",
    "made",
    "means",
    "rows_of",
    "wait_for",
]


def study_file(folder: Path, *, replicates: int = 1, seconds: float = 0.0) -> Path:
    """The file of the contract's study: 16 places a replicate, of which two fail by design."""
    changes = {**STUDY, "replicates": replicates, "engine": {**STUDY["engine"], "seconds": seconds}}
    return studies.write(folder, **changes)


def made(folder: Path, *trackers: str | Tracker, replicates: int = 1) -> Path:
    """A finished study of which these trackers were notified."""
    drive(study_file(folder, replicates=replicates), folder / "little", trackers=trackers).result.close()
    return folder / "little"


def finished(folder: Path) -> Path:
    """A finished study of which no tracker was notified: a copy of one that is run once a session."""
    return Path(shutil.copytree(_finished(), folder / "little"))


@cache
def _finished() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="teststrip-trackers-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return made(folder)


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def means(rows: Sequence[Row], metric: str, key: Callable[[Row], object]) -> dict[object, float]:
    found: dict[object, list[float]] = {}
    for row in rows:
        if row.image and math.isfinite(row.scores[metric]):
            found.setdefault(key(row), []).append(row.scores[metric])
    return {label: math.fsum(values) / len(values) for label, values in found.items()}


def killed_run(folder: Path, tracker: str, until: Callable[[], object]) -> None:
    """Begin the study with its tracker, and kill -9 both while it runs, once `until` is true."""
    slow = study_file(folder, replicates=2, seconds=2)  # 32 places: it runs for longer than `wait_for` waits
    words = ["run", str(slow), "--out", "little", "--tracker", tracker]
    process = subprocess.Popen(
        [*COMMAND, *words], cwd=folder, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_for(until, seconds=60)
        assert process.poll() is None, "it was over already"
    finally:
        kill([*children(process), process])
        process.wait(60)


def children(process: subprocess.Popen[Any]) -> list[psutil.Process]:
    """All that a process started, its own child first; nothing once it is gone."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(process.pid).children(recursive=True)
    return []


def kill(processes: Iterable[psutil.Process | subprocess.Popen[Any]]) -> None:
    """Kill -9 those that still live: what a tracker started may end by itself as soon as the tracker has."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def goes_on(folder: Path, tracker: str) -> None:
    """Run what was killed to its end, without waiting for pictures; some fail, as they should."""
    words = ["run", study_file(folder, replicates=2), "--out", "little", "--tracker", tracker]
    command(*words, cwd=folder, code=3)
