"""Thumbnails on disk: small copies of large pictures, kept because a page shows hundreds of them at once.

A thumbnail can be made again from its picture, so nothing here waits for the disk, and one that cannot be kept (a full
disk, a folder that may only be read) is made each time it is asked for. The folder may be a stranger's: no link is
followed to read or to write, and only a file that is a whole WebP of a thumbnail's size is believed. Knows paths and
bytes; nothing of ledgers or shots.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from teststrip import pictures
from teststrip.errors import PictureError, StoreError
from teststrip.folder import THUMBS
from teststrip.store import files, inside

_MOST_BYTES = 2**20  # WebP of 256 x 256 pixels of noise has 40 KB, and a raw picture of that size 196 KB


def wanted(width: int, height: int) -> bool:
    """Whether a picture has a thumbnail; a small one is its own."""
    return max(width, height) > pictures.SMALL_ENOUGH


def address(picture: str) -> str:
    """Where the thumbnail of a picture lies; both paths are relative to the study folder.

    >>> address(f"images/ab/{'ab' * 32}.png")[:13]
    'thumbs/ab/aba'
    """
    digest = Path(picture).stem
    return f"{THUMBS}/{digest[:2]}/{digest}.webp"


def keep(folder: Path, picture: str, small: bytes) -> bool:
    """Put a thumbnail where `of` looks for it.

    Returns:
        whether it lies there now; not on a full disk, in a folder that may only be read, or where a link stands.
    """
    with contextlib.suppress(OSError, StoreError):
        if files.digest_in(picture) and not inside.is_link(folder / address(picture)):
            inside.write(folder, address(picture), small)
            return True
    return False


def kept(folder: Path, picture: str) -> bytes | None:
    """The thumbnail of a picture where there is one to believe, else None."""
    with contextlib.suppress(OSError, StoreError, PictureError):
        if files.digest_in(picture):
            small = inside.read(folder, address(picture), _MOST_BYTES)
            return small if pictures.sound(small) == "webp" else None
    return None


def there(folder: Path, picture: str) -> bool:
    """Whether a page can show the thumbnail of a picture; the file is not read."""
    return files.digest_in(picture) is not None and inside.has(folder, address(picture))


def of(folder: Path, picture: str) -> bytes:
    """The thumbnail of a picture, made where there is none yet. Writes nothing: the folder is only shown.

    Args:
        folder: the study folder.
        picture: path of a picture that `wanted` one, relative to the folder.

    Raises:
        StoreError: the picture's file is gone, damaged, or leads out of the folder.
        PictureError: it cannot be decoded.
    """
    small = kept(folder, picture)
    return pictures.thumbnail(files.read_whole(folder, picture), pictures.SMALL_ENOUGH) if small is None else small


def renewed(folder: Path, picture: str) -> bytes:
    """The thumbnail of a picture as `of` has it, kept in the folder, which the caller may write to."""
    small = kept(folder, picture)
    if small is None:
        small = of(folder, picture)
        keep(folder, picture, small)
    return small


def tidy(folder: Path) -> None:
    """Remove what a process that was killed left unfinished."""
    with contextlib.suppress(OSError, StoreError):
        root = inside.place(folder, f"{THUMBS}/any").parent
        buckets = [bucket for bucket in root.iterdir() if len(bucket.name) == 2 and not inside.is_link(bucket)]
        for bucket in buckets:
            for path in bucket.glob(".*.tmp"):
                path.unlink(missing_ok=True)
