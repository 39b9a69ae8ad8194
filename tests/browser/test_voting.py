"""Voting as a person does it: with keys, with a finger, two at once, and on a page without a server."""

from __future__ import annotations

import json
import statistics
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from queue import Queue
from typing import Any

import pytest
from playwright.sync_api import expect
from tests import studies
from tests.browser.boards import rows_of, study_of
from tests.browser.conftest import PHONE, Visitor
from tests.browser.payloads import corpus
from tests.browser.test_phone import swipe

from teststrip.records.votes import Vote
from teststrip.results import polling
from teststrip.results.result import open_result
from teststrip.store.votes import VoteFile
from teststrip.verbs.run import drive
from teststrip.views import printed, server
from teststrip.views.voting import Poll

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
    """The pair whose two pictures are seen: painted, because a finger touches what is on the screen."""
    visitor.page.wait_for_function("() => document.querySelector('.pair')?.dataset.ready")
    visitor.page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
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


def answered(visitor: Visitor, before: str) -> str:
    """Wait until this pair is answered; returns the next one."""
    visitor.page.wait_for_function(
        "before => { const ready = document.querySelector('.pair')?.dataset.ready; return ready && ready !== before; }",
        arg=before,
    )
    return ticket(visitor)


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


def test_sixty_votes_a_minute_by_keyboard_lose_none_and_wait_for_no_picture(
    visitors: Callable[..., Visitor], voted: Voted
) -> None:
    """A key a second would be a minute: here the keys come as fast as pairs appear, which is harder."""
    visitor = enter(visitors("", width=1280, height=800), voted.links["ana"])
    waits = [timed(visitor, key) for key in ["ArrowLeft", "ArrowRight", "ArrowDown"] * 4]
    assert len(voted.file.votes()) == 12
    empty = min(blank(visitor) for _ in range(5))
    assert statistics.median(waits) < 2 * empty, (waits, empty)


def timed(visitor: Visitor, key: str) -> float:
    """Milliseconds from a key to the next pair, on the page's own clock."""
    ticket(visitor)
    waited = visitor.page.evaluate(
        """key => new Promise(done => {
          const pair = document.querySelector('.pair'), before = pair.dataset.ready, begun = performance.now();
          const seen = () => pair.dataset.ready && pair.dataset.ready !== before;
          const end = () => { watch.disconnect(); done(performance.now() - begun); };
          const look = () => seen() && requestAnimationFrame(end);
          const watch = new MutationObserver(look);
          watch.observe(pair, { attributes: true });
          setTimeout(end, 20000);
          document.body.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
        })""",
        key,
    )
    return float(waited)


def blank(visitor: Visitor) -> float:
    """Milliseconds until an empty page of the same server is there, in the same browser."""
    other = visitor.page.context.new_page()
    other.goto(visitor.page.url.rpartition("/")[0] + "/assets/launch.css")
    spent = other.evaluate("() => performance.getEntriesByType('navigation')[0].loadEventEnd")
    other.close()
    return float(spent)


def test_two_raters_at_once_have_pairs_and_votes_of_their_own(visitors: Callable[..., Visitor], voted: Voted) -> None:
    ana, ben = (enter(visitors(""), voted.links[name]) for name in ("ana", "ben"))
    meant = {"ana": [], "ben": []}
    for n in range(6):
        meant["ana"].append((press(ana, ["ArrowLeft", "ArrowDown"][n % 2]), ["left", "tie"][n % 2]))
        meant["ben"].append((press(ben, "ArrowRight"), "right"))
    for name, own in meant.items():
        assert [(vote.id, vote.choice) for vote in voted.file.votes() if vote.rater == name] == own


@pytest.mark.slow
def test_a_key_that_is_held_down_is_one_vote(visitors: Callable[..., Visitor], voted: Voted) -> None:
    visitor = enter(visitors(""), voted.links["ana"])
    before = ticket(visitor)
    for _ in range(5):
        visitor.page.keyboard.down("ArrowLeft")  # Chromium sends repeats
    visitor.page.keyboard.up("ArrowLeft")
    visitor.page.wait_for_function("before => document.querySelector('.pair').dataset.ready !== before", arg=before)
    assert len(voted.file.votes()) == 1


@pytest.mark.slow
def test_both_pictures_zoom_into_the_same_region(visitors: Callable[..., Visitor], voted: Voted) -> None:
    visitor = enter(visitors("", width=1280, height=800), voted.links["ana"])
    box = visitor.page.locator(".frame").first.bounding_box()
    assert box
    visitor.page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + box["height"] * 0.3)
    visitor.page.mouse.wheel(0, -400)
    expect(visitor.page.locator(".hint")).to_contain_text("%")
    styles = visitor.page.locator(".paper").evaluate_all("papers => papers.map(paper => paper.style.cssText)")
    assert styles[0] == styles[1]
    assert "translate(0px" not in styles[0]
    visitor.shot("vote-zoomed")
    press(visitor, "ArrowLeft")
    expect(visitor.page.locator(".hint")).to_contain_text("Scroll")


def test_a_phone_votes_by_finger(visitors: Callable[..., Visitor], voted: Voted) -> None:
    phone = enter(visitors("", **PHONE), voted.links["ben"])
    assert phone.page.evaluate("[innerWidth, document.documentElement.scrollHeight]") == [390, 844]
    targets = phone.page.locator(".answer").evaluate_all("all => all.map(one => one.getBoundingClientRect().toJSON())")
    assert all(box["height"] >= 44 and box["width"] >= 100 and box["right"] <= 390 for box in targets)
    frames = phone.page.locator(".frame").evaluate_all("all => all.map(one => one.getBoundingClientRect().toJSON())")
    assert frames[0]["height"] == pytest.approx(frames[1]["height"], abs=1)
    assert frames[0]["height"] > 230
    phone.shot("vote-phone")
    before = ticket(phone)
    phone.page.get_by_role("button", name="Both bad").tap()
    phone.page.wait_for_function("before => document.querySelector('.pair').dataset.ready !== before", arg=before)
    assert [(vote.id, vote.choice) for vote in voted.file.votes()] == [(before, "both bad")]
    # Chromium makes no click of some taps that follow a swipe, so a tap counts without one.
    meant = [(before, "both bad")]
    for choice in ("left", "right"):
        before = ticket(phone)
        swipe(phone, 0, -160 if choice == "left" else 160)
        meant.append((before, choice))
        meant.append((answered(phone, before), "tie"))
        phone.page.get_by_role("button", name="Tie").tap()
        answered(phone, meant[-1][0])
    assert [(vote.id, vote.choice) for vote in voted.file.votes()] == meant


@pytest.mark.slow
@pytest.mark.parametrize(("dx", "dy", "choice"), [(0, -160, "left"), (0, 160, "right"), (150, 5, "tie")])
def test_a_swipe_goes_towards_the_better_picture(
    visitors: Callable[..., Visitor], voted: Voted, dx: int, dy: int, choice: str
) -> None:
    phone = enter(visitors("", **PHONE), voted.links["ben"])
    before = ticket(phone)
    swipe(phone, dx, dy)
    phone.page.wait_for_function("before => document.querySelector('.pair').dataset.ready !== before", arg=before)
    assert [(vote.id, vote.choice) for vote in voted.file.votes()] == [(before, choice)]


def test_a_vote_outlives_a_lost_connection_and_counts_once(visitors: Callable[..., Visitor], voted: Voted) -> None:
    visitor = enter(visitors(""), voted.links["ana"])
    before = ticket(visitor)
    visitor.page.context.set_offline(True)
    visitor.page.keyboard.press("ArrowLeft")
    expect(visitor.page.locator(".trouble")).to_contain_text("No connection. Your vote is kept")
    visitor.page.keyboard.press("ArrowRight")  # while the first answer is under way there is nothing to answer
    assert voted.file.votes() == ()
    visitor.page.context.set_offline(False)
    visitor.page.wait_for_function("before => document.querySelector('.pair').dataset.ready !== before", arg=before)
    visitor.troubles.clear()  # the browser reports each request that did not arrive
    assert [(vote.id, vote.choice) for vote in voted.file.votes()] == [(before, "left")]


@pytest.mark.slow
def test_the_owner_votes_from_the_page_hears_what_enough_votes_say_and_comes_back(
    visitors: Callable[..., Visitor], voted: Voted
) -> None:
    with open_result(voted.folder) as result:
        choose, pairs = polling.chooser(result.study)(result.rows()), []
        while pair := choose("ben", (), pairs):
            pairs.append(pair)
    said = [("left", "right", "right")[n % 3] for n in range(len(pairs))]
    at = "2025-01-01T00:00:00Z"
    voted.file.add(
        Vote(f"ben {n}", pair, choice, "ben", "person", 900, "Which?", at)
        for n, (pair, choice) in enumerate(zip(pairs, said, strict=True))
    )
    visitor = visitors("")
    visitor.page.goto(voted.page)
    visitor.page.wait_for_selector("[role=gridcell]")
    visitor.troubles.clear()  # the door answers 401 before the link is swapped for a session
    visitor.page.get_by_role("link", name="Vote").click()
    press(visitor, "ArrowLeft")
    assert [vote.rater for vote in voted.file.votes()][len(pairs) :] == ["owner"]
    visitor.page.get_by_role("button", name="What the votes say").click()
    expect(visitor.page.locator(".said h2")).to_have_count(2)
    visitor.shot("vote-said")
    visitor.page.get_by_role("button", name="Go on voting").click()
    ticket(visitor)
    visitor.page.get_by_role("link", name="Back to the study").click()
    visitor.page.wait_for_selector("[role=gridcell]")


def test_a_page_without_a_server_votes_and_its_file_is_taken_in_once(
    visitors: Callable[..., Visitor], made: Path, tmp_path: Path
) -> None:
    for path in made.glob("votes.*"):
        path.unlink()
    with open_result(made) as result:
        assert printed.write(Poll(made, result.rows), made, tmp_path / "vote.html", 4) == 4
    visitor = visitors("", accept_downloads=True)
    visitor.page.goto((tmp_path / "vote.html").as_uri())
    visitor.shot("vote-name")
    visitor.page.get_by_label("Your name").fill("Zoë <b>")
    visitor.page.keyboard.press("Enter")
    meant = [(press(visitor, key), choice) for key, choice in (("ArrowLeft", "left"), ("ArrowDown", "tie"))]
    visitor.page.reload()  # a tab that is closed loses nothing
    meant.append((press(visitor, "ArrowRight"), "right"))
    before = ticket(visitor)
    visitor.page.keyboard.press("ArrowUp")
    meant.append((before, "both bad"))
    expect(visitor.page.get_by_role("heading")).to_have_text("Thank you")
    visitor.shot("vote-done")
    with visitor.page.expect_download() as download:
        visitor.page.get_by_role("button", name="Download votes").click()
    download.value.save_as(tmp_path / "votes.json")
    key = json.loads(next((made / "ballots").glob("*.json")).read_text())["pairs"]
    cast = printed.taken(made, tmp_path / "votes.json")
    assert [(vote.pair.left.shot, vote.choice) for vote in cast] == [
        (key[identity]["left"]["shot"], choice) for identity, choice in meant
    ]
    assert {vote.rater for vote in cast} == {"Zoë <b>"}
    assert [VoteFile(made).add(printed.taken(made, tmp_path / "votes.json")) for _ in range(2)] == [4, 0]


@pytest.mark.slow
def test_hostile_prompts_wake_up_on_no_page(visitors: Callable[..., Visitor], tmp_path: Path) -> None:
    study = study_of(corpus()[::9], ["soft", "hard"], steps=(4,))
    rows = list(rows_of(study, tmp_path))
    printed.write(Poll(tmp_path, lambda: rows), tmp_path, tmp_path / "vote.html", 50)
    visitor = visitors("")
    visitor.page.goto((tmp_path / "vote.html").as_uri())
    visitor.page.get_by_label("Your name").fill("<img src=x onerror=alert(1)>")
    visitor.page.keyboard.press("Enter")
    texts = set()
    for _ in range(12):
        texts.add(visitor.page.locator(".prompt").text_content())
        press(visitor, "ArrowLeft")
    assert len(texts) > 3
    assert visitor.page.locator("script").count() == 2
    assert visitor.page.evaluate("document.querySelectorAll('iframe, object, embed, form').length") == 0
