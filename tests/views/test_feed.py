"""The feed of the live page: when it looks, and what it takes for a run."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests import studies

from teststrip.folder import LOCK_FILE
from teststrip.results.result import open_result
from teststrip.store import Store, lock, rebuild
from teststrip.store.lock import holder
from teststrip.verbs.run import drive
from teststrip.views.feed import REST, Feed, Rest

WITHOUT_END = 1e12

HOLD = """
import sys
from teststrip.store import Store
with Store(sys.argv[1], write=True):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    studies.write(tmp_path, replicates=2)
    go_on(tmp_path / "little", 4)
    return tmp_path / "little"


def go_on(folder: Path, count: int) -> None:
    drive(folder.with_suffix(".toml"), folder, trackers=[], views=False, limit=count).result.close()


@contextmanager
def feed_of(folder: Path, rest: Rest = REST) -> Iterator[Feed]:
    with open_result(folder) as result:
        yield Feed(result, rest)


def test_a_run_is_seen_at_once_however_long_the_last_look_took(folder: Path) -> None:
    with feed_of(folder, Rest(times=WITHOUT_END, idle_seconds=WITHOUT_END)) as feed:
        with Store(folder, write=True):
            assert feed.look()
            assert feed.board["progress"]["running"]
        assert feed.look()
        assert not feed.board["progress"]["running"]


def test_a_run_between_two_looks_is_seen_after_a_short_rest(folder: Path) -> None:
    with feed_of(folder, Rest(times=WITHOUT_END)) as feed:
        go_on(folder, 1)
        assert not feed.look()
    assert REST.idle_seconds <= 5
    with feed_of(folder, Rest(times=WITHOUT_END, idle_seconds=0)) as feed:
        go_on(folder, 1)
        assert feed.look()
        assert feed.board["progress"]["made"] == 6


@pytest.mark.process
def test_a_run_that_was_killed_is_over(folder: Path) -> None:
    go_on(folder, 4)
    writer = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "held\n"
        with feed_of(folder) as feed:
            assert holder(folder)
            assert feed.board["progress"]["running"]
            writer.kill()
            writer.communicate()
            assert str(writer.pid) in (folder / "study.lock").read_text()
            assert feed.look()
            assert not feed.board["progress"]["running"]
            assert feed.board["findings"]
    finally:
        writer.kill()
        writer.communicate()
    assert holder(folder) is None


def test_a_ledger_that_was_made_anew_is_followed(folder: Path) -> None:
    with feed_of(folder, Rest(idle_seconds=0)) as feed:
        assert rebuild(folder) == 4
        go_on(folder, 2)
        assert feed.look()
        assert feed.board["progress"]["made"] == 6


def test_a_look_at_the_lock_keeps_no_writer_from_beginning(folder: Path) -> None:
    fcntl = pytest.importorskip("fcntl")
    look = os.open(folder / LOCK_FILE, os.O_RDONLY)
    fcntl.flock(look, fcntl.LOCK_SH)
    threading.Timer(0.05, os.close, (look,)).start()
    lock.FolderLock(folder, glance_seconds=1.0).release()
