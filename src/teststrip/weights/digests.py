"""SHA-256 of files, remembered, so that a model of gigabytes is read once and not at every start.

Knows files and a cache of its own; nothing of models.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
from pathlib import Path

from teststrip import disk


def cache_folder() -> Path:
    """Where Teststrip keeps what it can compute again: TESTSTRIP_CACHE, else the system's place for caches."""
    if given := os.environ.get("TESTSTRIP_CACHE"):
        return Path(given)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", "~")).expanduser() / "teststrip"
    if sys.platform == "darwin":
        return Path("~/Library/Caches/teststrip").expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "teststrip"


class Digests:
    """Digests of files, remembered by their path, time of change and size.

    Where the cache cannot be read or written, the file is read again.

    Args:
        file: the cache; None = a file in `cache_folder()`.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file or cache_folder() / "digests.json"
        self._known: dict[str, list[object]] | None = None

    def of(self, path: Path) -> str:
        """The SHA-256 of a file, 64 hexadecimal digits."""
        if self._known is None:
            self._known = self._read()
        path = path.resolve()
        state = path.stat()
        stamp: list[object] = [state.st_mtime_ns, state.st_size]
        kept = self._known.get(str(path))
        if kept and kept[:2] == stamp and isinstance(kept[2], str):
            return kept[2]
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        self._known[str(path)] = [*stamp, digest]
        if state.st_size > 2**20:  # reading a smaller file again costs less than writing the cache
            self._write()
        return digest

    def _read(self) -> dict[str, list[object]]:
        with contextlib.suppress(OSError, ValueError):
            kept = json.loads(self._file.read_text("utf-8"))
            if isinstance(kept, dict):
                return {k: v for k, v in kept.items() if isinstance(v, list) and len(v) == 3}
        return {}

    def _write(self) -> None:
        assert self._known is not None
        with contextlib.suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            # Two runs may write at once: each replaces the whole file, the later one wins; only time is lost.
            disk.replace(self._file, json.dumps(self._known))
