"""A visitor in a real Chromium, and studies to look at. Every expectation comes from the result, not from the page."""

from __future__ import annotations

import hashlib
import shutil
import statistics
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from tests import studies

from teststrip.records import Row
from teststrip.results.result import Result, open_result
from teststrip.verbs.run import drive
from teststrip.views import page as pages

SCREENSHOTS = Path(__file__).parents[2] / "screenshots"
CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
PATIENCE = 60_000  # milliseconds; a busy machine is slow, not broken
expect.set_options(timeout=PATIENCE)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

PHONE: Mapping[str, Any] = {
    "width": 390,
    "height": 844,
    "is_mobile": True,
    "has_touch": True,
    "device_scale_factor": 2,
}
"""Options of a visitor with a phone: a narrow window alone has no viewport that grows with what overflows."""

STUDY: Mapping[str, Any] = {
    "name": "rose-and-owl",
    "prompts": [
        {"id": "rose", "text": "a single blood-red rose with thorns dripping blood", "tags": ["plant"]},
        {"id": "owl", "text": "an owl and a pussycat in a pea-green boat", "tags": ["animal"]},
        {"id": "car", "text": "a flying car against a futuristic city background"},
    ],
    "replicates": 3,
    "engine": {"fail": "refused: guidance_scale=7, num_inference_steps=16"},
    "settings": {},
    "axes": {
        "guidance_scale": [1, 3, 7],
        "num_inference_steps": [4, 8, 16],
        "sampler": [
            {"label": "DDIM", "scheduler": "DDIMScheduler"},
            {"label": "DPM++ 2M", "scheduler": "DPMSolverMultistepScheduler"},
        ],
    },
    "question": {"metrics": ["sharpness", "colourfulness", "seconds"]},
}
"""What `tests.studies` makes the study of the browser's tests from."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if CHROMIUM is None and Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.skip(reason="no Chromium on the PATH"))


def make(folder: Path, **changes: Any) -> Result:
    """Run a study for real."""
    toml = studies.write(folder.parent, **changes)
    drive(toml, folder, trackers=[], views=False).result.close()
    result = open_result(folder)
    pages.write(result, folder / "page")
    return result


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Result]:
    with make(tmp_path_factory.mktemp("studies") / "rose-and-owl", **STUDY) as result:
        yield result


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


class Visitor:
    """Somebody looking at a page; remembers everything that went wrong meanwhile."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.address = address
        self.troubles: list[str] = []
        page.on("pageerror", lambda error: self.troubles.append(f"error: {error}"))
        page.on(
            "console", lambda m: self.troubles.append(f"{m.type}: {m.text}") if m.type in ("error", "warning") else None
        )
        page.on("dialog", lambda dialog: (self.troubles.append(f"dialog: {dialog.message}"), dialog.dismiss())[1])

    def open(self, view: str = "") -> Visitor:
        """Open the page at a view, as from a link."""
        self.page.goto("about:blank")
        self.page.goto(f"{self.address}#{view}")
        self.page.wait_for_selector(".canvas")
        return self

    def hash(self) -> str:
        """The part of the address that holds the view."""
        return unquote(self.page.evaluate("location.hash").removeprefix("#"))  # `page.url` may lag behind

    def cell(self, section: int, row: int, column: int):
        """A cell by its indices."""
        return self.page.locator(f'[data-at="{section},{row},{column}"]')

    def picture(self, section: int, row: int, column: int) -> str:
        """The digest of the picture that a cell really shows: of the bytes that its address leads to."""
        return self.digest(self.cell(section, row, column).locator("img").get_attribute("src"))

    def full(self) -> str:
        """The digest of the picture at full size."""
        return self.digest(self.page.locator("img.full").get_attribute("src"))

    def digest(self, source: str | None) -> str:
        assert source
        address = self.page.evaluate("source => new URL(source, document.baseURI).href", source)
        if address.startswith("file:"):
            return hashlib.sha256(Path(unquote(urlparse(address).path)).read_bytes()).hexdigest()
        return hashlib.sha256(self.page.request.get(address).body()).hexdigest()

    def wait_for_picture(self, digest: str, selector: str) -> None:
        """Wait until an element's address names a picture."""
        self.page.wait_for_function(
            "([digest, selector]) => document.querySelector(selector)?.src.includes(digest)", arg=[digest, selector]
        )

    def shot(self, name: str) -> None:
        """Keep what is seen, for people to look at."""
        SCREENSHOTS.mkdir(exist_ok=True)
        self.page.wait_for_function("() => [...document.images].every(image => image.complete)")
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png")


@pytest.fixture
def visitors(browser: Browser) -> Iterator[Callable[..., Visitor]]:
    """Makes visitors; afterwards none of them may have met an error, a dialog or a CSP report."""
    made: list[Visitor] = []

    def come(address: str, *, width: int = 1280, height: int = 860, **options: object) -> Visitor:
        context = browser.new_context(viewport={"width": width, "height": height}, **options)  # type: ignore[arg-type]
        context.set_default_timeout(PATIENCE)
        made.append(Visitor(context.new_page(), address))
        return made[-1]

    yield come
    for visitor in made:
        visitor.page.context.close()
    assert [trouble for visitor in made for trouble in visitor.troubles] == []


@pytest.fixture
def visitor(visitors: Callable[..., Visitor], study: Result) -> Visitor:
    """A visitor of the study's static page, opened from disk."""
    return visitors(address_of(study))


def address_of(result: Result) -> str:
    return (result.folder / "page" / "index.html").as_uri()


def places(result: Result, prompt: str | None = None, **levels: str) -> list[Row]:
    """The rows of a result at some levels, in the order of the plan."""
    return [
        row
        for row in result.rows()
        if (prompt is None or row.planned.prompt.id == prompt)
        and all(row.planned.cell[axis] == label for axis, label in levels.items())
    ]


def typical(result: Result, rows: list[Row], metric: str = "sharpness") -> str:
    """The digest of the image of the typical seed, among rows of one prompt and one cell."""
    prompt = rows[0].planned.prompt.id
    scores: dict[int, list[float]] = {}
    for row in places(result, prompt):
        if row.image:
            scores.setdefault(row.planned.replicate, []).append(row.scores[metric])
    means = {seed: statistics.fmean(own) for seed, own in scores.items()}
    seed = next(seed for seed, mean in means.items() if mean == statistics.median_low(means.values()))
    return next(row.image.digest for row in rows if row.image and row.planned.replicate == seed)


__all__ = ["PHONE", "Visitor", "address_of", "make", "places", "typical"]
