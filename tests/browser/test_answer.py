"""The head of the page: the answer, its cost and caveats, a card a score, the table of settings, charts of findings."""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from tests.browser.boards import rows_of, study_of
from tests.browser.conftest import Visitor, address_of, places
from tests.golden import studies as golden

from teststrip.analysis.numbers.effects import scale
from teststrip.results.result import Result
from teststrip.store import Store
from teststrip.views import board, head
from teststrip.views import page as pages

FOLD = 420  # pixels: the first row of pictures begins no lower on a laptop of 1280 × 720


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Result]:
    """A study whose five prompts have six seeds each, and a setting that is proved."""
    with golden.made("five-prompts", tmp_path_factory.mktemp("answered") / "five-prompts") as result:
        pages.write(result, result.folder / "page")
        yield result


@pytest.fixture
def laptop(visitors: Callable[..., Visitor], answered: Result) -> Visitor:
    return visitors(address_of(answered), width=1280, height=720, permissions=["clipboard-read", "clipboard-write"])


def boxes(page: Page, selector: str) -> list[dict[str, float]]:
    """Where the elements of a kind stand in the window."""
    return [box for each in page.locator(selector).all() if (box := each.bounding_box())]


def test_without_a_click_one_sees_what_to_use_what_it_costs_and_a_row_of_pictures(laptop: Visitor) -> None:
    page = laptop.open().page
    answer = page.get_by_role("article", name="Answer")
    expect(answer.get_by_role("heading")).to_have_text("Use guidance 8, steps 50")
    expect(answer).to_contain_text("On these 5 prompts, by CLIP score")
    expect(answer).to_contain_text("5 s, 100 calls a picture")
    row = boxes(page, '[data-at^="0,0,"]')
    assert len(row) == 3
    assert max(box["y"] for box in row) <= FOLD
    assert max(box["y"] + box["height"] for box in row) <= 720
    for one in (answer, *answer.locator("h2, .answer-facts, .caveats").all()):
        box = one.bounding_box()
        assert box
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= row[0]["y"]
    assert page.evaluate("scrollY") == 0
    laptop.shot("answer")


def test_what_is_recommended_is_what_best_recommends_and_its_caveats_are_all_there(
    laptop: Visitor, answered: Result
) -> None:
    (made,) = answered.recommendations
    assert made.choice
    answer = laptop.open().page.get_by_role("article", name="Answer")
    expect(answer.get_by_role("heading")).to_have_text(f"Use {made.choice.label}")
    answer.locator("summary").click()
    for caveat in made.limits:
        expect(answer.get_by_text(caveat)).to_be_visible()


def test_the_recommended_setting_is_copied_and_its_pictures_are_shown(laptop: Visitor, answered: Result) -> None:
    page = laptop.open().page
    answer = page.get_by_role("article", name="Answer")
    copied = {}
    for button in ("TOML", "Diffusers", "Command"):
        answer.get_by_role("button", name=button).click()
        expect(answer.get_by_role("status")).to_contain_text("copied")
        copied[button] = page.evaluate("navigator.clipboard.readText()")
    assert tomllib.loads(copied["TOML"]) == {"settings": {"guidance_scale": 8, "num_inference_steps": 50}}
    assert "    guidance_scale=8,\n" in copied["Diffusers"]
    assert "    num_inference_steps=50,\n" in copied["Diffusers"]
    assert "--set 'axes.guidance_scale=[8]'" in copied["Command"]
    answer.get_by_role("button", name="Its pictures").click()
    shown = page.locator("[data-at='0,0,0'] img").get_attribute("src")
    own = {row.image.digest for row in places(answered, guidance_scale="8", num_inference_steps="50") if row.image}
    assert shown
    assert any(digest in shown for digest in own)
    assert laptop.hash() == "keep.guidance_scale=2&keep.num_inference_steps=1"


def test_where_nothing_is_proved_the_page_says_so_and_what_the_next_step_costs(
    visitors: Callable[..., Visitor], tmp_path: Path
) -> None:
    with golden.made("refusals", tmp_path / "refusals") as result:
        pages.write(result, result.folder / "page")
        page = visitors(address_of(result), width=1280, height=720).open().page
        answer = page.get_by_role("article", name="Answer")
        expect(answer.get_by_role("heading")).to_contain_text("No winner yet: steps 40 scored best of 3")
        (made,) = result.recommendations
        assert made.more
        more = made.more - made.prompts
        expect(answer.locator(".answer-step")).to_contain_text(f"About {more} more prompts")
        expect(answer.locator(".answer-step")).to_contain_text(f"({more * 2 * 3:,} pictures, ")
        assert boxes(page, "[data-at='0,0,0']")[0]["y"] <= FOLD


def test_the_caveat_of_a_score_that_knows_nothing_of_these_pictures_stands_on_the_card(
    visitors: Callable[..., Visitor], answered: Result, tmp_path: Path
) -> None:
    foreign = replace(answered.study, metric_options={})  # the embedded scorer, on pictures of another engine
    result = Result(foreign, Store(answered.folder))
    pages.write(result, answered.folder / "foreign")
    page = visitors((answered.folder / "foreign" / "index.html").as_uri()).open().page
    answer = page.get_by_role("article", name="Answer")
    expect(answer.get_by_role("heading")).to_have_text("No recommendation")
    (warning,) = result.warnings
    expect(answer.locator(".caveats")).to_contain_text(warning)
    expect(page.get_by_text(warning)).to_have_count(1)


def test_each_score_has_one_card_and_costs_have_none(visitor: Visitor, study: Result) -> None:
    page = visitor.open().page
    expect(page.locator(".cards .finding")).to_have_count(2)  # sharpness and colourfulness, but not seconds
    page.get_by_role("button", name="findings").click()
    assert page.locator(".every .finding").count() == sum(one.metric != "seconds" for one in study.findings)
    assert not page.locator(".every .sentence", has_text="econds").count()
    for line in head.of(study)["costs"]:
        expect(page.locator(".costs", has_text=line)).to_be_visible()


def test_no_text_of_the_head_is_cut(laptop: Visitor) -> None:
    page = laptop.open().page
    page.get_by_role("button", name="findings").click()
    cut = (
        "() => [...document.querySelectorAll('.findings *')].filter(e => getComputedStyle(e).overflow === 'hidden' "
        "&& (e.scrollWidth > e.clientWidth + 1 || e.scrollHeight > e.clientHeight + 1)).map(e => e.outerHTML)"
    )
    assert page.evaluate(cut) == []


def test_the_table_of_settings_is_sorted_by_a_head_and_leads_to_pictures(laptop: Visitor, answered: Result) -> None:
    page = laptop.open().page
    page.get_by_role("button", name="Settings").click()
    table = page.get_by_role("table")
    expect(table.get_by_role("row")).to_have_count(1 + 6)
    said = head.of(answered)["settings"]["rows"]
    for row in said:
        line = table.get_by_role("row", name=row["name"])
        expect(line).to_contain_text(row["texts"][0])
        expect(line).to_contain_text(row["time"])
        expect(line).to_contain_text(row["called"])
    expect(table.locator("tr.recommended")).to_contain_text("guidance 8, steps 50")
    table.get_by_role("button", name="CLIP score").click()
    best = sorted(said, key=lambda row: -row["scores"][0])
    assert table.locator("tbody th button").all_inner_texts() == [row["name"] for row in best]
    table.get_by_role("button", name="time").click()
    times = [
        row["seconds"]
        for name in table.locator("tbody th button").all_inner_texts()
        for row in said
        if row["name"] == name
    ]
    assert times == sorted(times)
    laptop.shot("settings")
    table.get_by_role("button", name="guidance 7, steps 20").click()
    assert "keep.guidance_scale=1&keep.num_inference_steps=0" in laptop.hash()
    friend = laptop.open("table=1").page  # the address keeps it
    expect(friend.get_by_role("table")).to_be_visible()


def test_two_axes_together_are_drawn_as_a_line_for_each_level_with_its_name(laptop: Visitor, answered: Result) -> None:
    page = laptop.open("charts=1").page
    finding = next(one for one in answered.findings if one.kind == "interaction" and one.leads)
    chart = page.locator(".chart.curves")
    expect(chart).to_have_count(1)
    assert [curve.axis for curve in finding.curves] == ["num_inference_steps"] * 3
    for n, curve in enumerate(finding.curves):
        line = chart.locator(".curve").nth(n)
        expect(line.locator(".name")).to_have_text(f"guidance {curve.label}")
        expect(line.get_by_role("button")).to_have_count(len(curve.points))
        name = f"steps {curve.points[0].label}, guidance {curve.label}: {curve.points[0].mean:.1f}"
        expect(line.get_by_role("button", name=name)).to_have_count(1)
    assert disjoint(boxes(page, ".chart.curves .name"))
    laptop.shot("curves")
    chart.get_by_role("button", name="steps 50, guidance 7").press("Enter")
    assert laptop.hash() == "keep.guidance_scale=1&keep.num_inference_steps=1&charts=1"


def test_settings_on_the_frontier_have_their_names(laptop: Visitor, answered: Result) -> None:
    page = laptop.open("charts=1").page
    chart = page.locator(".chart").last
    (made,) = answered.recommendations
    labels = {point.label for point in made.points if point.frontier_by_seconds}
    assert {"guidance 8, steps 50"} <= set(chart.locator(".name").all_text_contents()) <= labels
    on = [
        dot for dot in chart.get_by_role("button").all() if "on the frontier" in (dot.get_attribute("aria-label") or "")
    ]
    assert len(on) == len(labels)
    assert disjoint(boxes(page, ".chart:last-child .name"))


def disjoint(found: list[dict[str, float]]) -> bool:
    """Whether no box lies on another."""
    return all(
        a["x"] + a["width"] <= b["x"] + 1 or b["x"] + b["width"] <= a["x"] + 1
        or a["y"] + a["height"] <= b["y"] + 3 or b["y"] + b["height"] <= a["y"] + 3
        for a, b in itertools.combinations(found, 2)
    )  # fmt: skip


@pytest.mark.parametrize(
    "steps",
    [(5, 10, 20, 40), (10, 20, 30, 40, 50), tuple(range(1, 41)), (1, 20, 21, 22), (1000, 20000, 300000)],
    ids=str,
)
def test_a_chart_has_the_scale_of_the_analysis_says_so_and_its_labels_lie_apart(
    visitors: Callable[..., Visitor], tmp_path: Path, steps: tuple[int, ...]
) -> None:
    study = study_of(["an owl", "a car"], ["soft"], steps=steps)
    made = board.build(study, list(rows_of(study, tmp_path)))
    page = visitors(pages.write_board(made, tmp_path, tmp_path / "page").as_uri()).open("charts=1").page
    chart = page.locator(".chart").first
    logarithmic = scale([float(step) for step in steps])[1]
    expect(chart.locator(".log")).to_have_count(int(logarithmic))
    ticks = boxes(page, ".chart:first-child .tick")
    assert disjoint(ticks)
    dots = sorted(box["x"] + box["width"] / 2 for box in boxes(page, ".chart:first-child .dot circle:not(.hit)"))
    even = [(value - dots[0]) / (dots[-1] - dots[0]) for value in dots]
    x = scale([float(step) for step in steps])[0]
    assert even == pytest.approx([(each - x[0]) / (x[-1] - x[0]) for each in x], abs=0.02)
