"""A tracker in a process of its own: the run neither stops nor waits for it, and the study can be sent again."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest
from tests import installing
from tests.command import command, environment, started
from tests.trackers import runs

from teststrip.errors import MissingExtra, TrackerError, UsageError
from teststrip.protocols import Tracker
from teststrip.records import (
    Cell,
    Concluded,
    EngineRef,
    Event,
    Failed,
    Failure,
    Finding,
    Image,
    Planned,
    Prompt,
    Row,
    Saved,
    Scored,
    Shot,
    Started,
    Study,
    Waiting,
)
from teststrip.results.result import open_result
from teststrip.trackers.process import MOST_WAITING, TrackerProxy
from teststrip.verbs import export
from teststrip.verbs.run import drive

STRANGERS = '''
"""Trackers as strangers might write them."""
import os, pickle, signal, subprocess, sys, time
from pathlib import Path
from teststrip.records import Concluded, Setting, Saved, Started

class Diligent:
    needs, options, where = "json", {"word": Setting("word", "str", "none")}, ""
    def __init__(self, word="none"):
        self.word = word
    def on_event(self, event):
        if isinstance(event, Started):
            self.folder = Path(event.folder)
            self.heard = (self.folder / "trackers" / "heard").open("wb")
        pickle.dump(event, self.heard)
        self.heard.flush()
        self.act(event)
    def act(self, event):
        pass
    def close(self):
        self.where = f"over there: {self.word}"
        self.heard.close()

class RaisesAtOnce(Diligent):
    def act(self, event):
        if "WELL" not in os.environ:
            raise RuntimeError("no account\\n  at all")

class RaisesMidway(Diligent):
    def act(self, event):
        if isinstance(event, Saved) and event.left < 12 and "WELL" not in os.environ:
            raise RuntimeError("the disk of the others is full")

class RaisesAtTheEnd(Diligent):
    def close(self):
        raise RuntimeError("could not flush")

class Dies(Diligent):
    def act(self, event):
        if isinstance(event, Saved):
            os.kill(os.getpid(), signal.SIGKILL)

class Hangs(Diligent):
    """Deaf to polite signals, with a helper of its own that is as bad."""
    def act(self, event):
        if isinstance(event, Saved) and "WELL" not in os.environ:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
            (self.folder / "trackers" / "pids").write_text(f"{os.getpid()} {other.pid}")
            time.sleep(600)

class Waits(Diligent):
    """Goes on from the first picture only when the run has written its report."""
    def act(self, event):
        until = time.monotonic() + 60
        while isinstance(event, Saved) and not (self.folder / "report.md").exists():
            if time.monotonic() > until:
                raise RuntimeError("the run waited for me")
            time.sleep(0.02)

class Blocks(Diligent):
    """Hears nothing after the beginning until it may."""
    def act(self, event):
        while isinstance(event, Started) and not (self.folder / "go").exists():
            time.sleep(0.02)

class Lacks(Diligent):
    needs = "no_such_package_anywhere"

if "teststrip.trackers.process" in sys.orig_argv:
    class CannotBeMade(Diligent):
        def __init__(self):
            raise ImportError("libstrange.so: cannot open shared object file")
else:
    class CannotBeMade(Diligent):
        pass
'''

MADE = 14
"""Pictures of the little study: 16 places, two of which fail by design."""

NAMES = {
    "diligent": "Diligent",
    "at_once": "RaisesAtOnce",
    "midway": "RaisesMidway",
    "at_the_end": "RaisesAtTheEnd",
    "dies": "Dies",
    "hangs": "Hangs",
    "waits": "Waits",
    "blocks": "Blocks",
    "lacks": "Lacks",
    "unmade": "CannotBeMade",
}


@pytest.fixture(autouse=True)
def strangers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with entry points, installed for this process and its children."""
    folder = tmp_path / "site"
    installing.distribution(
        folder, "strangers", {"trackers": {n: f"strangers:{kind}" for n, kind in NAMES.items()}}, STRANGERS
    )
    installing.reach(folder, monkeypatch)
    monkeypatch.delitem(sys.modules, "strangers", raising=False)
    return folder


def heard(folder: Path) -> list[object]:
    """The events that the tracker wrote down so far."""
    events = []
    with (folder / "trackers" / "heard").open("rb") as file:
        while True:
            try:
                events.append(pickle.load(file))
            except (EOFError, pickle.UnpicklingError):
                return events


def ran(tmp_path: Path, *trackers: str | Tracker) -> Path:
    drive(runs.study_file(tmp_path), tmp_path / "little", trackers=trackers).result.close()
    return tmp_path / "little"


def whole(folder: Path) -> bool:
    """All is there that this study can have."""
    rows = runs.rows_of(folder)
    return (
        sum(row.image is not None for row in rows) == MADE
        and all("sharpness" in row.scores for row in rows if row.image)
        and (folder / "report.md").is_file()
        and (folder / "page" / "index.html").is_file()
    )


def gone(pid: int) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    return True


def test_a_tracker_hears_the_run_as_it_was_in_order(tmp_path: Path) -> None:
    outcome = drive(runs.study_file(tmp_path), tmp_path / "little", trackers=["diligent"])
    outcome.result.close()
    first, *middle, last = heard(tmp_path / "little")
    assert isinstance(first, Started)
    assert first.study == outcome.result.study
    rows = runs.rows_of(tmp_path / "little")
    shown = [event.image.digest for event in middle if isinstance(event, Saved)]
    assert len(shown) == MADE
    assert set(shown) == runs.digests(rows)
    assert [type(event) for event in middle].count(Failed) == 16 - MADE
    assert {event.metric for event in middle if isinstance(event, Scored)} == {"sharpness", "contrast"}
    assert isinstance(last, Concluded)
    assert list(last.rows) == rows
    assert outcome.where == {"diligent": "over there: none"}


@pytest.mark.parametrize(
    ("tracker", "says"),
    [
        ("at_once", "no account at all"),
        ("midway", "the disk of the others is full"),
        ("at_the_end", "could not flush"),
        ("dies", "ended with -9"),
        ("unmade", "libstrange.so: cannot open shared object file"),
    ],
)
def test_one_that_fails_is_named_once_with_the_remedy_and_the_study_is_whole(
    tmp_path: Path, tracker: str, says: str
) -> None:
    with pytest.warns(RuntimeWarning) as warned:
        folder = ran(tmp_path, tracker)
    (message,) = (str(warning.message) for warning in warned)
    assert message == f"tracker {tracker}: {says}. The study is safe. To send it again: {remedy(folder, tracker)}"
    assert whole(folder)


def remedy(folder: Path, tracker: str) -> str:
    return f"teststrip export {folder} --to {tracker}"


class HoldsTheEndUntil:
    """A tracker in the run's own process, for which the run waits until a file is there."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_event(self, event: Event) -> None:
        if isinstance(event, Concluded):
            runs.wait_for(self.path.is_file)

    def close(self) -> None:
        """Nothing is held."""


def test_one_that_hangs_is_ended_with_all_it_started_once_the_run_lost_patience(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TESTSTRIP_TRACKER_PATIENCE", "3")
    with pytest.warns(RuntimeWarning, match="tracker hangs: did not finish within 3 s and was ended") as warned:
        folder = ran(tmp_path, "hangs", HoldsTheEndUntil(tmp_path / "little" / "trackers" / "pids"))
    assert len(warned) == 1
    assert whole(folder)
    pids = [int(pid) for pid in (folder / "trackers" / "pids").read_text().split()]
    assert len(pids) == 2
    runs.wait_for(lambda: all(map(gone, pids)))


def test_one_that_waits_for_the_run_to_end_does_not_hold_it_up(tmp_path: Path) -> None:
    folder = ran(tmp_path, "waits")  # it raises, and the run warns, where the run waited
    assert isinstance(heard(folder)[-1], Concluded)


def test_the_others_hear_all_when_one_fails(tmp_path: Path) -> None:
    with pytest.warns(RuntimeWarning) as warned:
        folder = ran(tmp_path, "unmade", "diligent")
    assert len(warned) == 1
    assert sum(isinstance(event, Saved) for event in heard(folder)) == MADE


@pytest.mark.slow
@pytest.mark.parametrize("tracker", ["at_once", "midway", "hangs"])
def test_what_one_missed_is_sent_again_in_full_by_the_line_of_the_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tracker: str
) -> None:
    monkeypatch.setenv("TESTSTRIP_TRACKER_PATIENCE", "3")
    with pytest.warns(RuntimeWarning):
        folder = ran(tmp_path, tracker)
    words = remedy(folder, tracker).split()[1:]
    assert "over there: none" in command(*words, cwd=tmp_path, WELL="yes").stdout
    last = heard(folder)[-1]
    assert isinstance(last, Concluded)
    assert list(last.rows) == runs.rows_of(folder)


def test_an_export_that_fails_is_an_error_with_one_line(tmp_path: Path) -> None:
    folder = ran(tmp_path)
    with open_result(folder) as result, pytest.raises(TrackerError, match=r"^no account at all\. The study is safe"):
        export.notify(result, "at_once")
    done = command("export", folder, "--to", "at_once", cwd=tmp_path, code=2)
    assert done.stderr.count("no account at all") == 1


def test_options_reach_the_tracker(tmp_path: Path) -> None:
    with open_result(ran(tmp_path)) as result:
        assert export.notify(result, "diligent", word="café") == "over there: café"


def test_one_whose_package_is_missing_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(MissingExtra, match=r"no_such_package_anywhere is not installed\. Run: pip install"):
        ran(tmp_path, "lacks")
    assert not (tmp_path / "little").exists()


def test_a_patience_that_is_no_number_is_refused_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TESTSTRIP_TRACKER_PATIENCE", "soon")
    with pytest.raises(UsageError, match="TESTSTRIP_TRACKER_PATIENCE: 'soon' is no number of seconds"):
        ran(tmp_path, "diligent")


def test_ctrl_c_stops_the_run_and_leaves_the_tracker_time_to_hear_the_end(tmp_path: Path) -> None:
    words = [
        "run",
        str(runs.study_file(tmp_path, replicates=2, seconds=1)),
        "--out",
        "little",
        "--tracker",
        "diligent",
    ]
    with (tmp_path / "said").open("w") as said:
        run = started(words, cwd=tmp_path, env=environment(), start_new_session=True, stderr=said.fileno())
    try:
        runs.wait_for((tmp_path / "little" / "trackers" / "heard").is_file)
        runs.wait_for(lambda: any(isinstance(event, Saved) for event in heard(tmp_path / "little")))
        os.killpg(run.pid, signal.SIGINT)  # as a terminal does: to the whole foreground group
        run.wait(60)
    finally:
        run.kill()
    told = (tmp_path / "said").read_text("utf-8")
    assert "tracker" not in told.replace("--tracker diligent", "")  # which is how to go on
    last = heard(tmp_path / "little")[-1]
    assert isinstance(last, Concluded)
    assert last.interrupted
    assert 0 < last.images < 2 * MADE


def test_a_run_that_is_killed_leaves_no_tracker_behind(tmp_path: Path) -> None:
    words = [
        "run",
        str(runs.study_file(tmp_path, replicates=2, seconds=1)),
        "--out",
        "little",
        "--tracker",
        "diligent",
    ]
    run = started(words, cwd=tmp_path, env=environment())
    try:
        runs.wait_for(lambda: (tmp_path / "little" / "trackers" / "heard").is_file())
        (child,) = psutil.Process(run.pid).children()
        assert child.cmdline()[-1] == "diligent"
    finally:
        run.kill()
        run.wait()
    runs.wait_for(lambda: gone(child.pid))


@pytest.mark.slow
def test_what_waits_for_a_slow_tracker_is_bounded_and_the_end_is_heard_all_the_same(tmp_path: Path) -> None:
    """Nothing is lost by that: the end brings all rows."""
    events = pictures(tmp_path, MOST_WAITING + 1_000)
    tracker = TrackerProxy("blocks", {}, patience=60)
    for event in events:
        tracker.on_event(event)  # would never return, did it wait for the other process
    (tmp_path / "go").touch()
    tracker.close()
    found = heard(tmp_path)
    shown = sum(isinstance(event, Saved) for event in found)
    # The beginning waits, too; a pipe of 64 KiB holds fewer than 500.
    assert MOST_WAITING - 1 <= shown < MOST_WAITING + 500
    assert found[-1] == events[-1]


def pictures(folder: Path, count: int) -> list[object]:
    shots = [Shot(EngineRef("pattern"), {"prompt": "an owl", "seed": seed}) for seed in range(count)]
    places = [Planned(shot, Cell(()), Prompt("owl", "an owl"), n) for n, shot in enumerate(shots)]
    images = [Image(shot.id, shot.id, f"images/{shot.id}.png", 8, 8, 99, 0.1, "f") for shot in shots]
    rows = tuple(Row(place, image) for place, image in zip(places, images, strict=True))
    shown = [Saved(row.planned, image, count - n) for n, (row, image) in enumerate(zip(rows, images, strict=True), 1)]
    study = Study("many", (Prompt("owl", "an owl"),))
    return [Started(study, count, 0, str(folder)), *shown, Concluded(count, 0, rows=rows)]


def test_every_event_of_a_study_crosses_to_the_other_process_unchanged(tmp_path: Path) -> None:
    with open_result(ran(tmp_path)) as result:
        study, rows, findings = result.study, tuple(result.rows()), result.findings
    assert findings
    assert any(isinstance(finding, Finding) and finding.levels and finding.comparisons for finding in findings)
    lone = Failure(rows[0].planned.shot, "error", "lone \ud800 half, nul \0, \u202eright to left", retryable=False)
    image = next(row.image for row in rows if row.image)
    events = [
        Started(study, 16, 0, str(tmp_path)),
        Saved(rows[0].planned, image, 15),
        Failed(rows[0].planned, lone, 14),
        Waiting("the nodes are busy"),
        Scored("sharpness", 0, "not computed, because ..."),
        Concluded(15, 1, findings, interrupted=True, rows=(*rows, Row(rows[0].planned, failure=lone))),
    ]
    tracker = TrackerProxy("diligent", {}, patience=60)
    for event in events:
        tracker.on_event(event)
    tracker.close()
    assert list(map(repr, heard(tmp_path))) == list(map(repr, events))  # repr: a NaN equals none, itself included


def test_what_lies_in_the_working_folder_is_not_taken_for_python_s_own(tmp_path: Path) -> None:
    """A stranger's folder may hold anything; a run that is started in it must not run that."""
    folder = ran(tmp_path)
    (tmp_path / "pickle.py").write_text("raise SystemExit('a stranger was here')")
    script = Path(sys.executable).with_name("teststrip")
    done = subprocess.run(
        [script, "export", folder, "--to", "diligent"], cwd=tmp_path, env=environment(), capture_output=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


def test_a_tracker_s_prints_go_into_its_log_and_nowhere_else(tmp_path: Path, strangers: Path) -> None:
    chatty = textwrap.dedent(
        """
        from strangers import Diligent
        class Chatty(Diligent):
            def act(self, event):
                print("chat", type(event).__name__, flush=True)
        """
    )
    (strangers / "chatty.py").write_text(chatty)
    points = strangers / "strangers-1.0.dist-info" / "entry_points.txt"
    points.write_text(points.read_text() + "chatty = chatty:Chatty\n")
    done = command("run", runs.study_file(tmp_path), "--out", "little", "--tracker", "chatty", cwd=tmp_path, code=3)
    assert "chat " not in done.stdout + done.stderr
    log = (tmp_path / "little" / "trackers" / "chatty" / "log.txt").read_text()
    assert log.startswith("chat Started\n")
    assert "over there: none" in done.stdout


def test_a_finished_run_frees_the_folder_before_it_waits_for_its_trackers(tmp_path: Path) -> None:
    words = ["run", str(runs.study_file(tmp_path)), "--out", "little", "--tracker", "hangs"]
    patience = environment(TESTSTRIP_TRACKER_PATIENCE="60")
    run = started(words, cwd=tmp_path, env=patience)
    children: list[psutil.Process] = []
    try:
        runs.wait_for(lambda: (tmp_path / "little" / "report.md").is_file())
        children = runs.children(run)
        until = time.monotonic() + 20
        while (again := _code(tmp_path)) == 4 and time.monotonic() < until:  # 4 = busy
            time.sleep(0.2)
        assert again == 3  # shots of this study fail
        assert run.poll() is None
    finally:
        runs.kill([*children, run])
        run.wait()


def _code(folder: Path) -> int:
    return command("run", folder / "little.toml", "--out", "little", cwd=folder, code=None).returncode
