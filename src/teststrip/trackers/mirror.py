"""A copy of a study's pictures at a URL, s3:// or gs:// for example, which grows while the study runs.

A picture is named by the digest of its bytes, there as in the study's folder, so one that lies there is never sent
again, and whatever was left out by a kill or a lost connection is sent when the study is concluded or exported.

A request that fails ends nothing: its pictures are kept and sent again after a pause, which doubles from failure to
failure. Only a conclusion that fails, too, is an error, so the run's end says whether everything arrived.
"""

from __future__ import annotations

import csv
import io
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
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

LONGEST_PAUSE = 600.0
"""Seconds between two attempts while a run goes on, at most: a place that is back gets its pictures soon after."""


class MirrorTracker(StudyTracker):
    """Copies of the pictures and a table of them at a URL: s3://, gs:// or another that fsspec knows.

    Args:
        url: the folder; the study gets one of its name in it. "" = what TESTSTRIP_MIRROR names.

    Attributes:
        first_pause: seconds after a first failure in which nothing is sent.
        last_pauses: seconds before each further attempt of a conclusion: few, because a run that has ended waits.
    """

    first_pause: ClassVar[float] = 5.0
    last_pauses: ClassVar[Sequence[float]] = (1.0, 4.0)
    needs: ClassVar[str] = "fsspec"
    options: ClassVar[Mapping[str, Setting]] = MappingProxyType(
        {"url": Setting("url", "str", "", doc="Where the study gets a folder: s3://bucket/folder.")}
    )

    def __init__(self, *, url: str = "") -> None:
        super().__init__()
        self._url = url
        self._place: Elsewhere | None = None
        self._there: dict[str, int] | None = None  # bytes by path; None = the place was not read yet
        self._waiting: list[Image] = []
        self._pause = 0.0
        self._until = float("-inf")  # by the monotonic clock: nothing is sent before

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
        self._try()

    def collect(self, event: Saved) -> None:
        """Note a picture, and send those that wait once there are enough."""
        self._waiting.append(event.image)
        if len(self._waiting) >= TOGETHER:
            self.report(event)

    def report(self, event: Saved) -> None:
        """Send the pictures that wait, unless the last failure is too short a time ago."""
        if time.monotonic() >= self._until:
            self._try()

    def conclude(self, event: Concluded) -> None:
        """Send what is not there yet, and the table of all pictures.

        Raises:
            StoreError: something did not arrive.
        """
        self._waiting = []
        images = [row.image for row in event.rows if row.image]
        table = _table(tables.records(event.rows))
        for pause in (*self.last_pauses, None):
            try:
                self._send(images)
                assert self._place is not None
                self._place.put({"images.csv": table})
            except StoreError as error:
                if pause is None or isinstance(error.__cause__, FileNotFoundError | PermissionError):
                    missing = sum((self._there or {}).get(image.path) != image.size for image in images)
                    what = f"{missing} of {len(images)} pictures" if missing else "the table of the pictures"
                    raise StoreError(f"{what} did not arrive: {error}") from error
                time.sleep(pause)
            else:
                return

    def close(self) -> None:
        """Forget what waits: the next conclusion sends it."""
        self._waiting = []

    def _try(self) -> None:
        """Send what waits. Where that fails keep it, say so in the log, and make the pause twice as long."""
        try:
            self._send(self._waiting)
        except StoreError as error:
            self._pause = min(2 * self._pause or self.first_pause, LONGEST_PAUSE)
            self._until = time.monotonic() + self._pause
            sys.stderr.write(f"{error}. {len(self._waiting)} pictures wait, {self._pause:g} seconds at least\n")
        else:
            self._waiting, self._pause = [], 0.0

    def _send(self, images: Iterable[Image]) -> None:
        assert self._place is not None
        if self._there is None:
            self._there = self._place.sizes()
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
