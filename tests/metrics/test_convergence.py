"""Distance to the picture with the most steps: the right partner, the right number, silence for stochastic samplers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.metrics import mean_squared_error, structural_similarity
from tests.metrics.pictures import noise, row

from teststrip.errors import DesignError, MissingWeights
from teststrip.metrics.fidelity import Convergence, ConvergenceFeatures, ConvergenceSsim
from teststrip.pictures.distances import rmse, ssim
from teststrip.protocols import Item
from teststrip.rows import references
from teststrip.rows.items import between_seeds
from teststrip.testing.metric_contract import MetricContract


def path(*steps, prompt="an owl", replicate=0, **settings):
    """The rows of one prompt and seed at several numbers of steps."""
    return [
        row(
            noise(count),
            prompt=prompt,
            replicate=replicate,
            cell={"num_inference_steps": str(count)},
            settings={"num_inference_steps": count, **settings},
        )
        for count in steps
    ]


def steps_of(pairs):
    return [tuple(one.planned.shot.settings["num_inference_steps"] for one in pair) for pair in pairs]


@pytest.mark.parametrize("kind", [Convergence, ConvergenceSsim])
class TestConvergencesKeepTheContract(MetricContract):
    @pytest.fixture
    def metric(self, kind):
        return kind()

    @pytest.fixture
    def items(self):
        rows = path(5, 10, 20)
        return [Item((one, rows[-1]), (noise(n), noise(20))) for n, one in zip((5, 10, 20), rows, strict=True)]


@pytest.mark.parametrize("kind", ["clip", "dinov2"])
class TestConvergenceOfFeaturesKeepsTheContract(MetricContract):
    batch_tolerance = 1e-5

    @pytest.fixture
    def metric(self, kind, models):
        return ConvergenceFeatures(model=models(kind), device="cpu")

    @pytest.fixture
    def items(self):
        rows = path(5, 10, 20)
        return [Item((one, rows[-1]), (noise(n), noise(20))) for n, one in zip((5, 10, 20), rows, strict=True)]

    def test_the_reference_is_no_distance_from_itself(self, metric, items):
        assert metric.score(items)[-1] == pytest.approx(0, abs=1e-6)
        assert min(metric.score(items)[:-1]) > 1e-3


def test_features_are_not_compared_without_a_model():
    with pytest.raises(MissingWeights, match="no model is named"):
        ConvergenceFeatures().fingerprint()


@given(st.integers(0, 10_000), st.integers(11, 30), st.integers(11, 30))
def test_ssim_and_rmse_are_what_scikit_image_computes(seed, height, width):
    left, right = noise(seed, height, width), noise(seed + 1, height, width)
    right = (0.7 * left + 0.3 * right).astype(np.uint8)
    grey = [picture @ np.array([0.299, 0.587, 0.114]) for picture in (left, right)]
    expected = structural_similarity(
        *grey, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert ssim(left, right) == pytest.approx(expected, rel=1e-9)
    assert rmse(left, right) == pytest.approx(math.sqrt(mean_squared_error(left, right)), rel=1e-9)


def test_a_picture_does_not_differ_from_itself():
    assert rmse(noise(1), noise(1)) == 0
    assert ssim(noise(1), noise(1)) == pytest.approx(1)


def test_black_and_white_are_as_far_apart_as_can_be():
    black, white = np.zeros((16, 16, 3), np.uint8), np.full((16, 16, 3), 255, np.uint8)
    assert rmse(black, white) == 255
    assert ssim(black, white) < 0.001


def test_the_reference_has_the_most_steps_and_is_its_own():
    assert steps_of(references.pairs(path(50, 2, 10), Convergence.card, ())) == [(50, 50), (2, 50), (10, 50)]


def test_partners_share_prompt_seed_and_every_other_setting():
    rows = [
        one
        for prompt in ("an owl", "a rose")
        for replicate in (0, 1)
        for guidance in (1.0, 7.0)
        for one in path(2, 8, prompt=prompt, replicate=replicate, guidance_scale=guidance)
    ]
    pairs = references.pairs(rows, Convergence.card, ())
    own = [pair for pair in pairs if not between_seeds(pair)]
    assert len(own) == 16
    for one, reference in own:
        mine, its = dict(one.planned.shot.settings), dict(reference.planned.shot.settings)
        assert its.pop("num_inference_steps") == 8
        mine.pop("num_inference_steps")
        assert mine == its


@pytest.mark.parametrize(("seeds", "expected"), [(1, 0), (2, 1), (3, 3), (6, 6)])
def test_pictures_of_two_seeds_at_the_most_steps_are_the_yardstick(seeds, expected):
    rows = [one for seed in range(seeds) for one in path(2, 8, replicate=seed)]
    pairs = [pair for pair in references.pairs(rows, Convergence.card, ()) if between_seeds(pair)]
    assert len(pairs) == len({frozenset(one.planned.replicate for one in pair) for pair in pairs}) == expected
    for pair in pairs:
        one, other = (dict(row.planned.shot.settings) for row in pair)
        assert one["num_inference_steps"] == 8
        assert one.pop("seed") != other.pop("seed")
        assert one == other


def test_a_seed_whose_reference_is_missing_is_left_out_not_measured_against_less():
    rows = path(2, 8, 20) + path(2, 8, replicate=1)
    pairs = references.pairs(rows, Convergence.card, ())
    assert {pair[0].planned.replicate for pair in pairs} == {0}


def test_each_arm_has_its_own_highest_number_of_steps():
    rows = path(2, 8, 20, guidance_scale=7.0) + path(2, 8, guidance_scale=9.0)
    assert steps_of(references.pairs(rows, Convergence.card, ())) == [(2, 20), (8, 20), (20, 20), (2, 8), (8, 8)]


@pytest.mark.parametrize("rows", [[], path(20), path(20) + path(20, replicate=1)])
def test_without_two_numbers_of_steps_there_is_nothing_to_converge(rows):
    with pytest.raises(DesignError, match="num_inference_steps"):
        references.pairs(rows, Convergence.card, ())


def test_paired_convergence_is_refused_for_ancestral_samplers():
    with pytest.raises(DesignError, match="not defined here"):
        references.pairs(path(2, 8, scheduler="EulerAncestralDiscreteScheduler"), Convergence.card, ())


def test_beside_deterministic_samplers_an_ancestral_one_has_no_number():
    rows = path(2, 8, scheduler="DDIMScheduler") + path(2, 8, scheduler="EulerAncestralDiscreteScheduler")
    pairs = references.pairs(rows, Convergence.card, ())
    values = Convergence().score([Item(pair, (noise(1), noise(2))) for pair in pairs])
    assert [math.isnan(value) for value in values] == [False, False, True, True]


def test_pictures_of_different_size_are_not_compared():
    rows = path(2, 8)
    assert math.isnan(Convergence().score([Item((rows[0], rows[1]), (noise(1, 8, 8), noise(2, 16, 8)))])[0])


def test_ssim_of_a_picture_smaller_than_its_window_is_not_a_number():
    assert math.isnan(ssim(noise(1, 10, 40), noise(2, 10, 40)))
