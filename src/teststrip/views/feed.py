"""The feed of the live page: watches a study folder and says what is new. Reads only; knows no network.

A run in another process writes the ledger. The feed looks at the ledger's file times and reads the ledger again only
when they moved; while a run goes on it does so for at most a fiftieth of the time, so that watching costs the run next
to nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from teststrip.folder import LEDGER_FILE, VOTES_FILE
from teststrip.records import Row
from teststrip.store import Store, thumbs
from teststrip.store.lock import holder
from teststrip.views import board as boards

if TYPE_CHECKING:
    from teststrip.results.result import Result

CONCLUDED = ("findings", "head", "warnings", "across")  # parts of the board that stand only when a run has ended
PACE_WINDOW_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Rest:
    """How long the feed rests between two looks.

    Attributes:
        times: as long as the last look took.
        idle_seconds: at most, while no run goes on.
    """

    times: float = 50
    idle_seconds: float = 5.0

    def seconds(self, looked: float, *, running: bool) -> float:
        """The rest after a look that took so many seconds.

        >>> Rest().seconds(0.5, running=True), Rest().seconds(0.5, running=False)
        (25.0, 5.0)
        """
        rest = self.times * looked
        return rest if running else min(rest, self.idle_seconds)


REST = Rest()


@dataclass
class News:
    """What changed after a version: parts of the board.

    Attributes:
        version: of the board now.
        reload: too much changed; the page must be read again.
        places: those that changed.
        progress: counts and time left; always there.
        findings: None when they are the same.
        warnings: None when the findings are the same.
        across: None when the findings are the same.
        head: None when the findings are the same.
    """

    version: int
    reload: bool = False
    places: list[Mapping[str, Any]] = field(default_factory=list)
    progress: Mapping[str, Any] = field(default_factory=dict)
    findings: Sequence[Mapping[str, Any]] | None = None
    warnings: Sequence[str] | None = None
    across: str | None = None
    head: Mapping[str, Any] | None = None

    def as_dict(self) -> dict[str, Any]:
        """The news as the page reads them, with what is concluded only when it changed."""
        news = {"version": self.version, "reload": self.reload, "places": self.places, "progress": self.progress}
        concluded = {name: getattr(self, name) for name in CONCLUDED}
        return news if self.findings is None else {**news, **concluded}


class Feed:
    """The board of a folder, kept fresh.

    `look` may be called from any thread; the lock protects the board and the versions, which a look replaces together.

    Args:
        result: opened for reading.
        rest: between two looks.
    """

    def __init__(self, result: Result, rest: Rest = REST) -> None:
        self._result = result
        self._rest = rest
        self._lock = threading.Lock()
        self._stamp: object = None
        self._running: bool | None = None
        self._next = 0.0
        self._ledger = _identity(result.folder / LEDGER_FILE)
        self._pace: list[tuple[float, int]] = []
        self.version = 0
        self._changed: list[int] = []
        self._shape_version = 0
        self._findings_version = 0
        self._files: dict[str, str] = {}
        self.board: dict[str, Any] = {}
        self._votes: tuple[object, list[str]] = (None, [])
        self.look()

    @property
    def folder(self) -> Path:
        """The study folder."""
        return self._result.folder

    def look(self) -> bool:
        """Read what changed.

        A run that begins or ends is seen at once: the feed rests only while neither happens.

        Returns:
            Whether something changed.

        Raises:
            StoreError: the ledger is away or damaged; the board stays as it was.
        """
        now = time.monotonic()
        running = holder(self.folder) is not None
        stamp = (self._ledger_stamp(), running)
        with self._lock:
            resting = now < self._next and running == self._running
            if stamp == self._stamp or resting:
                return False
            fresh = self._read(finished=not running)
            moved = self._take(fresh, running=running, now=now)
            self._stamp, self._running = stamp, running
            self._next = time.monotonic() + self._rest.seconds(time.monotonic() - now, running=running)
        return moved

    def since(self, version: int) -> News:
        """What changed after a version; a page of that version asks."""
        with self._lock:
            if version < self._shape_version or version > self.version:
                return News(self.version, reload=True)
            places = [p for p, changed in zip(self.board["places"], self._changed, strict=True) if changed > version]
            news = News(self.version, places=places, progress=self.board["progress"])
            if self._findings_version > version:
                news.findings, news.warnings = self.board["findings"], self.board["warnings"]
                news.across, news.head = self.board["across"], self.board["head"]
            return news

    def snapshot(self) -> dict[str, Any]:
        """The whole board, with its version."""
        with self._lock:
            votes = {} if self._running or not (said := self._voted()) else {"votes": said}
            return {**self.board, **votes, "version": self.version, "live": True, "root": ""}

    def said(self) -> dict[str, list[str]]:
        """What the votes say by now, and what the metrics say beside them; sentences."""
        with self._lock:
            findings = self.board["findings"]
            shown = [findings[card["finding"]]["headline"] for card in self.board["head"].get("cards", ())]
            return {"votes": self._voted(), "metrics": shown}

    def _voted(self) -> list[str]:
        """What the votes say, reckoned again where the votes' file changed."""
        stamp = (self._stamp, self._written(VOTES_FILE))
        if stamp != self._votes[0]:
            self._votes = (stamp, boards.votes(self._result))
        return self._votes[1]

    def rows(self) -> Sequence[Row]:
        """The rows of the study, as they were at the last look."""
        with self._lock:
            return self._result.rows()

    def file_of(self, digest: str) -> str | None:
        """The path of a picture relative to the folder; None where the board does not show it."""
        return self._files.get(digest)

    def _read(self, *, finished: bool) -> dict[str, Any]:
        self._result.refresh(self._replaced())
        # Conclusions during a run would change under the reader's eyes, and computing them would slow the run.
        if finished:
            return boards.of(self._result)
        return boards.build(self._result.study, self._result.rows(), cards=self._result.cards)

    def _replaced(self) -> Store | None:
        """A store on the new ledger, where `verify --rebuild` replaced the open one; None where it did not."""
        there = _identity(self.folder / LEDGER_FILE)
        if there == self._ledger:
            return None
        store = Store(self.folder)
        self._ledger = there
        return store

    def _take(self, fresh: dict[str, Any], *, running: bool, now: float) -> bool:
        """Replace the board, note which places changed, and return whether anything did."""
        places = [self._with_thumb(place) for place in fresh["places"]]
        fresh["places"] = places
        old = self.board.get("places", [])
        shape = [metric["name"] for metric in fresh["metrics"]]
        known = [metric["name"] for metric in self.board.get("metrics", [])]
        if running and not fresh["findings"]:
            fresh |= {key: self.board.get(key, fresh[key]) for key in CONCLUDED}
        version = self.version + 1
        fresh["progress"] = self._progress(fresh["progress"], running=running, now=now)
        moved = bool(fresh["progress"] != self.board.get("progress"))
        if len(old) != len(places) or shape != known:
            self._shape_version, self._changed, moved = version, [version] * len(places), True
        else:
            for index, (before, after) in enumerate(zip(old, places, strict=True)):
                if before != after:
                    self._changed[index], moved = version, True
        if any(fresh[key] != self.board.get(key) for key in CONCLUDED):
            self._findings_version, moved = version, True
        self.board = fresh
        self._files = {place["digest"]: place["file"] for place in places if "file" in place}
        self.version = version if moved else self.version
        return moved

    def _progress(self, counts: dict[str, int], *, running: bool, now: float) -> dict[str, Any]:
        done = counts["made"] + counts["failed"]
        self._pace = [(when, n) for when, n in self._pace if when > now - PACE_WINDOW_SECONDS]
        self._pace.append((now, done))
        (first, begun), left = self._pace[0], counts["total"] - done
        seconds = left * (now - first) / (done - begun) if running and done > begun else None
        return {**counts, "running": running, "seconds_left": seconds}

    @staticmethod
    def _with_thumb(place: dict[str, Any]) -> dict[str, Any]:
        if "file" in place and thumbs.wanted(*place["size"]):
            place["thumb"] = thumbs.address(place["file"])
        return place

    def _ledger_stamp(self) -> tuple[tuple[int, ...], ...]:
        return self._written(LEDGER_FILE, f"{LEDGER_FILE}-wal")

    def _written(self, *names: str) -> tuple[tuple[int, ...], ...]:
        """What changes when one of these files is written."""
        found = []
        for name in names:
            try:
                stat = (self.folder / name).stat()
            except FileNotFoundError:
                continue
            found.append((stat.st_ino, stat.st_mtime_ns, stat.st_size))
        return tuple(found)


def _identity(file: Path) -> tuple[int, int] | None:
    """Device and inode of a file, which a replaced file does not share; None where there is no file."""
    try:
        stat = file.stat()
    except FileNotFoundError:
        return None
    return stat.st_dev, stat.st_ino
