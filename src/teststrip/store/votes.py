"""Votes on disk: one a line, in a file of their own under a lock of their own, because raters vote while a run writes.

    {"check": CHECK, "vote": {...}}         a vote
    {"check": CHECK, "withdrawn": ID}       a vote that its rater took back

A line is only ever appended. `add` returns when the disk has it, so a kill at any moment loses at most the vote whose
`add` had not returned. A kill may leave the beginning of a line. The next `add` cuts it off, because no rater was told
that it counts. A line whose check does not fit is skipped and counted. An id counts once, however often it comes.

Knows records and lines; nothing of pages and raters' links.
"""

from __future__ import annotations

import json
import os
import stat
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, get_args

from teststrip import disk
from teststrip.errors import FolderBusy, StoreError
from teststrip.folder import VOTES_FILE, VOTES_LOCK_FILE
from teststrip.records import canonical_json, digest_of
from teststrip.records.votes import Choice, Judgement, Pair, PairKind, RaterKind, Side, Vote
from teststrip.store import inside
from teststrip.store.files import is_digest
from teststrip.store.lock import FolderLock

MOST_VOTES = 100_000  # of a study, with those taken back; 70 MB
MOST_BYTES = 2**27
MOST_LETTERS = {"id": 64, "rater": 60, "question": 300, "at": 40}
MOST_LETTERS_JUDGED = {"model": 200, "revision": 80, "options": 500}
MOST_LETTERS_SAID = 64
MOST_MILLISECONDS = 86_400_000
PATIENCE_SECONDS = 10.0  # with another process that is writing votes, which takes milliseconds

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_BINARY = getattr(os, "O_BINARY", 0)


class VoteFile:
    """The votes of a study folder. Any number of threads and processes may read and add.

    What was read is kept, and each call reads only what was appended since.

    Args:
        folder: of the study.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.RLock()  # protects what was read
        self._forget()

    def votes(self) -> tuple[Vote, ...]:
        """The votes that count, in the order in which they came."""
        with self._lock:
            self._catch_up()
            return tuple(vote for vote in self._votes.values() if vote is not None)

    def knows(self, identity: str) -> bool:
        """Whether a vote of this id has come, also one that was taken back."""
        with self._lock:
            return identity in self._votes

    @property
    def damaged(self) -> int:
        """The number of lines that were skipped because their check does not fit, as far as the file was read."""
        return self._damaged

    def add(self, votes: Iterable[Vote]) -> int:
        """Write votes down. When this returns, they survive a power cut.

        Returns:
            The number of those that were new.

        Raises:
            FolderBusy: another process holds the votes' lock for long.
            StoreError: a vote is none that can be meant, there is no more room, or the file cannot be written.
        """
        with self._lock, self._writing() as file:
            fresh: dict[str, Vote] = {}
            for vote in votes:
                if vote.id not in self._votes:
                    fresh.setdefault(vote.id, _checked(self._folder, vote))
            self._append(file, [{"vote": _table(vote)} for vote in fresh.values()])
            self._votes.update(fresh)
            return len(fresh)

    def withdraw(self, identity: str) -> bool:
        """Take a vote back.

        Returns:
            Whether it counted until now.
        """
        with self._lock, self._writing() as file:
            if self._votes.get(identity) is None:
                return False
            self._append(file, [{"withdrawn": identity}])
            self._votes[identity] = None
            return True

    def _forget(self) -> None:
        self._votes: dict[str, Vote | None] = {}
        self._read = 0
        self._damaged = 0
        self._entries = 0

    def _catch_up(self) -> None:
        """Read the whole lines that were appended since the last look."""
        try:
            with inside.opened(self._folder, VOTES_FILE, MOST_BYTES) as file:
                if os.fstat(file.fileno()).st_size < self._read:
                    self._forget()
                file.seek(self._read)
                found = file.read(MOST_BYTES)
        except FileNotFoundError:
            return self._forget()
        except OSError as error:
            raise StoreError(f"{self._folder}: {VOTES_FILE} cannot be read: {error.strerror or error}") from error
        whole = found[: found.rfind(b"\n") + 1]
        for line in whole.splitlines():
            self._take(line)
        self._read += len(whole)
        return None

    def _take(self, line: bytes) -> None:
        self._entries += 1
        try:
            table = json.loads(line)
            check = table.pop("check")
            if check != _check(table):
                self._damaged += 1
            elif "withdrawn" in table:
                self._votes[str(table["withdrawn"])] = None
            else:
                vote = read(table["vote"])
                self._votes.setdefault(vote.id, vote)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            self._damaged += 1

    @contextmanager
    def _writing(self) -> Iterator[int]:
        """The file, open to append to, under the votes' lock and without the beginning of a line at its end."""
        with inside.speaking(self._folder):
            lock = _locked(self._folder)
            try:
                file = os.open(inside.place(self._folder, VOTES_FILE), _FLAGS | _BINARY, 0o644)
                try:
                    if not stat.S_ISREG(os.fstat(file).st_mode):
                        raise StoreError(f"{self._folder}: {VOTES_FILE} is no regular file")
                    self._catch_up()
                    if os.fstat(file).st_size > self._read:
                        os.ftruncate(file, self._read)
                    yield file
                finally:
                    os.close(file)
            finally:
                lock.release()

    def _append(self, file: int, tables: list[dict[str, Any]]) -> None:
        if not tables:
            return
        if self._entries + len(tables) > MOST_VOTES:
            raise StoreError(f"{self._folder}: {MOST_VOTES:,} votes are the most that a study takes")
        new = self._read == 0
        data = "".join(canonical_json({"check": _check(table), **table}) + "\n" for table in tables).encode()
        left = memoryview(data)
        while left:
            left = left[os.write(file, left) :]
        disk.sync(file)
        if new:
            disk.sync_folder(self._folder)
        self._read += len(data)
        self._entries += len(tables)


def read(table: object) -> Vote:
    """The vote of a table, as `dataclasses.asdict` makes one.

    Raises:
        ValueError: it is none that can be meant.
    """
    if not isinstance(table, Mapping) or table.keys() | {"judged"} != _names(Vote):
        raise ValueError("it is no vote")
    texts = {name: _text(table[name], most) for name, most in MOST_LETTERS.items()}
    milliseconds = table["milliseconds"]
    if type(milliseconds) is not int or not 0 <= milliseconds <= MOST_MILLISECONDS:
        raise ValueError("its time is none")
    kind: RaterKind = _one_of(table["rater_kind"], get_args(RaterKind))
    judged = table.get("judged")
    if judged is not None and kind != "judge":
        raise ValueError("it is a person's, and a model answered it")
    return Vote(
        id=texts["id"],
        pair=read_pair(table["pair"]),
        choice=_one_of(table["choice"], get_args(Choice)),
        rater=texts["rater"],
        rater_kind=kind,
        milliseconds=milliseconds,
        question=texts["question"],
        at=texts["at"],
        judged=None if judged is None else _judgement(judged),
    )


def read_pair(table: object) -> Pair:
    """The pair of a table, as `dataclasses.asdict` makes one.

    Raises:
        ValueError: it is none that can be meant.
    """
    if not isinstance(table, Mapping) or table.keys() != _names(Pair):
        raise ValueError("it has no pair")
    return Pair(_side(table["left"]), _side(table["right"]), _one_of(table["kind"], get_args(PairKind)))


def _judgement(table: object) -> Judgement:
    if not isinstance(table, Mapping) or table.keys() != _names(Judgement):
        raise ValueError("it is no judgement")
    texts = {name: _text(table[name], most, least=0) for name, most in MOST_LETTERS_JUDGED.items()}
    template, answers = table["template"], table["answers"]
    if type(template) is not int or not 0 < template < 10_000:
        raise ValueError("its template is none")
    if not isinstance(answers, list | tuple) or not 1 <= len(answers) <= 2:
        raise ValueError("it has no answers")
    return Judgement(template=template, answers=tuple(_text(one, MOST_LETTERS_SAID) for one in answers), **texts)


def _names(record: type[Vote | Pair | Judgement]) -> set[str]:
    return {field.name for field in fields(record)}


def _table(vote: Vote) -> dict[str, Any]:
    """A vote as it is written; a person's has no key for what only models have."""
    table = asdict(vote)
    if vote.judged is None:
        del table["judged"]
    return table


def _side(table: object) -> Side:
    if not isinstance(table, Mapping) or table.keys() != {"shot", "digest"}:
        raise ValueError("it has no side")
    for text in table.values():
        if not (isinstance(text, str) and is_digest(text)):
            raise ValueError("a picture in it is none")
    return Side(table["shot"], table["digest"])


def _text(value: object, most: int, *, least: int = 1) -> str:
    if not (isinstance(value, str) and least <= len(value) <= most and value.isprintable()):
        raise ValueError("a text in it is none")
    return value


def _one_of(value: object, known: tuple[Any, ...]) -> Any:
    if value not in known:
        raise ValueError("a word in it is none that is known")
    return value


def _checked(folder: Path, vote: Vote) -> Vote:
    try:
        return read(asdict(vote))
    except ValueError as error:
        raise StoreError(f"{folder}: this vote cannot be kept, because {error}") from error


def _check(table: Mapping[str, Any]) -> str:
    return digest_of(table)[:16]


def _locked(folder: Path) -> FolderLock:
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return FolderLock(folder, name=VOTES_LOCK_FILE, glance_seconds=0.005)
        except FolderBusy:
            if time.monotonic() > end:
                raise
