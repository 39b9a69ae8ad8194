"""Voting as a person does it: with keys, with a finger, two at once, and on a page without a server."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from queue import Queue
from typing import Any

import pytest
from playwright.sync_api import expect
from tests import studies
from tests.browser.conftest import Visitor

from teststrip.results.result import open_result
from teststrip.store.votes import VoteFile
from teststrip.verbs.run import drive
from teststrip.views import server

VOTED = {
    "name": "voted",
    "prompts": ["an owl and a pussycat in a pea-green boat", "a single blood-red rose with thorns dripping blood"],
    "replicates": 2,
    "settings": {"width": 192, "height": 192},
    "axes": {"guidance_scale": [1, 3, 7], "num_inference_steps": [4, 8, 16]},
}


@dataclass
class Voted:
    """A study that is served to raters.

    Attributes:
        folder: of the study.
        links: one for each rater, by name.
        page: the one-time link of the owner.
    """

    folder: Path
    page: str = ""
    links: dict[str, str] = field(default_factory=dict)

    @property
    def file(self) -> VoteFile:
        return VoteFile(self.folder)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("voted")
    drive(studies.write(folder, **VOTED), folder / "voted", trackers=[], views=False).result.close()
    return folder / "voted"


@pytest.fixture
def voted(made: Path) -> Iterator[Voted]:
    for path in made.glob("votes.*"):
        path.unlink()
    links: Queue[str] = Queue()
    running: Queue[server.Server] = Queue()
    served = Voted(made)
    with open_result(made) as result:
        options: dict[str, Any] = {"announce": links.put, "started": running.put, "raters": ("ana", "ben")}
        options["invite"] = served.links.__setitem__
        thread = threading.Thread(target=server.serve, args=(result,), kwargs=options)
        thread.start()
        served.page = links.get(timeout=60)
        started = running.get(timeout=60)
        yield served
        started.stop()
        thread.join(timeout=60)


def enter(visitor: Visitor, link: str) -> Visitor:
    visitor.page.goto(link)
    visitor.page.wait_for_selector(".pair [data-side=right]")
    visitor.troubles.clear()  # the door answers 401 before the link is swapped for a session
    return visitor


def ticket(visitor: Visitor) -> str:
    """The pair whose two pictures are seen."""
    visitor.page.wait_for_function("() => document.querySelector('.pair')?.dataset.ready")
    return visitor.page.locator(".pair").get_attribute("data-pair") or ""


def press(visitor: Visitor, key: str) -> str:
    """Answer the pair that is seen, and wait for the next one; returns the pair that was answered."""
    before = ticket(visitor)
    visitor.page.keyboard.press(key)
    visitor.page.wait_for_function(
        "before => { const ready = document.querySelector('.pair')?.dataset.ready; return ready && ready !== before; }",
        arg=before,
    )
    return before


def test_votes_by_keyboard_are_kept_as_they_were_meant(visitors: Callable[..., Visitor], voted: Voted) -> None:
    visitor = enter(visitors("", width=1280, height=800), voted.links["ana"])
    visitor.shot("vote")
    keys = {"ArrowLeft": "left", "ArrowRight": "right", "ArrowDown": "tie", "ArrowUp": "both bad"}
    meant = [(press(visitor, key), choice) for key, choice in [*keys.items(), *keys.items()]]
    assert [(vote.id, vote.choice) for vote in voted.file.votes()] == meant
    assert {vote.rater for vote in voted.file.votes()} == {"ana"}
    expect(visitor.page.locator(".count")).to_contain_text("8 votes")
    again = press(visitor, "Backspace")
    expect(visitor.page.locator(".count")).to_contain_text("7 votes")
    assert again
    assert [(vote.id, vote.choice) for vote in voted.file.votes()] == meant[:-1]
    visitor.shot("vote-undone")
