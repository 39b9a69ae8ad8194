"""A copy of a study's pictures at a URL, s3:// or gs:// for example, which grows while the study runs.

A picture is named by the digest of its bytes, there as in the study's folder, so one that lies there is never sent
again, and whatever was left out by a kill or a lost connection is sent when the study is concluded or exported.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import ClassVar

from teststrip.characters import harmless
from teststrip.elsewhere import Elsewhere
from teststrip.errors import StoreError, UsageError
from teststrip.records import Concluded, Image, Saved, Setting, Started
from teststrip.rows import tables
from teststrip.store import files
from teststrip.trackers.reporting import StudyTracker

PLACE = "TESTSTRIP_MIRROR"
TOGETHER = 16
"""Pictures that are sent at a time."""


class MirrorTracker(StudyTracker):
    """Copies of the pictures and a table of them at a URL: s3://, gs:// or another that fsspec knows.

    Args:
        url: the folder; the study gets one of its name in it. "" = what TESTSTRIP_MIRROR names.
    """

    needs: ClassVar[str] = "fsspec"
    options: ClassVar[Mapping[str, Setting]] = MappingProxyType(
        {"url": Setting("url", "str", "", doc="Where the study gets a folder: s3://bucket/folder.")}
    )

    def __init__(self, *, url: str = "") -> None:
        super().__init__()
        self._url = url
        self._place: Elsewhere | None = None
        self._there: dict[str, int] = {}
        self._waiting: list[Image] = []

    @property
    def where(self) -> str:
        """The URL of the study's copy."""
        return self._place.url if self._place else ""

    def begin(self, event: Started) -> None:
        """Look what is there already."""
        url = self._url or os.environ.get(PLACE, "")
        if not url:
            raise UsageError(f"mirror has no url. Write [trackers.mirror] url = 's3://bucket/folder', or set {PLACE}")
        self._place = Elsewhere(f"{url.rstrip('/')}/{self.study.name}")
        self._there = self._place.sizes()

    def collect(self, event: Saved) -> None:
        """Note a picture, and send those that wait once there are enough."""
        self._waiting.append(event.image)
        if len(self._waiting) >= TOGETHER:
            self.report(event)

    def report(self, event: Saved) -> None:
        """Send the pictures that wait."""
        self._send(self._waiting)
        self._waiting = []

    def conclude(self, event: Concluded) -> None:
        """Send what is not there yet, and the table of all pictures."""
        self._waiting = []
        self._send(row.image for row in event.rows if row.image)
        assert self._place is not None
        self._place.put({"images.csv": _table(tables.records(event.rows))})

    def close(self) -> None:
        """Forget what waits: the next conclusion sends it."""
        self._waiting = []

    def _send(self, images: Iterable[Image]) -> None:
        assert self._place is not None
        missing = {image.path: image for image in images if self._there.get(image.path) != image.size}
        left = list(missing.values())
        while left:
            some, left = left[:TOGETHER], left[TOGETHER:]
            sound = dict(self._sound(some))
            self._place.put(sound)
            self._there |= {path: len(data) for path, data in sound.items()}

    def _sound(self, images: Iterable[Image]) -> Iterator[tuple[str, bytes]]:
        """The bytes of pictures by their paths; one that is damaged or gone is left out."""
        for image in images:
            try:
                yield image.path, files.read_whole(self.folder, image.path)
            except StoreError:
                continue


def _table(records: list[dict[str, object]]) -> bytes:
    """Records as CSV in UTF-8, a line each; text that a spreadsheet would run gets an apostrophe before it."""
    names = dict.fromkeys(name for record in records for name in record)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(names), lineterminator="\n")
    writer.writerow({name: harmless(name) for name in names})
    writer.writerows({name: harmless(value) for name, value in record.items()} for record in records)
    return text.getvalue().encode("utf-8", "replace")
