"""10,000 pictures: few elements, flat memory, and still the right picture at the very end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.browser.boards import rows_of, study_of
from tests.browser.conftest import Visitor

from teststrip.records import Row
from teststrip.views import board, page

MOST_PICTURES = 300


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Row]]:
    folder = tmp_path_factory.mktemp("large")
    study = study_of([f"prompt number {n}" for n in range(25)], list("abcdefghij"), steps=range(1, 11), replicates=4)
    rows = list(rows_of(study, folder))
    assert len(rows) == 10_000
    return page.write_board(board.build(study, rows), folder, folder / "page"), rows


def images(visitor: Visitor) -> int:
    return int(visitor.page.evaluate("() => document.images.length"))


@pytest.mark.parametrize(
    "view",
    [
        "",
        "size=48",
        "layout=wall&size=48",
        "rows=prompt,num_inference_steps&cols=style,seed&by=&size=48",
        "rows=seed,num_inference_steps&cols=style&by=prompt",
    ],
)
def test_never_more_than_300_pictures_are_in_the_document(
    visitors: Callable[..., Visitor], large: tuple[Path, list[Row]], view: str
) -> None:
    visitor = visitors(large[0].as_uri(), width=1920, height=1080).open(view)
    seen = [images(visitor)]
    height = visitor.page.evaluate("() => document.documentElement.scrollHeight")
    for n in range(41):
        visitor.page.evaluate("([x, y]) => scrollTo(x, y)", [(n % 3) * 700, height * n / 40])
        visitor.page.wait_for_timeout(25)
        seen.append(images(visitor))
    assert max(seen) <= MOST_PICTURES
    assert min(seen[1:]) > 0


def test_the_last_picture_of_10_000_is_the_right_one(
    visitors: Callable[..., Visitor], large: tuple[Path, list[Row]]
) -> None:
    visitor = visitors(large[0].as_uri()).open("layout=wall")
    visitor.page.evaluate("() => scrollTo(0, document.documentElement.scrollHeight)")
    last = large[1][-1].image
    assert last
    cell = visitor.page.locator("[data-place='9999'] img")
    assert visitor.digest(cell.get_attribute("src")) == last.digest


def test_memory_stays_flat_while_scrolling_to_the_end(
    visitors: Callable[..., Visitor], large: tuple[Path, list[Row]]
) -> None:
    visitor = visitors(large[0].as_uri()).open("layout=wall")
    devtools = visitor.page.context.new_cdp_session(visitor.page)

    def used() -> float:
        devtools.send("HeapProfiler.collectGarbage")
        found = devtools.send("Runtime.getHeapUsage")  # performance.memory would be the same number for 20 minutes
        return float(found["usedSize"] + found["embedderHeapUsedSize"]) / 2**20  # of scripts, and of elements

    def scroll(share: float) -> None:
        visitor.page.evaluate("share => scrollTo(0, share * document.documentElement.scrollHeight)", share)
        visitor.page.wait_for_timeout(25)

    for n in range(10):
        scroll(n / 40)
    before = used()
    for n in range(10, 41):
        scroll(n / 40)
    assert used() - before < 3  # MiB of about 10; measured 0.4 to 0.6, and 12.6 where every cell passed was kept
