"""A plug-in as the guides print it: its parts are found, and its own tests run the contract suites from outside."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import installing
from tests.command import environment

DOCS = Path(__file__).parents[1] / "docs"
GUIDES = {
    "engines": ("add-an-engine", "stripes"),
    "metrics": ("add-a-metric", "white"),
    "trackers": ("trackers", "album"),
}


def blocks(guide: str, language: str) -> list[str]:
    """The pieces of code that a guide prints."""
    return re.findall(rf"```{language}\n(.*?)```", (DOCS / f"{guide}.md").read_text(encoding="utf-8"), flags=re.DOTALL)


@pytest.fixture
def plug_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The three parts, installed, with their tests in a folder that is no part of this repository."""
    for kind, (guide, module) in GUIDES.items():
        part, tests = blocks(guide, "python")
        (points,) = [block for block in blocks(guide, "toml") if f'entry-points."teststrip.{kind}"' in block]
        ((name, target),) = re.findall(r'^(\w+) = "(.*)"$', points, flags=re.MULTILINE)
        installing.distribution(tmp_path / "site", module, {kind: {name: target}}, part)
        (tmp_path / f"test_{module}.py").write_text(tests, encoding="utf-8")
    installing.reach(tmp_path / "site", monkeypatch)
    return tmp_path


def test_the_guides_plug_ins_keep_the_contracts_from_outside(plug_in: Path) -> None:
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(plug_in), str(plug_in)]
    done = subprocess.run(words, cwd=plug_in, env=environment(), capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed
    assert int(passed[1]) > 40


def test_the_command_lists_them_beside_the_built_in_ones(plug_in: Path) -> None:
    for word, names in {"engines": ("stripes", "pattern"), "metrics": ("white_share",), "trackers": ("album",)}.items():
        done = subprocess.run(
            [sys.executable, "-m", "teststrip", word],
            cwd=plug_in, env=environment(), capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
        for name in names:
            assert name in done.stdout
