"""Where pictures stand by their light and colours, against the singular values of NumPy."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from teststrip.errors import PictureError
from teststrip.pictures import decode, encode_png
from teststrip.pictures.distances import rmse
from teststrip.pictures.plane import SIDE, fitted


def flat(*levels: int) -> bytes:
    """A picture of one colour."""
    return encode_png(np.full((16, 24, 3), levels, np.uint8))


@pytest.fixture(scope="module")
def noise() -> list[bytes]:
    """40 pictures of 8 x 8 random pixels."""
    chance = np.random.default_rng(5)
    return [encode_png(chance.integers(0, 256, (SIDE, SIDE, 3), np.uint8)) for _ in range(40)]


def test_places_are_the_first_two_principal_components(noise: list[bytes]) -> None:
    plane = fitted(noise)
    places = np.array([plane.place(one) for one in noise])
    levels = np.array([decode(one).ravel() for one in noise], np.float64)
    left, singular, _ = np.linalg.svd(levels - levels.mean(axis=0), full_matrices=False)
    expected = left[:, :2] * singular[:2] / np.sqrt(3 * SIDE * SIDE)
    np.testing.assert_allclose(np.abs(places), np.abs(expected), rtol=1e-6, atol=1e-9)
    assert plane.share == pytest.approx((singular[:2] ** 2).sum() / (singular**2).sum())


def test_no_two_pictures_are_further_apart_on_the_plane_than_their_pixels(noise: list[bytes]) -> None:
    plane = fitted(noise[:10])
    for one, other in itertools.combinations(noise, 2):
        apart = np.subtract(plane.place(one), plane.place(other))
        assert np.hypot(*apart) <= rmse(decode(one), decode(other)) + 1e-9


def test_grey_pictures_stand_in_the_order_of_their_light_as_far_apart_as_their_levels() -> None:
    greys = [flat(level, level, level) for level in (0, 100, 40)]
    plane = fitted(greys)
    across = [plane.place(one)[0] for one in greys]
    assert np.subtract(across, across[0]) == pytest.approx([0, 100, 40])
    assert plane.share == pytest.approx(1)


@pytest.mark.parametrize("number", [1, 3])
def test_pictures_that_are_all_alike_stand_at_one_place(number: int) -> None:
    plane = fitted([flat(10, 20, 30)] * number)
    assert plane.place(flat(10, 20, 30)) == pytest.approx((0, 0))
    assert plane.share == 0


def test_a_plane_of_no_pictures_is_a_plane() -> None:
    assert np.isfinite(fitted([]).place(flat(1, 2, 3))).all()


def test_what_is_no_picture_has_no_place() -> None:
    with pytest.raises(PictureError):
        fitted([b"no picture"])
