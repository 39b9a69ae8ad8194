"""Formulas on pixels, against other people's code and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage
from skimage import color
from tests.metrics.pictures import noise, single

from teststrip.metrics import pixels
from teststrip.metrics.pixels import Chroma, Clipped, Colourfulness, Contrast, Sharpness
from teststrip.testing.metric_contract import MetricContract

pictures = st.builds(noise, st.integers(0, 10_000), st.integers(1, 20), st.integers(1, 20))


@pytest.mark.parametrize("kind", [Sharpness, Colourfulness, Contrast, Clipped, Chroma])
class TestMetricsOfPixelsKeepTheContract(MetricContract):
    @pytest.fixture
    def metric(self, kind):
        return kind()

    @pytest.fixture
    def items(self):
        return [single(noise(seed, height=9 + seed)) for seed in range(4)]


@given(pictures)
def test_sharpness_is_what_scipy_computes(rgb):
    grey = rgb @ np.array([0.299, 0.587, 0.114])
    if min(grey.shape) == 1:
        return  # SciPy has no mirror image of a single row
    expected = ndimage.laplace(grey, mode="mirror").var()
    assert pixels.sharpness(rgb) == pytest.approx(expected, rel=1e-9)


@given(pictures)
def test_colourfulness_is_the_published_formula(rgb):
    red, green, blue = (rgb[..., i].astype(float) for i in range(3))
    rg, yb = red - green, 0.5 * (red + green) - blue
    sigma = math.sqrt(rg.var() + yb.var())
    mu = math.sqrt(rg.mean() ** 2 + yb.mean() ** 2)
    assert pixels.colourfulness(rgb) == pytest.approx(sigma + 0.3 * mu, rel=1e-9)


@given(pictures)
def test_contrast_is_the_deviation_of_the_grey_picture(rgb):
    grey = rgb.astype(float) @ np.array([0.299, 0.587, 0.114]) / 255
    expected = math.sqrt(np.square(grey - grey.mean()).mean())
    assert pixels.contrast(rgb) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@given(pictures)
def test_chroma_is_what_scikit_image_computes(rgb):
    lab = color.rgb2lab(rgb)
    assert pixels.chroma(rgb) == pytest.approx(np.hypot(lab[..., 1], lab[..., 2]).mean(), rel=1e-9, abs=1e-9)


def test_a_sharp_edge_beats_a_blurred_one_and_noise_beats_both():
    edge = np.zeros((32, 32, 3), np.uint8)
    edge[:, 16:] = 200
    blurred = ndimage.gaussian_filter(edge, (2, 2, 0))
    assert pixels.sharpness(blurred) < pixels.sharpness(edge) < pixels.sharpness(noise(0, 32, 32))


def test_a_grey_picture_has_no_colour_at_all():
    grey = np.repeat(noise(1)[..., :1], 3, axis=2)
    assert pixels.colourfulness(grey) == 0
    assert pixels.chroma(grey) == pytest.approx(0, abs=0.02)  # the published matrix is rounded to six digits


def test_one_channel_at_its_end_makes_a_pixel_clipped():
    rgb = np.full((2, 2, 3), 128, np.uint8)
    rgb[0, 0, 2] = 255
    rgb[1, 1, 0] = 0
    assert pixels.clipped(rgb) == 0.5


def test_the_ranges_on_the_cards_are_reached_but_not_passed():
    checker = (np.indices((16, 16)).sum(axis=0) % 2 * 255).astype(np.uint8)
    checker = np.repeat(checker[..., None], 3, axis=2)
    blue = np.zeros((1, 1, 3), np.uint8)
    blue[..., 2] = 255
    assert pixels.sharpness(checker) == pytest.approx(Sharpness.card.high)
    assert pixels.contrast(checker) == pytest.approx(Contrast.card.high)
    assert Chroma.card.high - 1 < pixels.chroma(blue) <= Chroma.card.high
    red_and_cyan = np.zeros((2, 1, 3), np.uint8)
    red_and_cyan[0, 0, 0] = red_and_cyan[1, 0, 1] = red_and_cyan[1, 0, 2] = 255
    assert pixels.colourfulness(red_and_cyan) <= Colourfulness.card.high
