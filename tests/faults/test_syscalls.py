"""Every write, fsync and rename of a run: in the right order, and survived when it is the last thing that happens."""

import shutil
import sys

import pytest
from tests.faults.syscalls import broken_promises, inject, record, strace_works
from tests.faults.torture import PAINTER, count

from teststrip.store import Store

pytestmark = pytest.mark.skipif(not strace_works(), reason="strace is not installed, or may not trace here")


def painter(folder, count, fault=""):
    return [sys.executable, str(PAINTER), str(folder), str(count), fault]


def test_the_disk_has_every_picture_before_its_row(tmp_path):
    calls = record(painter(tmp_path / "s", 5), tmp_path / "log")
    assert broken_promises(calls, tmp_path / "s") == []
    assert sum(call.name == "rename" and "/images/" in call.target for call in calls) == 5


@pytest.mark.parametrize(
    ("fault", "seen"),
    [
        ("no-fsync", "the file had its name before the disk had its bytes"),
        ("no-fsync", "the row was written before the disk had the file's name"),
        ("row-first", "the row was not written after the file"),
        ("in-place", "was written under its final name"),
    ],
)
def test_the_order_of_calls_shows_a_planted_fault(tmp_path, fault, seen):
    calls = record(painter(tmp_path / "s", 3, fault), tmp_path / "log")
    assert any(seen in said for said in broken_promises(calls, tmp_path / "s"))


@pytest.mark.parametrize("call", ["rename", "fsync"])
def test_a_run_killed_at_any_rename_or_fsync_goes_on_where_it_was(tmp_path, call):
    exhaust(tmp_path, call, "signal=KILL")


@pytest.mark.slow
@pytest.mark.parametrize("what", ["signal=KILL", "error=ENOSPC", "error=EIO"])
@pytest.mark.parametrize("call", ["write", "pwrite64", "fsync", "fdatasync", "rename", "unlink", "mkdir", "ftruncate"])
def test_a_run_goes_on_where_it_was_after_any_call_fails_or_is_its_last(tmp_path, call, what):
    exhaust(tmp_path, call, what)


def exhaust(tmp_path, call, what):
    """The first, the second, ... call of a kind goes wrong, until there are no more of them."""
    for number in range(1, 200):
        folder = tmp_path / str(number)
        code = inject(painter(folder, 2), call, number, what)
        assert code in ((0, -9, 137) if "KILL" in what else (0, 2)), f"{call} {number}: exit code {code}"
        with Store(folder, write=True) as store:
            assert store.verify() == []
        assert inject(painter(folder, 2), "sync", 1, "signal=KILL") == 0
        assert count(folder, 2) == [], f"{call} {number}"
        shutil.rmtree(folder)
        if code == 0 and number > 3:
            return
    pytest.fail(f"more than 200 calls of {call}")
