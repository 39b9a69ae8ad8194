"""What bounds of fidelity promise, on distances whose truth is known: `bench.distances`, which knows no analysis."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from bench import distances
from numpy.typing import NDArray

from teststrip import analysis
from teststrip.analysis.numbers import bounds, samples
from teststrip.records import Card, LevelRef

STUDIES = 4_000
CARD = Card("apart", arity=2, against="the reference")
FULL = (LevelRef("dtype", 0, "float32"),)


def few(promise: float, studies: int) -> float:
    """The share of hits below which a promise is broken: 3.3 standard errors, one false alarm in 2,000 tests."""
    return promise - 3.3 * math.sqrt(promise * (1 - promise) / studies)


def covered(kind: str, prompts: int, bound: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> float:
    """The share of studies in which the bound of the mean is not below the mean, which is 1."""
    drawn = distances.ALL[kind].draw(np.random.default_rng(prompts), (STUDIES, prompts))
    return float((bound(drawn) >= 1 - 1e-12).mean())


def upper(drawn: NDArray[np.float64]) -> NDArray[np.float64]:
    return bounds.skewed_interval(drawn).high


def students(drawn: NDArray[np.float64]) -> NDArray[np.float64]:
    return samples.interval(samples.over_prompts(drawn), 0.90).high


@pytest.mark.parametrize("kind", distances.ALL)
def test_distances_have_the_mean_and_the_shares_that_their_world_states(kind: str) -> None:
    world = distances.ALL[kind]
    drawn = world.draw(np.random.default_rng(1), (200_000,))
    assert drawn.mean() == pytest.approx(1, abs=5 * drawn.std() / math.sqrt(drawn.size))
    for x in (0.1, 0.5, 1.0, 3.0):
        assert (drawn <= x).mean() == pytest.approx(world.within(x), abs=0.006)


@pytest.mark.parametrize("prompts", [6, 10, 20, 40, 100])
@pytest.mark.parametrize("kind", distances.MILD)
def test_the_bound_of_a_mean_holds_in_95_of_100_studies(kind: str, prompts: int) -> None:
    assert covered(kind, prompts, upper) >= few(0.95, STUDIES)


@pytest.mark.parametrize("prompts", [20, 40, 100])
@pytest.mark.parametrize("kind", distances.SKEWED)
def test_where_few_prompts_change_most_of_all_20_prompts_are_enough_for_93_of_100(kind: str, prompts: int) -> None:
    assert covered(kind, prompts, upper) >= few(0.93, STUDIES)


@pytest.mark.parametrize("kind", ["exponential", *distances.SKEWED])
def test_this_check_would_see_a_bound_that_takes_distances_for_normal(kind: str) -> None:
    assert covered(kind, 20, students) < few(0.93, STUDIES)


def surely(kind: str, prompts: int, rule: Callable[[NDArray[np.float64]], tuple[float, float]]) -> float:
    """The share of studies in which so many prompts of the world are within the distance that the rule names."""
    world, studies = distances.ALL[kind], 1_500
    drawn = world.draw(np.random.default_rng(prompts), (studies, prompts))
    return sum(world.within(within) >= share - 1e-9 for share, within in map(rule, drawn)) / studies


@pytest.mark.parametrize("prompts", [6, 20, 58, 59, 150])
@pytest.mark.parametrize("kind", distances.ALL)
def test_so_many_prompts_are_surely_within_a_distance_whatever_the_world(kind: str, prompts: int) -> None:
    assert surely(kind, prompts, bounds.surely_within) >= few(0.95, 1_500)


@pytest.mark.parametrize("kind", [*distances.MILD, *distances.SKEWED])
def test_this_check_would_see_the_largest_of_20_taken_for_the_bound_of_95_in_100(kind: str) -> None:
    assert surely(kind, 20, lambda drawn: (0.95, float(drawn.max()))) < few(0.95, 1_500)


def columns(apart: NDArray[np.float64]) -> dict[str, list[Any]]:
    """The columns of a study of two cells with these distances [prompts]."""
    rows = [(p, dtype, d) for p, own in enumerate(apart) for dtype, d in (("float32", 0.0), ("bfloat16", own))]
    prompt, dtype, values = zip(*rows, strict=True)
    level = [("float32", "bfloat16").index(one) for one in dtype]
    return {"prompt": list(prompt), "dtype": list(dtype), "dtype level": level, "apart": list(values)}


def said(kind: str, prompts: int, limit: float, studies: int) -> list[str]:
    """The verdicts on studies of a world, where the limit is this many times the true mean."""
    drawn = distances.ALL[kind].draw(np.random.default_rng(prompts), (studies, prompts))
    found = []
    for own in drawn:
        (finding,) = analysis.findings(
            columns(own), {"apart": CARD}, axes=["dtype"], margin={"apart": limit}, reference=FULL
        )
        found.append(finding.verdict)
    return found


@pytest.mark.parametrize("prompts", [8, 30])
@pytest.mark.parametrize("kind", ["half normal", "exponential", "half equal"])
def test_pictures_at_the_limit_are_seldom_called_the_same_or_another(kind: str, prompts: int) -> None:
    verdicts = said(kind, prompts, 1.0, 300)
    assert verdicts.count("equivalent") / 300 <= 1 - few(0.95, 300)
    assert verdicts.count("different") / 300 <= 1 - few(0.95, 300)


@pytest.mark.parametrize(("limit", "expected"), [(3.0, "equivalent"), (0.3, "different")])
def test_pictures_far_from_the_limit_are_told_from_it(limit: float, expected: str) -> None:
    assert said("exponential", 40, limit, 100).count(expected) >= 95
