"""The page of a run that goes on: there from the first picture, whole at every moment, cheap."""

from __future__ import annotations

import random
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import studies
from tests.views.live import board_in

from teststrip.records import Event, Saved, Scored, Started
from teststrip.verbs.run import drive
from teststrip.views.growing import SHARE, Budget, GrowingPage

ALWAYS = 1e9  # a share of the run's time that allows every writing


def board_of(folder: Path) -> dict[str, Any] | None:
    """The board of the page in a study folder, whose files must be whole; None where there is no page."""
    index = folder / "page" / "index.html"
    if not index.is_file():
        return None
    text = index.read_text(encoding="utf-8")
    assert text.rstrip().endswith("</html>")
    for name in re.findall(r'(?:src|href)="((?!data:)[^"]+)"', text):
        assert (index.parent / name).is_file(), name
    board = board_in((index.parent / "data.js").read_text(encoding="utf-8"))
    for place in board["places"]:
        if "file" in place:
            assert (folder / place["file"]).is_file()
            assert (index.parent / "pixels" / place["digest"][:2] / f"{place['digest']}.js").is_file()
    return board


class Onlooker:
    """Reads the page at every event of a run."""

    options: dict[str, Any] = {}  # noqa: RUF012

    def __init__(self) -> None:
        self.seen: list[tuple[Event, dict[str, Any] | None]] = []

    def on_event(self, event: Event) -> None:
        folder = Path(event.folder) if isinstance(event, Started) else self.folder
        self.folder = folder
        self.seen.append((event, board_of(folder)))

    def close(self) -> None:
        pass


def test_the_page_is_there_with_the_first_picture_and_says_that_the_run_goes_on(tmp_path: Path) -> None:
    onlooker = Onlooker()
    trackers = [GrowingPage(ALWAYS), onlooker]
    drive(studies.little(replicates=2), tmp_path / "run", trackers=trackers, views=False).result.close()
    saved = [board for event, board in onlooker.seen if isinstance(event, Saved)]
    assert onlooker.seen[0][1] is None
    assert [board["progress"]["made"] for board in saved if board] == list(range(1, 9))
    for board in saved:
        assert board
        assert board["progress"]["running"]
        assert "was under way when this page was written, 20" in board["progress"]["at"]
        assert board["findings"] == []
    scored = next(board for event, board in onlooker.seen if isinstance(event, Scored))
    assert scored
    assert all(place["scores"][0] is not None for place in scored["places"])


@pytest.mark.parametrize("retried", [False, True])
def test_a_run_keeps_the_page_by_itself_and_its_end_says_that_it_is_over(tmp_path: Path, retried: bool) -> None:
    onlooker = Onlooker()
    limit = 3 if retried else None
    drive(studies.little(), tmp_path / "run", trackers=[onlooker], limit=limit).result.close()
    assert onlooker.seen[2][1], "the page of the first picture is there when the second one is stored"
    started = onlooker.seen[0][0]
    assert isinstance(started, Started)
    assert started.page == str(tmp_path / "run" / "page" / "index.html")
    ended = board_of(tmp_path / "run")
    assert ended
    assert "running" not in ended["progress"]
    assert "at" not in ended["progress"]
    assert ended["progress"]["made"] == (limit or 4)


def test_a_run_without_views_keeps_no_page_and_promises_none(tmp_path: Path) -> None:
    onlooker = Onlooker()
    drive(studies.little(), tmp_path / "run", trackers=[onlooker], views=False).result.close()
    assert all(board is None for _, board in onlooker.seen)
    assert getattr(onlooker.seen[0][0], "page", None) == ""


@given(
    share=st.floats(0.001, 0.5),
    steps=st.lists(st.tuples(st.floats(0, 100), st.floats(0.001, 30)), min_size=1, max_size=200),
)
def test_all_writing_takes_at_most_its_share_and_the_last_time(share: float, steps: list[tuple[float, float]]) -> None:
    now, last, budget = 50.0, 0.0, Budget(share, begun=50.0)
    for pause, cost in steps:
        now += pause
        if budget.allows(now):
            now += cost
            budget.spent += cost
            last = cost
        assert budget.spent <= share * (now - budget.begun) + last + 1e-9
    assert budget.spent > 0, "the first time is always allowed"


def test_the_page_of_a_run_of_some_seconds_takes_little_of_it(tmp_path: Path) -> None:
    class Timed(GrowingPage):
        """Counts what its writing takes."""

        taken: list[float]

        def on_event(self, event: Event) -> None:
            begun = time.perf_counter()
            super().on_event(event)
            self.taken.append(time.perf_counter() - begun)

    timed = Timed()
    timed.taken = []
    study = studies.little(replicates=15, engine={"seconds": 0.05})
    begun = time.perf_counter()
    drive(study, tmp_path / "run", trackers=[timed], views=False).result.close()
    whole = time.perf_counter() - begun
    assert sum(timed.taken) <= SHARE * whole + 2 * max(timed.taken)
    assert sum(timed.taken) <= 0.2 * whole, "most events cost next to nothing"


RUN = f"""
import sys
from teststrip.verbs.run import drive
from teststrip.views.growing import GrowingPage
drive(sys.argv[1], sys.argv[2], trackers=[GrowingPage({ALWAYS})], views=False)
"""


@pytest.mark.process
def test_a_run_that_is_killed_at_any_moment_leaves_a_whole_page_or_none(tmp_path: Path) -> None:
    toml = studies.write(tmp_path, replicates=500, axes={"guidance_scale": [1, 7]})
    moments = random.Random(33)
    left = []
    for n in range(10):
        folder = tmp_path / f"run-{n}"
        run = subprocess.Popen([sys.executable, "-c", RUN, str(toml), str(folder)])
        try:
            deadline = time.monotonic() + 60
            while not (folder / "page").exists() and time.monotonic() < deadline:
                time.sleep(0.001)
            time.sleep(moments.choice((0.0, 0.005, 0.02, 0.3)) * moments.random())
        finally:
            run.kill()
            run.wait()
        board = board_of(folder)
        left.append(board["progress"]["made"] if board else 0)
    assert max(left) > 0, "some run lived long enough"
