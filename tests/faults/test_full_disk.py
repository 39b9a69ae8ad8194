"""A disk that fills up costs nothing that is done, and leaves nothing half-written."""

import subprocess

import pytest
from tests.faults.painter import render
from tests.faults.torture import count

from teststrip.errors import StoreError
from teststrip.store import Store


def paint(store):
    for seed in range(400):
        store.add(render(seed))


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 2 MB."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(tmp_path)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("may not mount a small disk here (needs root)")
    yield tmp_path
    subprocess.run(["umount", "-l", str(tmp_path)], check=True)


def test_a_full_disk_is_named_and_the_next_run_goes_on(small_disk):
    folder = small_disk / "study"
    with Store(folder, write=True) as store:
        with pytest.raises(StoreError) as caught:
            paint(store)
        done = len(store.done())
        assert done > 50
        assert str(folder) in str(caught.value)
        assert "Free some space and run again; what is done is kept." in str(caught.value)
        # No unfinished file, no row without its picture; at most a whole picture whose row did not fit.
        assert {problem.kind for problem in store.verify()} <= {"orphan"}
    subprocess.run(["mount", "-o", "remount,size=16m", str(small_disk)], check=True)
    with Store(folder, write=True) as store:
        assert len(store.done()) >= done
        paint(store)
    assert count(folder, 400) == []


def test_a_folder_on_a_full_disk_says_so(small_disk):
    with pytest.raises(OSError, match="No space"):
        (small_disk / "filler").write_bytes(bytes(3 * 2**20))
    with pytest.raises(StoreError, match="Free some space"):
        Store(small_disk / "study", write=True)
    (small_disk / "filler").unlink()
    with Store(small_disk / "study", write=True) as store:
        assert store.done() == set()
