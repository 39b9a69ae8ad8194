"""A cache on disk of how many rows a forward has: found once on a machine and kept, so that bytes stay the same.

A small JSON file beside the digests. Losing it costs a search of seconds, and at most one level of 255 in a few pixels.
`teststrip.batching.width` finds the numbers.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, MutableMapping
from pathlib import Path

from teststrip import disk
from teststrip.weights.digests import cache_folder


class WidthCache(MutableMapping[str, int]):
    """The width by shape of row, for one model on one machine.

    A file that cannot be read or written is no fault, because the width is then found again.

    Args:
        model: says all that the best width depends on: weights, number format, device, threads, versions.
        file: None = the one in the cache folder.
    """

    def __init__(self, model: str, file: Path | None = None) -> None:
        self._model = model
        self._file = file or cache_folder() / "widths.json"
        self._known = self._read().get(model, {})

    def __getitem__(self, shape: str) -> int:
        return self._known[shape]

    def __setitem__(self, shape: str, rows: int) -> None:
        self._known[shape] = rows
        self._write()

    def setdefault(self, shape: str, default: int = 1) -> int:
        """The width of a shape, which is this one unless another process has written one since this cache was read."""
        return super().setdefault(shape, self._read().get(self._model, {}).get(shape, default))

    def __delitem__(self, shape: str) -> None:
        del self._known[shape]
        self._write()

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)

    def _read(self) -> dict[str, dict[str, int]]:
        with contextlib.suppress(OSError, ValueError):
            kept = json.loads(self._file.read_text("utf-8"))
            if isinstance(kept, dict):
                return {
                    model: {shape: rows for shape, rows in table.items() if isinstance(rows, int) and rows > 0}
                    for model, table in kept.items()
                    if isinstance(table, dict)
                }
        return {}

    def _write(self) -> None:
        with contextlib.suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            everything = self._read()
            everything[self._model] = everything.get(self._model, {}) | self._known
            # Two runs may write at once: each replaces the whole file; the later one wins, the other searches again.
            disk.replace(self._file, json.dumps(everything))
