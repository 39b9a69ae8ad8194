"""kill -9 at any moment costs at most the picture that was in work."""

import sys
from pathlib import Path

import pytest
from tests.command import COMMAND
from tests.faults.torture import torture

PAINTER = Path(__file__).with_name("painter.py")


def painter(folder, count, fault=""):
    return [sys.executable, str(PAINTER), str(folder), str(count), *([fault] if fault else [])]


def test_a_run_killed_at_fifty_random_moments_loses_and_doubles_nothing(tmp_path):
    outcome = torture(painter(tmp_path / "s", 300), tmp_path / "s", kills=50, spread=0.12, expected=300)
    assert outcome.faults == []
    assert outcome.kills >= 40


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_a_run_killed_at_a_thousand_random_moments_loses_and_doubles_nothing(tmp_path, seed):
    command = painter(tmp_path / "s", 1500)
    outcome = torture(command, tmp_path / "s", kills=250, spread=0.08, expected=1500, seed=seed)
    assert outcome.faults == []
    assert outcome.kills >= 200


@pytest.mark.parametrize(
    ("fault", "kills", "seen"),
    [
        ("row-first", 50, "a row has no whole file"),
        ("in-place", 50, "a file under its final name is not whole"),
        ("no-recovery", 12, "a temporary file is left"),
    ],
)
def test_the_harness_finds_a_planted_fault(tmp_path, fault, kills, seen):
    command = painter(tmp_path / "s", 100, fault)
    outcome = torture(command, tmp_path / "s", kills=kills, spread=0.1, expected=100, patient=False)
    assert seen in outcome.faults


STUDY = """
name = "killed"
prompts = ["an owl", "a rose"]
replicates = {replicates}
[engine]
name = "pattern"
seconds = 0.02
[settings]
width = 64
height = 64
[axes]
guidance_scale = [1, 3, 5, 7, 9]
"""


def killed_run(folder, kills):
    """`teststrip run`, killed in the two seconds after it has taken the folder's lock."""
    (folder / "study.toml").write_text(STUDY.format(replicates=6 * kills))
    command = [*COMMAND, "run", str(folder / "study.toml"), "--out", str(folder / "s")]
    return torture(command, folder / "s", kills=kills, spread=2.0, expected=60 * kills)


def test_the_command_killed_at_a_few_random_moments_loses_and_doubles_nothing(tmp_path):
    outcome = killed_run(tmp_path, 3)
    assert outcome.faults == []
    assert outcome.kills == 3


@pytest.mark.slow
def test_the_command_killed_at_fifty_random_moments_loses_and_doubles_nothing(tmp_path):
    outcome = killed_run(tmp_path, 50)
    assert outcome.faults == []
    assert outcome.kills >= 45
