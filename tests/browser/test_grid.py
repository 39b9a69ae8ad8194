"""The first table of the page's specification: what the best grid viewers do. Each test acts as a person does."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from playwright.sync_api import expect
from tests.browser.conftest import Visitor, address_of, places, typical

from teststrip.results.result import Result

DDIM = "sampler=0"  # the third axis stands on a slider; its first level is shown


def test_a_page_opens_from_disk_with_the_right_picture_in_every_cell(visitor: Visitor, study: Result) -> None:
    visitor.open()
    for s, prompt in enumerate(("rose", "owl")):
        for r, steps in enumerate(("4", "8")):
            for c, guidance in enumerate(("1", "3", "7")):
                visitor.page.evaluate(f"document.querySelectorAll('.block')[{s}]?.scrollIntoView()")
                expected = places(study, prompt, guidance_scale=guidance, num_inference_steps=steps, sampler="DDIM")
                assert visitor.picture(s, r, c) == typical(study, expected)
    visitor.page.evaluate("scrollTo(0, 0)")
    visitor.shot("grid")


def test_rows_and_columns_swap_with_one_button(visitor: Visitor, study: Result) -> None:
    visitor.open()
    visitor.page.get_by_label("Swap rows and columns").click()
    expected = places(study, "rose", guidance_scale="3", num_inference_steps="4", sampler="DDIM")
    expect(visitor.page.locator(".corner-cols").first).to_have_text("steps")
    assert visitor.picture(0, 1, 0) == typical(study, expected)


def test_an_axis_is_dragged_onto_another_and_they_swap(visitor: Visitor, study: Result) -> None:
    visitor.open()
    visitor.page.locator("[data-dim=prompt]").drag_to(visitor.page.locator("[data-dim=guidance_scale]"))
    assert "cols=prompt" in visitor.hash()
    assert "by=guidance_scale" in visitor.hash()
    expected = places(study, "owl", guidance_scale="1", num_inference_steps="8", sampler="DDIM")
    assert visitor.picture(0, 1, 1) == typical(study, expected)


def test_an_axis_dragged_beside_another_becomes_an_inner_row(visitor: Visitor, study: Result) -> None:
    visitor.open()
    visitor.page.locator("[data-dim=sampler]").drag_to(visitor.page.locator("[data-zone=rows] .zone-name"))
    assert "rows=num_inference_steps,sampler" in visitor.hash()
    expected = places(study, "rose", guidance_scale="7", num_inference_steps="8", sampler="DPM++ 2M")
    assert visitor.picture(0, 3, 2) == typical(study, expected)
    expect(visitor.page.locator(".row-head").first).to_contain_text("DDIM")


def test_an_axis_is_moved_by_its_menu_with_the_keyboard(visitor: Visitor, study: Result) -> None:
    visitor.open()
    visitor.page.locator("[data-dim=sampler]").focus()
    visitor.page.keyboard.press("Enter")
    visitor.page.get_by_role("radio", name="Columns").focus()
    visitor.page.keyboard.press("Space")
    expect(visitor.page.get_by_role("radio", name="Columns")).to_be_focused()
    visitor.page.keyboard.press("Escape")
    assert "cols=guidance_scale,sampler" in visitor.hash()
    expected = places(study, "rose", guidance_scale="3", num_inference_steps="4", sampler="DPM++ 2M")
    assert visitor.picture(0, 0, 3) == typical(study, expected)
    assert visitor.page.evaluate("document.activeElement.dataset.dim") == "sampler"


def test_the_prompt_can_be_an_axis(visitor: Visitor, study: Result) -> None:
    visitor.open("rows=prompt&cols=guidance_scale&by=&flip=num_inference_steps,sampler&at.num_inference_steps=1")
    expected = places(study, "car", guidance_scale="1", num_inference_steps="8", sampler="DDIM")
    assert visitor.picture(0, 2, 0) == typical(study, expected)
    expect(visitor.page.locator(".row-head").nth(2)).to_have_text("a flying car against a futuristic city background")


def test_hovering_shows_settings_seed_seconds_scores_and_a_focus_icon(visitor: Visitor, study: Result) -> None:
    visitor.open()
    cell = visitor.cell(0, 0, 1)
    cell.hover()
    card = visitor.page.get_by_role("tooltip")
    rows = places(study, "rose", guidance_scale="3", num_inference_steps="4", sampler="DDIM")
    row = next(row for row in rows if row.image and row.image.digest == typical(study, rows))
    expect(card).to_contain_text(f"seed{row.planned.shot.seed}")
    for text in (
        "guidance3",
        "steps4",
        "samplerDDIM",
        "sharpness",
        "seconds",
    ):
        expect(card).to_contain_text(text)
    expect(cell.locator(".focus-icon")).to_have_css("opacity", "1")
    visitor.shot("hover")


def test_a_click_opens_full_size_and_the_wheel_zooms_past_one_to_one(visitor: Visitor) -> None:
    visitor.open()
    shown = visitor.picture(0, 0, 1)
    visitor.cell(0, 0, 1).click()
    assert visitor.full() == shown
    frame = visitor.page.locator(".frame")
    visitor.page.keyboard.press("1")
    expect(frame).to_have_attribute("data-scale", "1.000")
    box = frame.bounding_box()
    assert box
    visitor.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    for _ in range(12):
        visitor.page.mouse.wheel(0, -120)
    visitor.page.wait_for_function("() => Number(document.querySelector('.frame').dataset.scale) > 8")
    before = visitor.page.locator(".paper").bounding_box()
    visitor.page.mouse.down()
    visitor.page.mouse.move(box["x"] + box["width"] / 2 + 60, box["y"] + box["height"] / 2 + 25)
    visitor.page.mouse.up()
    after = visitor.page.locator(".paper").bounding_box()
    assert before
    assert after
    assert (round(after["x"] - before["x"]), round(after["y"] - before["y"])) == (60, 25)
    visitor.page.keyboard.press("0")
    visitor.shot("full_size")


def test_arrow_keys_move_along_the_axes_at_full_size(visitor: Visitor, study: Result) -> None:
    visitor.open()
    visitor.cell(0, 0, 0).click()

    def press(key: str, **levels: str) -> None:
        visitor.page.keyboard.press(key)
        expected = typical(study, places(study, "rose", sampler="DDIM", **levels))
        visitor.page.wait_for_function(
            "digest => document.querySelector('img.full').src.includes(digest)", arg=expected
        )
        assert visitor.full() == expected

    press("ArrowRight", guidance_scale="3", num_inference_steps="4")
    press("ArrowDown", guidance_scale="3", num_inference_steps="8")
    press("ArrowLeft", guidance_scale="1", num_inference_steps="8")
    press("ArrowUp", guidance_scale="1", num_inference_steps="4")
    visitor.page.keyboard.press("Escape")
    expect(visitor.page.locator(".lightbox")).to_have_count(0)
    assert visitor.page.evaluate("document.activeElement.dataset.at") == "0,0,0"


def test_another_seed_chosen_at_full_size_is_kept_on_the_way(visitor: Visitor, study: Result) -> None:
    visitor.open()
    visitor.cell(0, 0, 0).click()
    rows = places(study, "rose", guidance_scale="1", num_inference_steps="4", sampler="DDIM")
    shown = next(n for n, row in enumerate(rows) if row.image and row.image.digest == visitor.full())
    other = next(n for n in range(3) if n != shown)
    visitor.page.get_by_label(f"seed {rows[other].planned.shot.seed}", exact=True).click()
    visitor.page.keyboard.press("ArrowRight")
    expected = places(study, "rose", guidance_scale="3", num_inference_steps="4", sampler="DDIM")[other]
    assert expected.image
    visitor.page.wait_for_function(
        "digest => document.querySelector('img.full').src.includes(digest)", arg=expected.image.digest
    )


def test_labels_stay_in_sight_while_scrolling_and_are_whole(visitor: Visitor) -> None:
    visitor.open("size=512")
    visitor.page.mouse.wheel(500, 700)
    visitor.page.wait_for_function("() => scrollY > 600 && scrollX > 100")
    labels = visitor.page.wait_for_function(
        """() => {
             const labels = [...document.querySelectorAll('.row-head span, .col-head span')].map(label => {
               const box = label.getBoundingClientRect();
               const bar = document.querySelector('.bar-sticky').getBoundingClientRect().bottom;
               const seen = box.left >= 0 && box.right <= innerWidth && box.top >= bar && box.bottom <= innerHeight;
               const cut = label.scrollWidth > label.clientWidth + 1;
               return { text: label.textContent, kind: label.parentElement.className, seen, cut };
             });
             return ['row', 'col'].every(kind => labels.some(l => l.seen && l.kind.includes(kind))) && labels;
           }"""
    ).json_value()
    assert [label for label in labels if label["cut"]] == []


@pytest.mark.parametrize(
    ("click", "expected"),
    [
        (["Only an owl and a pussycat in a pea-green boat"], {"owl"}),
        (["animal"], {"owl"}),
    ],
)
def test_the_filter_leaves_the_chosen_prompts(visitor: Visitor, click: list[str], expected: set[str]) -> None:
    visitor.open("size=64")
    visitor.page.get_by_role("button", name="Filter").click()
    if click[0].startswith("Only"):
        visitor.page.locator("summary", has_text="prompt").click()
        visitor.page.get_by_label(click[0]).click()
    else:
        visitor.page.get_by_role("button", name=click[0]).click()
    expect(visitor.page.locator(".block-title")).to_have_count(len(expected))
    expect(visitor.page.locator(".block-title")).to_contain_text("an owl")


def test_the_filter_leaves_a_range_of_scores(visitor: Visitor, study: Result) -> None:
    visitor.open("layout=wall")
    visitor.page.get_by_role("button", name="Filter").click()
    scores = sorted(row.scores["sharpness"] for row in study.rows() if row.image)
    bound = (scores[19] + scores[20]) / 2
    visitor.page.get_by_label("to", exact=True).fill(str(bound))
    visitor.page.keyboard.press("Tab")
    expect(visitor.page.locator(".panel [role=status]")).to_have_text("20 pictures shown")


def test_failures_alone_can_be_shown(visitor: Visitor) -> None:
    visitor.page.set_viewport_size({"width": 1280, "height": 2000})
    visitor.open("flip=&rows=num_inference_steps,sampler")
    visitor.page.get_by_role("button", name="failures").click()
    assert "only=failed" in visitor.hash()
    cells = visitor.page.locator("[role=gridcell]")
    expect(cells).to_have_count(6)
    for cell in cells.all():
        expect(cell).to_contain_text("refused")


def test_stars_are_set_by_key_filtered_and_remembered(visitor: Visitor) -> None:
    visitor.open()
    visitor.cell(0, 1, 1).focus()
    visitor.page.keyboard.press("s")
    expect(visitor.cell(0, 1, 1).locator(".mark")).to_be_visible()
    shown = visitor.picture(0, 1, 1)
    visitor.page.get_by_role("button", name="Filter").click()
    visitor.page.get_by_label("starred (1)").check()
    expect(visitor.page.locator("[role=gridcell]")).to_have_count(1)
    assert visitor.picture(0, 0, 0) == shown
    visitor.open()
    expect(visitor.cell(0, 1, 1).locator(".mark")).to_be_visible()


def test_the_wall_is_sorted_by_score(visitor: Visitor, study: Result) -> None:
    visitor.open()
    visitor.page.get_by_role("button", name="Wall").click()
    visitor.page.get_by_label("Sort").select_option("-score")
    ranked = sorted((row for row in study.rows() if row.image), key=lambda row: -row.scores["sharpness"])
    expected = [row.image.digest for row in ranked[:3] if row.image]
    visitor.page.wait_for_function(
        "digest => document.querySelector('[data-at=\"0,0,0\"] img').src.includes(digest)", arg=expected[0]
    )
    assert [visitor.picture(0, 0, n) for n in range(3)] == expected
    visitor.shot("wall")


def test_an_axis_is_ordered_by_score(visitor: Visitor, study: Result) -> None:
    visitor.open()
    visitor.page.locator("[data-dim=prompt]").click()
    visitor.page.get_by_label("Order").select_option("score")
    means = {
        prompt: sum(s) / len(s)
        for prompt in ("rose", "owl", "car")
        if (s := [row.scores["sharpness"] for row in places(study, prompt, sampler="DDIM") if row.image])
    }
    lowest = min(means, key=lambda prompt: means[prompt])
    text = next(prompt.text for prompt in study.study.prompts if prompt.id == lowest)
    expect(visitor.page.locator(".block-title").first).to_contain_text(text)


def test_the_address_reproduces_the_view(visitors: Callable[..., Visitor], visitor: Visitor, study: Result) -> None:
    visitor.open()
    visitor.page.locator("[data-dim=prompt]").drag_to(visitor.page.locator("[data-dim=num_inference_steps]"))
    visitor.page.get_by_label("Which picture of a cell").select_option("worst")
    visitor.page.get_by_role("button", name="Tint").click()
    visitor.page.get_by_label("Size of the pictures").fill("160")
    visitor.cell(0, 1, 1).click()
    friend = visitors(visitor.address).open(visitor.page.evaluate("location.hash").removeprefix("#"))
    assert friend.full() == visitor.full()
    for someone in (visitor, friend):
        someone.page.keyboard.press("Escape")
        expect(someone.page.locator(".lightbox")).to_have_count(0)
    cells = "[...document.querySelectorAll('[data-at]')]"
    read = f"() => JSON.stringify({cells}.map(c => [c.dataset.at, c.dataset.place, c.style.cssText]))"
    assert json.loads(friend.page.evaluate(read)) == json.loads(visitor.page.evaluate(read))


def test_going_back_closes_the_picture(visitor: Visitor) -> None:
    visitor.open()
    visitor.cell(0, 0, 0).click()
    visitor.page.wait_for_selector(".lightbox")
    visitor.page.go_back()
    expect(visitor.page.locator(".lightbox")).to_have_count(0)


def test_a_nonsense_address_shows_the_usual_view(visitor: Visitor, study: Result) -> None:
    visitor.open("rows=nothing,%E0%A4%A&open=99999&cmp=1,x&roi=2,2,2,2&keep.prompt=9&at.sampler=-1&size=wide&low=x")
    expected = places(study, "rose", guidance_scale="1", num_inference_steps="4", sampler="DDIM")
    visitor.page.get_by_role("button", name="Filter").wait_for()
    digests = [row.image.digest for row in study.rows() if row.image]
    assert visitor.picture(0, 0, 0) in digests
    assert expected


def test_the_page_is_usable_at_phone_width(visitors: Callable[..., Visitor], study: Result) -> None:
    phone = visitors(
        address_of(study), width=390, height=800, device_scale_factor=2, has_touch=True, is_mobile=True
    ).open()
    assert phone.page.evaluate("document.documentElement.scrollWidth") <= 392
    phone.shot("phone")
    phone.cell(0, 0, 1).tap()
    assert phone.full() == typical(
        study, places(study, "rose", guidance_scale="3", num_inference_steps="4", sampler="DDIM")
    )
    phone.shot("phone_full_size")
    phone.page.get_by_label("Close").tap()
    phone.page.locator("[data-dim=prompt]").tap()
    panel = phone.page.locator(".panel").bounding_box()
    assert panel
    assert panel["x"] >= 0
    assert panel["x"] + panel["width"] <= 390


def test_dark_and_light_follow_the_system_and_the_button(visitors: Callable[..., Visitor], study: Result) -> None:
    dark = visitors(address_of(study), color_scheme="dark").open("tint=1")
    paper = "getComputedStyle(document.documentElement).backgroundColor"
    assert dark.page.evaluate(paper) == "rgb(20, 19, 18)"
    dark.shot("dark")
    dark.page.get_by_label("Dark or light").click()
    assert dark.page.evaluate(paper) == "rgb(250, 249, 247)"
