"""A run that goes on, as a person meets it: the page on the disk from the first picture on, and `run --view`."""

from __future__ import annotations

import html
import os
import pty
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest
from playwright.sync_api import expect
from tests import studies
from tests.browser.conftest import Visitor
from tests.command import COMMAND, environment

OPENER = """#!/bin/sh
cp "$1" "$OPENED.part" && mv "$OPENED.part" "$OPENED"
"""
"""A program in the place of a browser's: it keeps the page that it was told to open."""


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    """A study of 16 pictures, half a second each."""
    return studies.write(tmp_path, replicates=4, settings={"width": 64, "height": 64}, engine={"seconds": 0.5})


@contextmanager
def running(toml: Path, *words: str, **streams: int) -> Iterator[subprocess.Popen[str]]:
    """`teststrip run` of a study file in the file's folder, with a browser that only keeps what it opens."""
    programs = toml.parent / "programs"
    programs.mkdir()
    opener = programs / "xdg-open"
    opener.write_text(OPENER)
    opener.chmod(0o755)
    path = os.pathsep.join([str(programs), os.environ["PATH"]])
    process = subprocess.Popen(
        [*COMMAND, "run", toml.name, "--out", "run", *words],
        cwd=toml.parent,
        env=environment(PATH=path, OPENED=str(toml.parent / "opened.html")),
        text=True,
        **streams or {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE},
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def awaited(file: Path) -> str:
    """The text of a file, as soon as it is there."""
    deadline = time.monotonic() + 120
    while not file.exists():
        assert time.monotonic() < deadline, f"{file} does not come"
        time.sleep(0.02)
    return file.read_text(encoding="utf-8")


def entered(visitors: Callable[..., Visitor], toml: Path) -> Visitor:
    """A visitor who follows what the browser was told to open."""
    found = re.search(r"url=([^\"]+)", awaited(toml.parent / "opened.html"))
    assert found
    link = html.unescape(found[1])
    visitor = visitors(link.split("#")[0])
    visitor.page.goto(link)
    visitor.page.wait_for_selector("[role=gridcell]")
    visitor.troubles.clear()  # the door answers 401 before the link is swapped for a session
    return visitor


def test_the_page_on_the_disk_shows_the_first_pictures_and_is_renewed(
    visitors: Callable[..., Visitor], toml: Path
) -> None:
    index = toml.parent / "run" / "page" / "index.html"
    with running(toml) as run:
        awaited(index)
        visitor = visitors(index.as_uri()).open()
        browse = visitor.page
        expect(browse.locator(".progress")).to_contain_text("the run was under way when this page was written")
        assert re.match(r"(\d+) of 16 · ", browse.locator(".progress p").inner_text())
        expect(browse.locator("[role=gridcell] img").first).to_be_visible()
        visitor.shot("growing")
        assert run.poll() is None, "the page is there while the run goes on"
        said, trouble = run.communicate(timeout=120)
        assert run.returncode == 0, trouble
        browse.get_by_role("button", name="Read it again").click()
        expect(browse.locator(".progress")).to_have_count(0)
        expect(browse.locator(".subtitle")).to_contain_text("16 pictures")
    lines = trouble.splitlines()
    assert "page  run/page/index.html, from the first image on" in lines
    assert "live  teststrip view run" in lines
    assert f"page    {index}" in said.splitlines()


def test_run_with_view_opens_the_live_page_and_ends_it_with_the_run(
    visitors: Callable[..., Visitor], toml: Path
) -> None:
    with running(toml, "--view", "--json") as run:
        visitor = entered(visitors, toml)
        browse = visitor.page
        browse.evaluate("() => { window.never_reloaded = true; }")
        expect(browse.locator(".progress")).to_contain_text("left")
        expect(browse.locator("[role=gridcell] img")).not_to_have_count(0)
        assert browse.evaluate("() => window.never_reloaded")
        said, trouble = run.communicate(timeout=120)
        assert run.returncode == 0, trouble
        assert said.startswith("{"), "the link stands on standard error, the result alone on standard output"
        visitor.troubles.clear()  # the stream of news was cut
        with pytest.raises(OSError, match="refused"):
            urlopen(browse.url, timeout=10)
    assert trouble.count("#launch=") == 1, "later links would stand in the progress bar"


def test_at_a_terminal_the_live_page_outlives_the_run_until_ctrl_c(
    visitors: Callable[..., Visitor], toml: Path
) -> None:
    ours, its = pty.openpty()
    with running(toml, "--view", stdout=its, stderr=its, stdin=its) as run:
        os.close(its)
        visitor = entered(visitors, toml)
        said = ""
        while "the live page stays until Ctrl-C" not in said:
            said += os.read(ours, 65536).decode("utf-8", "replace")
        expect(visitor.page.locator(".progress")).to_have_count(0)
        expect(visitor.page.locator(".answer")).to_be_visible()
        visitor.troubles.clear()
        run.send_signal(signal.SIGINT)
        assert run.wait(timeout=60) == 0
        visitor.troubles.clear()  # the stream of news was cut
    os.close(ours)
    assert "Traceback" not in said


def test_ctrl_c_ends_a_run_and_its_live_page(visitors: Callable[..., Visitor], toml: Path) -> None:
    with running(toml, "--view") as run:
        entered(visitors, toml).page.close()
        run.send_signal(signal.SIGINT)
        _, trouble = run.communicate(timeout=60)
        assert run.returncode == 130
        assert "stopped; " in trouble
        assert "Traceback" not in trouble
