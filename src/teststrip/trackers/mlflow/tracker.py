"""Notifies MLflow of a run: pictures in batches while it goes on, everything that is missing when it is over."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

from teststrip.folder import CHARTS, FULL_REPORT_FILE, REPORT_FILE
from teststrip.records import Concluded, Event, Image, Saved, Setting, Started
from teststrip.rows import tables
from teststrip.store import inside
from teststrip.trackers import content
from teststrip.trackers.mlflow.runs import BATCH, StudyRuns, picture_cell
from teststrip.trackers.reporting import StudyTracker

_MOST_BYTES = 16 * 2**20  # of the report or a chart


class MlflowTracker(StudyTracker):
    """An MLflow run for the study, with pictures, tables and report, and in it a run for each setting.

    Args:
        experiment: the name of the MLflow experiment.
        side: pixels of the longer edge of a picture.
    """

    needs: ClassVar[str] = "mlflow"
    options: ClassVar[Mapping[str, Setting]] = MappingProxyType(
        {
            "experiment": Setting("experiment", "str", "teststrip", doc="Name of the MLflow experiment."),
            "side": Setting("side", "int", 256, low=16, high=4096, doc="Pixels of a picture's longer edge."),
        }
    )

    def __init__(self, *, experiment: str = "teststrip", side: int = 256) -> None:
        super().__init__()
        self._experiment, self._side = experiment, side
        self._runs: StudyRuns | None = None
        self._where = ""
        self._waiting: list[Image] = []

    @property
    def where(self) -> str:
        """An address, or the command that shows the runs."""
        return self._where

    def on_event(self, event: Event) -> None:
        """Send pictures in batches, and everything that is missing at the end; see Tracker."""
        try:
            super().on_event(event)
        except Exception:
            self._runs = None  # nothing more is sent, not even by `close`
            raise

    def begin(self, event: Started) -> None:
        """Find or make the study's run."""
        self._runs = StudyRuns(self.folder, event.study.name, self._experiment)
        self._where = self._runs.where

    def collect(self, event: Saved) -> None:
        """Keep the image for the next batch."""
        self._waiting.append(event.image)

    def due(self) -> bool:
        """Also when a batch is full."""
        return len(self._waiting) >= BATCH or super().due()

    def report(self, event: Saved) -> None:
        """Send the batch, and the counts."""
        self._send()

    def conclude(self, event: Concluded) -> None:
        """Send pictures, tables, contact sheets, report and the runs of the settings."""
        assert self._runs is not None
        runs, rows = self._runs, event.rows
        there = runs.pictures([row.image for row in rows if row.image is not None], self._side)
        runs.counts(*tables.counts(rows))
        table = tables.images(rows)
        shown = [picture_cell(digest) if digest in there else None for digest in table["digest"]]
        runs.tables(
            {
                "images": {"image": shown, **table},
                "settings": tables.settings(rows),
                "findings": content.findings(event.findings),
            }
        )
        for prompt, png in content.grids(self.study, rows, self.folder, min(self._side, 128)):
            runs.file(f"grids/{prompt}.png", png)
        charts = [f"{CHARTS}/{name}" for name in inside.names(self.folder, CHARTS) if name.endswith(".svg")]
        for path in (REPORT_FILE, FULL_REPORT_FILE, *charts):
            if (data := _part(self.folder, path)) is not None:
                runs.file(path, data)
        runs.note("\n\n".join(f"- {finding.sentence}" for finding in event.findings if finding.sentence))
        runs.settings(tables.arms(rows))
        runs.end("KILLED" if event.interrupted else "FINISHED")
        self._runs = None

    def close(self) -> None:
        """Say that the run is over, where it ended before its conclusion."""
        if self._runs is not None:
            self._send()
            self._runs.end("KILLED")

    def _send(self) -> None:
        assert self._runs is not None
        self._runs.pictures(self._waiting, self._side)
        self._runs.counts(self.made, self.failed)
        self._waiting = []


def _part(folder: Path, path: str) -> bytes | None:
    """A file of the study; None where it is not written yet, or something else has its name."""
    try:
        return inside.read(folder, path, _MOST_BYTES)
    except OSError:
        return None
