"""Trackio: a run for the study, with its pictures in a table, curves and counts, in a folder beside the study.

Trackio keeps everything in a local database; nothing here talks to a network, and `trackio sync` takes it to a Space.
Each conclusion deletes the run and writes it anew, so concluding twice changes nothing. Two things to know of Trackio:
a list of images is lost without a word, so pictures stand in tables, one a row; and `log` never fails, so what arrived
is counted afterwards.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from teststrip.errors import TrackerError
from teststrip.records import Concluded, Image, Saved, Setting, Started
from teststrip.rows import curves, tables
from teststrip.trackers import content
from teststrip.trackers.reporting import StudyTracker

if TYPE_CHECKING:
    import trackio

REMOTE = ("TRACKIO_SPACE_ID", "TRACKIO_SERVER_URL", "TRACKIO_BUCKET_ID", "TRACKIO_DATASET_ID", "TRACKIO_WEBHOOK_URL")
ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",  # it asks the Hub for the user's name and writes that into every run
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TRACKIO_STORAGE_MODE": "sqlite",  # the other mode shows nothing before a dashboard has read it
}


class TrackioTracker(StudyTracker):
    """A Trackio run for the study, with its pictures in a table, in a folder beside the study.

    Args:
        project: the name of the Trackio project.
        side: pixels of the longer edge of a picture.
    """

    needs: ClassVar[str] = "trackio"
    options: ClassVar[Mapping[str, Setting]] = MappingProxyType(
        {
            "project": Setting("project", "str", "teststrip", doc="Name of the Trackio project."),
            "side": Setting("side", "int", 256, low=16, high=4096, doc="Pixels of a picture's longer edge."),
        }
    )

    def __init__(self, *, project: str = "teststrip", side: int = 256) -> None:
        super().__init__()
        self._project, self._side = project, side
        self._name = ""
        self._run: Any = None  # Trackio's Run, whose methods carry no types

    @property
    def where(self) -> str:
        """The command that shows it."""
        if not self.began:
            return ""
        folder, project = shlex.quote(os.environ["TRACKIO_DIR"]), shlex.quote(self._project)
        return f"TRACKIO_DIR={folder} trackio show --project {project}"

    def begin(self, event: Started) -> None:
        """Keep Trackio off the network, and choose its folder and the name of the run."""
        own = content.own_folder(self.folder, "trackio")
        for name in REMOTE:
            os.environ.pop(name, None)
        os.environ.update(ENVIRONMENT)
        os.environ.setdefault("TRACKIO_DIR", str(own))
        # Runs are known by name, and a folder of Trackio may be shared: two studies of one name are two runs.
        self._name = f"{event.study.name}-{content.lasting_id(own)[:6]}"

    def report(self, event: Saved) -> None:
        """Log the counts, and the picture that has just been made."""
        self._run = self._run or self._opened(resume="allow")
        with tempfile.TemporaryDirectory() as shelf:
            newest = self._picture(shelf, event.image)
            shown = {} if newest is None else {"newest": newest}
            self._run.log({"images": self.made, "failures": self.failed, **shown}, step=self.made)

    def conclude(self, event: Concluded) -> None:
        """Delete the run, log the whole study into a new one, and count what arrived."""
        import trackio

        self.close()
        self._forget()
        run = self._opened(resume="never")
        entries = 0
        with tempfile.TemporaryDirectory() as shelf:
            for step, values in self._entries(event, shelf):
                run.log(values, step=step)
                entries += 1
        run.finish()
        arrived = trackio.sqlite_storage.SQLiteStorage.get_log_count(self._project, self._name, run_id=run.id)
        if arrived != entries:
            raise TrackerError(f"Trackio kept {arrived} of {entries} entries")

    def close(self) -> None:
        """Write what is waiting."""
        if self._run is not None:
            self._run.finish()
            self._run = None

    def _entries(self, event: Concluded, shelf: str) -> Iterator[tuple[int, dict[str, Any]]]:
        """The whole study as pairs of a step and its values."""
        rows = event.rows
        made, failures = tables.counts(rows)
        shown = [self._picture(shelf, row.image) for row in rows]
        yield (
            made,
            {
                "images": made,
                "failures": failures,
                "pictures": _table({"picture": shown, **tables.images(rows)}),
                "settings": _table(tables.settings(rows)),
                "findings": _table(content.findings(event.findings)),
            },
        )
        for curve in curves.of(self.study, rows):
            for point in curve.points:
                yield point.step, {f"by {curve.scale}/{curve.metric}": point.mean}

    def _opened(self, *, resume: str) -> Any:
        import trackio

        return trackio.init(
            self._project,
            self._name,
            resume=resume,
            config=content.about(self.study),
            embed=False,
            auto_log_cpu=False,
            auto_log_gpu=False,
        )

    def _forget(self) -> None:
        """Delete what Trackio holds of this study, pictures included."""
        import trackio
        from trackio.media import get_project_media_path

        with contextlib.suppress(ValueError):  # there is no such project yet
            for run in trackio.Api().runs(self._project):
                if run.name == self._name:
                    run.delete()
        shutil.rmtree(get_project_media_path(self._project, self._name), ignore_errors=True)

    def _picture(self, shelf: str, image: Image | None) -> trackio.Image | None:
        """A small picture, which Trackio copies when it is logged; None where there is none or its file is damaged."""
        import trackio

        small = content.thumbnail(self.folder, image, self._side)
        if image is None or small is None:
            return None
        path = Path(shelf) / f"{image.digest}.webp"
        path.write_bytes(small)
        return trackio.Image(path, caption=image.digest)


def _table(columns: tables.Columns) -> trackio.Table:
    import pandas as pd
    import trackio

    return trackio.Table(dataframe=pd.DataFrame(columns, dtype=object))
