"""One writer a folder: a lock that the kernel takes back when its holder dies, so that no stale lock needs a command.

Knows the lock file and the file system it lies on; nothing of ledgers or pictures. A process that is forked while the
lock is held shares it, and one that is spawned does not. The forked children of a killed run hold the lock until they
end.
"""

from __future__ import annotations

import errno
import json
import os
import platform
import stat
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from teststrip.errors import FolderBusy, StoreError
from teststrip.folder import LOCK_FILE
from teststrip.store import inside

_MOUNTS = Path("/proc/self/mountinfo")

_MOST_BYTES = 4096  # of the text in the lock file, which names a process

_BUSY = (errno.EAGAIN, errno.EACCES, errno.EDEADLK)

# File systems whose locks or shared memory do not reach every process; SQLite's WAL needs both (sqlite.org/wal.html).
_NETWORK = {
    "9p",
    "afs",
    "beegfs",
    "ceph",
    "cifs",
    "coda",
    "fuse",
    "glusterfs",
    "gpfs",
    "lustre",
    "ncpfs",
    "nfs",
    "nfs4",
    "orangefs",
    "smb3",
    "smbfs",
    "vboxsf",
}


class FolderLock:
    """The lock of a study folder, held from construction to `release`.

    Args:
        folder: of the study.
        name: of the lock file. The votes have a lock of their own.
        glance_seconds: for so long a busy lock may be a reader's look at it (`holder`), which takes microseconds.

    Raises:
        FolderBusy: another process, or another Store of this process, holds the lock. The message says which and since
            when.
        OSError: the file system has no locks or no room, or the lock file is a link or no regular file.
    """

    def __init__(self, folder: Path, *, name: str = LOCK_FILE, glance_seconds: float = 0.05) -> None:
        # A stranger's folder may have a link there: what it points to would be emptied.
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        self._file = os.open(folder / name, flags, 0o644)
        try:
            _refuse_others(self._file, name)
            try:
                _take(self._file)
            except OSError as error:
                if error.errno not in _BUSY:
                    raise
                time.sleep(glance_seconds)
                _take(self._file)
            self._sign()
        except OSError as error:
            os.close(self._file)
            if error.errno not in _BUSY:
                raise
            raise FolderBusy(
                f"{folder}: {_described(folder, name)} is writing here. Wait for it, or stop it."
            ) from error

    def _sign(self) -> None:
        who = {"pid": os.getpid(), "host": platform.node(), "since": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"}
        os.ftruncate(self._file, 0)
        os.lseek(self._file, 0, os.SEEK_SET)
        os.write(self._file, json.dumps(who).encode())

    def release(self) -> None:
        """Give the lock back. The empty file stays: without it two processes could lock two files of one name."""
        os.ftruncate(self._file, 0)
        os.close(self._file)


def _refuse_others(file: int, name: str) -> None:
    if not stat.S_ISREG(os.fstat(file).st_mode):
        raise OSError(errno.EINVAL, f"{name} is no regular file")


def holder(folder: Path) -> dict[str, object] | None:
    """Which process holds the folder.

    Where the file names no process the lock itself is not touched, so that a reader does not stop a writer that begins.

    Returns:
        a table with pid, host and since; None when the lock is free, even if a killed process left its name there.
    """
    who = _signed(folder, LOCK_FILE)
    return who if who and _held(folder) else None


def _held(folder: Path) -> bool:
    try:
        file = inside.opened(folder, LOCK_FILE, sys.maxsize)
    except OSError:
        return False
    with file:
        try:
            _share(file.fileno())
        except OSError:
            return True
    return False


def _signed(folder: Path, name: str) -> dict[str, object] | None:
    try:
        found = json.loads(inside.read(folder, name, _MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _described(folder: Path, name: str) -> str:
    # A process that has just taken the lock may not have written its name yet.
    who = _signed(folder, name) or {}
    if not who:
        return "another process"
    return f"process {who.get('pid')} on {who.get('host')}, since {who.get('since')},"


def refuse_network(folder: Path, mounts: str | None = None) -> None:
    """Raise StoreError where the ledger could be damaged: on a network or FUSE file system. Linux only.

    Args:
        folder: a folder that exists.
        mounts: the text of /proc/self/mountinfo; None = read it.
    """
    if mounts is None:
        if not _MOUNTS.exists():
            return
        mounts = _MOUNTS.read_text("utf-8", "surrogateescape")
    kind = file_system(folder.resolve(), mounts)
    if kind.split(".")[0] in _NETWORK:
        raise StoreError(
            f"{folder}: lies on a {kind} file system, where a ledger can be damaged. "
            "Choose a folder on a local disk with --out, and copy it here when the run is over."
        )


def file_system(path: Path, mounts: str) -> str:
    """The kind of file system that a path lies on, read from the text of mountinfo; "" when the text does not say.

    >>> file_system(Path("/data/a"), "1 0 0:1 / / rw - ext4 /dev/a rw\\n2 1 0:2 / /data rw - nfs4 host:/x rw")
    'nfs4'
    """
    kind, longest = "", -1
    for line in mounts.splitlines():
        fields, _, source = line.partition(" - ")
        if len(fields.split()) < 5 or not source:
            continue
        point = fields.split()[4].encode("latin-1", "replace").decode("unicode_escape")  # a space is written \040
        if path.is_relative_to(point) and len(point) >= longest:
            kind, longest = source.split()[0], len(point)
    return kind


if sys.platform == "win32":
    import msvcrt

    def _take(file: int) -> None:
        os.lseek(file, 2**30, os.SEEK_SET)  # beyond the text: a locked byte cannot be read on Windows
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)

    _share = _take  # there are no shared locks; closing gives it back
else:
    import fcntl

    def _take(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _share(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # two readers are not in each other's way
