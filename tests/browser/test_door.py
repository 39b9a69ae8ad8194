"""How a browser comes in: through the file that leads to the link, without the code in any command line."""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlparse

import pytest
from playwright.sync_api import expect
from tests import studies
from tests.browser.conftest import Visitor
from tests.command import COMMAND, environment

from teststrip.verbs.run import drive

STUB = '#!/bin/sh\nprintf "%s\\n" "$@" > "$TOLD.part"; mv "$TOLD.part" "$TOLD"\n'


@pytest.fixture
def viewed(tmp_path: Path) -> Iterator[tuple[str, Path, subprocess.Popen[str]]]:
    """The link that `view` printed, the file that its browser was started with, and its process."""
    toml = studies.write(tmp_path)
    drive(toml, tmp_path / "little", trackers=[], views=False).result.close()
    stub = tmp_path / "bin" / "xdg-open"
    stub.parent.mkdir()
    stub.write_text(STUB)
    stub.chmod(0o755)
    told = tmp_path / "told"
    env = environment(PATH=f"{stub.parent}:{os.environ['PATH']}", TOLD=str(told))
    words = [*COMMAND, "view", "little"]
    with subprocess.Popen(words, cwd=tmp_path, env=env, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"http://\S+", process.stdout.readline())
            assert found
            assert re.search(r"ssh -L (\d+):127.0.0.1:\1 \S+", process.stdout.readline())
            while not told.exists():
                assert process.poll() is None
            (argument,) = told.read_text().splitlines()
            yield found[0], Path(argument), process
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=60)


def test_the_code_stands_in_a_file_of_the_owner_and_in_no_command_line(
    viewed: tuple[str, Path, subprocess.Popen[str]],
) -> None:
    link, forward, process = viewed
    code = link.partition("#launch=")[2]
    assert code not in str(forward)
    assert stat.S_IMODE(forward.stat().st_mode) == 0o600
    assert code in forward.read_text()
    lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert lines
    assert not [line for line in lines if code.encode() in line]
    process.send_signal(signal.SIGINT)
    process.wait(timeout=60)
    assert not forward.exists()


def test_the_file_leads_a_browser_into_the_page_and_a_picture_opens_by_itself(
    viewed: tuple[str, Path, subprocess.Popen[str]], visitors: Callable[..., Visitor]
) -> None:
    link, forward, _ = viewed
    visitor = visitors(link.split("#")[0])
    visitor.page.goto(forward.as_uri())
    expect(visitor.page.locator("[role=gridcell]").first).to_be_visible()
    assert "launch" not in visitor.page.url
    visitor.troubles.clear()  # the door answers 401 before the link is swapped for a session
    source = visitor.page.evaluate("() => document.querySelector('[role=gridcell] img').getAttribute('src')")
    address = urlparse(visitor.page.url)
    answer = visitor.page.goto(f"{address.scheme}://{address.netloc}/{source}")
    assert answer is not None
    assert answer.status == 200
    assert visitor.page.evaluate("() => document.images[0].naturalWidth") == studies.LITTLE["settings"]["width"]
    assert visitor.page.evaluate("() => window.origin") == "null", "a picture has no origin, so it reaches nothing"
