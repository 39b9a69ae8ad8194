"""Pictures on disk: under the digest of their bytes, whole or not there at all.

The order of a write is the promise: a temporary file in the picture's own folder, write, fsync, rename, fsync of the
folder. A file with a final name is therefore complete at every instant, also after `kill -9`. Once `write` has
returned, the file survives a power cut. Knows paths and bytes; nothing of ledgers, shots or pixels.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import TypeVar

from teststrip.disk import sync, sync_folder
from teststrip.errors import StoreError
from teststrip.folder import IMAGES, QUARANTINE
from teststrip.pictures.containers import SUFFIXES
from teststrip.pictures.pixels import MAX_BYTES
from teststrip.store import inside

A = TypeVar("A")
B = TypeVar("B")

REMEDY = "Run the study again: the picture is made anew, the damaged file is kept in quarantine."
"""What to do about a picture that is gone or damaged."""

_DIGEST = re.compile("[0-9a-f]{64}")
_ADDRESS = re.compile(rf"{IMAGES}/([0-9a-f]{{2}})/(([0-9a-f]{{2}})[0-9a-f]{{62}})\.(png|jpg|webp)")


@dataclass(frozen=True, slots=True)
class Found:
    """A file below `images/`.

    Attributes:
        path: relative to the study folder.
        size: bytes.
        changed: time of the last change, nanoseconds.
        temporary: whether a killed process left it unfinished.
    """

    path: str
    size: int
    changed: int
    temporary: bool


def address(digest: str, form: str) -> str:
    """Where a picture lies, relative to the study folder.

    >>> address("ab" * 32, "jpeg")[:13]
    'images/ab/aba'
    """
    return f"{IMAGES}/{digest[:2]}/{digest}.{SUFFIXES[form]}"


def digest_in(path: str) -> str | None:
    """The digest that a relative path names; None when `address` does not make such a path."""
    match = _ADDRESS.fullmatch(path)
    return match[2] if match and match[1] == match[3] else None


def is_digest(text: str) -> bool:
    """Whether a text is the digest of a picture.

    >>> is_digest("ab" * 32), is_digest("../secret")
    (True, False)
    """
    return _DIGEST.fullmatch(text) is not None


def place(folder: Path, path: str) -> Path:
    """The real place of a picture's path.

    Raises:
        StoreError: the path leads out of the folder, also by a link, or is no address of a picture.
    """
    if digest_in(path) is None:
        raise StoreError(f"{folder}: {path!r} is no picture of this folder. Do not trust its ledger.")
    return inside.place(folder, path)


def write(folder: Path, path: str, data: bytes) -> None:
    """Put bytes at a relative path. When this returns, the whole file survives a power cut.

    Raises:
        OSError: as the system says (a full disk: ENOSPC). No part of the file is left.
    """
    target = place(folder, path)
    make_folder(target.parent)
    temporary = target.with_name(f".{target.stem}.{os.getpid()}.tmp")
    file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o644)
    try:
        try:
            left = memoryview(data)
            while left:
                left = left[os.write(file, left) :]
            sync(file)
        finally:
            os.close(file)
        temporary.replace(target)
    except BaseException:
        # After a failed fsync the disk may hold anything: the bytes are thrown away and never synced again.
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(target.parent)


def read(folder: Path, path: str) -> bytes:
    """The bytes at a relative path; no link is followed. Raises OSError and StoreError."""
    with _open(folder, path) as file:
        return file.read(MAX_BYTES)


def read_whole(folder: Path, path: str) -> bytes:
    """The bytes of a picture, hashed on the way.

    Raises:
        StoreError: the file is gone, leads out of the folder, or is not what its name says.
    """
    try:
        data = read(folder, path)
    except OSError as error:
        raise StoreError(f"{folder}: {path} cannot be read: {error.strerror}. {REMEDY}") from error
    if digest_of_bytes(data) != digest_in(path):
        raise StoreError(f"{folder}: {path} is damaged. {REMEDY}")
    return data


def there(folder: Path, path: str) -> bool:
    """Whether a picture's file is there; it is not read."""
    return digest_in(path) is not None and inside.has(folder, path)


def digest_of_bytes(data: bytes) -> str:
    """SHA-256, 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def broken(folder: Path, paths: Sequence[str]) -> list[str]:
    """The paths, of these, whose files cannot be read or do not have the digest in their name."""

    def is_broken(path: str) -> bool:
        try:
            with _open(folder, path) as file:
                return hashlib.file_digest(file, "sha256").hexdigest() != digest_in(path)
        except OSError:
            return True

    return [path for path, bad in zip(paths, by_threads(is_broken, paths), strict=True) if bad]


def by_threads(work: Callable[[A], B], items: Sequence[A]) -> Iterator[B]:
    """Work on each item in a few threads, as reading and hashing release the interpreter lock; results in order."""
    batches = [items[start : start + 32] for start in range(0, len(items), 32)]
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        for results in pool.map(lambda batch: [work(item) for item in batch], batches):
            yield from results


def sweep(folder: Path) -> Iterator[Found]:
    """Every picture and every unfinished file below `images/`. Files with other names are left out.

    Raises:
        StoreError: `images` is a link, and what lies behind it is not of this study.
    """
    root = inside.place(folder, f"{IMAGES}/any").parent
    if not root.is_dir():
        return
    for bucket in sorted(root.iterdir()):
        if len(bucket.name) != 2 or inside.is_link(bucket) or not bucket.is_dir():
            continue
        with os.scandir(bucket) as entries:
            for entry in entries:
                path = f"{IMAGES}/{bucket.name}/{entry.name}"
                temporary = entry.name.startswith(".") and entry.name.endswith(".tmp") and not entry.is_dir()
                if temporary or (digest_in(path) and not entry.is_symlink()):
                    facts = entry.stat(follow_symlinks=False)
                    yield Found(path, facts.st_size, facts.st_mtime_ns, temporary)


def discard(folder: Path, path: str) -> None:
    """Remove an unfinished file."""
    inside.place(folder, path).unlink(missing_ok=True)


def quarantine(folder: Path, path: str) -> str | None:
    """Move a file into the quarantine.

    Returns:
        its new relative path; None when there is no such file.

    Raises:
        StoreError: the quarantine, or a folder on the way to the file, is a link.
    """
    source = inside.place(folder, path)
    if not source.is_symlink() and not source.exists():
        return None
    room = inside.place(folder, f"{QUARANTINE}/any").parent
    make_folder(room)
    target, number = room / source.name, 1
    while target.exists():
        number += 1
        target = room / f"{source.stem}-{number}{source.suffix}"
    source.replace(target)
    sync_folder(room)
    sync_folder(source.parent)
    return target.relative_to(folder).as_posix()


def _open(folder: Path, path: str) -> BufferedReader:
    place(folder, path)
    return inside.opened(folder, path, MAX_BYTES)


def make_folder(path: Path) -> None:
    """Make a folder and its missing parents, and wait until the disk has the name of each."""
    if path.is_dir():
        return
    make_folder(path.parent)
    path.mkdir(exist_ok=True)
    sync_folder(path.parent)
