"""Difference between seeds: the same seeds in every cell, and numbers that others find too."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import logm
from scipy.spatial.distance import pdist
from tests.metrics.pictures import noise, row

from teststrip.errors import DesignError
from teststrip.metrics.diversity import SIDE, Diversity, VendiScore, mean_pairwise_distance, vendi
from teststrip.protocols import Item
from teststrip.testing.metric_contract import MetricContract


def group(seeds, prompt="an owl", guidance="7"):
    return [row(noise(seed), prompt=prompt, replicate=seed, cell={"guidance_scale": guidance}) for seed in seeds]


def item(pictures):
    return Item(tuple(row(one, replicate=n) for n, one in enumerate(pictures)), tuple(pictures))


@pytest.mark.parametrize("kind", [Diversity, VendiScore])
class TestDiversitiesKeepTheContract(MetricContract):
    @pytest.fixture
    def metric(self, kind):
        return kind()

    @pytest.fixture
    def items(self):
        sizes = (4, 4, 2, 1)
        return [item([noise(10 * n + k) for k in range(count)]) for n, count in enumerate(sizes)]


@pytest.mark.parametrize("kind", [Diversity, VendiScore])
class TestDiversitiesOfAModelKeepTheContract(MetricContract):
    batch_tolerance = 1e-5

    @pytest.fixture
    def metric(self, kind, models):
        return kind(model=models("dinov2"), device="cpu")

    @pytest.fixture
    def items(self):
        return [item([noise(10 * n + k) for k in range(3)]) for n in range(3)]

    def test_a_model_makes_another_fingerprint_than_thumbnails(self, metric, kind):
        assert metric.fingerprint().id != kind().fingerprint().id


# Printed by vendi-score 0.0.3, the package of the authors: score_K of a kernel, score_X of raw vectors.
KERNEL = np.array([[1, 0.8, 0.1], [0.8, 1, 0.3], [0.1, 0.3, 1]])
VECTORS = np.array([[3.0, 1, 0, 2], [1, 1, 1, 1], [0, 2, 5, 1], [4, 0, 0, 1], [2, 2, 2, 0]])
OF_KERNEL, OF_VECTORS = 2.269439697480568, 2.1851869296682955


def test_vendi_is_what_its_authors_package_computes():
    unit = VECTORS / np.linalg.norm(VECTORS, axis=1, keepdims=True)
    assert vendi(KERNEL) == pytest.approx(OF_KERNEL, rel=1e-12)
    assert vendi(unit @ unit.T) == pytest.approx(OF_VECTORS, rel=1e-12)


@given(st.integers(0, 10_000), st.integers(2, 6))
def test_vendi_is_the_exponential_of_the_entropy_of_the_matrix(seed, count):
    vectors = np.random.default_rng(seed).normal(size=(count, count + 4))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    kernel = vectors @ vectors.T
    density = kernel / count
    assert vendi(kernel) == pytest.approx(np.exp(-np.trace(density @ logm(density))), rel=1e-9)


@given(st.integers(1, 9))
def test_pictures_all_alike_count_as_one_and_all_unlike_as_many(count):
    assert vendi(np.ones((count, count))) == pytest.approx(1)
    assert vendi(np.eye(count)) == pytest.approx(count)


@given(st.integers(0, 10_000), st.integers(2, 6))
def test_diversity_is_the_mean_of_scipys_distances(seed, count):
    # Exactly as large as a thumbnail, so that nothing is averaged.
    pictures = [noise(seed + n, SIDE, SIDE) for n in range(count)]
    flat = np.stack([one.ravel() / 255 for one in pictures])
    expected = pdist(flat).mean() / np.sqrt(flat.shape[1])
    assert Diversity().score([item(pictures)])[0] == pytest.approx(expected, rel=1e-9)


def test_the_mean_is_over_pairs_not_over_the_matrix():
    assert mean_pairwise_distance(np.array([[0.0, 1, 2], [1, 0, 6], [2, 6, 0]])) == 3


def test_one_picture_many_times_is_not_diverse():
    same = item([noise(1)] * 4)
    assert Diversity().score([same]) == [0.0]
    assert VendiScore().score([same])[0] == pytest.approx(1)


def test_black_pictures_are_alike():
    black = item([np.zeros((8, 8, 3), np.uint8)] * 3)
    assert VendiScore().score([black])[0] == pytest.approx(1)


def test_a_single_picture_has_no_diversity():
    assert np.isnan(Diversity().score([item([noise(1)])])[0])


def test_every_cell_of_a_prompt_is_judged_by_the_same_seeds():
    rows = group([0, 1, 2, 3], guidance="1") + group([1, 2, 3], guidance="7") + group([0, 1, 3], guidance="9")
    seeds = [[one.planned.replicate for one in members] for members in Diversity().arrange(rows)]
    assert seeds == [[1, 3], [1, 3], [1, 3]]


def test_a_cell_with_one_picture_does_not_bind_the_others():
    rows = group([0, 1, 2], guidance="1") + group([5], guidance="7")
    assert [len(members) for members in Diversity().arrange(rows)] == [3]


def test_prompts_do_not_bind_one_another():
    rows = group([0, 1, 2], prompt="an owl") + group([0, 1], prompt="a rose")
    assert [len(members) for members in Diversity().arrange(rows)] == [3, 2]


@pytest.mark.parametrize("rows", [group([0]), group([0, 1], guidance="1") + group([2, 3], guidance="7")])
def test_seeds_that_have_no_partner_are_said_to_have_none(rows):
    with pytest.raises(DesignError, match="replicates"):
        Diversity().arrange(rows)
