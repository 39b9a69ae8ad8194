"""One seed in the whole grid, and what colours, badges and names say. Each test acts as a person does."""

from __future__ import annotations

import re
import statistics
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path

import pytest
from playwright.sync_api import expect
from tests.browser.conftest import Visitor, address_of, make, places

from teststrip.records import Row
from teststrip.results.result import Result
from teststrip.rows import seeds
from teststrip.views.sheets import contact_sheet

CELLS = list(product(range(3), range(2), range(3)))
ALL = [*CELLS, *product(range(3), [2], range(2))]  # the last cell of the last row is refused


def shown(
    visitor: Visitor, study: Result, cells: Sequence[tuple[int, int, int]] = CELLS
) -> dict[tuple[int, int, int], Row]:
    """The row that each cell shows, by section, row and column."""
    rows = list(study.rows())
    return {at: rows[int(visitor.cell(*at).get_attribute("data-place") or -1)] for at in cells}


def replicates(visitor: Visitor, study: Result, cells: Sequence[tuple[int, int, int]] = CELLS) -> list[set[int]]:
    """The seeds that each section shows."""
    found = shown(visitor, study, cells)
    return [{row.planned.replicate for at, row in found.items() if at[0] == section} for section in range(3)]


@pytest.fixture
def tall(visitors: Callable[..., Visitor], study: Result) -> Visitor:
    """A visitor who sees all three sections at once."""
    return visitors(address_of(study), width=1500, height=1600)


def test_each_prompt_shows_its_typical_seed_and_a_key_steps_all_of_them(tall: Visitor, study: Result) -> None:
    typical = list(seeds.typical(study.rows(), "sharpness").values())
    assert len(set(typical)) > 1, "the study must have prompts of different typical seeds"
    tall.open()
    assert replicates(tall, study) == [{seed} for seed in typical]
    expect(tall.page.locator(".block-seed")).to_have_text([f"seed {seed + 1} of 3" for seed in typical])
    for key, seed in ((".", 0), (".", 1), (",", 0), (",", 2)):
        tall.page.keyboard.press(key)
        expect(tall.page.get_by_label("Which picture of a cell").locator("option:checked")).to_have_text(
            f"seed {seed + 1} of 3"
        )
        assert replicates(tall, study) == [{seed}] * 3
        assert f"seed={seed}" in tall.hash()
    expect(tall.page.locator(".block-seed")).to_have_count(0)
    tall.page.get_by_label("Next seed").click()
    assert replicates(tall, study) == [{0}] * 3
    tall.page.get_by_label("Which picture of a cell").select_option("typical")
    assert replicates(tall, study) == [{seed} for seed in typical]
    assert "seed" not in tall.hash()
    tall.shot("one_seed")


def test_a_tile_with_another_seed_than_its_row_is_marked_and_the_sheet_says_so(tall: Visitor, study: Result) -> None:
    tall.open()
    expect(tall.page.locator(".stray")).to_have_count(0)
    chosen = "Sheet.chosen(Store.board, Store.view, Pivot.of(Store.board, Store.view))"
    assert "each prompt's typical seed by sharpness" in tall.page.evaluate(chosen)
    assert "seeds differ" not in tall.page.evaluate(chosen)
    marks = 0
    for pick, metric in product(("median", "best", "worst", "first"), ("sharpness", "colourfulness")):
        tall.open(f"pick={pick}&metric={metric}")
        rows = shown(tall, study)
        astray = {at for at, row in rows.items() if row.planned.replicate != rows[at[0], at[1], 0].planned.replicate}
        for at in CELLS:
            said = tall.cell(*at).locator(".stray").all_inner_texts()
            assert said == ([f"seed {rows[at].planned.replicate + 1}"] if at in astray else []), (pick, at)
        several = any(len(section) > 1 for section in replicates(tall, study, ALL))
        assert ("seeds differ between cells" in tall.page.evaluate(chosen)) == several
        marks += len(astray)
        if len(astray) > 3:
            tall.shot("seed_marks")
    assert marks > 0


def test_walking_at_full_size_never_changes_the_seed(visitor: Visitor, study: Result) -> None:
    rows = list(study.rows())
    for pick in ("best", "worst", "median"):
        visitor.open(f"pick={pick}&metric=colourfulness")
        visitor.cell(0, 0, 0).click()
        full = visitor.page.locator("img.full")
        first = rows[int(full.get_attribute("data-place") or -1)].planned
        for key in ("ArrowRight", "ArrowRight", "ArrowDown", "ArrowLeft"):
            before = full.get_attribute("data-place")
            visitor.page.keyboard.press(key)
            expect(full).not_to_have_attribute("data-place", before or "")
            now = rows[int(full.get_attribute("data-place") or -1)].planned
            assert (now.prompt, now.replicate) == (first.prompt, first.replicate)


def test_a_comparison_of_two_seeds_offers_to_align_them(visitor: Visitor, study: Result) -> None:
    every = list(study.rows())

    def place(guidance: str, replicate: int) -> int:
        own = places(study, "rose", guidance_scale=guidance, num_inference_steps="4", sampler="DDIM")
        return every.index(next(row for row in own if row.planned.replicate == replicate))

    line = visitor.page.get_by_text("Two seeds are compared:")
    visitor.open(f"cmp={place('1', 0)},{place('3', 1)}&mode=side")
    expect(line).to_be_visible()
    visitor.shot("compare_two_seeds")
    visitor.page.get_by_role("button", name="align them").click()
    expect(line).to_have_count(0)
    assert f"cmp={place('1', 0)},{place('3', 0)}" in visitor.hash()
    visitor.open(f"cmp={place('1', 0)},{place('1', 1)}&mode=side")  # here the seed is the question
    expect(visitor.page.locator(".side-by-side img")).to_have_count(2)
    expect(line).to_have_count(0)


def rgb(visitor: Visitor, at: tuple[int, int, int]) -> list[int]:
    colour = visitor.cell(*at).evaluate("cell => getComputedStyle(cell).backgroundColor")
    return [int(part) for part in re.findall(r"\d+", colour)]


def test_colours_say_the_difference_from_the_prompts_mean_on_one_scale(tall: Visitor, study: Result) -> None:
    metric, rows = "colourfulness", [row for row in study.rows() if row.image]
    prompts = {
        prompt.id: [r.scores[metric] for r in rows if r.planned.prompt is prompt] for prompt in study.study.prompts
    }
    cells: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        cells.setdefault((row.planned.prompt.id, str(row.planned.cell)), []).append(row.scores[metric])
    apart = {at: statistics.fmean(own) - statistics.fmean(prompts[at[0]]) for at, own in cells.items()}
    far = max(map(abs, apart.values()))
    seen: dict[float, list[int]] = {}
    for sampler in (0, 1):
        tall.open(f"metric={metric}&tint=1&at.sampler={sampler}")
        ends = [float(text.replace("−", "-")) for text in tall.page.locator(".legend > span").all_inner_texts()]
        assert ends == [pytest.approx(-far, rel=0.006), pytest.approx(far, rel=0.006)]
        expect(tall.page.locator(".legend option:checked")).to_have_text("against this prompt's mean")
        for at, row in shown(tall, study).items():
            seen[apart[row.planned.prompt.id, str(row.planned.cell)]] = rgb(tall, at)
    tall.shot("tint_against_the_mean")
    for value, (red, _, blue) in seen.items():
        if abs(value) > far / 8:
            assert (red > blue) == (value > 0), value
    warm = [seen[value][2] for value in sorted(seen) if value > far / 8]
    assert warm == sorted(warm, reverse=True), "the farther above the mean, the less blue"


def test_absolute_colours_stay_a_choice_and_no_slider_moves_their_scale(tall: Visitor) -> None:
    tall.open("tint=1")
    tall.page.get_by_label("What the tint is measured against").select_option("absolute")
    assert "against=nothing" in tall.hash()
    legends = []
    for sampler in (0, 1):
        tall.open(f"tint=1&against=nothing&at.sampler={sampler}")
        legends.append(tall.page.locator(".legend > span").all_inner_texts())
    assert legends[0] == legends[1]


def test_a_badge_of_several_pictures_says_that_it_is_their_mean(visitor: Visitor) -> None:
    visitor.open("tint=1")
    assert all(text.startswith("mean ") for text in visitor.page.locator(".cell.heat .badge").all_inner_texts())
    visitor.open("tint=1&rows=seed&cols=guidance_scale&by=prompt&flip=num_inference_steps,sampler")
    texts = visitor.page.locator(".cell.heat .badge").all_inner_texts()
    assert texts
    assert all(re.fullmatch(r"[\d.,]+", text) for text in texts)


def test_titles_of_sections_name_their_axis(visitor: Visitor) -> None:
    visitor.open("by=num_inference_steps,sampler&rows=prompt&cols=guidance_scale&flip=")
    expect(visitor.page.locator(".block-title").first).to_have_text("steps 4·sampler DDIM")


def test_class_names_lose_their_common_end_and_break_at_capitals(
    visitors: Callable[..., Visitor], tmp_path: Path
) -> None:
    names = ["DDIMScheduler", "DPMSolverMultistepScheduler"]
    with make(
        tmp_path / "names", name="names", prompts=["an owl"], settings={}, replicates=2,
        axes={"scheduler": names, "guidance_scale": [1, 3]}, question={"metrics": ["sharpness"]},
    ) as result:  # fmt: skip
        visitor = visitors(address_of(result)).open("size=100")
        heads = visitor.page.locator(".col-head > span")
        expect(heads).to_have_text(["DDIM", "DPMSolverMultistep"])
        lines = heads.nth(1).evaluate(
            """head => {
                 const lines = {};
                 const walk = document.createTreeWalker(head, NodeFilter.SHOW_TEXT);
                 for (let text = walk.nextNode(); text; text = walk.nextNode())
                   for (let n = 0; n < text.length; n++) {
                     const range = document.createRange();
                     range.setStart(text, n);
                     range.setEnd(text, n + 1);
                     const top = Math.round(range.getBoundingClientRect().top);
                     lines[top] = (lines[top] ?? "") + text.data[n];
                   }
                 return Object.values(lines);
               }"""
        )
        assert lines == ["DPMSolver", "Multistep"]
        visitor.cell(0, 0, 0).click()
        visitor.page.get_by_role("button", name="Command line").wait_for()
        expect(visitor.page.locator(".side .levels")).to_contain_text("DDIM")
        assert contact_sheet(result)
