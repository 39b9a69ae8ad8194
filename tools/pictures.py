"""`python -m tools.pictures runs/my-study` takes the pictures of docs/page.md: what the page shows of a finished study.

Each picture is an address of the page (the part behind `#`) and a size. To add one: a line in PICTURES, its place in
docs/page.md. Needs a Chromium and the extra `dev`; nothing is drawn by hand, so the guide shows the page as it is.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from playwright.sync_api import sync_playwright

from teststrip.results.result import open_result
from teststrip.views import page

PICTURES: Mapping[str, tuple[str, int, int]] = {
    "first": ("", 1280, 720),
    "full-size": ("open=1", 1280, 720),
    "compare": ("cmp=1,4&mode=side", 1280, 720),
    "phone": ("", 390, 844),
}
"""Name of the file -> view, width and height in CSS pixels; less than 500 wide is a phone."""
FOLDER = Path(__file__).parents[1] / "docs" / "pictures"


def take(study: Path, target: Path) -> None:
    """Take all pictures of a study's page."""
    address = (study / "page" / "index.html").resolve().as_uri()
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    target.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for name, (view, width, height) in PICTURES.items():
            phone = width < 500
            context = browser.new_context(
                viewport={"width": width, "height": height}, is_mobile=phone, has_touch=phone, color_scheme="light"
            )
            tab = context.new_page()
            tab.goto(f"{address}#{view}")
            tab.wait_for_selector("[role=gridcell]", state="attached")
            tab.wait_for_function("[...document.images].every(image => image.complete)")
            tab.wait_for_timeout(500)  # fades are over
            tab.screenshot(path=target / f"{name}.jpg", type="jpeg", quality=85)
            context.close()
        browser.close()


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    with open_result(folder) as result:
        page.write(result, folder / "page")
    take(folder, FOLDER)
