"""What schedulers said in rehearsals, kept on disk, so that another plan of the same model need not import PyTorch.

A file of lines beside the digests. Losing it, or a line of it, costs a rehearsal again.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Final

from teststrip.records import digest_of
from teststrip.weights.digests import cache_folder

MOST_BYTES: Final = 2**21
"""Above this size the file begins anew: about ten thousand verdicts."""


class Verdicts:
    """The verdict by what was asked.

    Args:
        file: None = the one in the cache folder.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file or cache_folder() / "rehearsals.jsonl"
        self._known: dict[str, str] | None = None

    def of(self, asked: object, find: Callable[[], str]) -> str:
        """The verdict on what was asked, found where it is not known yet. A file that cannot be used is no fault.

        Args:
            asked: all that the verdict depends on, as plain JSON.
            find: is called where it is not known.
        """
        if self._known is None:
            self._known = self._read()
        key = digest_of(asked)
        if key not in self._known:
            self._known[key] = find()
            self._append(key, self._known[key])
        return self._known[key]

    def _read(self) -> dict[str, str]:
        found: dict[str, str] = {}
        with contextlib.suppress(OSError):
            lines = self._file.read_text("utf-8", errors="replace").splitlines()
            for line in filter(None, lines):  # an empty one costs an exception otherwise: 5 s for two million
                with contextlib.suppress(ValueError, RecursionError):
                    match json.loads(line):
                        case [str(key), str(why)]:
                            found[key] = why
        return found

    def _append(self, key: str, why: str) -> None:
        with contextlib.suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            full = self._file.is_file() and self._file.stat().st_size > MOST_BYTES
            with self._file.open("w" if full else "a", encoding="utf-8") as stream:
                stream.write(json.dumps([key, why]) + "\n")


VERDICTS: Final = Verdicts()
"""Those of this process."""
