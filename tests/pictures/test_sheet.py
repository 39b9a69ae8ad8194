"""A contact sheet shows each picture under its own labels."""

from __future__ import annotations

import pytest
from PIL import Image
from tests.studies import png

from teststrip.pictures.sheet import GAP, LINE, TALL, headed, sheet, titled

COLOURS = {("a", "x"): (200, 30, 30), ("a", "y"): (30, 200, 30), ("b", "x"): (30, 30, 200)}


def drawn(titles: tuple[str, str] = ("rows", "columns")) -> Image.Image:
    return sheet(
        {place: png(colour) for place, colour in COLOURS.items()}, down="ab", across="xy", titles=titles, side=32
    )


def test_each_picture_stands_in_its_row_and_column_and_a_missing_one_leaves_paper() -> None:
    picture = drawn()
    right, lower = picture.width - GAP - 16, picture.height - GAP - 16
    left, upper = right - 32 - GAP, lower - 32 - GAP
    at = picture.getpixel
    assert at((left, upper)) == COLOURS["a", "x"]
    assert at((right, upper)) == COLOURS["a", "y"]
    assert at((left, lower)) == COLOURS["b", "x"]
    assert at((right, lower)) == at((0, 0))


@pytest.mark.parametrize("title", ["steps", "num_inference_steps", "a very long name of an axis indeed"])
def test_the_title_of_the_rows_never_runs_into_the_columns(title: str) -> None:
    picture = drawn((title, ""))
    margin = picture.width - 2 * (32 + GAP) - GAP
    header = picture.crop((margin - 4, 0, margin + 2, 44))
    assert header.getcolors() == [(header.width * header.height, picture.getpixel((0, 0)))]


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_a_long_strip_of_grids_stands_two_abreast_and_none_is_lost(count: int) -> None:
    colours = [(40 * n + 20, 10, 200) for n in range(count)]
    own = [sheet({("a", "x"): png(one)}, down="a", across="x", titles=("r", "c"), side=64) for one in colours]
    grids = [titled("a title", one) for one in own]
    whole = headed("study", "what it shows", grids)
    assert whole.width == grids[0].width * (2 if count * grids[0].height > TALL * grids[0].width else 1)
    counts = {colour: number for number, colour in whole.getcolors(1 << 20)}
    assert [counts[colour] for colour in colours] == [64 * 64] * count


def test_the_name_of_a_class_takes_lines_of_its_parts_and_is_not_cut() -> None:
    name = "EulerAncestralDiscrete"
    cells = {("a", name): png(COLOURS["a", "x"])}
    narrow, wide = (sheet(cells, down="a", across=[name], titles=("r", "c"), side=side) for side in (64, 256))
    assert narrow.height - 64 == wide.height - 256 + 2 * LINE


def test_grids_side_by_side_begin_at_one_height_whatever_their_titles() -> None:
    own = sheet({("a", "x"): png((9, 9, 200))}, down="a", across="x", titles=("r", "c"), side=64)
    whole = headed("s", "", [titled("a title that takes several lines here", own), titled("b", own)] * 2)
    tops = [min(y for y in range(whole.height) if whole.getpixel((x, y)) == (9, 9, 200)) for x in middle(whole)]
    assert tops[0] == tops[1]


def middle(whole: Image.Image) -> tuple[int, int]:
    """A column of pixels through the pictures of the left and of the right grids."""
    return whole.width // 2 - GAP - 32, whole.width - GAP - 32


@pytest.mark.parametrize("side", [48, 128])
def test_long_labels_that_differ_at_their_ends_are_told_apart(side: int) -> None:
    labels = [f"photorealism-v12-of-somebody-epoch-{n:06}" for n in (10, 20)]
    cells = {(label, label): png((9, 9, 200)) for label in labels}
    heads = []
    for label in labels:
        picture = sheet(cells, down=[label], across=[label], titles=("r", "c"), side=side)
        heads.append(picture.tobytes())
    assert heads[0] != heads[1]


def test_a_text_without_spaces_takes_lines_and_is_not_cut() -> None:
    text = "一只红色的狐狸在雪地里跳跃，身后是一片松树林，油画风格" * 2
    grid = sheet({("a", "x"): png((9, 9, 200))}, down="a", across="x", titles=("r", "c"), side=120)
    one, several = titled(text[:4], grid), titled(text, grid)
    assert several.height >= one.height + 2 * 20
