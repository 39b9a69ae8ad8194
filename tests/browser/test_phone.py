"""The page in a hand: a real phone's viewport, fingers, and nothing that a person cannot reach."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect
from tests.browser.boards import rows_of, study_of
from tests.browser.conftest import PHONE, Visitor, address_of

from teststrip.results.result import Result
from teststrip.views import board, page

CONTROLS = "button, a[href], input, select, summary"
OUTSIDE = """(roots, controls) => roots.flatMap(root => [...root.querySelectorAll(controls)]).filter(control => {
  if (!control.checkVisibility()) return false;
  control.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  const box = control.getBoundingClientRect();
  return box.left < 0 || box.top < 0 || box.right > innerWidth || box.bottom > innerHeight;
}).map(control => control.getAttribute('aria-label') || control.textContent || control.outerHTML)"""
WHOLE = """root => { const box = root.getBoundingClientRect();
  return box.left >= 0 && box.top >= 0 && box.right <= innerWidth && box.bottom <= innerHeight; }"""


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page whose grid is far wider than a phone: 40 levels across."""
    folder = tmp_path_factory.mktemp("wide")
    study = study_of(["an owl", "a castle"], [str(n) for n in range(40)])
    return page.write_board(board.build(study, list(rows_of(study, folder))), folder, folder / "page")


@pytest.fixture
def phone(visitors: Callable[..., Visitor], wide: Path) -> Visitor:
    return visitors(wide.as_uri(), **PHONE)


def assert_whole_and_reachable(visitor: Visitor, part: Locator) -> None:
    """The part lies inside the window, and so does each of its controls once its own scroller has come to it."""
    expect(part).to_be_visible()
    assert visitor.page.evaluate("[innerWidth, visualViewport.width, visualViewport.scale]") == [390, 390, 1]
    assert part.evaluate(WHOLE)
    assert part.evaluate_all(OUTSIDE, CONTROLS) == []


@pytest.mark.parametrize("view", ["open=5", "cmp=0,9&mode=side", "cmp=0,9,12&mode=slider", "cmp=0,9&mode=blink"])
def test_what_opens_above_the_page_is_whole_on_a_phone(phone: Visitor, view: str) -> None:
    phone.open(view)
    assert_whole_and_reachable(phone, phone.page.get_by_role("dialog"))


@pytest.mark.parametrize("name", ["Filter", "Export", "Keys and help", "style"])
def test_every_panel_is_whole_on_a_phone(phone: Visitor, name: str) -> None:
    phone.open()
    phone.page.get_by_role("button", name=name).first.tap()
    for summary in phone.page.locator(".panel summary").all():
        summary.tap()
    assert_whole_and_reachable(phone, phone.page.locator(".panel"))


def test_a_panel_lies_above_whatever_it_covers(visitors: Callable[..., Visitor], study: Result) -> None:
    phone = visitors(address_of(study), **PHONE).open()
    phone.page.get_by_role("button", name="Filter").tap()
    seen = "panel => { const box = panel.getBoundingClientRect(); const at = [0.1, 0.5, 0.9];"
    seen += "return at.flatMap(x => at.map(y => panel.contains(document.elementFromPoint("
    seen += "box.left + x * box.width, box.top + y * box.height)))).every(Boolean); }"
    assert phone.page.locator(".panel").evaluate(seen)


def test_each_chart_can_be_brought_wholly_into_sight(visitors: Callable[..., Visitor], study: Result) -> None:
    phone = visitors(address_of(study), **PHONE).open("charts=1")
    expect(phone.page.locator(".chart")).to_have_count(4)
    for chart in phone.page.locator(".chart").all():
        chart.scroll_into_view_if_needed()
        chart.evaluate("chart => chart.scrollIntoView({ block: 'center', inline: 'center' })")
        assert chart.evaluate(WHOLE)
    phone.shot("phone_charts")


@pytest.mark.parametrize("view", ["cmp=0,9&mode=side", "cmp=0,9&mode=slider", "cmp=0,9,12&mode=blink"])
def test_pictures_have_most_of_the_screen_when_compared_on_a_phone(phone: Visitor, view: str) -> None:
    phone.open(view)
    frames = phone.page.locator(".frame")
    share = "frames => frames.reduce((sum, frame) => sum + frame.clientWidth * frame.clientHeight, 0)"
    assert frames.evaluate_all(share + " / (innerWidth * innerHeight)") >= 0.6
    if "side" in view:
        papers = phone.page.locator(".paper")
        assert papers.evaluate_all(share.replace("frame", "paper") + " / (innerWidth * innerHeight)") >= 0.6
    phone.shot("phone_compare")
