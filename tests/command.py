"""Runs the command in a process, as a user would; see `tests.forked` for how most of these processes begin."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from tests.forked import Process, Server

COMMAND = [sys.executable, "-m", "teststrip"]


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "NO_COLOR": "1", "COLUMNS": "120", "PYTHONWARNINGS": "error", **more}


@cache
def server() -> Server:
    """The one that forks the commands of this process's tests."""
    return Server(env=environment())


def started(words: Sequence[str], *, cwd: Path, env: dict[str, str], **streams: Any) -> Process:
    """A forked `teststrip WORDS`, to be waited for or killed."""
    return server().start(words, cwd=cwd, env=env, **streams)


def run(words: Sequence[str], *, cwd: Path, env: dict[str, str], **more: Any) -> subprocess.CompletedProcess[str]:
    """Run `teststrip WORDS` to its end; see `Server.start` for `more`.

    The process is forked where that is the same as a new one, and else it is a new one.

    Returns:
        The exit code, and what was written to each stream that `more` does not name.
    """
    if server().fits(env):
        return server().run(words, cwd=cwd, env=env, **more)
    assert not more
    called = [*COMMAND, *words]
    return subprocess.run(called, cwd=cwd, env=env, capture_output=True, text=True, timeout=300, check=False)


def assert_no_fault(said: str) -> None:
    """Check that a command met no error that nobody foresaw: neither a traceback nor the last net's line about one."""
    assert "Traceback" not in said, said
    assert "a fault of Teststrip" not in said, said


def command(*words: str | Path, cwd: Path, code: int | None = 0, **more: str) -> subprocess.CompletedProcess[str]:
    """Run `teststrip WORDS`; fails with all it said unless it returns `code` (None: any)."""
    done = run([*map(str, words)], cwd=cwd, env=environment(**more))
    said = f"exit {done.returncode}\n--- out\n{done.stdout}\n--- err\n{done.stderr}"
    assert code is None or done.returncode == code, said
    assert_no_fault(done.stderr)
    return done
