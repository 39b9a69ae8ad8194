"""What `pip install teststrip` gives: the wheel in a fresh environment, with no extra.

What the wheel requires is linked from the environment of the tests. `make campaign` also has pip install it, which asks
the package registry, and takes a minute to unpack and compile.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import venv
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from urllib.request import HTTPCookieProcessor, Request, build_opener
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "guidance_vs_steps.toml"
CONSTRAINTS = ROOT / "constraints.txt"
NAMED = {"PYTHONPATH", "VIRTUAL_ENV"}  # these would lead the new environment to the code and packages of this one
OUTSIDE = {**{name: value for name, value in os.environ.items() if name not in NAMED}, "PYTHONWARNINGS": "error"}


class Environment:
    """A virtual environment of its own, and the wheel to install there."""

    def __init__(self, folder: Path) -> None:
        pip("wheel", "--no-deps", "--wheel-dir", folder, ROOT)
        (self._wheel,) = folder.glob("*.whl")
        venv.create(folder / "venv")
        self._python = folder / "venv" / "bin" / "python"
        self.teststrip = folder / "venv" / "bin" / "teststrip"

    def install(self) -> None:
        """Install the wheel and what it requires."""
        # Nothing is compiled ahead: most modules of SciPy and pandas are never imported here.
        wheel = f"teststrip @ {self._wheel.as_uri()}"
        pip("--python", self._python, "install", "--no-compile", "--constraint", CONSTRAINTS, wheel)

    def link(self) -> None:
        """Install the wheel, and link what it requires from the environment of the tests."""
        pip("--python", self._python, "install", "--no-compile", "--no-deps", self._wheel)
        (site,) = self.teststrip.parent.parent.glob("lib/python3*/site-packages")
        (own,) = metadata.distributions(name="teststrip", path=[str(site)])
        for one in required(own, set()):
            for name in {file.parts[0] for file in one.files or ()} - {"..", "__pycache__"}:
                (site / name).symlink_to(str(one.locate_file(name)))

    def command(self, *words: str | Path, cwd: Path, code: int = 0) -> str:
        """Run `teststrip WORDS` and return what it printed, errors included."""
        done = subprocess.run(
            [self.teststrip, *words], cwd=cwd, env=OUTSIDE, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr


def pip(*words: str | Path) -> None:
    environment = {**OUTSIDE, "PYTHONWARNINGS": "default"}
    done = subprocess.run(
        [sys.executable, "-m", "pip", *words], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def required(one: metadata.Distribution, known: set[str]) -> Iterator[metadata.Distribution]:
    """The distributions that one requires, each once, with all that those require; without extras."""
    for requirement in map(Requirement, one.requires or ()):
        name = canonicalize_name(requirement.name)
        if name not in known and (requirement.marker is None or requirement.marker.evaluate({"extra": ""})):
            known.add(name)
            found = metadata.distribution(name)
            assert requirement.specifier.contains(found.version, prereleases=True), requirement
            yield found
            yield from required(found, known)


@pytest.fixture(scope="module", params=[Environment.link, pytest.param(Environment.install, marks=pytest.mark.slow)])
def base(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Environment:
    environment = Environment(tmp_path_factory.mktemp("wheel"))
    request.param(environment)
    return environment


@pytest.fixture
def room(tmp_path: Path) -> Path:
    """A folder with `old`, a study that a run left unfinished."""
    with ZipFile(ROOT / "tests" / "store" / "old" / "version-2.zip") as archive:
        archive.extractall(tmp_path / "old")
    return tmp_path


def test_the_bare_install_plans_for_the_pattern_engine_and_for_diffusers(base: Environment, room: Path) -> None:
    assert "= 32 images" in base.command("plan", "old/study.toml", cwd=room)
    said = base.command("plan", EXAMPLE, cwd=room)
    assert "= 480 images" in said
    assert re.search(r"Time: unknown; \w+ is not installed\. Run: pip install 'teststrip\[diffusers\]'", said)


def test_the_bare_install_reports_exports_verifies_and_finishes_a_study(base: Environment, room: Path) -> None:
    assert "25 of 32 images" in base.command("report", "old", cwd=room)
    base.command("run", "old/study.toml", "--out", "old", cwd=room, code=3)  # two shots of this study are refused
    assert "30 of 32 images" in base.command("report", "old", cwd=room)
    base.command("export", "old", "--to", "csv", cwd=room)
    base.command("export", "old", "--to", "html", cwd=room)
    base.command("verify", "old", cwd=room)


def test_the_bare_install_lists_its_parts(base: Environment, room: Path) -> None:
    for words in (
        ["init", "new.toml"],
        ["engines"],
        ["engines", "pattern"],
        ["engines", "diffusers"],
        ["metrics"],
        ["metrics", "sharpness"],
        ["trackers"],
    ):
        base.command(*words, cwd=room)


def test_doctor_says_how_the_bare_install_gets_what_it_lacks(base: Environment, room: Path) -> None:
    said = base.command("doctor", cwd=room)
    assert "missing    makes pictures with Stable Diffusion" in said
    assert "pip install 'teststrip[diffusers]'" in said
    assert "broken" not in said


def test_the_bare_install_says_in_one_line_what_brings_an_engine_and_what_brings_figures(
    base: Environment, room: Path
) -> None:
    said = base.command("run", EXAMPLE, cwd=room, code=2)
    assert "Traceback" not in said
    assert re.search(r"\w+ is not installed\. Run: pip install 'teststrip\[diffusers\]'", said)
    said = base.command("export", "old", "--to", "figures-pdf", cwd=room, code=2)
    assert said == "teststrip: cairosvg is not installed. Run: pip install 'teststrip[pdf]'\n"


@pytest.fixture
def served(base: Environment, room: Path) -> Iterator[str]:
    """The address of the live page of `old`."""
    words = [base.teststrip, "view", "old", "--no-browser"]
    with subprocess.Popen(words, cwd=room, env=OUTSIDE, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            found = re.search(r"http://\S+", server.stdout.readline())
            assert found
            yield found[0]
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(timeout=60)


def test_the_bare_install_shows_the_live_page(served: str) -> None:
    address, _, code = served.partition("/#launch=")
    visitor = build_opener(HTTPCookieProcessor())
    headers = {"Origin": address, "X-Teststrip": "1", "Content-Type": "application/json"}
    visitor.open(Request(f"{address}/session", json.dumps({"code": code}).encode(), headers), timeout=60).close()
    with visitor.open(f"{address}/", timeout=60) as answer:
        assert answer.status == 200
        assert b"<title>" in answer.read()
    with visitor.open(f"{address}/data.js", timeout=60) as answer:
        assert b"first-floor" in answer.read()
