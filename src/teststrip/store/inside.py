"""The door into a study folder: what lies in it is read and written without following a link.

A study folder may be a stranger's, and any name in it may be a symlink, a FIFO or a file of gigabytes. Every module
that reads or writes a part of the folder comes here; `files` adds what pictures need. A link to the study folder
itself, or above it, is the user's own and is followed. Knows paths and bytes; nothing of what they mean.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader, BufferedWriter
from pathlib import Path, PurePosixPath

from teststrip import disk
from teststrip.errors import StoreError

_JUNCTION = getattr(os.path, "isjunction", lambda _: False)  # Windows' other kind of link, since Python 3.12
_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)


@contextmanager
def speaking(folder: Path) -> Iterator[None]:
    """Turn errors of the system into a StoreError that says where, what and the remedy."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
        remedy = "Free some space and run again; what is done is kept." if full else "Check disk and rights."
        raise StoreError(f"{folder}: cannot be written: {error.strerror or error}. {remedy}") from error


def is_link(path: Path) -> bool:
    """Whether a path is a link of any kind."""
    return path.is_symlink() or _JUNCTION(path)


def place(folder: Path, path: str) -> Path:
    """The place of a part of the folder, when no folder on the way to it is a link.

    Args:
        folder: of the study.
        path: relative to the folder, with forward slashes. The last component may be a link: `write` replaces it.

    Raises:
        StoreError: the path leads out of the folder.
    """
    parts = PurePosixPath(path).parts
    if not parts or ".." in parts or PurePosixPath(path).is_absolute() or "\0" in path:
        raise StoreError(f"{folder}: {path!r} is no part of this folder")
    target = folder
    for part in parts[:-1]:
        target = target / part
        if is_link(target):
            raise _link(folder, target)
    return target / parts[-1]


def make(folder: Path, path: str) -> Path:
    """Make a folder inside the study folder, where it is missing.

    Raises:
        StoreError: it is a link or something else, or cannot be made.
    """
    target = place(folder, f"{path}/any").parent
    with speaking(folder):
        target.mkdir(parents=True, exist_ok=True)
    return target


def write(folder: Path, path: str, data: bytes | str, *, durable: bool = False) -> Path:
    """Replace a file of the folder in one step; missing folders are made.

    Args:
        folder: of the study, or another one whose content may be a stranger's.
        path: relative to the folder, with forward slashes.
        data: as `disk.replace` takes it.
        durable: as `disk.replace` takes it.

    Returns:
        The place of the file.

    Raises:
        StoreError: the path leads out of the folder, or cannot be written. The old file is still there.
    """
    target = place(folder, path)
    with speaking(folder):
        target.parent.mkdir(parents=True, exist_ok=True)
        disk.replace(target, data, durable=durable)
    return target


def fresh(folder: Path, path: str) -> BufferedWriter:
    """A new, empty file to write, in the place of whatever had its name.

    Raises:
        StoreError: the path leads out of the folder, or cannot be written.
    """
    target = place(folder, path)
    with speaking(folder):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        return target.open("xb")  # exclusive: a name that is there is never opened, and so no link is followed


def opened(folder: Path, path: str, most: int) -> BufferedReader:
    """A file of the folder, open for reading: a regular file of at most so many bytes, and no link.

    Raises:
        StoreError: the path leads out of the folder.
        OSError: there is no such file; it is a link, no regular file, or too large.
    """
    # Without O_NONBLOCK the system would wait for a writer of a FIFO.
    file = os.open(place(folder, path), _FLAGS)
    facts = os.fstat(file)
    if stat.S_ISREG(facts.st_mode) and facts.st_size <= most:
        return os.fdopen(file, "rb")
    os.close(file)
    if stat.S_ISREG(facts.st_mode):
        raise OSError(errno.EFBIG, f"it has {facts.st_size / 2**20:.0f} MB, of at most {most / 2**20:.0f}")
    raise OSError(errno.EINVAL, "it is no regular file")


def read(folder: Path, path: str, most: int) -> bytes:
    """The bytes of a small file of the folder; raises as `opened`."""
    with opened(folder, path, most) as file:
        return file.read(most)


def has(folder: Path, path: str) -> bool:
    """Whether a regular file, and no link, lies at a path."""
    try:
        return stat.S_ISREG(place(folder, path).lstat().st_mode)
    except (StoreError, OSError):
        return False


def names(folder: Path, path: str) -> list[str]:
    """The names in a folder of the study folder, sorted; none where it is missing, a link or no folder."""
    try:
        target = place(folder, f"{path}/any").parent
        return sorted(entry.name for entry in target.iterdir())
    except (StoreError, OSError):
        return []


def cut(folder: Path, path: str) -> None:
    """Remove what leads out of a folder of the study folder: links to places outside of it, FIFOs, devices.

    A library that works in there, a tracker's, would follow them. Links inside of the folder stay.

    Raises:
        StoreError: the folder itself is a link, or something cannot be removed.
    """
    root = make(folder, path)
    inside = root.resolve()
    with speaking(folder):
        for at, folders, found in os.walk(root):
            for name in (*folders, *found):
                one = Path(at) / name
                if is_link(one):
                    leads_out = not _resolved(one).is_relative_to(inside)
                else:
                    leads_out = not (one.is_file() or one.is_dir())
                if leads_out:
                    one.unlink()


def _resolved(link: Path) -> Path:
    """Where a link leads; the root of all paths where it leads in a circle."""
    try:
        return link.resolve()
    except (OSError, RuntimeError):
        return Path(link.anchor or "/")


def _link(folder: Path, link: Path) -> StoreError:
    name = link.relative_to(folder).as_posix()
    return StoreError(
        f"{folder}: {name} is a link, which may lead out of the folder. Put the folder itself there, or remove the link"
    )
