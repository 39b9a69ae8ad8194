"""Ways through the page: from a finding to its pictures and back, and back from any step."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import expect
from tests.browser.conftest import Visitor, address_of

from teststrip.results.result import Result

SHOWN = "What these pictures show"
COVERED = """(card, places) => places.filter(at => {
  const a = card.getBoundingClientRect();
  const b = document.querySelector(`[data-at="${at}"]`)?.getBoundingClientRect();
  return b && a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
})"""


def test_a_finding_brings_its_pictures_into_sight_under_its_own_sentence(visitor: Visitor, study: Result) -> None:
    visitor.open()
    every = visitor.page.get_by_role("button", name="findings")
    every.click()
    findings = visitor.page.locator(".every .finding")
    expect(findings).to_have_count(sum(one.metric != "seconds" for one in study.findings))
    chosen = findings.nth(8)
    verdict, *_ = said = chosen.inner_text().split("\n")
    chosen.click()
    expect(visitor.page.locator(".every")).to_have_count(0)
    shown = visitor.page.get_by_role("region", name=SHOWN)
    expect(shown).to_contain_text(verdict, ignore_case=True)
    expect(shown).to_contain_text(said[1].removesuffix(":"))
    visitor.page.wait_for_function(
        "() => Math.abs(document.querySelector('.bar-sticky').getBoundingClientRect().top) < 2"
    )
    for part in (shown, visitor.page.locator("[role=gridcell]").first):
        box = part.bounding_box()
        assert box
        assert 0 < box["y"] < box["y"] + box["height"] <= 860
    visitor.shot("finding_shown")


def test_the_way_back_from_findings_leads_to_the_view_before_them(visitor: Visitor) -> None:
    before = "rows=sampler&cols=guidance_scale&by=prompt&flip=num_inference_steps&at.num_inference_steps=1"
    visitor.open(before)
    visitor.page.locator(".finding").first.click()
    visitor.page.locator(".finding").nth(1).click()
    visitor.cell(0, 0, 0).focus()
    visitor.page.keyboard.press("s")
    visitor.page.get_by_role("region", name=SHOWN).get_by_role("button", name="Back").click()
    expect(visitor.page.get_by_role("region", name=SHOWN)).to_have_count(0)
    address, _, stars = visitor.hash().partition("&star=")
    assert address == before
    assert stars


def test_back_takes_back_a_finding_a_layout_a_filter_and_a_moved_axis(visitor: Visitor) -> None:
    visitor.open()
    steps = [visitor.hash()]

    def step(act: Callable[[], object]) -> None:
        act()
        visitor.page.wait_for_function("before => decodeURIComponent(location.hash.slice(1)) !== before", arg=steps[-1])
        steps.append(visitor.hash())

    step(visitor.page.locator(".finding").first.click)
    step(visitor.page.get_by_role("button", name="Wall").click)
    step(visitor.page.get_by_role("button", name="Grid").click)
    step(visitor.page.get_by_label("Swap rows and columns").click)
    step(visitor.page.get_by_role("button", name="failures").click)
    for address in reversed(steps[:-1]):
        visitor.page.go_back()
        visitor.page.wait_for_function("address => decodeURIComponent(location.hash.slice(1)) === address", arg=address)
    expect(visitor.page.locator(".corner-cols").first).to_have_text("guidance")
    expect(visitor.page.get_by_role("region", name=SHOWN)).to_have_count(0)


def test_back_takes_no_star_away(visitor: Visitor) -> None:
    visitor.open()
    visitor.cell(0, 0, 0).click()
    visitor.page.keyboard.press("s")
    visitor.page.go_back()
    expect(visitor.page.locator(".lightbox")).to_have_count(0)
    expect(visitor.cell(0, 0, 0).locator(".mark")).to_be_visible()
    assert "star=" in visitor.hash()


def test_reset_shows_the_usual_view_and_keeps_the_stars(visitor: Visitor) -> None:
    visitor.open()
    reset = visitor.page.get_by_role("button", name="Reset view")
    expect(reset).to_have_count(0)
    visitor.cell(0, 0, 0).focus()
    visitor.page.keyboard.press("s")
    expect(reset).to_have_count(0)
    visitor.page.get_by_role("button", name="Tint").click()
    visitor.page.get_by_label("Swap rows and columns").click()
    reset.click()
    expect(reset).to_have_count(0)
    assert visitor.hash().split("=")[0] == "star"
    expect(visitor.page.locator(".corner-cols").first).to_have_text("guidance")


def test_a_link_to_a_finding_shows_its_sentence(visitors: Callable[..., Visitor], study: Result) -> None:
    visitor = visitors(address_of(study)).open()
    visitor.page.locator(".finding").nth(1).click()
    shown = visitor.page.get_by_role("region", name=SHOWN)
    said = str(shown.text_content())
    visitor.open(visitor.page.evaluate("location.hash").removeprefix("#"))
    expect(shown).to_have_text(said)


def test_the_card_of_a_cell_covers_neither_the_cell_nor_its_neighbours(visitor: Visitor) -> None:
    visitor.open("size=160")
    visitor.page.evaluate("document.querySelector('.bar-sticky').scrollIntoView()")
    for row, column in ((0, 0), (0, 2), (1, 1)):
        visitor.cell(0, row, column).hover()
        card = visitor.page.get_by_role("tooltip")
        expect(card).to_contain_text("guidance" + "137"[column])
        expect(card).to_contain_text("seed")
        near = [f"0,{row + r},{column + c}" for r, c in ((0, 0), (0, 1), (0, -1), (-1, 0))]
        assert card.evaluate(COVERED, near) == []


def test_a_question_mark_opens_the_help_that_names_every_key_and_gesture(visitor: Visitor) -> None:
    visitor.open()
    help_panel = visitor.page.get_by_role("group", name="Keys and help")
    visitor.cell(0, 0, 0).focus()
    visitor.page.keyboard.press("?")
    for text in ("Shift-click", "mark a region", "hold to blink", "Swipe", "Drag the line"):
        expect(help_panel).to_contain_text(text)
    visitor.shot("help")
    visitor.page.keyboard.press("Escape")
    expect(help_panel).to_have_count(0)
    visitor.page.get_by_role("button", name="Filter").click()
    visitor.page.get_by_label("from", exact=True).press("?")
    expect(help_panel).to_have_count(0)
