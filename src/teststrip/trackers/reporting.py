"""The skeleton of a tracker that shows a study: it counts, reports every few seconds, and shows everything at the end.

A tracker of this kind subclasses `StudyTracker` and fills in what its server or file needs: `begin`, `report`,
`conclude`, and where it must keep something of each image, `collect`. Knows events and the clock, and no tracker.
"""

from __future__ import annotations

import time
from pathlib import Path

from teststrip.records import Concluded, Event, Failed, Saved, Started, Study


class StudyTracker:
    """Follows a run.

    Attributes:
        made: images so far, with those of earlier runs.
        failed: failures so far, of this run.
    """

    def __init__(self) -> None:
        self.made = 0
        self.failed = 0
        self._started: Started | None = None
        self._since = self._reported = float("-inf")  # by the monotonic clock

    def on_event(self, event: Event) -> None:
        """Count, and call the part of the skeleton that this event asks for; see Tracker."""
        match event:
            case Started():
                self._started, self.made, self._since = event, event.done, time.monotonic()
                self.begin(event)
            case Saved():
                self.made += 1
                self.collect(event)
                if self.due():
                    self.report(event)
                    self._reported = time.monotonic()
            case Failed():
                self.failed += 1
            case Concluded():
                self.conclude(event)
            case _:
                pass

    def begin(self, event: Started) -> None:
        """A run begins."""

    def collect(self, event: Saved) -> None:
        """An image is there; called for each."""

    def report(self, event: Saved) -> None:
        """Show how far the run is, and the image that came last; called whenever a report is due."""

    def conclude(self, event: Concluded) -> None:
        """Show the whole study, in place of what is there of it."""

    def due(self) -> bool:
        """Whether the last report is longer ago than the pause between two."""
        return time.monotonic() - self._reported > self.pause()

    def pause(self) -> float:
        """Seconds between two reports."""
        return 5.0

    @property
    def began(self) -> bool:
        """Whether the tracker was notified of a run."""
        return self._started is not None

    @property
    def seconds(self) -> float:
        """Since the run began."""
        return time.monotonic() - self._since

    @property
    def study(self) -> Study:
        """The study of the run."""
        assert self._started is not None
        return self._started.study

    @property
    def folder(self) -> Path:
        """The folder of the study."""
        assert self._started is not None
        return Path(self._started.folder)
