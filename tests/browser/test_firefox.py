"""The page opens from disk in Firefox too, and shows the right pictures. Firefox is not driven, it is photographed."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.feature import match_template
from tests.browser.conftest import Visitor, address_of

from teststrip.results.result import Result

FIREFOX = next((path for name in ("firefox-esr", "firefox") if (path := shutil.which(name))), None)
WIDTH, HEIGHT = 1280, 1100


@pytest.mark.skipif(FIREFOX is None, reason="no Firefox on the PATH")
def test_firefox_shows_the_pictures_that_chromium_shows(
    visitors: Callable[..., Visitor], study: Result, tmp_path: Path
) -> None:
    picture = photograph(address_of(study), tmp_path)
    visitor = visitors(address_of(study), width=WIDTH, height=HEIGHT).open()
    with Image.open(picture) as opened:
        seen = np.asarray(opened.convert("L"), float)
    found = []
    for section in range(2):  # two prompts: along guidance the pictures differ in contrast, which likeness cannot see
        image = visitor.cell(section, 1, 0).locator("img")
        source, box = image.get_attribute("src"), image.bounding_box()
        assert box
        file = visitor.page.evaluate("source => new URL(source, document.baseURI).pathname", source)
        found.append(place_of(Path(file), seen, round(box["width"])))
    (rose, left, top), (owl, beside, height) = found
    assert min(rose, owl) > 0.75  # half a pixel of shift costs noise that much; another picture reaches 0.4
    assert (beside > left, height) == (True, top)


def photograph(address: str, folder: Path) -> Path:
    """A screenshot by Firefox; begun once more where a cold start on a busy machine took too long."""
    picture = folder / "firefox.png"
    for profile in (folder / "profile", folder / "fresh profile"):
        profile.mkdir()
        options = ["--profile", str(profile), "--window-size", f"{WIDTH},{HEIGHT}", "--screenshot", str(picture)]
        with contextlib.suppress(subprocess.TimeoutExpired):
            subprocess.run([str(FIREFOX), "--headless", *options, address], check=True, timeout=300)
        if picture.is_file():
            break
    return picture


def place_of(file: Path, seen: np.ndarray, about: int) -> tuple[float, int, int]:
    """Where a picture of about that many pixels stands in a screenshot: likeness (1 = the same), left, top."""
    best = (0.0, 0, 0)
    for side in range(about - 5, about + 6):  # a browser's fonts decide what is left for the columns
        with Image.open(file) as opened:
            wanted = np.asarray(opened.convert("L").resize((side, side)), float)
        likeness = match_template(seen, wanted)
        top, left = np.unravel_index(np.argmax(likeness), likeness.shape)
        best = max(best, (float(likeness.max()), int(left), int(top)))
    return best
