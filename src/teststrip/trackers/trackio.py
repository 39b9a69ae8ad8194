"""Trackio: a run for the study, with its pictures in a table, curves and counts, in a folder beside the study.

Trackio keeps what it is told in a local database; nothing here talks to a network, and `trackio sync` takes it to a
Space. The account is written anew whenever the study is told, after the old one is deleted: telling it twice changes
nothing. Two things to know of Trackio: a list of images is lost without a word, so pictures stand in tables, one a
row; and `log` never fails, so what arrived is counted afterwards.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from teststrip import pictures
from teststrip.errors import PictureError, TrackerError
from teststrip.folder import TRACKERS
from teststrip.records import Concluded, Event, Failed, Image, Saved, Setting, Started
from teststrip.rows import curves, tables
from teststrip.trackers import telling

if TYPE_CHECKING:
    import trackio

EVERY = 5.0  # seconds between two looks at a run

REMOTE = ("TRACKIO_SPACE_ID", "TRACKIO_SERVER_URL", "TRACKIO_BUCKET_ID", "TRACKIO_DATASET_ID", "TRACKIO_WEBHOOK_URL")
ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",  # it asks the Hub for the user's name and writes that into every run
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TRACKIO_STORAGE_MODE": "sqlite",  # the other mode shows nothing before a dashboard has read it
}


class TrackioTracker:
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

    def __init__(self, project: str = "teststrip", side: int = 256) -> None:
        self._project, self._side = project, side
        self._started: Started | None = None
        self._name = ""
        self._run: Any = None  # Trackio's Run, whose methods carry no types
        self._made = self._failed = 0
        self._last = -EVERY

    def on_event(self, event: Event) -> None:
        """Write progress every few seconds, and all at the end; see Tracker."""
        match event:
            case Started():
                self._start(event)
            case Saved():
                self._made += 1
                self._progress(event)
            case Failed():
                self._failed += 1
            case Concluded():
                self._conclude(event)
            case _:
                pass

    def close(self) -> None:
        """Write what is waiting."""
        if self._run is not None:
            self._run.finish()
            self._run = None

    @property
    def where(self) -> str:
        """The command that shows it."""
        if self._started is None:
            return ""
        folder, project = shlex.quote(os.environ["TRACKIO_DIR"]), shlex.quote(self._project)
        return f"TRACKIO_DIR={folder} trackio show --project {project}"

    def _start(self, event: Started) -> None:
        own = (Path(event.folder) / TRACKERS / "trackio").resolve()
        for name in REMOTE:
            os.environ.pop(name, None)
        os.environ.update(ENVIRONMENT)
        os.environ.setdefault("TRACKIO_DIR", str(own))
        self._started, self._made = event, event.done
        # Runs are known by name, and a folder of Trackio may be shared: two studies of one name are two runs.
        self._name = f"{event.study.name}-{telling.lasting_id(own)[:6]}"

    def _progress(self, event: Saved) -> None:
        """The counts, and the picture that has just been made."""
        if time.monotonic() - self._last < EVERY:
            return
        assert self._started is not None
        self._run = self._run or self._opened(resume="allow")
        with tempfile.TemporaryDirectory() as shelf:
            newest = self._picture(shelf, event.image)
            shown = {} if newest is None else {"newest": newest}
            self._run.log({"images": self._made, "failures": self._failed, **shown}, step=self._made)
        self._last = time.monotonic()

    def _conclude(self, event: Concluded) -> None:
        import trackio

        self.close()
        self._forget()
        run = self._opened(resume="never")
        entries = 0
        with tempfile.TemporaryDirectory() as shelf:
            for step, values in self._account(event, shelf):
                run.log(values, step=step)
                entries += 1
        run.finish()
        arrived = trackio.sqlite_storage.SQLiteStorage.get_log_count(self._project, self._name, run_id=run.id)
        if arrived != entries:
            raise TrackerError(f"Trackio kept {arrived} of {entries} entries")

    def _account(self, event: Concluded, shelf: str) -> Iterator[tuple[int, dict[str, Any]]]:
        """All that there is to say of a study: (step, values)."""
        assert self._started is not None
        study, rows = self._started.study, event.rows
        made = sum(row.image is not None for row in rows)
        table = tables.images(rows)
        shown = [None if row.image is None else self._picture(shelf, row.image) for row in rows]
        yield (
            made,
            {
                "images": made,
                "failures": sum(row.failure is not None for row in rows),
                "pictures": _table({"picture": shown, **table}),
                "settings": _table(tables.settings(rows)),
                "findings": _table(telling.findings(event.findings)),
            },
        )
        for curve in curves.of(study, rows):
            for point in curve.points:
                yield point.step, {f"by {curve.scale}/{curve.metric}": point.mean}

    def _opened(self, *, resume: str) -> Any:
        import trackio

        assert self._started is not None
        return trackio.init(
            self._project,
            self._name,
            resume=resume,
            config=telling.about(self._started.study),
            embed=False,
            auto_log_cpu=False,
            auto_log_gpu=False,
        )

    def _forget(self) -> None:
        """Delete what was told of this study before, pictures included."""
        import trackio
        from trackio.media import get_project_media_path

        with contextlib.suppress(ValueError):  # there is no such project yet
            for run in trackio.Api().runs(self._project):
                if run.name == self._name:
                    run.delete()
        shutil.rmtree(get_project_media_path(self._project, self._name), ignore_errors=True)

    def _picture(self, shelf: str, image: Image) -> trackio.Image | None:
        """A small picture, which Trackio copies when it is logged; None where the file is damaged."""
        import trackio

        assert self._started is not None
        path = Path(shelf) / f"{image.digest}.webp"
        try:
            small = pictures.thumbnail((Path(self._started.folder) / image.path).read_bytes(), self._side)
        except (OSError, PictureError):
            return None
        path.write_bytes(small)
        return trackio.Image(path, caption=image.digest)


def _table(columns: tables.Columns) -> trackio.Table:
    import pandas as pd
    import trackio

    return trackio.Table(dataframe=pd.DataFrame(columns, dtype=object))
