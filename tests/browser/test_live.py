"""The live page under a real run: pictures appear without a reload, with progress and time left."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from queue import Queue

import pytest
from playwright.sync_api import expect
from tests import studies
from tests.browser.conftest import STUDY, Visitor, places, typical

from teststrip.analysis.sentences.phrases import VERDICTS
from teststrip.results.result import Result, open_result
from teststrip.verbs.run import drive
from teststrip.views import server

LIVE = {**STUDY, "name": "live"}
SLOW = {**LIVE, "engine": {**STUDY["engine"], "seconds": 0.5}}  # a minute for the 150 that are left
RUN = "import sys; from teststrip.verbs.run import drive; drive(sys.argv[1], sys.argv[2], trackers=[], views=False)"


@pytest.fixture
def growing(tmp_path) -> Iterator[tuple[Result, str]]:
    """A study with its first pictures, served; the link to it."""
    toml = studies.write(tmp_path, **LIVE)
    drive(toml, tmp_path / "live", trackers=[], views=False, limit=12).result.close()
    links: Queue[str] = Queue()
    running: Queue[server.Server] = Queue()
    with open_result(tmp_path / "live") as result:
        options = {"announce": links.put, "started": running.put}
        thread = threading.Thread(target=server.serve, args=(result,), kwargs=options)
        thread.start()
        yield result, links.get(timeout=60)
        running.get().stop()
        thread.join(timeout=60)


def test_new_pictures_appear_while_a_study_runs(visitors: Callable[..., Visitor], growing: tuple[Result, str]) -> None:
    served, link = growing
    visitor = visitors(link.split("#")[0])
    visitor.page.goto(link)
    visitor.page.wait_for_selector("[role=gridcell]")
    visitor.troubles.clear()  # the door answers 401 before the link is swapped for a session
    visitor.page.evaluate("() => { window.never_reloaded = true; }")
    expect(visitor.page.locator(".progress")).to_contain_text("12 of 162 · not running")
    waiting = visitor.cell(1, 0, 1)
    expect(waiting).to_contain_text("not made")
    toml = studies.write(served.folder.parent, **SLOW)
    command = [sys.executable, "-c", RUN, str(toml), str(served.folder)]
    run = subprocess.Popen(command)
    try:
        expect(visitor.page.locator(".progress")).to_contain_text("left")
        visitor.shot("live")
        run.terminate()
        assert run.wait(timeout=600) == 0
    finally:
        run.kill()
    studies.write(served.folder.parent, **LIVE)
    subprocess.run(command, check=True, timeout=600)
    expect(visitor.page.locator(".progress")).to_have_count(0)
    assert visitor.page.evaluate("() => window.never_reloaded") is True
    with open_result(served.folder) as result:
        expected = places(result, "owl", guidance_scale="3", num_inference_steps="4", sampler="DDIM")
        visitor.wait_for_picture(typical(result, expected), "[data-at='1,0,1'] img")
        assert visitor.picture(1, 0, 1) == typical(result, expected)
        expect(visitor.page.locator(".finding").first).to_contain_text(VERDICTS[result.findings[0].verdict])


def test_the_live_page_reads_pixels_without_scripts_beside_it(
    growing: tuple[Result, str], visitors: Callable[..., Visitor]
) -> None:
    _, link = growing
    visitor = visitors(link.split("#")[0])
    visitor.page.goto(link)
    visitor.page.wait_for_selector("[role=gridcell]")
    visitor.troubles.clear()
    visitor.open("cmp=0,1&mode=difference")
    expect(visitor.page.locator(".difference-number")).to_contain_text("of 255 levels")
