"""Rows of the ledger become records here, and nowhere else.

SQLite keeps whatever is put into a column, and a ledger may be a stranger's. A row is believed when its texts are
texts, its numbers finite and of a size that can be meant, its path the address of its digest, and its JSON of the kind
that `to_json` writes. Every other row is a StoreError with the remedy, in every verb. To read a table: a function from
a row to a record that raises ValueError, and its `Kind`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar, get_args

from teststrip.errors import StoreError
from teststrip.folder import LEDGER_FILE
from teststrip.pictures.stamps import from_json, shot_of, to_json
from teststrip.records import Failure, Fingerprint, Image, Reason, Score, Shot
from teststrip.store import files, looks

T_co = TypeVar("T_co", covariant=True)
Row = tuple[object, ...]

REBUILD = "Run: teststrip verify --rebuild {folder}  (the pictures hold their own records; the file is kept)"

_LONGEST_NAME = 200  # letters of an id, a metric's or a study's name; a digest has 64
_MOST = 1e12  # seconds, calls and money: beyond anything that is meant, and sums of it stay finite
NO_CURRENCY = "XXX"  # as ISO 4217 spells that there is none
_HIGHEST_SCORE = 1e100  # its square is still a number
_MOST_SIDE = 2**31 - 1  # pixels: what the header of a PNG can say
_COUNTED = ("denoiser_calls", "price")
"""The facts of a picture that are numbers, because others reckon with them."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """A study text that was run in a folder.

    Attributes:
        name: of the study.
        text: TOML.
        at: the time in UTC, for people.
    """

    name: str
    text: str
    at: str


@dataclass(frozen=True, slots=True)
class Incident:
    """Something out of the ordinary that the store found or did.

    Attributes:
        kind: "adopted", "unfit", "missing", "short", "damaged", "migrated" or "rebuilt".
        at: the time in UTC, for people.
        facts: the old row, where its file is kept, and why.
    """

    kind: str
    at: str
    facts: dict[str, object]


@dataclass(frozen=True, slots=True)
class Request:
    """A request to a paid service.

    Attributes:
        number: counts requests of the folder.
        shot_id: what was asked.
        state: "reserved" while no answer is there, then "settled", "failed" or "unknown".
        currency: of the amounts; NO_CURRENCY where the price was not known.
        reserved: the most that the request can cost.
        paid: what was paid; None = not known, perhaps all that was reserved.
        ticket: how the service can be asked after it; "" = it cannot.
    """

    number: int
    shot_id: str
    state: str
    currency: str
    reserved: float
    paid: float | None
    ticket: str = ""

    @property
    def counted(self) -> float:
        """What counts against a limit."""
        return self.reserved if self.paid is None else self.paid


@dataclass(frozen=True, slots=True)
class Kind(Generic[T_co]):
    """How the rows of a table are read.

    Attributes:
        table: what is read, after FROM.
        columns: of a row, in the order in which `make` takes them.
        make: the record of a row; raises ValueError for a row that cannot be believed.
        order: after ORDER BY; "" = as they come.
    """

    table: str
    columns: str
    make: Callable[[Row], T_co]
    order: str = ""

    def query(self, where: str = "") -> str:
        """The SQL that finds the rows; `where` is our own text."""
        order = f"ORDER BY {self.order}" if self.order else ""
        return f"SELECT {self.columns} FROM {self.table} {where} {order}"  # noqa: S608 - our own text

    def trouble(self, row: Row) -> str:
        """Why a row cannot be believed; "" when it can."""
        try:
            self.make(row)
        except (ValueError, RecursionError, OverflowError) as error:
            return str(error) or type(error).__name__
        return ""

    def record(self, row: Row, folder: Path) -> T_co:
        """The record of a row.

        Raises:
            StoreError: the row cannot be believed.
        """
        try:
            return self.make(row)
        except (ValueError, RecursionError, OverflowError) as error:
            raise StoreError(
                f"{folder}: {LEDGER_FILE} is damaged: {self.named(row)} cannot be read: {error}. "
                f"{REBUILD.format(folder=folder)}"
            ) from error

    def named(self, row: Row) -> str:
        """A row in words: the table and the beginning of its first column."""
        first = row[0] if isinstance(row[0], str) else repr(row[0])
        return f"{self.table.split()[0]} {first[:24]!a}"


def image(row: Row) -> Image:
    """The picture of a row, whose file, as its path says, lies in this folder under its digest."""
    digest, path, size = place(row[:3])
    shot_id, width, height, seconds, fingerprint_id, facts = row[3:]
    found = table(facts)
    for name in _COUNTED:
        if found.get(name) is not None:
            _number(found[name], f"{name} of its facts", low=0)
    return Image(
        shot_id=_name(shot_id, "shot"),
        digest=digest,
        path=path,
        width=_whole(width, "width", low=1, high=_MOST_SIDE),
        height=_whole(height, "height", low=1, high=_MOST_SIDE),
        size=size,
        seconds=_number(seconds, "seconds", low=0),
        fingerprint_id=_name(fingerprint_id, "fingerprint"),
        facts=found,
    )


def row_of(image: Image) -> Row:
    """The row of a picture.

    Raises:
        ValueError: the row would not be believed when it is read again.
    """
    first = (image.digest, image.path, image.size, image.shot_id, image.width, image.height, image.seconds)
    row = (*first, image.fingerprint_id, to_json(image.facts))
    IMAGES.make(row)
    return row


def place(row: Row) -> tuple[str, str, int]:
    """The digest, path and size of a picture's row."""
    digest, path, size = row
    if not isinstance(path, str) or files.digest_in(path) is None:
        raise ValueError("its path is the address of no picture of this folder")
    if digest != files.digest_in(path):
        raise ValueError("its digest is not the one in its path")
    return files.digest_in(path) or "", path, _whole(size, "size", low=1)


def answer(row: Row) -> tuple[str, str]:
    """A shot that has a picture, and the fingerprint that made it."""
    return _name(row[0], "shot"), _name(row[1], "fingerprint")


def pace(row: Row) -> tuple[str, float]:
    """The fingerprint of a picture, and its seconds a denoiser call; an engine that counts no calls has made one."""
    fingerprint_id, seconds, facts = row
    calls = _number(table(facts).get("denoiser_calls", 1) or 1, "denoiser_calls of its facts", low=0)
    return _name(fingerprint_id, "fingerprint"), _number(seconds, "seconds", low=0) / max(calls, 1e-6)


def shot(row: Row) -> tuple[str, Shot]:
    """A shot, by its id."""
    return _name(row[0], "id"), shot_of(table(row[1]))


def fingerprint(row: Row) -> tuple[str, Fingerprint]:
    """What has made or scored pictures, by its id."""
    return _name(row[0], "id"), Fingerprint(table(row[1]))


def failure(row: Row) -> tuple[str, Failure]:
    """The last failure of a shot, by the shot's id."""
    shot_id, asked, reason, said, retryable = row
    why: Reason = next((known for known in get_args(Reason) if known == reason), "error")
    retry = bool(_whole(retryable, "retryable"))
    return _name(shot_id, "shot"), Failure(shot_of(table(asked)), why, _text(from_json(_text(said))), retry)


def attempts(row: Row) -> tuple[str, int]:
    """How often a shot has failed, by the shot's id."""
    return _name(row[0], "shot"), _whole(row[1], "attempts")


def score(row: Row) -> Score:
    """A score; what is NULL or infinite does not apply."""
    metric, fingerprint_id, digests, value = row
    names = tuple(_text(digests).split(" "))
    if not all(files.is_digest(name) for name in names):
        raise ValueError("its digests are none")
    number = math.nan
    if value is not None and value not in (math.inf, -math.inf):
        number = _number(value, "value", low=-_HIGHEST_SCORE, high=_HIGHEST_SCORE)
    return Score(_name(metric, "metric"), names, number, _name(fingerprint_id, "fingerprint"))


def version(row: Row) -> str:
    """The fingerprint of a metric that has scores."""
    return _name(row[0], "fingerprint")


def metric(row: Row) -> str:
    """The name of a metric that has scores."""
    return _name(row[0], "metric")


def remembered(row: Row) -> Remembered:
    """A study text."""
    name, text, at = row
    return Remembered(_name(name, "name"), _text(from_json(_text(text))), _name(at, "time"))


def incident(row: Row) -> Incident:
    """An event of the store."""
    kind, at, facts = row
    return Incident(_name(kind, "kind"), _name(at, "time"), table(facts))


def request(row: Row) -> Request:
    """A request to a paid service."""
    number, shot_id, state, currency, reserved, paid, ticket = row
    return Request(
        number=_whole(number, "number"),
        shot_id=_name(shot_id, "shot"),
        state=_name(state, "state"),
        currency=_name(currency, "currency"),
        reserved=_number(reserved, "reservation", low=0),
        paid=None if paid is None else _number(paid, "payment", low=0),
        ticket="" if ticket is None else _text(ticket),
    )


def table(text: object) -> dict[str, object]:
    """A table that was written as JSON."""
    found = from_json(_text(text))
    if not isinstance(found, dict):
        raise ValueError("there is no table where one should be")  # noqa: TRY004 - data, not an argument
    return found


IMAGES = Kind(
    "images", "digest, path, size, shot_id, width, height, seconds, fingerprint_id, facts", image, order="sequence"
)
PLACES = Kind("images", "digest, path, size", place)
ANSWERS = Kind("images", "shot_id, fingerprint_id", answer)
PACES = Kind("images", "fingerprint_id, seconds, facts", pace, order="sequence DESC")
SHOTS = Kind("shots", "id, asked", shot)
FINGERPRINTS = Kind("fingerprints", "id, facts", fingerprint)
FAILURES = Kind("failures JOIN shots ON id = shot_id", "id, asked, reason, text, retryable", failure)
ATTEMPTS = Kind("failures", "shot_id, attempts", attempts)
SCORES = Kind("scores", "metric, fingerprint_id, digests, value", score, order="metric, fingerprint_id, digests")
VERSIONS = Kind("scores", "fingerprint_id", version)
METRICS = Kind("scores", "metric", metric)
STUDIES = Kind("studies", "name, text, at", remembered, order="sequence")
EVENTS = Kind("events", "kind, at, facts", incident, order="sequence")
LOOKS = Kind("looks", "at, study, question, facts", looks.read, order="sequence")
REQUESTS = Kind("requests", "sequence, shot_id, state, currency, reserved, paid, remote_id", request, order="sequence")

KINDS: tuple[Kind[object], ...] = (IMAGES, FAILURES, ATTEMPTS, SCORES, STUDIES, EVENTS, LOOKS, REQUESTS)
"""What `verify` reads of each table; shots and fingerprints are checked against their ids."""


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("there is no text where one should be")  # noqa: TRY004 - data, not an argument
    return value


def _name(value: object, what: str) -> str:
    if not (isinstance(value, str) and 0 < len(value) <= _LONGEST_NAME and value.isprintable()):
        raise ValueError(f"its {what} is no name")
    return value


def _whole(value: object, what: str, *, low: int = 0, high: int = 2**53) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ValueError(f"its {what} is no whole number that can be meant")
    return value


def _number(value: object, what: str, *, low: float, high: float = _MOST) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ValueError(f"its {what} is no number that can be meant")
    return float(value)
