"""Calls every verb on every harmed folder, in one process, and says what went wrong: a JSON list on standard output.

    python -m tests.hostile.sweep rows --part 3/40 --keep bench/results/hostile.json

A verb may finish, or raise an error of ours; any other exception, a hang, a touch of anything outside, a secret in what
was written, and a folder that was only shown and is changed by it are faults. The process is a child of the tests,
because an audit hook cannot be taken off. A hang in a thread is no alarm's to end: the caller's time limit ends it.
"""

from __future__ import annotations

import argparse
import base64
import json
import shutil
import signal
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from tests.hostile import verbs
from tests.hostile.cases import CASES, SECRET, Case, make_outside
from tests.hostile.watch import Watch, state

from teststrip.errors import TeststripError

SECONDS = 30
# SQLite makes and removes its logs while a ledger is open; the rest of a folder that is only shown stays.
LOGS = ("study.sqlite-wal", "study.sqlite-shm")


class Hang(BaseException):
    """A verb took too long."""


@contextmanager
def patience(seconds: int) -> Iterator[None]:
    """Raise Hang in the main thread when the time is over."""

    def end(_: int, frame: FrameType | None) -> None:
        raise Hang("".join(traceback.format_stack(frame)[-2:]))

    signal.signal(signal.SIGALRM, end)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


def secrets(text: bytes) -> bool:
    """Whether the secret stands in bytes, plain or in base64."""
    secret = SECRET.encode()
    plain = [secret, *(base64.b64encode(b"x" * shift + secret)[4:-4] for shift in range(3))]
    return any(one in text for one in plain)


def leaked(folder: Path) -> list[str]:
    """The small files of a folder in which the secret stands."""
    return [
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink() and path.stat().st_size < 2**26 and _inside(path, folder)
        if secrets(path.read_bytes())
    ]


def _inside(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())


class Sweep:
    """Harms copies of one folder and calls verbs on them."""

    def __init__(self, world: Path) -> None:
        self._ready, self._folder, self._outside = world / "ready", world / "study", world / "outside"
        verbs.made(self._ready)
        make_outside(self._outside)
        self._before = state(self._outside)
        (world / verbs.OWN).mkdir()
        self._watch = Watch(world, world / verbs.OWN)
        self.done = self.refused = 0

    def cases(self, kind: str) -> list[Case]:
        """All cases of a kind."""
        return list(CASES[kind](self._ready))

    def faults(self, case: Case) -> Iterator[str]:
        """What goes wrong with a case."""
        if not self._harmed(case):
            return
        before = state_of_parts(self._folder)
        for name, verb in verbs.READING.items():
            yield from self._called(name, verb)
            if name == "view" and (changed := differing(before, state_of_parts(self._folder))):
                yield f"view: changed {changed}"
        for name, verb in verbs.WRITING.items():
            self._harmed(case)
            yield from self._called(name, verb)
        if "trackers" in case.name:
            self._harmed(case)
            yield from self._called("tensorboard", verbs.TRACKER["tensorboard"])

    def _harmed(self, case: Case) -> bool:
        shutil.rmtree(self._folder, ignore_errors=True)
        shutil.copytree(self._ready, self._folder, symlinks=True)
        return case.harm(self._folder)

    def _called(self, name: str, verb: Callable[[Path], object]) -> Iterator[str]:
        said: object = ""
        with self._watch.over(self._folder) as strayed:
            try:
                with patience(SECONDS):
                    said = verb(self._folder)
                self.done += 1
            except TeststripError as error:
                said = str(error)
                self.refused += 1
                if "\n" in said:
                    yield f"{name}: says more than a line: {said}"
            except Hang as error:
                yield f"{name}: hangs: {error}"
            except Exception:
                yield f"{name}: {''.join(traceback.format_exc().splitlines(keepends=True)[-3:])}"
        yield from (f"{name}: {one}" for one in dict.fromkeys(strayed))
        if secrets(repr(said).encode()) or leaked(self._folder):
            yield f"{name}: the secret is in {leaked(self._folder) or 'what it said'}"
        if changed := differing(self._before, state(self._outside)):
            yield f"{name}: changed outside: {changed}"
            make_outside(self._outside)
            self._before = state(self._outside)


def state_of_parts(folder: Path) -> dict[str, tuple[object, ...]]:
    """The state of a study's folder, without SQLite's logs and the contents of large files."""
    found = {}
    for path in folder.rglob("*"):
        facts = path.lstat()
        name = str(path.relative_to(folder))
        if name not in LOGS and not path.is_dir():
            found[name] = (facts.st_mode, facts.st_size, facts.st_mtime_ns)
    return found


def differing(before: dict[str, tuple[object, ...]], after: dict[str, tuple[object, ...]]) -> list[str]:
    """The names that are not as they were."""
    return sorted(name for name in {*before, *after} if before.get(name) != after.get(name))


def swept(kind: str, part: int, parts: int, only: str = "") -> dict[str, object]:
    """The faults of each case of a part of a kind, and how many verbs were done and refused."""
    with tempfile.TemporaryDirectory(prefix="hostile-") as place:
        sweep = Sweep(Path(place).resolve())
        cases = [case for case in sweep.cases(kind)[part::parts] if only in case.name]
        faults = {case.name: found for case in cases if (found := list(sweep.faults(case)))}
    return {"cases": len(cases), "done": sweep.done, "refused": sweep.refused, "faults": faults}


def keep(file: Path, name: str, found: dict[str, object]) -> None:
    """Put what was found into a file of results, in the place of what an earlier sweep of that name found."""
    known = json.loads(file.read_text("utf-8")) if file.exists() else {}
    file.write_text(json.dumps({**known, name: found}, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    words = argparse.ArgumentParser()
    words.add_argument("kind", choices=CASES)
    words.add_argument("--part", default="0/1", help="every n-th case from the k-th on: k/n")
    words.add_argument("--only", default="", help="only cases with this in their name")
    words.add_argument("--keep", type=Path, help="a file of results, which gets these by kind and part")
    asked = words.parse_args()
    first, step = map(int, asked.part.split("/"))
    result = swept(asked.kind, first, step, asked.only)
    json.dump(result, sys.stdout, indent=1)
    if asked.keep:
        keep(asked.keep, f"{asked.kind} {asked.part}", result)
