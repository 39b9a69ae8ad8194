"""The progress bar keeps what every tracker keeps; it shows nothing elsewhere."""

from __future__ import annotations

from teststrip.testing.tracker_contract import TrackerContract


class TestProgressKeepsTheContract(TrackerContract):
    name = "progress"
