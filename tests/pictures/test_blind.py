"""Two pictures that only their pixels tell apart."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from tests.studies import png

from teststrip import pictures
from teststrip.errors import PictureError
from teststrip.pictures.blind import LOSSY_FROM, blinded

PIXELS = arrays.arrays(np.uint8, st.tuples(st.integers(1, 20), st.integers(1, 20), st.just(3)))


@given(PIXELS, PIXELS)
def test_both_have_one_length_and_one_size_and_what_needs_no_new_size_keeps_its_pixels(
    one: np.ndarray, other: np.ndarray
) -> None:
    made = blinded(pictures.encode_png(one), pictures.encode_png(other))
    assert len(made.left) == len(made.right)
    left, right = pictures.decode(made.left), pictures.decode(made.right)
    assert left.shape == right.shape == (*made.size[::-1], 3)
    for before, after in ((one, left), (other, right)):
        if before.shape == after.shape:
            assert (before == after).all()


@pytest.mark.parametrize("side", [64, LOSSY_FROM + 1])
@pytest.mark.parametrize("light", [False, True])
def test_no_record_of_a_picture_comes_along(side: int, light: bool) -> None:
    noisy = pictures.encode_png(np.random.default_rng(1).integers(0, 255, (side, side, 3), dtype=np.uint8))
    record, file = PngInfo(), io.BytesIO()
    record.add_text("guidance_scale", "7")
    Image.new("RGB", (side, side), "teal").save(file, "PNG", pnginfo=record, icc_profile=b"profile")
    assert b"guidance" in file.getvalue()
    made = blinded(file.getvalue(), noisy, light=light)
    assert made.kind == ("image/jpeg" if light and side > LOSSY_FROM else "image/png")
    for one in (made.left, made.right):
        assert b"guidance" not in one
        assert not {"exif", "icc_profile"} & Image.open(io.BytesIO(one)).info.keys()
    assert len(made.left) == len(made.right)


def test_one_picture_twice_is_two_files_of_the_same_pixels() -> None:
    made = blinded(png((1, 2, 3)), png((1, 2, 3)))
    assert made.same
    assert made.left != made.right
    assert not blinded(png((1, 2, 3)), png((1, 2, 4))).same


def test_what_is_no_picture_is_refused() -> None:
    with pytest.raises(PictureError):
        blinded(b"GIF89a", png((1, 2, 3)))
