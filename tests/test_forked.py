"""A forked command says, writes and ends as one in a new process does; `tests.forked` stands on that."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests import installing, studies
from tests.command import COMMAND, command, environment, server, started

pytestmark = pytest.mark.process

Said = tuple[int, str, str]
WAYS: Sequence[Sequence[str]] = (
    ("--version",),
    ("plan", "study.toml", "--no-calibrate"),
    ("report", "done"),
    ("report", "done", "--json"),
    ("verify", "nowhere"),
    ("rum",),
    (),
)
FAULTY = """
from teststrip.engines.pattern import PatternEngine
class Faulty(PatternEngine):
    def calls(self, settings):
        {fault}
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    room = tmp_path_factory.mktemp("finished")
    studies.write(room, "study.toml", prompts=["a rose", "an owl"], axes={"guidance_scale": [1, 3]})
    command("run", "study.toml", "--out", "done", cwd=room)
    return room


def anew(words: Sequence[str], room: Path, env: dict[str, str], **streams: Any) -> Said:
    """What a command says in a new process."""
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
    done = subprocess.run([*COMMAND, *words], cwd=room, env=env, text=True, timeout=120, check=False, **streams)
    return done.returncode, done.stdout or "", done.stderr or ""


def forked(words: Sequence[str], room: Path, env: dict[str, str], **streams: Any) -> Said:
    """What a forked command says."""
    done = server().run(words, cwd=room, env=env, **streams)
    return done.returncode, done.stdout or "", done.stderr or ""


@pytest.mark.parametrize("words", WAYS, ids=" ".join)
def test_a_forked_command_says_every_byte_of_a_new_process_and_ends_as_it_does(
    finished: Path, words: Sequence[str]
) -> None:
    said = forked(words, finished, environment())
    assert said == anew(words, finished, environment())
    assert said[1] or said[2]


@pytest.mark.parametrize(
    ("lost", "words"), [("stdout", ["report", "done", "--json"]), ("stderr", ["run", "study.toml", "--out", "done"])]
)
def test_a_closed_pipe_and_a_full_output_end_both_alike(finished: Path, words: Sequence[str], lost: str) -> None:
    codes = []
    for call in (forked, anew):
        reader, writer = os.pipe()
        os.close(reader)
        with Path("/dev/full").open("w") as full:
            codes.append([call(words, finished, environment(), **{lost: file}) for file in (writer, full.fileno())])
        os.close(writer)
    assert codes[0] == codes[1]


def test_a_forked_command_has_the_environment_that_it_is_given(finished: Path, tmp_path: Path) -> None:
    installing.distribution(tmp_path, "odd", {"metrics": {"odd": "odd:Odd"}}, "import not_installed_at_all\n")
    env = environment(COLUMNS="60", PYTHONPATH=os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    code, said, _ = forked(["metrics"], finished, env)
    assert (code, said, "") == anew(["metrics"], finished, env)
    assert "odd" in said.split()
    assert max(map(len, said.splitlines()[:-1])) <= 60  # the last line is a sentence


@pytest.mark.parametrize("fault", ["import os; os.abort()", "import sys; sys.exit(5)"])
def test_a_process_that_ends_otherwise_gives_the_same_code(tmp_path: Path, fault: str) -> None:
    installing.distribution(tmp_path, "odd", {"engines": {"odd": "odd:Faulty"}}, FAULTY.format(fault=fault))
    (tmp_path / "odd.toml").write_text('name = "odd"\nprompts = ["an owl"]\n[engine]\nname = "odd"\n', encoding="utf-8")
    env = environment(PYTHONPATH=os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    words = ["plan", "odd.toml", "--no-calibrate"]
    assert forked(words, tmp_path, env)[0] == anew(words, tmp_path, env)[0] in (-signal.SIGABRT, 5)


def test_what_python_reads_at_its_start_needs_a_new_process(finished: Path) -> None:
    assert server().fits(environment(COLUMNS="60", PYTHONPATH="anything"))
    for name in ("PYTHONUTF8", "PYTHONIOENCODING", "PYTHONWARNINGS", "LC_ALL", "TZ"):
        assert not server().fits(environment(**{name: "0"}))
    done = command("report", "done", cwd=finished, PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert done.stdout.isascii()


def until(true: Callable[[], object]) -> None:
    late = time.monotonic() + 60
    while not true():
        assert time.monotonic() < late
        time.sleep(0.02)


def test_commands_run_beside_each_other_and_are_waited_for_and_killed(finished: Path, tmp_path: Path) -> None:
    words = ["view", "done", "--no-browser", "--port", "0"]
    both = []
    for name in ("first", "second"):
        with (tmp_path / name).open("w") as said:
            both.append(started(words, cwd=finished, env=environment(), stdout=said.fileno(), start_new_session=True))
    first, second = both
    try:
        until(lambda: all("http" in (tmp_path / name).read_text() for name in ("first", "second")))
        assert os.getpgid(first.pid) == first.pid != second.pid
        assert first.poll() is second.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            second.wait(0.01)
        os.killpg(first.pid, signal.SIGINT)
        assert first.wait(60) in (0, 130)
        assert second.poll() is None
    finally:
        for process in both:
            process.kill()
    assert second.wait(60) == -signal.SIGKILL
