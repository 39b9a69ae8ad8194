"""A run that has ended waits for all its trackers together, not for one after another."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from tests import installing
from tests.trackers import runs

from teststrip.records import Concluded, Event
from teststrip.verbs.run import drive

DEAF = """
import time

class Deaf:
    needs, options, where = "json", {}, ""
    def on_event(self, event):
        time.sleep(600)
    def close(self):
        pass
"""
PATIENCE = 6.0


@pytest.fixture(autouse=True)
def strangers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trackers that hang, installed for this process and its children."""
    site = tmp_path / "site"
    installing.distribution(site, "deaf", {"trackers": dict.fromkeys(("one", "two", "three"), "deaf:Deaf")}, DEAF)
    installing.reach(site, monkeypatch)
    monkeypatch.setenv("TESTSTRIP_TRACKER_PATIENCE", str(PATIENCE))


class Clock:
    """Knows when the study was concluded; closed by the run as the others are."""

    concluded = 0.0

    def on_event(self, event: Event) -> None:
        if isinstance(event, Concluded):
            self.concluded = time.monotonic()

    def close(self) -> None:
        pass


def test_trackers_that_hang_share_the_patience_of_the_run(tmp_path: Path) -> None:
    clock, three = Clock(), ["one", "two", "three"]
    with pytest.warns(RuntimeWarning, match="did not finish within 6 s and was ended") as warned:
        drive(runs.study_file(tmp_path), tmp_path / "little", trackers=[clock, *three], views=False).result.close()
    assert len(warned) == 3
    assert time.monotonic() - clock.concluded < 2.5 * PATIENCE
