"""A plug-in as the guides print it: its parts are found, and its own tests run the contract suites from outside."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import installing
from tests.command import command, environment

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


def ran_tests(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """What pytest says of the plug-in's own tests."""
    called = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(folder), *words]
    return subprocess.run(
        called, cwd=folder, env=environment(), capture_output=True, text=True, timeout=600, check=False
    )


@pytest.mark.slow
def test_the_guides_plug_ins_keep_the_contracts_from_outside(plug_in: Path) -> None:
    done = ran_tests(plug_in)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed
    assert int(passed[1]) > 40


def test_the_command_lists_them_beside_the_built_in_ones(plug_in: Path) -> None:
    for word, names in {"engines": ("stripes", "pattern"), "metrics": ("white_share",), "trackers": ("album",)}.items():
        done = command(word, cwd=plug_in)
        for name in names:
            assert name in done.stdout


CLEARS = "shutil.rmtree(self.album, ignore_errors=True)"
ADDS_A_FILE = "self.album.mkdir(parents=True, exist_ok=True); (self.album / f'{len(list(self.album.iterdir()))}.webp')"
KEEPS = "content.thumbnail(self.folder, image, self.side)"
FAULTS = {
    "shows nothing twice": (CLEARS, f"{ADDS_A_FILE}.touch()"),
    "no secret": (CLEARS, f"import os; {ADDS_A_FILE}.write_text(str(os.environ))"),
    "killed": (CLEARS, "if self.album.is_dir(): return"),
    "damaged": (KEEPS, "image and (self.folder / image.path).read_bytes()[100] and image.path.encode()"),
}


@pytest.mark.parametrize("law", FAULTS)
def test_the_trackers_contract_finds_a_planted_fault(plug_in: Path, law: str) -> None:
    album = plug_in / "site" / "album.py"
    text = album.read_text(encoding="utf-8")
    right, wrong = FAULTS[law]
    assert text.count(right) == 1
    album.write_text(text.replace(right, wrong), encoding="utf-8")
    done = ran_tests(plug_in, "test_album.py", "-x", "-k", law.replace(" ", "_"))
    assert done.returncode == 1, done.stdout[-5000:]
    assert "AssertionError" in done.stdout or "TrackerError" in done.stdout
