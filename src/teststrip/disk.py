"""Files that are replaced in one step: a reader finds the old content or the new, never a part of either.

Every module that replaces a file comes here. The store's pictures and ledger keep a stronger promise of their own
(`store.files`), made of the same pieces. Knows paths and bytes; nothing of what they mean.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path


def replace(path: Path, data: bytes | str, *, durable: bool = False) -> None:
    """Write a file in one step, readable by all. Two writers at once leave the whole file of one of them.

    Args:
        path: of the file, in a folder that exists.
        data: the content; text is written as UTF-8, its line ends as they are.
        durable: return only when the content and its name survive a power cut.

    Raises:
        OSError: as the system says. The old file is still there, and no temporary file is left.
    """
    # The name is of one length, because the file's own name may be as long as the system allows.
    file, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
    temporary = Path(name)
    try:
        with os.fdopen(file, "wb") as stream:
            stream.write(data.encode("utf-8") if isinstance(data, str) else data)
            if durable:
                stream.flush()
                sync(stream.fileno())
        temporary.chmod(0o644)  # mkstemp makes a file for its owner alone
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if durable:
        sync_folder(path.parent)


def move(source: Path, path: Path) -> None:
    """Put a finished file of the same file system in the place of another, in one step."""
    source.replace(path)


def sync(file: int) -> None:
    """Wait until the disk has the bytes of an open file."""
    if sys.platform == "darwin":
        import fcntl

        fcntl.fcntl(file, fcntl.F_FULLFSYNC)  # fsync there stops at the disk's own cache
    else:
        os.fsync(file)


def sync_folder(folder: Path) -> None:
    """Wait until the disk has the names in a folder. Windows has no such call and journals names by itself."""
    if sys.platform == "win32":
        return
    file = os.open(folder, os.O_RDONLY)
    try:
        sync(file)
    finally:
        os.close(file)
