"""Studies that are long in one direction: prompts of fifty words, forty levels, forty prompts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect
from tests.browser.boards import rows_of, study_of
from tests.browser.conftest import PHONE, Visitor

from teststrip.views import board, page

SUBJECTS = ("wizard", "owl", "castle with three towers", "knight", "ship")
SHARED = (
    "a long and careful painting of a",
    "in the style of the old masters, highly detailed, trending on artstation, sharp focus",
)
PROMPTS = [f"{SHARED[0]} {subject} {SHARED[1]}" for subject in SUBJECTS]
UNLIKE = [f"{subject} {'that is described at great length, ' * 6}and a second {subject}" for subject in SUBJECTS]
AS_ROWS = "rows=prompt&cols=style&by=&flip=num_inference_steps"
CUT = "text => text.scrollHeight > text.clientHeight + 1 || text.scrollWidth > text.clientWidth + 1"


def written(folder: Path, prompts: list[str], labels: list[str]) -> str:
    study = study_of(prompts, labels)
    return page.write_board(board.build(study, list(rows_of(study, folder))), folder, folder / "page").as_uri()


@pytest.fixture(scope="module")
def alike(tmp_path_factory: pytest.TempPathFactory) -> str:
    return written(tmp_path_factory.mktemp("alike"), PROMPTS, [f"{n / 2:g}" for n in range(1, 41)])


@pytest.fixture(scope="module")
def unlike(tmp_path_factory: pytest.TempPathFactory) -> str:
    return written(tmp_path_factory.mktemp("unlike"), UNLIKE, ["DDIM", "Euler"])


def overlapping(visitor: Visitor, selector: str) -> list[str]:
    """Texts whose boxes lie on one another."""
    boxes = visitor.page.locator(selector).evaluate_all(
        "all => all.map(one => { const b = one.getBoundingClientRect(); return [b.left, b.top, b.right, b.bottom]; })"
    )
    assert len(boxes) > 1
    return [
        f"{a} {b}"
        for n, a in enumerate(boxes)
        for b in boxes[n + 1 :]
        if min(a[2], b[2]) - max(a[0], b[0]) > 1 and min(a[3], b[3]) - max(a[1], b[1]) > 1
    ]


def test_what_all_prompts_share_is_shortened_in_the_labels_of_rows(
    visitors: Callable[..., Visitor], alike: str
) -> None:
    visitor = visitors(alike).open(AS_ROWS)
    labels = visitor.page.locator(".row-head .short")
    expect(labels).to_have_text([f"… a {subject} in …" for subject in SUBJECTS])
    assert labels.evaluate_all(f"all => all.filter({CUT}).length") == 0
    expect(visitor.page.get_by_role("rowheader").nth(1)).to_contain_text(PROMPTS[1])  # for those who listen
    visitor.shot("shared_words")


@pytest.mark.parametrize("device", [{}, PHONE], ids=["desktop", "phone"])
def test_a_long_label_begins_at_the_top_of_its_row_and_stays_in_it(
    visitors: Callable[..., Visitor], unlike: str, device: dict[str, object]
) -> None:
    visitor = visitors(unlike, **device).open(AS_ROWS)
    assert overlapping(visitor, ".row-head .short") == []
    for n in range(len(UNLIKE)):
        label = visitor.page.locator(".row-head .short").nth(n).bounding_box()
        cell = visitor.cell(0, n, 0).bounding_box()
        assert label
        assert cell
        assert abs(label["y"] - cell["y"]) < 8
        assert label["height"] <= 3 * 20 + 1


def test_the_whole_text_of_a_long_label_comes_on_hover_and_on_focus(
    visitors: Callable[..., Visitor], unlike: str
) -> None:
    visitor = visitors(unlike).open(AS_ROWS)
    whole = visitor.page.locator(".row-head .whole")
    expect(whole.nth(1)).to_have_css("width", "1px")
    label = visitor.page.locator(".row-head .short").nth(1).bounding_box()
    assert label
    visitor.page.mouse.move(label["x"] + 40, label["y"] + 30)
    expect(whole.nth(1)).not_to_have_css("width", "1px")
    assert not whole.nth(1).evaluate(CUT)
    shown = whole.nth(1).bounding_box()
    assert shown
    assert shown["height"] > 60
    visitor.shot("whole_label")
    visitor.page.mouse.move(900, 5)
    visitor.cell(0, 2, 0).focus()
    visitor.page.keyboard.press("ArrowDown")
    expect(whole.nth(3)).not_to_have_css("width", "1px")
    assert not whole.nth(3).evaluate(CUT)
    expect(whole.nth(1)).to_have_css("width", "1px")


def test_forty_levels_fit_the_window_at_a_click_with_every_label_whole(
    visitors: Callable[..., Visitor], alike: str
) -> None:
    visitor = visitors(alike).open()
    assert visitor.page.evaluate("document.documentElement.scrollWidth") > 4000
    visitor.page.get_by_role("button", name="Fit").click()
    assert "fit=1" in visitor.hash()
    last = visitor.cell(0, 1, 39)
    expect(last.locator("img")).to_be_visible()
    assert visitor.page.evaluate("document.documentElement.scrollWidth") <= 1280
    box = last.bounding_box()
    assert box
    assert box["x"] + box["width"] <= 1280
    heads = visitor.page.locator(".block").first.locator(".col-head > span")
    expect(heads).to_have_count(40)
    assert heads.evaluate_all(f"all => all.filter({CUT}).length") == 0
    assert overlapping(visitor, ".block:first-of-type .col-head > span") == []
    for cell in visitor.page.locator("[role=gridcell]").all()[::29]:
        expect(cell.locator("img")).to_have_count(1)  # no cell of the screen is without its picture
    visitor.shot("forty_fit")


def test_the_flip_book_of_forty_prompts_wraps(
    visitors: Callable[..., Visitor], tmp_path_factory: pytest.TempPathFactory
) -> None:
    prompts = [f"prompt number {n} of a flip-book" for n in range(40)]
    visitor = visitors(written(tmp_path_factory.mktemp("book"), prompts, ["DDIM", "Euler"])).open()
    visitor.page.get_by_role("button", name="Flip-book").click()
    expect(visitor.cell(9, 0, 0)).to_be_visible()
    assert visitor.page.evaluate("document.documentElement.scrollWidth") <= 1280
    first, ninth = visitor.cell(0, 0, 0).bounding_box(), visitor.cell(9, 0, 0).bounding_box()
    assert first
    assert ninth
    assert ninth["y"] > first["y"]
    assert overlapping(visitor, ".block-title > span") == []
    visitor.cell(0, 0, 0).focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft"):
        visitor.page.keyboard.press(key)
    expect(visitor.cell(1, 0, 0)).to_be_focused()
    visitor.page.keyboard.press("ArrowDown")
    box = visitor.page.locator(":focus").bounding_box()
    second = visitor.cell(1, 0, 0).bounding_box()
    assert box
    assert second
    assert (box["x"], box["y"] > second["y"]) == (second["x"], True)
    visitor.shot("book_of_forty")


def test_the_prompt_of_a_section_stays_in_sight_while_its_rows_scroll(
    visitors: Callable[..., Visitor], alike: str
) -> None:
    visitor = visitors(alike, height=720).open("size=240")
    visitor.page.mouse.move(600, 500)
    visitor.page.mouse.wheel(0, 420)
    visitor.page.wait_for_function("() => scrollY > 400")
    title = visitor.page.locator(".block-title > span").first
    expect(title).to_have_text(PROMPTS[0])
    box = title.bounding_box()
    bar = visitor.page.locator(".bar-sticky").bounding_box()
    head = visitor.page.locator(".head").first.bounding_box()
    assert box
    assert bar
    assert head
    assert bar["y"] + bar["height"] <= box["y"] < box["y"] + box["height"] <= head["y"] + 1
    top = "text => { const b = text.getBoundingClientRect();"
    top += "return text.contains(document.elementFromPoint(b.left + 20, b.top + b.height / 2)); }"
    assert title.evaluate(top)
