"""Answers about these very prompts: the seed within a prompt is the unit of evidence."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats

from teststrip.analysis.numbers import columns, effects, intervals, judging, samples
from teststrip.analysis.numbers.arrays import Array
from teststrip.analysis.numbers.columns import Layout
from teststrip.analysis.numbers.judging import Judgement
from teststrip.analysis.power import power

STUDIES = 4_000
LEVELS = (1.0, 2.0)

scores = st.floats(-100, 100).map(lambda x: round(x, 3))


def layout_of(prompts: int, seeds: int, levels: tuple[float, ...] = LEVELS) -> Layout:
    rows = [(p, r, level) for p in range(prompts) for r in range(seeds) for level in levels]
    table = dict(zip(("prompt", "replicate", "x"), map(list, zip(*rows, strict=True)), strict=True))
    return columns.read(table, ["x"])


def judge(values: Array, levels: tuple[float, ...] = LEVELS, margin: float = 0.2, **more: Any) -> Judgement:
    layout = layout_of(*values.shape[-3:-1], levels)
    pairing = judging.Pairing(**more)
    return judging.judge(values, layout, effects.planned(layout), margin, scope=judging.HERE, pairing=pairing)


def scattered(spread: Array, seeds: int, levels: int = 2, *, seed: int = 0) -> Array:
    """Studies [studies, prompts, seeds, levels] of no mean effect; each prompt answers in its own way, and scatters."""
    rng = np.random.default_rng([seed, spread.size, seeds])
    own = rng.standard_normal((spread.size, levels)) * 3
    own -= own.mean(axis=0)  # no effect on these prompts on average
    heights = rng.standard_normal((STUDIES, spread.size, seeds, 1))
    images = rng.standard_normal((STUDIES, spread.size, seeds, levels)) * spread[:, None, None]
    return own[:, None, :] + heights + images


@given(arrays.arrays(float, st.integers(6, 12), elements=scores, unique=True))
def test_for_one_prompt_it_is_the_paired_t_test_over_seeds(differences: Array) -> None:
    values = np.stack([np.zeros_like(differences), differences], axis=-1)[None]
    judged = judge(values)
    second = stats.ttest_rel(values[0, :, 1], values[0, :, 0])
    assert judged.p[0] == pytest.approx(second.pvalue, rel=1e-9, abs=1e-300)
    ends = second.confidence_interval(0.95)
    assert (judged.outer.low[0], judged.outer.high[0]) == pytest.approx((ends.low, ends.high), rel=1e-9, abs=1e-9)
    assert judged.seeds[0] == differences.size


@pytest.mark.parametrize(("prompts", "seeds"), [(2, 6), (5, 2), (5, 6), (20, 3)])
def test_the_error_of_prompts_that_scatter_alike_is_that_of_a_fixed_effects_anova(prompts: int, seeds: int) -> None:
    """The same spread in each prompt: se is the root of the pooled mean square over n, with all nominal degrees."""
    rng = np.random.default_rng([prompts, seeds])
    one = rng.standard_normal(seeds)
    differences = rng.standard_normal((prompts, 1)) + np.stack([rng.permutation(one) for _ in range(prompts)])
    found = samples.over_seeds(differences)
    design = np.kron(np.eye(prompts), np.ones((seeds, 1)))
    coefficients, squares, *_ = np.linalg.lstsq(design, differences.ravel(), rcond=None)
    square = squares[0] / (prompts * (seeds - 1))
    assert found.mean == pytest.approx(coefficients.mean())
    assert found.se == pytest.approx(math.sqrt(square / (prompts * seeds)))
    assert found.degrees == pytest.approx(found.nominal)
    assert found.nominal == prompts * (seeds - 1)


@given(arrays.arrays(float, (2, 7), elements=scores, unique=True))
def test_two_prompts_with_opposite_signs_are_welchs_test(differences: Array) -> None:
    """Half the difference of two means, each with its own spread: Welch 1947 by SciPy."""
    found = samples.over_seeds(differences * np.array([[1.0], [-1.0]]))
    second = stats.ttest_ind(differences[0], differences[1], equal_var=False)
    assert found.degrees == pytest.approx(second.df, rel=1e-6)
    assert found.mean / found.se == pytest.approx(second.statistic, rel=1e-6, abs=1e-9)
    assert samples.t_p(found) == pytest.approx(second.pvalue, rel=1e-5, abs=1e-300)


@given(arrays.arrays(float, (3, 4), elements=scores), st.integers(0, 2), st.floats(-5, 5), st.floats(0.1, 5))
def test_order_of_prompts_does_not_count_and_units_only_scale(
    differences: Array, turn: int, shift: float, times: float
) -> None:
    found, moved = (
        samples.over_seeds(differences),
        samples.over_seeds(np.roll(differences * times + shift, turn, axis=0)),
    )
    assert moved.mean == pytest.approx(found.mean * times + shift, abs=1e-9)
    assert moved.se == pytest.approx(found.se * times, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize(
    ("spread", "seeds"),
    [
        (np.ones(1), 6),
        (np.ones(5), 6),
        (np.linspace(1, 2, 5), 6),  # variances 1 to 4
        (np.ones(20), 3),
        (np.linspace(1, 2, 20), 3),
        (np.array([1.0, 1.0, 1.0, 1.0, 6.0]), 6),
    ],
    ids=["1 × 6", "5 × 6", "5 × 6 uneven", "20 × 3", "20 × 3 uneven", "5 × 6 one wild"],
)
def test_the_interval_covers_what_is_true_of_these_prompts(spread: Array, seeds: int) -> None:
    judged = judge(scattered(spread, seeds))
    covered = ((judged.outer.low <= 0) & (judged.outer.high >= 0))[:, 0].mean()
    assert 0.93 <= covered <= 0.97 + 3 * math.sqrt(0.03 * 0.97 / STUDIES)
    assert (judged.verdict == "different").mean() <= 0.06


@pytest.mark.parametrize(("prompts", "seeds"), [(5, 2), (12, 2)])
def test_two_seeds_a_prompt_are_enough_to_be_careful_with(prompts: int, seeds: int) -> None:
    judged = judge(scattered(np.ones(prompts), seeds))
    assert ((judged.outer.low <= 0) & (judged.outer.high >= 0))[:, 0].mean() >= 0.93


@pytest.mark.parametrize(("prompts", "seeds"), [(1, 6), (5, 6), (20, 3)])
def test_a_family_of_questions_has_few_false_answers_and_intervals_that_hold_together(prompts: int, seeds: int) -> None:
    judged = judge(scattered(np.ones(prompts), seeds, levels=4), (1.0, 2.0, 3.0, 4.0))
    planned = [i for i, contrast in enumerate(judged.contrasts) if contrast.planned]
    assert (judged.verdict[:, planned] == "different").any(axis=-1).mean() <= 0.06
    together = ((judged.outer.low <= 0) & (judged.outer.high >= 0))[:, planned].all(axis=-1).mean()
    assert together >= 0.94


@pytest.mark.parametrize(("prompts", "seeds"), [(1, 6), (5, 6), (20, 3)])
def test_a_difference_at_the_margin_is_rarely_called_equivalent(prompts: int, seeds: int) -> None:
    values = scattered(np.full(prompts, 0.3), seeds) + np.array([0.0, 0.4])
    judged = judge(values, margin=0.4)
    assert (judged.verdict == "equivalent").mean() <= 0.06
    assert (judge(values, margin=0.6).verdict == "equivalent").mean() > 0.06


@given(st.integers(1, 4), st.integers(1, 8))
def test_a_verdict_needs_five_degrees_of_freedom(prompts: int, seeds: int) -> None:
    values = np.random.default_rng(0).standard_normal((prompts, seeds, 2)) + np.array([0.0, 50.0])
    enough = prompts * (seeds - 1) >= 5
    assert (judge(values).verdict[0] != "insufficient design") == enough


def test_a_prompt_with_one_paired_seed_is_left_out_and_a_missing_picture_takes_its_pair_along() -> None:
    values = np.random.default_rng(1).standard_normal((3, 8, 2))
    values[1, 1:, 0] = np.nan
    values[2, 5, 1] = np.nan
    judged = judge(values)
    kept = judge(np.stack([values[0, :7], values[2, [0, 1, 2, 3, 4, 6, 7]]]))
    assert judged.outer.prompts[0] == 2
    assert judged.seeds[0] == 8 + 7
    assert kept.outer.prompts[0] == 2
    alone = samples.over_seeds(values[..., 1] - values[..., 0])
    assert judged.outer.mean[0] == pytest.approx(alone.mean)
    assert alone.mean == pytest.approx(
        (np.mean(values[0, :, 1] - values[0, :, 0]) + np.nanmean(values[2, :, 1] - values[2, :, 0])) / 2
    )


@pytest.mark.parametrize("prompts", [1, 5, 20])
def test_seeds_that_all_prompts_share_are_counted_once(prompts: int) -> None:
    """One seed moves all prompts together: the sample is as large as there are seeds, however many the prompts."""
    rng = np.random.default_rng(prompts)
    common = rng.standard_normal((STUDIES, 1, 7, 2)) + 0.3 * rng.standard_normal((STUDIES, prompts, 7, 2))
    judged = judge(common, shared=True)
    assert (judged.verdict == "different").mean() <= 0.06
    assert judged.outer.prompts[0, 0] == prompts
    assert judged.seeds[0, 0] == 7


@given(st.integers(6, 12), st.integers(1, 12), st.sampled_from([0.05, 1.0, 7.0]))
def test_pairs_that_can_only_be_counted_are_never_surer_than_the_exact_sign_test(
    seeds: int, changed: int, size: float
) -> None:
    """Scores of 0 or 1: McNemar's exact test by SciPy."""
    changed = min(changed, seeds)
    values = np.zeros((1, seeds, 2))
    values[0, :changed, 1] = size
    judged = judge(values, margin=0.01 * size)
    assert judged.p[0] >= stats.binomtest(changed, changed, 0.5).pvalue * (1 - 1e-9)
    assert judged.verdict[0] != "equivalent"


@pytest.mark.parametrize("seeds", [6, 20, 60, 200])
@pytest.mark.parametrize("margin", [0.05, 0.2])
def test_ties_alone_show_equality_only_where_there_are_so_many_that_a_difference_would_have_shown(
    seeds: int, margin: float
) -> None:
    values = np.zeros((2, seeds, 2))
    values[1] = 1.0  # one prompt always succeeds, the other one never
    would_have_shown = 0.05 ** (1 / (2 * seeds)) >= 1 - margin
    assert (judge(values, margin=margin).verdict[0] == "equivalent") == would_have_shown


def test_many_studies_go_through_at_once_as_they_do_alone() -> None:
    values = scattered(np.ones(5), 6, levels=3)[:20]
    values[np.random.default_rng(3).random(values.shape) < 0.1] = np.nan
    together = judge(values, (1.0, 2.0, 3.0))
    for study, alone in enumerate(judge(one, (1.0, 2.0, 3.0)) for one in values):
        for field in ("p", "family", "images"):
            np.testing.assert_allclose(getattr(together, field)[study], getattr(alone, field), rtol=1e-9)
        np.testing.assert_allclose(together.outer.high[study], alone.outer.high, rtol=1e-9)


def test_prompts_of_the_wider_scope_are_judged_by_another_error() -> None:
    """Prompts that answer in opposite ways: sure of these five, nothing said about others."""
    rng = np.random.default_rng(5)
    own = np.array([9.0, -3.0, -2.0, 7.0, 1.0, 2.0])
    values = np.stack([np.zeros((6, 6)), own[:, None] + 0.1 * rng.standard_normal((6, 6))], axis=-1)
    here = judge(values)
    there = intervals.paired_interval(values[..., 1].mean(axis=1))
    assert here.verdict[0] == "different"
    assert there.low < 0 < there.high


@pytest.mark.parametrize(("prompts", "seeds"), [(1, 6), (5, 2), (12, 2), (5, 6), (20, 3)])
def test_the_difference_that_plan_promises_is_found_in_four_studies_of_five(prompts: int, seeds: int) -> None:
    """Judged by the very code of the report: images of SD 0.5, as `plan` supposes."""
    promised = power.detectable_here(prompts, seeds)
    values = scattered(np.full(prompts, 0.5), seeds) + np.array([0.0, promised])
    found = (judge(values, margin=1e-6).verdict == "different").mean()
    assert 0.76 <= found <= 0.84
