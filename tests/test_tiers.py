"""The guard of the quick tier refuses what would make it slow."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY_TESTS = """
import subprocess, sys
from importlib.util import find_spec
import pytest

def test_loads_torch():
    import torch

def test_loads_torch_and_hides_it():
    try:
        import torch
    except Exception:
        pass

def test_starts_a_process():
    subprocess.run([sys.executable, "--version"])

def test_asks_whether_torch_is_there():
    assert find_spec("torch")

@pytest.mark.process
def test_says_that_it_starts_a_process():
    subprocess.run([sys.executable, "--version"])
"""


@pytest.mark.process
def test_a_quick_test_can_neither_load_torch_nor_start_a_process(tmp_path: Path) -> None:
    file = tmp_path / "test_heavy.py"
    file.write_text(HEAVY_TESTS, encoding="utf-8")
    options = ["-p", "tests.tiers", "--tier", "quick", "--rootdir", str(tmp_path), "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(file)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert "3 failed, 1 passed, 1 deselected" in done.stdout, done.stdout + done.stderr
    assert "This test loads torch. Mark it with @pytest.mark.torch" in done.stdout
    assert "This test starts a process" in done.stdout
