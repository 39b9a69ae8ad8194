"""Distance to the reference cell's picture: the right partner, the right number, an honest rule at the edges."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow
from skimage.metrics import peak_signal_noise_ratio
from tests.metrics.pictures import noise, row

from teststrip import pictures
from teststrip.errors import DesignError, MissingWeights
from teststrip.metrics.fidelity import Changed, Convergence, Features, Level, Psnr, Ssim
from teststrip.pictures import distances
from teststrip.protocols import Item
from teststrip.records import LevelRef
from teststrip.rows import items, references
from teststrip.testing.metric_contract import MetricContract

OF_PIXELS = (Psnr, Ssim, Changed, Level)
EQUAL = {Psnr: math.inf, Ssim: 1.0, Changed: 0.0, Level: 0.0}


def cells(*dtypes, prompt="an owl", replicate=0, guidance=7.0):
    """The rows of one prompt and seed in several cells."""
    return [
        row(
            noise(number),
            prompt=prompt,
            replicate=replicate,
            cell={"dtype": dtype, "guidance_scale": f"{guidance:g}"},
            settings={"dtype": dtype, "guidance_scale": guidance},
        )
        for number, dtype in enumerate(dtypes)
    ]


FULL = (LevelRef("dtype", 0, "float32"),)


def pairs(rows, reference=FULL):
    return references.pairs(rows, Psnr.card, reference)


@pytest.mark.parametrize("kind", OF_PIXELS)
class TestFidelityKeepsTheContract(MetricContract):
    @pytest.fixture
    def metric(self, kind):
        return kind()

    @pytest.fixture
    def items(self):
        rows = cells("float32", "bfloat16", "float16")
        return [Item((one, rows[0]), (noise(n), noise(0))) for n, one in enumerate(rows)]


@pytest.mark.parametrize("kind", ["clip", "dinov2"])
class TestFidelityOfFeaturesKeepsTheContract(MetricContract):
    batch_tolerance = 1e-5

    @pytest.fixture
    def metric(self, kind, models):
        return Features(model=models(kind), device="cpu")

    @pytest.fixture
    def items(self):
        rows = cells("float32", "bfloat16", "float16")
        return [Item((one, rows[0]), (noise(n), noise(0))) for n, one in enumerate(rows)]

    def test_the_reference_is_no_distance_from_itself(self, metric, items):
        assert metric.score(items)[0] == pytest.approx(0, abs=1e-6)
        assert min(metric.score(items)[1:]) > 1e-3


def test_features_are_not_compared_without_a_model():
    with pytest.raises(MissingWeights, match="no model is named"):
        Features().fingerprint()


sizes = st.integers(1, 30)


@given(st.integers(0, 10_000), sizes, sizes, st.floats(0, 1))
def test_psnr_is_what_scikit_image_computes(seed, height, width, share):
    left, right = noise(seed, height, width), noise(seed + 1, height, width)
    right = (share * left + (1 - share) * right).astype(np.uint8)
    if not np.array_equal(left, right):
        expected = peak_signal_noise_ratio(left, right, data_range=255)
        assert distances.psnr(left, right) == pytest.approx(expected, rel=1e-9)


@given(st.integers(0, 10_000), sizes, sizes, st.integers(0, 40))
def test_changed_and_level_are_what_counting_finds(seed, height, width, strength):
    rng = np.random.default_rng(seed)
    left = noise(seed, height, width)
    right = np.clip(left + rng.integers(-strength, strength + 1, left.shape), 0, 255).astype(np.uint8)
    apart = [
        max(abs(int(a) - int(b)) for a, b in zip(one, other, strict=True))
        for one, other in zip(left.reshape(-1, 3), right.reshape(-1, 3), strict=True)
    ]
    assert distances.level(left, right) == max(apart)
    assert distances.changed(left, right) == pytest.approx(sum(moved > 2 for moved in apart) / len(apart))


@given(st.integers(0, 10_000), sizes, sizes, st.integers(1, 255))
def test_equal_pictures_are_no_further_than_any_others_of_their_size(seed, height, width, by):
    picture = noise(seed, height, width)
    other = picture.copy()
    place = np.unravel_index(seed % picture.size, picture.shape)
    other[place] = (int(other[place]) + by) % 256
    assert math.isfinite(distances.psnr(picture, picture))
    assert distances.psnr(picture, picture) >= distances.psnr(picture, other)
    assert (
        distances.changed(picture, picture) == distances.level(picture, picture) == 0 < distances.level(picture, other)
    )


def test_the_ratio_of_equal_pictures_lies_on_the_card_up_to_the_largest_picture():
    assert distances.psnr(*[noise(1, 512, 512)] * 2) == pytest.approx(107, abs=0.1)
    assert 10 * math.log10(255**2 * 3 * pictures.pixels.MAX_PIXELS) < Psnr.card.high


def test_black_and_white_are_as_far_apart_as_can_be():
    black, white = np.zeros((16, 16, 3), np.uint8), np.full((16, 16, 3), 255, np.uint8)
    found = {one: one().score([Item(tuple(cells("a", "b")), (black, white))])[0] for one in OF_PIXELS}
    assert (found[Psnr], found[Changed], found[Level]) == (0, 1, 255)
    assert found[Ssim] < 0.001


@pytest.mark.parametrize("kind", [*OF_PIXELS, Convergence])
def test_pictures_of_two_sizes_have_no_distance(kind):
    rows = tuple(cells("float32", "bfloat16"))
    assert math.isnan(kind().score([Item(rows, (noise(1, 16, 16), noise(2, 32, 16)))])[0])


def test_transparency_is_laid_on_white_so_colours_that_are_not_seen_do_not_count():
    def seen(colour):
        picture = np.zeros((16, 16, 4), np.uint8)
        picture[:8] = (10, 20, 30, 255)
        picture[8:, :, :3] = colour
        file = io.BytesIO()
        Pillow.fromarray(picture).save(file, "PNG")
        return pictures.decode(file.getvalue())

    one, other = seen((200, 0, 0)), seen((0, 0, 200))
    assert distances.level(one, other) == 0
    assert (one[8:] == 255).all()


def test_a_picture_is_held_against_its_own_prompt_seed_and_level_of_the_other_axes():
    rows = [
        one
        for prompt in ("an owl", "a rose")
        for replicate in (0, 1)
        for guidance in (1.0, 7.0)
        for one in cells("float32", "bfloat16", prompt=prompt, replicate=replicate, guidance=guidance)
    ]
    own = [pair for pair in pairs(rows) if not items.between_seeds(pair)]
    assert len(own) == len(rows)
    for one, reference in own:
        mine, its = dict(one.planned.shot.settings), dict(reference.planned.shot.settings)
        assert its.pop("dtype") == "float32"
        mine.pop("dtype")
        assert mine == its


def test_a_reference_on_all_axes_is_one_picture_of_each_prompt_and_seed():
    rows = [one for guidance in (1.0, 7.0) for one in cells("float32", "bfloat16", guidance=guidance)]
    found = pairs(rows, (*FULL, LevelRef("guidance_scale", 1, "7")))
    assert {str(reference.planned.cell) for _, reference in found} == {"dtype float32, guidance_scale 7"}
    assert len(found) == 4


@pytest.mark.parametrize(("seeds", "expected"), [(1, 0), (2, 1), (3, 3), (6, 6)])
def test_pictures_of_two_seeds_of_the_reference_are_the_yardstick(seeds, expected):
    rows = [one for seed in range(seeds) for one in cells("float32", "bfloat16", replicate=seed)]
    found = [pair for pair in pairs(rows) if items.between_seeds(pair)]
    assert len(found) == expected
    assert {row.planned.cell["dtype"] for pair in found for row in pair} <= {"float32"}


def test_a_seed_whose_reference_is_missing_is_left_out_not_measured_against_another():
    found = pairs(cells("float32", "bfloat16") + cells("bfloat16", "float16", replicate=1))
    assert {row.planned.replicate for pair in found for row in pair} == {0}


@pytest.mark.parametrize("rows", [[], cells("float32"), cells("bfloat16", "float16")])
def test_without_the_reference_and_another_picture_there_is_nothing_to_compare(rows):
    with pytest.raises(DesignError, match="both a picture of the reference"):
        pairs(rows)


def test_without_a_reference_in_the_study_the_error_says_how_to_name_one():
    with pytest.raises(DesignError, match="Write reference = "):
        pairs(cells("float32", "bfloat16"), ())
