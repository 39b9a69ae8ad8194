"""Watches what a process touches: an audit hook for Python's own calls, and sentinels outside for all others.

The hook stays for the life of its process, so it is put up in a child (`tests.hostile.sweep`) and switched on around
each verb. It notes every file that is opened, made, moved or removed below `world` and outside of the study folder.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# The arguments of an audit event that are paths, by the event.
PATHS = {
    "open": (0,),
    "os.chmod": (0,),
    "os.link": (0, 1),
    "os.mkdir": (0,),
    "os.remove": (0,),
    "os.rename": (0, 1),
    "os.rmdir": (0,),
    "os.symlink": (1,),
    "os.truncate": (0,),
    "os.listdir": (0,),
    "os.scandir": (0,),
    "os.utime": (0,),
    "sqlite3.connect": (0,),
}
NOT_FOLLOWED = getattr(os, "O_NOFOLLOW", 0) | os.O_EXCL  # with either flag `open` follows no link at the end of a path
ENDS_ARE_OPENED = ("open", "os.listdir", "os.scandir", "os.chmod", "os.truncate", "os.utime", "sqlite3.connect")


class Watch:
    """Notes what leads out of a folder.

    Args:
        world: the folder that holds the study's folder and the sentinels; what lies elsewhere is the machine's.
        own: a folder in the world that is the user's own, for a study file.
    """

    def __init__(self, world: Path, own: Path) -> None:
        self._world, self._own = os.path.realpath(world), os.path.realpath(own)
        self._allowed = ""
        self.strayed: list[str] = []
        sys.addaudithook(self._hear)

    @contextmanager
    def over(self, folder: Path) -> Iterator[list[str]]:
        """Note what leads out of a folder of the world while this context is open."""
        self.strayed = []
        self._allowed = os.path.realpath(folder)
        try:
            yield self.strayed
        finally:
            self._allowed = ""

    def _hear(self, event: str, arguments: tuple[object, ...]) -> None:
        if not self._allowed or event not in PATHS:
            return
        allowed, self._allowed = self._allowed, ""  # what the hook does itself is not heard
        try:
            for index in PATHS[event]:
                path = arguments[index]
                if isinstance(path, str | bytes | os.PathLike):
                    self._judge(event, os.fsdecode(path), arguments, allowed)
        finally:
            self._allowed = allowed

    def _judge(self, event: str, path: str, arguments: tuple[object, ...], allowed: str) -> None:
        path = path.removeprefix("file://").split("?")[0] if event == "sqlite3.connect" else path
        follows = event in ENDS_ARE_OPENED
        if event == "open" and isinstance(arguments[2], int) and arguments[2] & NOT_FOLLOWED:
            follows = False
        head, tail = os.path.split(path)
        try:
            real = os.path.realpath(path) if follows else f"{os.path.realpath(head or '.')}{os.sep}{tail}"
        except ValueError:
            return
        if _below(real, self._world) and not _below(real, allowed) and not _below(real, self._own):
            self.strayed.append(f"{event} {real}")


def _below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder + os.sep)


def state(folder: Path) -> dict[str, tuple[object, ...]]:
    """What lies below a folder: kind, size, times of change, and the hash of each file."""
    found: dict[str, tuple[object, ...]] = {}
    for at, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(at) / name
            facts = path.lstat()
            digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
            found[str(path.relative_to(folder))] = (facts.st_mode, facts.st_size, facts.st_mtime_ns, digest)
    return found
