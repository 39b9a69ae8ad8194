"""Runs the real command in a process of its own, as a user would."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

COMMAND = [sys.executable, "-m", "teststrip"]


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "NO_COLOR": "1", "COLUMNS": "120", "PYTHONWARNINGS": "error", **more}


def assert_no_fault(said: str) -> None:
    """Check that a command met no error that nobody foresaw: neither a traceback nor the last net's line about one."""
    assert "Traceback" not in said, said
    assert "a fault of Teststrip" not in said, said


def command(*words: str | Path, cwd: Path, code: int | None = 0, **more: str) -> subprocess.CompletedProcess[str]:
    """Run `teststrip WORDS`; fails with all it said unless it returns `code` (None: any)."""
    done = subprocess.run(
        [*COMMAND, *map(str, words)],
        cwd=cwd,
        env=environment(**more),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    said = f"exit {done.returncode}\n--- out\n{done.stdout}\n--- err\n{done.stderr}"
    assert code is None or done.returncode == code, said
    assert_no_fault(done.stderr)
    return done
