"""Intervals and tests agree with SciPy and statsmodels where they compute the same thing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from statsmodels.stats.weightstats import DescrStatsW, ttost_paired

from teststrip.analysis.numbers import intervals
from teststrip.errors import UsageError

EXACT = 1e-9


def pairs(seed: int, prompts: int = 17) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    height = 2 * rng.standard_normal(prompts)
    return height + rng.standard_normal(prompts) + 0.3, height + rng.standard_normal(prompts)


numbers = st.floats(-1e3, 1e3).map(lambda x: round(x, 3))
differences = arrays(float, st.integers(3, 30), elements=numbers).filter(lambda d: d.std() > 1e-3)


@settings(max_examples=25)
@given(differences, st.sampled_from([0.8, 0.9, 0.95, 0.99]))
def test_the_interval_is_scipys(d: np.ndarray, level: float) -> None:
    ours = intervals.paired_interval(d, level)
    theirs = stats.ttest_1samp(d, 0).confidence_interval(level)
    assert float(ours.low) == pytest.approx(theirs.low, rel=EXACT, abs=EXACT)
    assert float(ours.high) == pytest.approx(theirs.high, rel=EXACT, abs=EXACT)


@pytest.mark.parametrize("seed", range(5))
def test_p_values_are_those_of_scipy_and_statsmodels(seed: int) -> None:
    a, b = pairs(seed)
    assert float(intervals.t_p(a - b)) == pytest.approx(stats.ttest_rel(a, b).pvalue, rel=EXACT)
    assert float(intervals.t_p(a - b, 0.25)) == pytest.approx(DescrStatsW(a - b).ttest_mean(0.25)[1], rel=EXACT)
    above = stats.ttest_1samp(a - b, -0.2, alternative="greater").pvalue
    assert float(intervals.one_sided_p(a - b, -0.2)) == pytest.approx(above, rel=EXACT)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("margin", [0.2, 1.0, 3.0])
def test_equivalence_is_that_of_statsmodels(seed: int, margin: float) -> None:
    a, b = pairs(seed)
    theirs = ttost_paired(a, b, -margin, margin)[0]
    assert float(intervals.tost_p(a - b, margin)) == pytest.approx(theirs, rel=EXACT)


@settings(max_examples=25)
@given(differences, st.floats(0.01, 100))
def test_equivalence_and_the_ninety_percent_interval_say_the_same(d: np.ndarray, margin: float) -> None:
    inner = intervals.paired_interval(d, 0.90)
    gap = min(abs(abs(float(inner.low)) - margin), abs(abs(float(inner.high)) - margin))
    if gap > 1e-9 * margin:
        inside = float(inner.low) > -margin and float(inner.high) < margin
        assert inside == (float(intervals.tost_p(d, margin)) < 0.05)


@pytest.mark.parametrize("seed", range(5))
def test_the_sign_flip_test_is_scipys_exact_permutation_test(seed: int) -> None:
    d = np.random.default_rng(seed).standard_normal(9) + 0.5
    theirs = stats.permutation_test((d,), np.mean, permutation_type="samples", n_resamples=np.inf).pvalue
    assert intervals.sign_flip_p(d) == pytest.approx(theirs, abs=EXACT)


@pytest.mark.parametrize("prompts", [2, 3, 4, 5])
def test_fewer_than_six_prompts_never_reach_five_percent_by_sign_flips(prompts: int) -> None:
    assert intervals.sign_flip_p(np.arange(1.0, prompts + 1)) >= 0.0625


def test_six_prompts_can() -> None:
    assert intervals.sign_flip_p(np.arange(1.0, 7.0)) == 2 / 2**6


def test_a_sampled_sign_flip_test_is_near_t_on_many_prompts() -> None:
    d = np.random.default_rng(0).standard_normal(60) + 0.25
    assert intervals.sign_flip_p(d) == pytest.approx(float(intervals.t_p(d)), abs=0.02)


def test_bootstrap_t_is_near_scipys_on_normal_data_and_leans_on_skewed() -> None:
    rng = np.random.default_rng(1)
    normal, skewed = rng.standard_normal(40), rng.exponential(size=40)
    ours, t = intervals.bootstrap_t(normal), intervals.paired_interval(normal)
    assert float(ours.low) == pytest.approx(float(t.low), abs=0.08)
    assert float(ours.high) == pytest.approx(float(t.high), abs=0.08)
    leaning = intervals.bootstrap_t(skewed)
    assert float(leaning.high - leaning.mean) > float(leaning.mean - leaning.low)


def test_bootstrap_t_wants_ten_prompts() -> None:
    with pytest.raises(UsageError, match="at least 10 prompts"):
        intervals.bootstrap_t(np.arange(9.0))


def test_missing_differences_are_left_out_not_counted_as_zero() -> None:
    d = np.array([1.0, np.nan, 2.0, 3.0, np.nan])
    full = intervals.paired_interval(np.array([1.0, 2.0, 3.0]))
    holed = intervals.paired_interval(d)
    assert (float(holed.mean), float(holed.low)) == (float(full.mean), float(full.low))
    assert float(holed.prompts) == 3


def test_many_studies_at_once_give_what_each_gives_alone() -> None:
    d = np.random.default_rng(2).standard_normal((4, 3, 11))
    d[1, 2, :4] = np.nan
    together, p = intervals.paired_interval(d), intervals.t_p(d)
    for place in np.ndindex(4, 3):
        assert together.low[place] == float(intervals.paired_interval(d[place]).low)
        assert p[place] == float(intervals.t_p(d[place]))


def test_equal_differences_have_no_error_and_one_prompt_no_interval() -> None:
    same = intervals.paired_interval(np.full(7, 0.3))
    assert (float(same.low), float(same.high)) == (0.3, 0.3)
    assert float(intervals.t_p(np.full(7, 0.3))) == 0
    assert float(intervals.t_p(np.zeros(7))) == 1
    assert np.isnan(intervals.paired_interval(np.array([1.0])).low)


def test_a_level_outside_zero_and_one_is_refused() -> None:
    with pytest.raises(UsageError, match=r"0\.95 means 95 %"):
        intervals.paired_interval(np.arange(5.0), 95)
