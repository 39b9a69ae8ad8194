"""Votes on disk: one a line, in a file of their own under a lock of their own, because raters vote while a run writes.

    {"check": CHECK, "vote": {...}}         a vote
    {"check": CHECK, "withdrawn": ID}       a vote that its rater took back

`lines` says how they are kept through kills. A line whose check does not fit is skipped and counted. An id counts once,
however often it comes.

Knows records and lines; nothing of pages and raters' links.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, get_args

from teststrip.errors import FolderBusy, StoreError
from teststrip.folder import VOTES_FILE, VOTES_LOCK_FILE
from teststrip.records.votes import Choice, Judgement, Pair, PairKind, RaterKind, Side, Vote
from teststrip.store import inside
from teststrip.store.files import is_digest
from teststrip.store.lines import LineFile
from teststrip.store.lock import FolderLock

MOST_VOTES = 100_000  # of a study, with those taken back; 70 MB
MOST_LETTERS = {"id": 64, "rater": 60, "question": 300, "at": 40}
MOST_LETTERS_JUDGED = {"model": 200, "revision": 80, "options": 500}
MOST_LETTERS_SAID = 64
MOST_MILLISECONDS = 86_400_000
PATIENCE_SECONDS = 10.0  # with another process that is writing votes, which takes milliseconds


class VoteFile:
    """The votes of a study folder. Any number of threads and processes may read and add.

    What was read is kept, and each call reads only what was appended since.

    Args:
        folder: of the study.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lines = LineFile(folder, VOTES_FILE)
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
        with self._lock, self._writing():
            fresh: dict[str, Vote] = {}
            for vote in votes:
                if vote.id not in self._votes:
                    fresh.setdefault(vote.id, _checked(self._folder, vote))
            self._append([{"vote": _table(vote)} for vote in fresh.values()])
            self._votes.update(fresh)
            return len(fresh)

    def withdraw(self, identity: str) -> bool:
        """Take a vote back.

        Returns:
            Whether it counted until now.
        """
        with self._lock, self._writing():
            if self._votes.get(identity) is None:
                return False
            self._append([{"withdrawn": identity}])
            self._votes[identity] = None
            return True

    def _forget(self) -> None:
        self._votes: dict[str, Vote | None] = {}
        self._damaged = 0
        self._entries = 0

    def _catch_up(self) -> None:
        """Take what was appended since the last look."""
        further = self._lines.further()
        if further.anew:
            self._forget()
        self._entries += len(further.tables)
        for table in further.tables:
            try:
                self._take(table)
            except (ValueError, KeyError, TypeError):
                self._damaged += 1

    def _take(self, table: Mapping[str, Any] | None) -> None:
        if table is None:
            raise ValueError("its check does not fit")
        if "withdrawn" in table:
            self._votes[str(table["withdrawn"])] = None
        else:
            vote = read(table["vote"])
            self._votes.setdefault(vote.id, vote)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """The votes' lock, with all that other processes wrote before."""
        with inside.speaking(self._folder):
            lock = _locked(self._folder)
        try:
            self._catch_up()
            yield
        finally:
            lock.release()

    def _append(self, tables: list[dict[str, Any]]) -> None:
        if self._entries + len(tables) > MOST_VOTES:
            raise StoreError(f"{self._folder}: {MOST_VOTES:,} votes are the most that a study takes")
        self._lines.append(tables)
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


def _locked(folder: Path) -> FolderLock:
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return FolderLock(folder, name=VOTES_LOCK_FILE, glance_seconds=0.005)
        except FolderBusy:
            if time.monotonic() > end:
                raise
