"""The progress bar keeps what every tracker keeps; in a pipe it says from time to time how far a run is."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

import teststrip
from teststrip.records import Waiting
from teststrip.testing.tracker_contract import TrackerContract
from teststrip.trackers.progress import ProgressTracker


class TestProgressKeepsTheContract(TrackerContract):
    name = "progress"


def said(folder: Path, *, every: float, terminal: bool = False) -> list[str]:
    """What a run of 12 images says that is watched in a pipe, or in a terminal."""
    text = io.StringIO()
    study = teststrip.Study(
        name="small",
        engine={"name": "pattern"},
        prompts=["an owl", "a boat", "a rose"],
        replicates=2,
        settings={"width": 16, "height": 16},
        axes={"guidance_scale": [1, 7]},
        question={"metrics": ["sharpness"]},
    )
    console = Console(file=text, soft_wrap=True, force_terminal=terminal, width=120)
    teststrip.run(study, folder, trackers=[ProgressTracker(console, every=every)]).close()
    return text.getvalue().splitlines()


def test_a_pipe_gets_a_line_for_each_stretch_of_time_with_images_rate_and_time_left(tmp_path: Path) -> None:
    lines = said(tmp_path / "run", every=0)
    pattern = re.compile(r"  (\d+) of 12 images, \S+ (a second|ms each|s each), about .* left")
    counts = [int(match[1]) for line in lines if (match := pattern.fullmatch(line))]
    assert counts == list(range(1, 12)), "the last one is told by the line at the end"
    assert any(re.fullmatch(r"  \d+ scores computed", line) for line in lines)
    assert lines[1] == f"page  {tmp_path / 'run' / 'page' / 'index.html'}, from the first image on"
    assert lines[2] == f"live  teststrip view {tmp_path / 'run'}"


@pytest.mark.parametrize("terminal", [False, True])
def test_a_short_run_and_a_terminal_get_no_such_lines(terminal: bool, tmp_path: Path) -> None:
    lines = said(tmp_path / "run", every=0 if terminal else 3600, terminal=terminal)
    assert not any("of 12 images," in line for line in lines)


def test_what_a_run_waits_for_is_said() -> None:
    text = io.StringIO()
    ProgressTracker(Console(file=text, soft_wrap=True)).on_event(Waiting("its nodes are busy [all of them]"))
    assert text.getvalue() == "its nodes are busy [all of them]\n"
