"""A number of steps whose pictures break the order is named; noise alone and pictures that only converge are not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teststrip import analysis
from teststrip.analysis.kinds import order
from teststrip.analysis.kinds.knee import knees
from teststrip.records import Card, Finding, LevelRef

DISTANCE = Card("distance", arity=2, higher_is_better=False)


def finding(
    prompts: int, seeds: int, steps: tuple[int, ...], *, broken: dict[int, float], spread: float, seed: int
) -> Finding:
    """The finding of pictures whose distance falls as 1 / steps, but for what is added at broken levels."""
    draw = np.random.default_rng(seed)
    table: dict[str, list[Any]] = {"prompt": [], "replicate": [], "num_inference_steps": [], "distance": []}
    for p in range(prompts):
        for r in range(seeds):
            size = draw.lognormal(0.0, spread)
            for count in steps:
                exact = 100 * (1 / count - 1 / steps[-1]) + broken.get(count, 0.0)
                gap = 0.0 if count == steps[-1] else size * exact * draw.lognormal(0.0, spread)
                for name, value in zip(table, (p, r, count, gap), strict=True):
                    table[name].append(value)
    (found,) = analysis.findings(table, {"distance": DISTANCE}, axes=["num_inference_steps"])
    return found


def out_of_order(found: Finding) -> list[str]:
    return [row.asked.plus[0].label for row in found.comparisons if row.asked.kind == "pair"]


@given(
    st.sampled_from([(5, 6), (1, 8), (8, 1), (12, 2)]),
    st.sampled_from([100, 150]),
    st.floats(3, 30),
    st.integers(0, 999),
)
@settings(max_examples=15, deadline=None)
def test_a_level_with_another_schedule_is_named_and_no_other(design, level, added, seed):
    found = finding(*design, (25, 50, 100, 150, 200), broken={level: added}, spread=0.1, seed=seed)
    assert out_of_order(found) == [str(level)]
    assert f"ictures at {level} steps are further from those at 200 than those at" in found.sentence
    about_these = f"On {'this prompt' if design[0] == 1 else 'these 5 prompts'} pictures at {level} steps"
    assert (about_these in found.sentence) == (design[0] < 6)


@given(st.sampled_from([(5, 6), (8, 1), (12, 2)]), st.floats(0.01, 0.3), st.integers(0, 999))
@settings(max_examples=15, deadline=None)
def test_pictures_that_only_converge_are_in_order(design, spread, seed):
    found = finding(*design, (25, 50, 100, 200), broken={}, spread=spread, seed=seed)
    assert out_of_order(found) == []
    assert "further" not in found.sentence


@pytest.mark.parametrize(("prompts", "seeds"), [(5, 6), (12, 1), (20, 2)])
def test_levels_that_differ_by_noise_alone_are_rarely_named(prompts, seeds):
    draw = np.random.default_rng(prompts)
    studies, named = 400, 0
    levels = [LevelRef("num_inference_steps", k, str(k)) for k in range(5)]
    for _ in range(studies):
        each = draw.lognormal(0.0, 1.0, (prompts, seeds, 5))
        each[..., -1] = 0.0
        # A tolerance of nothing: whatever is surely further counts.
        found = knees(np.median(each, axis=1), (1, 2, 3, 4, 5), tolerance=0.0)
        named += bool(order.broken(found.distance, each, 0.0, levels, by_pairs=prompts < 6))
    # 0.05 and its 99 % Monte-Carlo bound at 400 studies.
    assert named / studies < 0.05 + 2.6 * (0.05 * 0.95 / studies) ** 0.5


def test_a_tiny_step_out_of_order_is_not_worth_a_word():
    found = finding(40, 2, (25, 50, 100, 150, 200), broken={150: 0.2}, spread=0.01, seed=1)
    assert out_of_order(found) == []


def test_a_broken_last_level_but_one_is_not_mistaken_for_pictures_that_still_change():
    found = finding(5, 6, (50, 100, 150, 200), broken={150: 7.0}, spread=0.1, seed=0)
    assert "pictures at 150 steps are out of order, so where they stop changing cannot be said" in found.sentence
    assert "add levels above" not in found.sentence


def test_where_nothing_converged_pictures_still_change_and_the_end_is_not_known():
    found = finding(12, 2, (20, 30, 40), broken={}, spread=0.1, seed=0)
    assert found.sentence.startswith("Pictures are still changing at 30 steps, the last but one")
    assert "add levels above 40" in found.sentence
    assert "stop changing at" not in found.sentence
