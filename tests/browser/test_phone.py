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
    expect(phone.page.locator(".chart").nth(3)).to_be_attached()
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


def swipe(visitor: Visitor, dx: int, dy: int) -> None:
    """One finger over the picture, as the browser's own touch events."""
    devtools = visitor.page.context.new_cdp_session(visitor.page)
    x, y = 195 - dx / 2, 200 - dy / 2
    devtools.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    for n in range(1, 5):
        point = {"x": x + dx * n / 4, "y": y + dy * n / 4}
        devtools.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [point]})
    devtools.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def test_a_swipe_at_full_size_walks_to_the_neighbour_and_a_tremble_does_not(phone: Visitor) -> None:
    phone.open()
    places = [int(phone.cell(0, r, c).get_attribute("data-place") or "-1") for r, c in ((0, 0), (0, 1), (1, 1))]
    phone.cell(0, 0, 0).tap()

    def shown(place: int) -> None:
        expect(phone.page.locator("img.full")).to_have_attribute("data-place", str(place))

    shown(places[0])
    swipe(phone, -160, 10)
    shown(places[1])
    swipe(phone, 12, -150)
    shown(places[2])
    swipe(phone, 0, 150)
    shown(places[1])
    swipe(phone, -20, 5)
    phone.page.wait_for_timeout(200)
    shown(places[1])
    swipe(phone, 160, 0)
    shown(places[0])
    assert phone.page.locator(".frame").get_attribute("data-scale") == phone.page.evaluate(
        "() => { const f = document.querySelector('.frame'); return (f.clientWidth / 8).toFixed(3); }"
    )  # still shown whole


def test_rows_are_walked_by_buttons_at_full_size_on_a_phone(phone: Visitor) -> None:
    phone.open()
    below = phone.cell(0, 1, 0).get_attribute("data-place") or ""
    phone.cell(0, 0, 0).tap()
    phone.page.get_by_label("Down along the rows").tap()
    expect(phone.page.locator("img.full")).to_have_attribute("data-place", below)


@pytest.mark.parametrize("zoomed", [False, True])
def test_the_line_between_two_pictures_is_dragged_on_the_picture(
    visitors: Callable[..., Visitor], wide: Path, zoomed: bool
) -> None:
    visitor = visitors(wide.as_uri()).open("cmp=0,9&mode=slider")
    paper = visitor.page.locator(".paper")
    if zoomed:
        visitor.page.keyboard.press("+")
    whole = paper.bounding_box()
    frame = visitor.page.locator(".frame").bounding_box()
    assert whole
    assert frame
    middle = frame["y"] + frame["height"] / 3
    start = whole["x"] + whole["width"] * (0.5 if zoomed else 0.3)
    visitor.page.mouse.move(start, middle)
    visitor.page.mouse.down()
    visitor.page.mouse.move(whole["x"] + whole["width"] * 0.6, middle, steps=4)
    visitor.page.mouse.up()
    assert float(visitor.page.get_by_label("How much of picture 1").input_value()) == pytest.approx(60, abs=1)
    assert paper.bounding_box() == whole  # the line moved, the pictures did not
    if zoomed:
        visitor.page.mouse.move(whole["x"] + whole["width"] * 0.3, middle)
        visitor.page.mouse.down()
        visitor.page.mouse.move(whole["x"] + whole["width"] * 0.3 + 50, middle, steps=4)
        visitor.page.mouse.up()
        moved = paper.bounding_box()
        assert moved
        assert moved["x"] == pytest.approx(whole["x"] + 50, abs=2)


def test_the_seed_of_a_section_stands_in_the_window_although_its_grid_is_wider(
    visitors: Callable[..., Visitor], study: Result
) -> None:
    phone = visitors(address_of(study), **PHONE).open("cols=guidance_scale,sampler&rows=num_inference_steps&by=prompt")
    grid, seed = phone.page.locator(".table").first, phone.page.locator(".block-seed").first
    expect(seed).to_be_visible()
    assert grid.evaluate("grid => grid.getBoundingClientRect().right > innerWidth")
    assert seed.evaluate(WHOLE)
