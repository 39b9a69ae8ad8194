"""The second table of the page's specification: what no other grid viewer does. Each test acts as a person does."""

from __future__ import annotations

import base64
import io
import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from playwright.sync_api import expect
from tests.browser.conftest import Visitor, address_of, make, places, typical

import teststrip
from teststrip import pictures, plan
from teststrip.analysis.sentences.answers import lines
from teststrip.analysis.sentences.phrases import VERDICTS
from teststrip.records import Row
from teststrip.results.result import Result
from teststrip.verbs import export


def pixels(result: Result, row: Row) -> np.ndarray:
    assert row.image
    return pictures.decode(result.store.read(row.image)).astype(float)


def shown(result: Result, digest: str) -> Row:
    return next(row for row in result.rows() if row.image and row.image.digest == digest)


def test_chosen_pictures_stand_side_by_side_and_move_together(visitor: Visitor) -> None:
    visitor.open()
    expected = [visitor.picture(0, 0, 0), visitor.picture(0, 0, 2), visitor.picture(0, 1, 1)]
    for at in ((0, 0, 0), (0, 0, 2)):
        visitor.cell(*at).click(modifiers=["Shift"])
    visitor.cell(0, 1, 1).focus()
    visitor.page.keyboard.press("c")
    visitor.page.get_by_role("button", name="Compare 3").click()
    sources = [img.get_attribute("src") for img in visitor.page.locator(".side-by-side img").all()]
    assert [visitor.digest(source) for source in sources] == expected
    visitor.shot("compare")
    box = visitor.page.locator(".frame").first.bounding_box()
    assert box
    visitor.page.mouse.move(box["x"] + 60, box["y"] + 90)
    visitor.page.mouse.wheel(0, -600)
    visitor.page.wait_for_function(
        "() => [...document.querySelectorAll('.paper')]"
        ".some(paper => paper.style.transform !== 'translate(-50%, -50%) translate(0px, 0px)')"
    )
    scales = visitor.page.locator(".frame").evaluate_all("frames => frames.map(frame => frame.dataset.scale)")
    moves = visitor.page.locator(".paper").evaluate_all("papers => papers.map(paper => paper.style.transform)")
    assert (len(scales), len(set(scales))) == (3, 1)
    assert (len(moves), len(set(moves))) == (3, 1)


def test_a_slider_parts_two_pictures(visitor: Visitor) -> None:
    visitor.open("cmp=0,1&mode=side")
    visitor.page.get_by_role("button", name="Slider").click()
    visitor.page.get_by_label("How much of picture 1").fill("25")
    assert visitor.page.locator(".clipped").evaluate("part => part.style.clipPath") == "inset(0px 75% 0px 0px)"
    assert "mode=slider" in visitor.hash()


def test_holding_a_key_blinks_to_the_other_picture(visitor: Visitor) -> None:
    visitor.open("cmp=0,1&mode=blink")
    second = visitor.page.locator(".paper img[data-place='1']")
    expect(second).to_be_hidden()
    visitor.page.keyboard.down("b")
    expect(second).to_be_visible()
    visitor.page.keyboard.up("b")
    expect(second).to_be_hidden()


def test_the_difference_is_a_map_with_its_number(visitor: Visitor, study: Result) -> None:
    rows = places(study, "rose", guidance_scale="1", sampler="DDIM", num_inference_steps="4")
    others = places(study, "rose", guidance_scale="3", sampler="DDIM", num_inference_steps="4")
    every = list(study.rows())
    first, second = every.index(rows[0]), every.index(others[0])
    apart = np.abs(pixels(study, rows[0]) - pixels(study, others[0]))
    visitor.open(f"cmp={first},{second}&mode=difference")
    number = visitor.page.locator(".difference-number")
    expect(number).to_contain_text("of 255 levels")
    assert float(number.inner_text().split("Mean difference ")[1].split(" ")[0]) == pytest.approx(
        apart.mean(), rel=0.006
    )
    brightest = np.unravel_index(apart.mean(axis=2).argmax(), apart.shape[:2])
    painted = visitor.page.evaluate(
        "([y, x]) => [...document.querySelector('canvas.difference').getContext('2d').getImageData(x, y, 1, 1).data]",
        [int(n) for n in brightest],
    )
    assert painted == [253, 231, 37, 255]
    visitor.shot("difference")
    visitor.open(f"cmp={first},{first + 1}&mode=difference")
    expect(number).to_contain_text("of 255 levels")


def test_a_region_marked_once_is_seen_in_every_cell(visitor: Visitor, study: Result) -> None:
    visitor.open()
    digest = visitor.picture(0, 0, 1)
    visitor.cell(0, 0, 0).click()
    visitor.page.get_by_label("Mark a region").click()
    paper = visitor.page.locator(".paper").bounding_box()
    assert paper
    visitor.page.mouse.move(paper["x"] + paper["width"] * 0.25, paper["y"] + paper["height"] * 0.25)
    visitor.page.mouse.down()
    visitor.page.mouse.move(paper["x"] + paper["width"] * 0.75, paper["y"] + paper["height"] * 0.5, steps=4)
    visitor.page.mouse.up()
    expect(visitor.page.locator(".lightbox")).to_have_count(0)
    visitor.page.mouse.move(5, 5)  # away from the pictures, so that no card lies on one
    crop = visitor.cell(0, 0, 1).locator(".crop")
    box = crop.bounding_box()
    assert box
    assert (round(box["width"]), round(box["height"])) == (32, 16)  # half and a quarter of 64 pixels: one to one
    seen = np.asarray(PIL.Image.open(io.BytesIO(crop.screenshot())).convert("RGB"), dtype=float)
    wanted = pixels(study, shown(study, digest))[16:32, 16:48]
    top = round(box["y"]) - int(box["y"])  # a screenshot begins at the whole pixel above; pictures lie on the nearest
    assert np.abs(seen[top : top + 16, :32] - wanted).mean() < 3
    visitor.page.get_by_label("Zoom of the region").fill("6")
    expect(visitor.page.locator(".field.region output")).to_have_text("6:1")
    visitor.shot("region")
    visitor.page.get_by_label("Show whole pictures again").click()
    expect(visitor.page.locator(".crop")).to_have_count(0)


def test_cells_are_tinted_by_a_score_with_the_interval_on_hover(visitor: Visitor, study: Result) -> None:
    visitor.open()
    visitor.page.get_by_label("Score", exact=True).select_option("colourfulness")
    visitor.page.get_by_role("button", name="Tint").click()
    rows = places(study, "rose", guidance_scale="3", num_inference_steps="4", sampler="DDIM")
    scores = np.array([row.scores["colourfulness"] for row in rows])
    badge = visitor.cell(0, 0, 1).locator(".badge")
    assert float(badge.inner_text().removeprefix("mean ")) == pytest.approx(scores.mean(), rel=0.006)
    ends = visitor.page.evaluate(
        "() => [...document.querySelectorAll('.cell.heat')].map(c => [c.querySelector('.badge').textContent, "
        "getComputedStyle(c).backgroundColor])"
    )
    assert len({colour for _, colour in ends}) > 3
    visitor.cell(0, 0, 1).hover()
    half = 4.303 * scores.std(ddof=1) / np.sqrt(3)  # Student's t, two degrees of freedom
    card = visitor.page.get_by_role("tooltip")
    expect(card).to_contain_text("95 % from")
    said = card.inner_text().replace("\n", " ").split("95 % from ")[1].split(" to ")
    assert float(said[0].replace("−", "-")) == pytest.approx(scores.mean() - half, rel=0.02)
    visitor.page.mouse.move(5, 5)
    visitor.shot("heat_map")


def test_each_finding_leads_to_the_view_that_shows_it(visitor: Visitor, study: Result) -> None:
    visitor.open()
    visitor.page.get_by_role("button", name="findings").click()
    told = sorted((one for one in study.findings if one.metric != "seconds"), key=lambda one: not one.leads)
    findings = visitor.page.locator(".every .finding")
    expect(findings).to_have_count(len(told))
    for place in (0, 3):
        finding = findings.nth(place)
        expect(finding).to_contain_text(VERDICTS[told[place].verdict], ignore_case=True)
        said = " ".join(finding.locator(".sentence, .more").all_inner_texts()).split()
        assert said == " ".join(lines(told[place])).split()
    findings.first.click()
    assert f"metric={told[0].metric}" in visitor.hash() or told[0].metric == "sharpness"
    assert "tint=1" in visitor.hash()
    assert f"cols={told[0].axis}" in visitor.hash() or told[0].axis in ("guidance_scale", "")
    expect(visitor.page.locator(".cell.heat").first).to_be_in_viewport()
    visitor.shot("findings")


def least_squares(study: Result, axis: str, metric: str) -> dict[str, float]:
    """The mean of each level of an axis, with a height for each set of equal prompt, seed and other levels.

    A setting that was refused must move no level: its set compares the levels that it has.
    """
    rows = [row for row in study.rows() if row.image]
    sets = [
        (
            row.planned.prompt.id,
            row.planned.replicate,
            *((name, at) for name, at in row.planned.cell.levels if name != axis),
        )
        for row in rows
    ]
    labels, heights = list(dict.fromkeys(row.planned.cell[axis] for row in rows)), list(dict.fromkeys(sets))
    design = np.zeros((len(rows), len(labels) + len(heights)))
    for line, (row, one) in enumerate(zip(rows, sets, strict=True)):
        design[line, labels.index(row.planned.cell[axis])] = design[line, len(labels) + heights.index(one)] = 1
    fitted = np.linalg.lstsq(design, np.array([row.scores[metric] for row in rows]), rcond=None)[0]
    return dict(zip(labels, (fitted[: len(labels)] + fitted[len(labels) :].mean()).tolist(), strict=True))


def test_charts_show_scores_against_each_axis_and_against_seconds(visitor: Visitor, study: Result) -> None:
    visitor.open()
    visitor.page.get_by_role("button", name="Charts").click()
    charts = visitor.page.locator(".chart")
    expect(charts).to_have_count(4 + 3)  # three axes, each two of them together, seconds
    for label, mean in least_squares(study, "guidance_scale", "sharpness").items():
        said = charts.first.get_by_role("button", name=f"guidance {label}:").get_attribute("aria-label")
        assert said
        assert float(said.split(": ")[1].split(" ")[0].replace(",", "")) == pytest.approx(mean, rel=0.01)
    visitor.shot("charts")
    charts.last.get_by_role("button").first.press("Enter")  # by key: dots of equal seconds lie on one another
    assert "keep.guidance_scale=" in visitor.hash()


def test_median_best_and_worst_stand_for_a_cell_on_demand(visitor: Visitor, study: Result) -> None:
    rows = places(study, "rose", guidance_scale="3", num_inference_steps="4", sampler="DDIM")
    ranked = [row.image.digest for row in sorted(rows, key=lambda row: row.scores["sharpness"]) if row.image]
    visitor.open()
    picks = visitor.page.get_by_label("Which picture of a cell")
    picks.select_option("median")
    visitor.wait_for_picture(ranked[1], "[data-at='0,0,1'] img")
    picks.select_option("best")
    visitor.wait_for_picture(ranked[2], "[data-at='0,0,1'] img")
    picks.select_option("worst")
    visitor.wait_for_picture(ranked[0], "[data-at='0,0,1'] img")


def test_the_flip_book_turns_with_its_sliders_and_space_plays_it(visitor: Visitor, study: Result) -> None:
    visitor.open()
    visitor.page.get_by_role("button", name="Flip-book").click()
    sliders = visitor.page.get_by_role("group", name="Sliders")
    sliders.get_by_label("steps").last.fill("1")
    expected = typical(study, places(study, "rose", guidance_scale="1", num_inference_steps="8", sampler="DDIM"))
    visitor.wait_for_picture(expected, "[data-at='0,0,0'] img")
    visitor.shot("flip_book")
    sliders.get_by_label("guidance").last.focus()
    visitor.page.keyboard.press("Space")
    visitor.page.wait_for_function("() => location.hash.includes('at.guidance_scale=1')")
    visitor.page.wait_for_function("() => location.hash.includes('at.guidance_scale=2')")
    visitor.page.keyboard.press("Space")
    expect(sliders.get_by_role("button", name="Play guidance")).to_be_visible()
    at = visitor.hash()
    visitor.page.wait_for_timeout(800)
    assert visitor.hash() == at


def test_settings_are_copied_as_a_diffusers_snippet_and_as_a_command(
    visitors: Callable[..., Visitor], study: Result
) -> None:
    visitor = visitors(address_of(study), permissions=["clipboard-read", "clipboard-write"]).open()
    row = shown(study, visitor.picture(0, 0, 1))
    visitor.cell(0, 0, 1).click()
    read = "() => navigator.clipboard.readText()"
    visitor.page.get_by_role("button", name="Diffusers snippet").click()
    expect(visitor.page.get_by_text("Snippet copied")).to_be_visible()
    snippet = visitor.page.evaluate(read)
    compile(snippet, "snippet", "exec")
    for part in (f"manual_seed({row.planned.shot.seed})", "guidance_scale=3,", "DDIMScheduler.from_config", "rose"):
        assert part in snippet
    visitor.page.get_by_role("button", name="Command line").click()
    expect(visitor.page.get_by_text("Command copied")).to_be_visible()
    command = visitor.page.evaluate(read)
    assert_makes_the_same_shot(command, study, row)


def assert_makes_the_same_shot(command: str, study: Result, row: Row) -> None:
    """The copied command, read as the command line reads it, plans just this shot."""
    words = shlex.split(command)
    home = f"runs/{study.study.name}"
    assert words[:5] == ["teststrip", "run", home, "--out", f"{home}-{row.planned.shot.id[:12]}"]
    overrides = [words[n + 1] for n, word in enumerate(words) if word == "--set"]
    shots = list(plan.of(teststrip.read(study.folder / "study.toml", overrides)))
    assert [planned.shot.id for planned in shots] == [row.planned.shot.id]


@pytest.mark.parametrize("kind", ["PNG", "PDF"])
def test_the_view_is_taken_away_as_a_contact_sheet(visitor: Visitor, study: Result, kind: str) -> None:
    visitor.open("keep.prompt=0&tint=1")
    digest = visitor.picture(0, 0, 0)
    visitor.page.get_by_role("button", name="Export").click()
    with visitor.page.expect_download() as download:
        visitor.page.get_by_role("button", name=f"Contact sheet, {kind}").click()
    data = download.value.path().read_bytes()
    if kind == "PDF":
        assert data.startswith(b"%PDF-1.4")
        assert data.count(b"/Type /Page ") == 1
        data = data[data.index(b"\xff\xd8\xff") : data.rindex(b"\xff\xd9") + 2]
    sheet = np.asarray(PIL.Image.open(io.BytesIO(data)).convert("RGB"), dtype=float)
    cell = PIL.Image.fromarray(pixels(study, shown(study, digest)).astype(np.uint8)).resize((90, 90))
    # In grey: JPEG halves the resolution of colour.
    assert closest(sheet.mean(axis=2), np.asarray(cell, dtype=float).mean(axis=2)) < 8


def closest(sheet: np.ndarray, cell: np.ndarray) -> float:
    """Mean difference at the place of the sheet where a picture fits best."""
    side = cell.shape[0]
    small = cell[10 : side - 20 : 7, 10 : side - 20 : 7]
    best = np.inf
    for y in range(min(400, sheet.shape[0] - side)):
        for x in range(24, min(300, sheet.shape[1] - side)):
            part = sheet[y + 10 : y + side - 20 : 7, x + 10 : x + side - 20 : 7]
            best = min(best, float(np.abs(part - small).mean()))
    return best


def test_failures_are_visible_cells_with_their_reason(visitor: Visitor) -> None:
    visitor.open("at.sampler=0")
    cell = visitor.cell(0, 2, 2)
    expect(cell).to_contain_text("refused")
    assert cell.get_attribute("class") == "cell failed"
    cell.click()
    expect(visitor.page.locator(".no-picture")).to_contain_text("refused")
    expect(visitor.page.locator(".side")).to_contain_text("asked to fail")


def test_the_page_in_one_file_shows_the_same_pictures(visitors: Callable[..., Visitor], study: Result) -> None:
    path = export.write(study, "html", study.folder / "one.html")
    visitor = visitors(path.as_uri()).open()
    row = shown(
        study, typical(study, places(study, "rose", guidance_scale="3", num_inference_steps="4", sampler="DDIM"))
    )
    source = visitor.page.evaluate("""() => document.querySelector('[data-at="0,0,1"] img').src""")
    assert row.image
    assert base64.b64decode(source.split(",")[1]) == study.store.read(row.image)
    visitor.open("cmp=0,1&mode=difference")
    expect(visitor.page.locator(".difference-number")).to_contain_text("of 255 levels")


def test_a_large_picture_is_shown_by_the_thumbnail_in_the_study_s_folder(
    visitors: Callable[..., Visitor], tmp_path: Path
) -> None:
    with make(tmp_path / "large", name="large", prompts=["an owl"], settings={"width": 320, "height": 320}) as result:
        visitor = visitors((result.folder / "page" / "index.html").as_uri()).open()
        shown = visitor.page.locator("[role=gridcell] img")
        expect(shown).to_have_count(2)
        assert "/large/thumbs/" in visitor.page.evaluate("document.querySelector('[role=gridcell] img').src")
        assert shown.first.evaluate("image => image.decode().then(() => image.naturalWidth)") == 256


@pytest.mark.parametrize("one_file", [False, True])
def test_the_flip_book_is_taken_away_as_an_animated_picture(
    visitors: Callable[..., Visitor], study: Result, one_file: bool
) -> None:
    address = export.write(study, "html", study.folder / "film.html").as_uri() if one_file else address_of(study)
    visitor = visitors(address).open("keep.prompt=0&keep.guidance_scale=0")
    visitor.page.get_by_role("button", name="Export").click()
    visitor.page.get_by_label("Flip-book over").select_option("num_inference_steps")
    with visitor.page.expect_download() as download:
        visitor.page.get_by_role("button", name="Flip-book, animated WebP").click()
    film = PIL.Image.open(io.BytesIO(download.value.path().read_bytes()))
    assert (film.format, film.n_frames, film.info["loop"]) == ("WEBP", 3, 0)
    steps = ("4", "8", "16")
    digests = [
        typical(study, places(study, "rose", guidance_scale="1", num_inference_steps=n, sampler="DDIM")) for n in steps
    ]
    cells = [
        PIL.Image.fromarray(pixels(study, shown(study, digest)).astype(np.uint8)).resize((96, 96)) for digest in digests
    ]
    noise = []
    for frame, cell in enumerate(cells):
        film.seek(frame)
        film.load()
        assert film.info["duration"] == 700
        sheet = np.asarray(film.convert("L"), dtype=float)
        noise.append(np.abs(np.diff(sheet)).mean())
        assert closest(sheet, np.asarray(cell.convert("L"), dtype=float)) < 12
    grain = [np.abs(np.diff(np.asarray(cell.convert("L"), dtype=float))).mean() for cell in cells]
    assert np.argsort(noise).tolist() == np.argsort(grain).tolist() == [2, 1, 0]  # each frame shows its own level


def test_a_page_and_a_table_of_the_study_are_named_beside_the_sheets(
    visitors: Callable[..., Visitor], study: Result
) -> None:
    visitor = visitors(address_of(study), permissions=["clipboard-read", "clipboard-write"]).open()
    visitor.page.get_by_role("button", name="Export").click()
    for name, to in (("One HTML page", "html"), ("Table of all pictures, CSV", "csv")):
        visitor.page.get_by_role("button", name=name).click()
        expect(visitor.page.get_by_text("Command copied")).to_be_visible()
        command = shlex.split(visitor.page.evaluate("() => navigator.clipboard.readText()"))
        assert command == ["teststrip", "export", "runs/rose-and-owl", "--to", to]
        assert to in export.FORMATS
    visitor.shot("export_panel")
