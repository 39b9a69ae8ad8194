"""What every Tracker keeps: one suite for any, and one for those that show a study elsewhere.

To use the first: subclass `TrackerContract` and set `name`, the tracker's entry point. To use the second, subclass
`StudyTrackerContract`, and also say how to read back what the tracker shows: `pictures` and `contents`. A server that
the tracker needs is a real one on loopback, started by a fixture that puts its address into the environment.

The studies are made by the engine `pattern`, and the tracker runs in a process of its own, as it does for users.
"""

from __future__ import annotations

import inspect
import os
import shutil
import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from teststrip import plugins
from teststrip.errors import TrackerError
from teststrip.folder import TRACKERS
from teststrip.protocols import RemoteTracker, Tracker
from teststrip.records import Concluded, Event, Row, Saved, Setting, Started
from teststrip.results.result import Result, open_result
from teststrip.study import study
from teststrip.testing import canaries
from teststrip.trackers.process import TrackerProxy
from teststrip.verbs import export
from teststrip.verbs.run import drive

KINDS = {"float": float, "int": int, "str": str, "bool": bool}

STUDY: Mapping[str, Any] = {
    "name": "little",
    "prompts": ["an owl | a cat", {"id": "formula", "text": "=2+5 and a car"}],
    "engine": {"name": "pattern", "fail": "oom: guidance_scale=7.5, num_inference_steps=2, prompt=an owl | a cat"},
    "settings": {"width": 32, "height": 32},
    "axes": {
        "guidance_scale": [1, 7.5],
        "num_inference_steps": [2, 8],
        "scheduler": ["DDIMScheduler", "DPMSolverMultistepScheduler"],
    },
    "question": {"metrics": ["sharpness", "contrast"]},
}
"""The study of this suite: 16 places, two of which fail by design, and texts that a program may take for its own."""


def made(folder: Path, trackers: Sequence[str | Tracker] = (), *, limit: int | None = None) -> Path:
    """Run the study of this suite, in a folder called like it."""
    drive(study(**STUDY), folder / "little", trackers=trackers, limit=limit, views=False).result.close()
    return folder / "little"


def rows_of(folder: Path) -> list[Row]:
    """The rows of a study folder."""
    with open_result(folder) as result:
        return list(result.rows())


def digests(rows: Iterable[Row]) -> set[str]:
    """The digests of all images."""
    return {row.image.digest for row in rows if row.image}


def wait_for(there: Callable[[], object], seconds: float = 120) -> None:
    """Wait until a condition holds; fail after so many seconds."""
    until = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < until, "it did not come"
        time.sleep(0.02)


class KilledEarly:
    """Notifies a tracker in its own process, and kills that as soon as it shows something.

    Args:
        proxy: of the tracker.
        begun: whether the tracker shows something.
    """

    def __init__(self, proxy: TrackerProxy, begun: Callable[[], bool]) -> None:
        self._proxy = proxy
        self._begun = begun
        self._killed = False

    def on_event(self, event: Event) -> None:
        """Hand the event on; after the first image wait until it is shown."""
        self._proxy.on_event(event)
        if isinstance(event, Saved | Concluded) and not self._killed:
            wait_for(self._begun)
            self._proxy.kill()
            self._killed = True

    def close(self) -> None:
        """Let go of the process, which did not end well."""
        with pytest.raises(TrackerError, match="The study is safe"):
            self._proxy.close()


class TrackerContract:
    """Tests that hold for any tracker.

    Attributes:
        name: of the entry point.
    """

    name: ClassVar[str]

    @pytest.fixture
    def kind(self) -> Any:
        return plugins.load("trackers", self.name)

    def test_it_fits_the_seam(self, kind: Any) -> None:
        assert isinstance(kind(), Tracker)
        assert kind.__doc__, "`teststrip trackers` prints its first line"

    def test_every_option_is_an_argument_of_the_class_and_the_other_way_round(self, kind: Any) -> None:
        arguments = inspect.signature(kind).parameters
        assert {name for name, one in arguments.items() if one.kind is one.KEYWORD_ONLY} == set(kind.options)
        assert all(one.default is not one.empty for one in arguments.values())
        for name, setting in kind.options.items():
            assert isinstance(setting, Setting)
            assert setting.name == name
            assert setting.doc.endswith("."), f"{name} has no sentence"
            assert arguments[name].default == setting.default
            assert setting.default is None or type(setting.default) is KINDS[setting.kind]

    def test_it_can_be_closed_before_any_event(self, kind: Any) -> None:
        kind().close()

    def test_it_follows_a_run_in_which_shots_fail(self, tmp_path: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)  # a run says so where a tracker fails
            made(tmp_path, [self.name])


class StudyTrackerContract(TrackerContract, ABC):
    """Tests that hold for any tracker that shows a study elsewhere.

    Attributes:
        hostile: environment variables that would have the tracker's library send the study elsewhere.
    """

    hostile: ClassVar[Mapping[str, str]] = {}

    @abstractmethod
    def pictures(self, folder: Path) -> set[str]:
        """The names of the pictures that the tracker shows of a study; see `names`."""

    @abstractmethod
    def contents(self, folder: Path) -> object:
        """All that the tracker shows of a study: equal for equal studies, so without times, ids and random names."""

    def names(self, rows: Iterable[Row]) -> set[str]:
        """How the tracker calls the pictures of these rows; else by the digests of their images."""
        return digests(rows)

    def begun(self, folder: Path) -> bool:
        """Whether the tracker shows anything of a study yet."""
        return bool(self.pictures(folder))

    def sent(self, folder: Path) -> Iterator[tuple[str, bytes]]:
        """All files that the tracker wrote or sent for a study: a name for each, and its bytes."""
        yield from canaries.files_in(folder / TRACKERS)

    @pytest.fixture
    def folder(self, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """A finished study of which no tracker was notified: a copy of one that is run once a session."""
        place = tmp_path_factory.getbasetemp() / "the finished study of the trackers' contract"
        if not place.is_dir():
            place.mkdir()
            made(place)
        return Path(shutil.copytree(place / "little", tmp_path / "little"))

    def test_it_runs_in_a_process_of_its_own(self, kind: Any) -> None:
        assert isinstance(kind(), RemoteTracker)

    def test_notified_again_it_shows_nothing_twice(self, folder: Path) -> None:
        with open_result(folder) as result:
            where = export.notify(result, self.name)
            shown = self.contents(folder)
            assert where, "it does not say where it shows the study"
            assert export.notify(result, self.name) == where
        assert self.contents(folder) == shown
        assert self.pictures(folder) == self.names(rows_of(folder))

    def test_killed_in_the_middle_of_a_run_it_shows_the_study_once_when_the_run_has_gone_on(
        self, tmp_path: Path
    ) -> None:
        folder = tmp_path / "little"
        made(tmp_path, [self._killed_early(folder)], limit=10)
        made(tmp_path, [self.name])
        assert self.pictures(folder) == self.names(rows_of(folder))
        assert self.contents(folder) == self.contents(self._never_killed(folder))

    def test_killed_while_a_study_is_exported_it_shows_the_study_once_after_the_next_export(self, folder: Path) -> None:
        with open_result(folder) as result:
            killed = self._killed_early(folder)
            for event in _events(result):
                killed.on_event(event)
            killed.close()
            export.notify(result, self.name)
        assert self.pictures(folder) == self.names(rows_of(folder))
        assert self.contents(folder) == self.contents(self._never_killed(folder))

    def test_a_damaged_picture_is_left_out_and_everything_else_arrives(self, folder: Path) -> None:
        sound = self._damage_one(folder)
        with open_result(folder) as result:
            export.notify(result, self.name)
        assert self.pictures(folder) == self.names(sound)

    def test_a_damaged_picture_does_not_end_a_tracker_in_the_middle_of_a_run(self, folder: Path) -> None:
        sound = self._damage_one(folder)
        with open_result(folder) as result:
            proxy = TrackerProxy(self.name, {})
            started, concluded = _events(result)
            proxy.on_event(started)
            for row in result.rows():
                if row.image:
                    proxy.on_event(Saved(row.planned, row.image, 1))
            proxy.on_event(concluded)
            proxy.close()  # raises where the tracker failed
        assert self.pictures(folder) == self.names(sound)

    def test_nothing_of_the_machine_and_no_secret_goes_out(self, folder: Path, tmp_path: Path) -> None:
        canaries.plant(folder)
        canaries.command("export", "little", "--to", self.name, cwd=tmp_path, **self.hostile)
        sent = list(self.sent(folder))
        assert sent
        assert list(canaries.leaks(sent)) == []

    def _killed_early(self, folder: Path) -> KilledEarly:
        return KilledEarly(TrackerProxy(self.name, {}), lambda: self.begun(folder))

    def _never_killed(self, folder: Path) -> Path:
        """A copy of the study, exported once to a tracker that knows nothing of it."""
        copy = Path(shutil.copytree(folder, folder.parent / "copy" / "little", ignore=shutil.ignore_patterns(TRACKERS)))
        with open_result(copy) as result:
            export.notify(result, self.name)
        return copy

    @staticmethod
    def _damage_one(folder: Path) -> list[Row]:
        """Cut the first picture off; returns the rows that have a sound one."""
        first, *others = [row for row in rows_of(folder) if row.image]
        assert first.image is not None
        path = folder / first.image.path
        path.chmod(0o644)
        os.truncate(path, 100)
        return others


def _events(result: Result) -> tuple[Started, Concluded]:
    """The first and the last event of a run that had nothing left to make."""
    rows = tuple(result.rows())
    started = Started(result.study, total=len(rows), done=len(digests(rows)), folder=str(result.folder))
    return started, Concluded(0, 0, result.findings, rows=rows)
