"""What a writer does before its first write: makes ledger and picture files agree again after whatever happened.

    unfinished file                 deleted
    picture without a row           adopted, when its name, record and pixels are right; else quarantined
    row without its whole picture   the shot is pending again; the row becomes an event, the file goes into quarantine

`rebuild` makes a new ledger from the records inside the pictures when the old one cannot be used. The caller holds the
folder's lock, so that any unfinished file is that of a dead process.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from pathlib import Path

from teststrip.errors import TeststripError
from teststrip.pictures.pixels import MAX_BYTES, decode
from teststrip.pictures.stamps import fingerprint_of, shot_of, unstamp
from teststrip.records import Fingerprint, Image, Shot
from teststrip.store import files, rows, thumbs
from teststrip.store.files import Found
from teststrip.store.ledger import Ledger, create, insert, insert_event, open_to_write, set_aside, withdraw

# Bytes that are hashed each time a folder is opened for writing: about half a second. `verify` hashes everything.
_REHASHED = 512 * 2**20


def recover(ledger: Ledger) -> None:
    """Make ledger and files agree. Where they do, this costs a look at each file's size and half a second of hashing.

    Raises:
        StoreError: the disk is full or does not answer; a row cannot be believed; a folder is a link.
    """
    folder = ledger.folder
    found = list(files.sweep(folder))
    for file in found:
        if file.temporary:
            files.discard(folder, file.path)
    thumbs.tidy(folder)
    present = {file.path: file for file in found if not file.temporary}
    known = {path: size for _, path, size in ledger.read(rows.PLACES)}
    broken = dict.fromkeys(_flipped(folder, list(present.values())), "damaged")
    for path, size in known.items():
        if path not in present:
            broken[path] = "missing"
        elif present[path].size != size:
            broken[path] = "short"
    if broken:
        reject(ledger, [image for image in ledger.images() if image.path in broken], broken)
    adopt(ledger, [file for path, file in present.items() if path not in known])


def reject(ledger: Ledger, images: Iterable[Image], why: dict[str, str]) -> int:
    """Make the shots of these images pending again and move their files into quarantine.

    Returns:
        the number of images.
    """
    count = 0
    for image in images:
        kept = files.quarantine(ledger.folder, image.path)
        with ledger.transaction() as connection:
            withdraw(connection, image, why[image.path], kept)
        count += 1
    return count


def adopt(ledger: Ledger, orphans: Sequence[Found]) -> int:
    """Write down pictures that have no row: the work of a run that died between file and row.

    A picture is adopted when its name is its digest, its record holds the shot and the answer that it names, and all
    its pixels decode. Any other picture goes into quarantine.

    Returns:
        the number of pictures that were adopted.
    """
    taken: list[tuple[Shot, Fingerprint, Image]] = []
    unfit: list[tuple[str, str]] = []
    places = {(image.shot_id, image.fingerprint_id) for image in ledger.images()} if orphans else set()
    for file in sorted(orphans, key=lambda orphan: (orphan.changed, orphan.path)):
        try:
            row = _claimed(ledger.folder, file)
        except (ValueError, TeststripError, OSError) as error:
            unfit.append((file.path, str(error)))
            continue
        place = (row[2].shot_id, row[2].fingerprint_id)
        if place in places:
            unfit.append((file.path, "another picture has its place"))
            continue
        places.add(place)
        taken.append(row)
    kept = [(path, why, files.quarantine(ledger.folder, path)) for path, why in unfit]
    if taken or kept:
        with ledger.transaction() as connection:
            for row in taken:
                insert(connection, *row)
                insert_event(connection, "adopted", {"path": row[2].path, "shot_id": row[2].shot_id})
            for path, why, now in kept:
                insert_event(connection, "unfit", {"path": path, "why": why, "kept": now})
    return len(taken)


def rebuild(folder: Path) -> int:
    """Make a new ledger from the records inside the pictures; the old ledger is kept in quarantine.

    Failures, scores and study texts are in no picture, so shots are tried and scores computed again. The caller holds
    the folder's lock.

    Returns:
        the number of pictures in the new ledger.
    """
    kept = set_aside(folder)
    create(folder)
    ledger = open_to_write(folder)
    try:
        count = adopt(ledger, [file for file in files.sweep(folder) if not file.temporary])
        with ledger.transaction() as connection:
            insert_event(connection, "rebuilt", {"pictures": count, "kept": kept})
    finally:
        ledger.close()
    return count


def _flipped(folder: Path, present: list[Found]) -> list[str]:
    """The paths of damaged files among as many as _REHASHED allows; each call looks at another random part."""
    random.SystemRandom().shuffle(present)
    left, due = _REHASHED, []
    for file in present:
        left -= file.size
        if left < 0:
            break
        due.append(file.path)
    return files.broken(folder, due)


def _claimed(folder: Path, file: Found) -> tuple[Shot, Fingerprint, Image]:
    """What a picture says of itself, as far as it can be checked. Raises ValueError and PictureError."""
    if file.size > MAX_BYTES:
        raise ValueError("larger than a picture may be")
    data = files.read(folder, file.path)
    digest = files.digest_in(file.path) or ""
    if files.digest_of_bytes(data) != digest:
        raise ValueError("the bytes are not what the name says")
    record = unstamp(data)
    if record is None:
        raise ValueError("no record inside")
    shot, fingerprint = shot_of(record), fingerprint_of(record)
    if shot.id != record.get("shot") or fingerprint.id != record.get("fingerprint"):
        raise ValueError("the record inside contradicts itself")
    seconds, facts = record.get("seconds"), record.get("facts")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not isinstance(facts, dict):
        raise ValueError("the record inside is not complete")  # noqa: TRY004 - data, not an argument
    height, width, _ = decode(data).shape
    image = Image(shot.id, digest, file.path, width, height, len(data), float(seconds), fingerprint.id, facts)
    rows.row_of(image)
    return shot, fingerprint, image
