"""Everybody can use the page: by keyboard alone, by ear, with any contrast a standard asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from tests.browser.conftest import PHONE, Visitor, address_of, places, typical

from teststrip.results.result import Result

VIEWS = {
    "grid": "",
    "heat map with charts": "tint=1&charts=1",
    "wall": "layout=wall&sort=-score",
    "flip-book": "rows=&cols=prompt&by=&flip=guidance_scale,num_inference_steps,sampler",
    "nested": "rows=prompt,num_inference_steps&cols=sampler,guidance_scale&by=&flip=",
    "full size": "open=1",
    "failure at full size": "open=8",
    "side by side": "cmp=0,1,2&mode=side",
    "slider": "cmp=0,1&mode=slider",
    "blink": "cmp=0,1&mode=blink",
    "difference": "cmp=0,1&mode=difference",
    "failures": "only=failed",
    "long labels": "rows=prompt&cols=guidance_scale&by=&flip=num_inference_steps,sampler",
}


# A theme changes colours alone, so that the second one is asked by the rules that look at colours.
RULES: Mapping[str, Mapping[str, object]] = {
    "light": {},
    "dark": {"runOnly": ["color-contrast", "link-in-text-block"]},
}


@pytest.mark.parametrize("device", [{}, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(
    visitors: Callable[..., Visitor], study: Result, theme: str, device: dict[str, object]
) -> None:
    visitor = visitors(address_of(study), color_scheme=theme, **device)
    rules = RULES[theme]
    found = {}
    for name, view in VIEWS.items():
        visitor.open(view)
        found[name] = violations(visitor, rules)
    visitor.open()
    for panel in ("prompt", "Filter", "Export", "Keys and help"):
        visitor.page.get_by_role("button", name=panel).first.click()
        found[panel] = violations(visitor, rules)
        visitor.page.keyboard.press("Escape")
    visitor.page.locator("main").evaluate("main => main.scrollIntoView()")
    visitor.cell(0, 0, 0).focus()
    visitor.page.keyboard.press("ArrowRight")
    expect(visitor.page.get_by_role("tooltip")).to_be_visible()
    found["card"] = violations(visitor, rules)
    assert {name: some for name, some in found.items() if some} == {}


def violations(visitor: Visitor, rules: Mapping[str, object]) -> list[str]:
    """What axe-core finds, with the first element that each is about, once nothing fades or is still to come."""
    visitor.page.wait_for_function(
        "() => document.getAnimations().length === 0 && [...document.images].every(image => image.complete)"
    )
    found = Axe().run(visitor.page, options={"preload": False, **rules}).response["violations"]
    return [f"{violation['id']}: {violation['nodes'][0]['html'][:160]}" for violation in found]


def test_the_keyboard_alone_reaches_and_does_everything(visitor: Visitor, study: Result) -> None:
    visitor.open()
    keys = visitor.page.keyboard
    keys.press("Tab")
    expect(visitor.page.locator(".skip")).to_be_focused()
    keys.press("Enter")
    expect(visitor.cell(0, 0, 0)).to_be_focused()
    expect(visitor.page.get_by_role("tooltip")).to_be_visible()
    for key in ("ArrowRight", "ArrowDown", "ArrowDown", "ArrowDown"):  # the last one into the next prompt
        keys.press(key)
    expect(visitor.cell(1, 0, 1)).to_be_focused()
    keys.press("c")
    keys.press("End")
    keys.press("c")
    keys.press("s")
    expect(visitor.cell(1, 0, 2).locator(".mark")).to_be_visible()
    keys.press("Enter")
    visitor.wait_for_picture(
        typical(study, places(study, "owl", guidance_scale="7", num_inference_steps="4", sampler="DDIM")), "img.full"
    )
    keys.press("+")
    keys.press(".")
    keys.press("Escape")
    expect(visitor.cell(1, 0, 2)).to_be_focused()
    compare = visitor.page.get_by_role("button", name="Compare 2")
    for _ in range(20):
        keys.press("Tab")
        if compare.evaluate("button => button === document.activeElement"):
            break
    keys.press("Enter")
    expect(visitor.page.get_by_role("dialog", name="Comparison")).to_be_visible()
    for _ in range(30):  # the focus never leaves the dialog
        keys.press("Tab")
        assert visitor.page.evaluate("() => Boolean(document.activeElement.closest('[role=dialog]'))")
    keys.press("Escape")
    expect(visitor.page.get_by_role("dialog")).to_have_count(0)


def test_a_screen_reader_hears_where_it_is(visitor: Visitor, study: Result) -> None:
    visitor.open()
    cell = visitor.cell(0, 1, 2)
    rows = places(study, "rose", guidance_scale="7", num_inference_steps="8", sampler="DDIM")
    row = next(row for row in rows if row.image and row.image.digest == typical(study, rows))
    name = cell.get_attribute("aria-label")
    assert name
    for part in ("guidance 7", "steps 8", "sampler DDIM", row.planned.prompt.text, "sharpness"):
        assert part in name
    assert f"seed {row.planned.shot.seed}" in name
    grid = visitor.page.get_by_role("grid").first
    assert grid.get_attribute("aria-label") == row.planned.prompt.text
    assert grid.get_attribute("aria-rowcount") == "4"
    assert grid.get_attribute("aria-colcount") == "4"
