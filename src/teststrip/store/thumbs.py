"""Thumbnails on disk: small copies of large pictures, kept because a page shows hundreds of them at once.

A thumbnail can be made again from its picture, so nothing here waits for the disk, and one that cannot be kept (a full
disk, a folder that may only be read) is made each time it is asked for. The folder may be a stranger's: no link is
followed to read or to write, and only a file that is a whole WebP of a thumbnail's size is believed. Knows paths and
bytes; nothing of ledgers or shots.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from teststrip import disk, pictures
from teststrip.errors import PictureError
from teststrip.folder import THUMBS
from teststrip.store import files

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
    target = _place(folder, picture)
    with contextlib.suppress(OSError):
        if target:
            target.parent.mkdir(parents=True, exist_ok=True)
            disk.replace(target, small)
            return True
    return False


def kept(folder: Path, picture: str) -> bytes | None:
    """The thumbnail of a picture where there is one to believe, else None."""
    target = _place(folder, picture)
    with contextlib.suppress(OSError, PictureError):
        if target and target.is_file() and target.stat().st_size <= _MOST_BYTES:
            small = target.read_bytes()
            return small if pictures.sound(small) == "webp" else None
    return None


def there(folder: Path, picture: str) -> bool:
    """Whether a page can show the thumbnail of a picture; the file is not read."""
    target = _place(folder, picture)
    return target is not None and target.is_file()


def of(folder: Path, picture: str) -> bytes:
    """The thumbnail of a picture, made and kept where there is none yet.

    Args:
        folder: the study folder.
        picture: path of a picture that `wanted` one, relative to the folder.

    Raises:
        StoreError: the picture's file is gone, damaged, or leads out of the folder.
        PictureError: it cannot be decoded.
    """
    small = kept(folder, picture)
    if small is None:
        small = pictures.thumbnail(files.read_whole(folder, picture), pictures.SMALL_ENOUGH)
        keep(folder, picture, small)
    return small


def tidy(folder: Path) -> None:
    """Remove what a process that was killed left unfinished."""
    root = folder / THUMBS
    with contextlib.suppress(OSError):
        for path in root.glob("??/.*.tmp"):
            if not root.is_symlink() and not path.parent.is_symlink():
                path.unlink(missing_ok=True)


def _place(folder: Path, picture: str) -> Path | None:
    """Where a thumbnail may be read and written; None where a link or a path that is no picture's would lead away."""
    target = folder / address(picture)
    led_away = any(path.is_symlink() for path in (target, target.parent, target.parent.parent))
    return None if files.digest_in(picture) is None or led_away else target
