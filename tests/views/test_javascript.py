"""The page's scripts under node's test runner. People who only use Teststrip need no node."""

import shutil
import subprocess
from pathlib import Path

import pytest

NODE = shutil.which("node")
FOLDER = Path(__file__).parents[1] / "javascript"


@pytest.mark.skipif(NODE is None, reason="no node on the PATH")
@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.test.js")), ids=lambda path: path.name)
def test_scripts_do_what_their_tests_say(path: Path) -> None:
    done = subprocess.run([str(NODE), "--test", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
