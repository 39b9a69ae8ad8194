"""kill -9 at any moment costs at most the picture that was in work."""

import pytest
from tests import studies
from tests.command import COMMAND
from tests.faults.torture import Forks, command, torture


def killed_painter(folder, *, count, fault="", **how):
    with Forks(str(folder), str(count), fault) as start:
        return torture(start, folder, expected=count, **how)


def test_a_run_killed_at_fifty_random_moments_loses_and_doubles_nothing(tmp_path):
    outcome = killed_painter(tmp_path / "s", count=700, kills=50)
    assert outcome.faults == []
    assert outcome.kills >= 40


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_a_run_killed_at_a_thousand_random_moments_loses_and_doubles_nothing(tmp_path, seed):
    outcome = killed_painter(tmp_path / "s", count=3500, kills=250, seed=seed)
    assert outcome.faults == []
    assert outcome.kills >= 200


@pytest.mark.parametrize(
    ("fault", "kills", "seen"),
    [
        ("row-first", 50, "a row has no whole file"),
        ("in-place", 50, "a file under its final name is not whole"),
        ("no-recovery", 50, "a temporary file is left"),
    ],
)
def test_the_harness_finds_a_planted_fault(tmp_path, fault, kills, seen):
    outcome = killed_painter(tmp_path / "s", count=300, fault=fault, kills=kills, patient=False)
    assert seen in outcome.faults


def killed_run(folder, kills):
    """`teststrip run`, killed somewhere in its first twenty pictures."""
    studies.write(
        folder,
        "study.toml",
        name="killed",
        replicates=3 * kills,
        engine={"seconds": 0.02},
        settings={"width": 64, "height": 64},
        axes={"guidance_scale": [1, 3, 5, 7, 9]},
        question={},
    )
    start = command(*COMMAND, "run", str(folder / "study.toml"), "--out", str(folder / "s"))
    return torture(start, folder / "s", kills=kills, commits=20, spread=0.1, expected=30 * kills)


def test_the_command_killed_at_a_few_random_moments_loses_and_doubles_nothing(tmp_path):
    outcome = killed_run(tmp_path, 3)
    assert outcome.faults == []
    assert outcome.kills >= 1  # a busy machine may look too seldom, and then a run ends before its kill


@pytest.mark.slow
def test_the_command_killed_at_fifty_random_moments_loses_and_doubles_nothing(tmp_path):
    outcome = killed_run(tmp_path, 50)
    assert outcome.faults == []
    assert outcome.kills >= 45
