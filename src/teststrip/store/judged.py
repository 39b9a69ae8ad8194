"""What judges were asked, a line before a question is sent and a line after its answer, under a lock of its own.

    {"check": CHECK, "asked": {...}}

The last line about a question says what became of it. A question that is still *sent* when the file is opened is one
whose process died before the answer: perhaps paid, so it counts with all that it may have cost. `lines` says how they
are kept through kills. A line whose check does not fit is skipped.

Knows records and lines; nothing of models and servers.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Literal, get_args

from teststrip.errors import StoreError
from teststrip.folder import JUDGED_FILE, JUDGED_LOCK_FILE
from teststrip.records import canonical_json
from teststrip.records.votes import Pair
from teststrip.store import inside
from teststrip.store.files import is_digest
from teststrip.store.lines import LineFile
from teststrip.store.lock import FolderLock
from teststrip.store.rows import NO_CURRENCY
from teststrip.store.votes import read_pair

MOST_LETTERS = {"judge": 60, "said": 300, "currency": 10}
MOST_MONEY = 1e9

State = Literal["sent", "answered", "refused", "invalid", "unknown", "failed"]
"""What became of a question. In this order: no answer yet; an answer that can be read; the content policy said no; an
answer that cannot be read, or a wrong request; perhaps paid and no answer came; any other failure, asked again."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question to a judge, and what became of it.

    Attributes:
        judge: the name of the judge.
        question: what was asked, as the id of a shot.
        pair: what the vote is about.
        turn: 0 = as the pair stands, 1 = with its sides swapped.
        state: what became of it.
        said: the answer, or why there is none.
        seconds: from question to answer.
        currency: of the amounts; NO_CURRENCY where the price was not known.
        reserved: the most that the question can cost.
        paid: what was paid; None = not known, perhaps all that was reserved.
    """

    judge: str
    question: str
    pair: Pair
    turn: int
    state: State
    said: str = ""
    seconds: float = 0.0
    currency: str = NO_CURRENCY
    reserved: float = 0.0
    paid: float | None = None

    @property
    def counted(self) -> float:
        """What counts against a limit."""
        return self.reserved if self.paid is None else self.paid

    @property
    def free(self) -> bool:
        """Whether it surely costs nothing, so that it may be asked again."""
        return self.counted == 0 and (self.paid is not None or self.currency != NO_CURRENCY)


class JudgedFile:
    """The questions of a study folder, open for the one process that asks judges. Ends with `close`.

    Args:
        folder: of the study.

    Raises:
        FolderBusy: another process asks a judge about this study.
        StoreError: the file cannot be read or written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with inside.speaking(folder):
            self._lock = FolderLock(folder, name=JUDGED_LOCK_FILE)
        self._lines = LineFile(folder, JUDGED_FILE)
        try:
            self._asked = _read(self._lines)
        except BaseException:
            self._lock.release()
            raise
        # What a process that died left open; it was sent, and no answer came.
        self._last = {one.question: one for one in self._asked}

    def last(self, question: str) -> Asked | None:
        """What became of a question; None = it was never asked."""
        return self._last.get(question)

    def all(self) -> tuple[Asked, ...]:
        """Each question once, as it stands, in the order in which they were first asked."""
        return tuple(self._last.values())

    def spent(self) -> Mapping[str, float]:
        """What counts as spent, by currency."""
        return _spent(self._asked)

    def add(self, asked: Asked) -> None:
        """Write down what became of a question. When this returns, it survives a power cut."""
        try:
            table = json.loads(canonical_json(asdict(asked)))
            read_asked(table)
        except ValueError as error:
            raise StoreError(f"{self._folder}: this answer cannot be kept, because {error}") from error
        self._lines.append([{"asked": table}])
        self._asked.append(asked)
        self._last[asked.question] = asked

    def close(self) -> None:
        """Let other processes ask."""
        self._lock.release()


def spent(folder: Path) -> Mapping[str, float]:
    """What judges have cost in a folder, by currency: what was paid, and where that is not known, what was reserved."""
    return _spent(_read(LineFile(folder, JUDGED_FILE)))


def _spent(lines: list[Asked]) -> Mapping[str, float]:
    """Each line that was sent counts, with what is known of its payment by the line that follows it."""
    found: defaultdict[str, float] = defaultdict(float)
    open_ones: dict[str, Asked] = {}
    for one in lines:
        if one.state == "sent":
            found[one.currency] += one.counted
            open_ones[one.question] = one
        elif (before := open_ones.pop(one.question, None)) and one.paid is not None:
            found[before.currency] += one.paid - before.counted
    found.pop(NO_CURRENCY, None)
    return found


def _read(lines: LineFile) -> list[Asked]:
    found = []
    for table in lines.further().tables:
        with suppress(ValueError, KeyError, TypeError):
            found.append(read_asked(table["asked"] if table else None))
    return found


def read_asked(table: object) -> Asked:
    """The question of a table, as `dataclasses.asdict` makes one.

    Raises:
        ValueError: it is none that can be meant.
    """
    if not isinstance(table, Mapping) or table.keys() != {field.name for field in fields(Asked)}:
        raise ValueError("it is no question")
    for name, most in MOST_LETTERS.items():
        text = table[name]
        if not (isinstance(text, str) and len(text) <= most and text.isprintable()):
            raise ValueError("a text in it is none")
    if not (isinstance(table["question"], str) and is_digest(table["question"])):
        raise ValueError("its id is none")
    if table["state"] not in get_args(State) or table["turn"] not in (0, 1):
        raise ValueError("a word in it is none that is known")
    for name in ("seconds", "reserved", "paid"):
        number = table[name]
        if number is None and name == "paid":
            continue
        if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number < MOST_MONEY:
            raise ValueError("a number in it is none")
    return Asked(**{**table, "pair": read_pair(table["pair"])})
