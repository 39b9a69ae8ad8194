"""A contact sheet shows each picture under its own labels."""

from __future__ import annotations

import pytest
from PIL import Image
from tests.studies import png

from teststrip.pictures.sheet import GAP, sheet

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
