"""Whether the folder still holds what was put into it. Hashes everything again and changes nothing.

Knows rows, files and the records inside them. `verbs.verify` asks whether an engine would make the pictures again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from teststrip.errors import StoreError
from teststrip.folder import LEDGER_FILE
from teststrip.pictures.stamps import fingerprint_of, from_json, shot_of, unstamp
from teststrip.records import Image
from teststrip.store import files, rows
from teststrip.store.ledger import Ledger

_MOST_ROWS = 20  # of a table, each in a line of its own


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is not as it was written.

    Attributes:
        kind: "missing", "short", "damaged", "foreign", "orphan", "unfinished" or "ledger".
        where: the file or table, for people.
        what: what is wrong there.
        remedy: what the user can do.
        path: of the picture, when its shot must be made again; else "".
    """

    kind: str
    where: str
    what: str
    remedy: str
    path: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.what}. {self.remedy}"


def verify(ledger: Ledger, *, alone: bool) -> list[Problem]:
    """Every problem of a folder, the ledger's first.

    Args:
        ledger: open for reading or writing.
        alone: whether no other process can be writing. Files without a row are problems then, not work in progress.
    """
    problems = list(_ledger_problems(ledger))
    images = [rows.IMAGES.make(row) for row in ledger.find(rows.IMAGES.query()) if not rows.IMAGES.trouble(row)]
    looks = files.by_threads(lambda image: _picture_problem(ledger.folder, image), images)
    problems += [problem for problem in looks if problem]
    if alone:
        known = {image.path for image in images}
        problems += [_stray(file) for file in files.sweep(ledger.folder) if file.path not in known]
    return problems


def _ledger_problems(ledger: Ledger) -> Iterator[Problem]:
    remedy = f"Run: teststrip verify --rebuild {ledger.folder}"
    try:
        for (line,) in ledger.find("PRAGMA integrity_check(20)"):
            if line != "ok":
                yield Problem("ledger", LEDGER_FILE, str(line), remedy)
        for table, *_ in ledger.find("PRAGMA foreign_key_check"):
            yield Problem("ledger", f"{LEDGER_FILE}: {table}", "a row names something that is not there", remedy)
        for name, text in ledger.find("SELECT id, asked FROM shots"):
            if not _is_named(str(name), str(text), shots=True):
                yield Problem("ledger", f"{LEDGER_FILE}: shot {_short(name)}", "is not what its id says", remedy)
        for name, text in ledger.find("SELECT id, facts FROM fingerprints"):
            if not _is_named(str(name), str(text), shots=False):
                yield Problem("ledger", f"{LEDGER_FILE}: fingerprint {_short(name)}", "is not what its id says", remedy)
        for kind in rows.KINDS:
            yield from _unbelieved(ledger, kind, remedy)
    except StoreError as error:
        yield Problem("ledger", LEDGER_FILE, str(error), remedy)


def _unbelieved(ledger: Ledger, kind: rows.Kind[object], remedy: str) -> Iterator[Problem]:
    """The rows of a kind that cannot be believed; many of them are counted."""
    troubles = ((row, why) for row in ledger.find(kind.query()) if (why := kind.trouble(row)))
    for row, why in islice(troubles, _MOST_ROWS):
        yield Problem("ledger", f"{LEDGER_FILE}: {kind.named(row)}", f"is no row of a study: {why}", remedy)
    if more := sum(1 for _ in troubles):
        yield Problem("ledger", f"{LEDGER_FILE}: {kind.table}", f"{more} more rows are like this", remedy)


def _short(name: object) -> str:
    """The beginning of an id, which may hold anything."""
    return str(name)[:12].encode("unicode_escape").decode("ascii")


def _is_named(name: str, text: str, *, shots: bool) -> bool:
    try:
        found = from_json(text)
        if not isinstance(found, dict):
            return False
        return name == (shot_of(found).id if shots else fingerprint_of({"answered": found}).id)
    except (ValueError, RecursionError, OverflowError):
        return False


def _picture_problem(folder: Path, image: Image) -> Problem | None:
    def problem(kind: str, what: str) -> Problem:
        return Problem(kind, image.path, what, files.REMEDY, image.path)

    try:
        size = files.place(folder, image.path).lstat().st_size
        if size != image.size:
            return problem("short", f"has {size} bytes, {image.size} were written")
        data = files.read(folder, image.path)
    except StoreError as error:
        return Problem("foreign", image.path, str(error), "Do not use this folder.")
    except OSError as error:
        return problem("missing", f"cannot be read: {error.strerror}")
    if not files.digest_of_bytes(data) == image.digest == files.digest_in(image.path):
        return problem("damaged", "the bytes are not those that were written")
    record = unstamp(data)
    if record is not None and (record.get("shot"), record.get("fingerprint")) != (image.shot_id, image.fingerprint_id):
        return problem("foreign", "the ledger says it shows another shot than the picture itself says")
    return None


def _stray(file: files.Found) -> Problem:
    if file.temporary:
        return Problem("unfinished", file.path, "was left by a run that was killed", "The next run deletes it.")
    return Problem("orphan", file.path, "is in no row of the ledger", "The next run takes it up, or quarantines it.")
