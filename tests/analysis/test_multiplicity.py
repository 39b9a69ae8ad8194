"""Corrections agree with statsmodels and keep their promises."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from teststrip.analysis.numbers import intervals, multiplicity


@settings(max_examples=25)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_is_statsmodels(p: list[float]) -> None:
    theirs = multipletests(p, method="holm")[1]
    assert multiplicity.holm(np.array(p)) == pytest.approx(theirs, abs=1e-9)


def test_holm_leaves_out_what_was_not_tested() -> None:
    p = np.array([[0.01, np.nan, 0.03], [np.nan, np.nan, 0.2]])
    adjusted = multiplicity.holm(p)
    assert adjusted[0] == pytest.approx([0.02, np.nan, 0.03], nan_ok=True)
    assert adjusted[1] == pytest.approx([np.nan, np.nan, 0.2], nan_ok=True)


def test_one_comparison_by_max_t_is_the_sign_flip_test_on_t() -> None:
    d = np.random.default_rng(0).standard_normal(8) + 0.6
    theirs = stats.permutation_test(
        (d,), lambda x, axis: stats.ttest_1samp(x, 0, axis=axis).statistic, permutation_type="samples",
        n_resamples=np.inf, vectorized=True,
    ).pvalue  # fmt: skip
    assert multiplicity.max_t(d[None])[0] == pytest.approx(theirs, abs=1e-9)


def test_max_t_never_falls_below_a_single_test_nor_far_above_bonferroni() -> None:
    rng = np.random.default_rng(1)
    values = rng.standard_normal((40, 5))
    values[:, 4] += 1.0
    d = np.stack([values[:, a] - values[:, b] for a, b in combinations(range(5), 2)])
    together, alone = multiplicity.max_t(d), intervals.t_p(d)
    assert (together >= alone - 0.01).all()
    assert (together <= np.minimum(alone * len(d), 1) + 0.02).all()


def test_max_t_keeps_the_chance_of_any_false_claim() -> None:
    rng = np.random.default_rng(2)
    wrong, studies = 0, 300
    for _ in range(studies):
        values = rng.standard_normal((9, 6))
        d = np.stack([values[:, a] - values[:, b] for a, b in combinations(range(6), 2)])
        wrong += bool(multiplicity.max_t(d).min() < 0.05)
    assert wrong <= stats.binom.ppf(0.999, studies, 0.05)


def test_max_t_says_nothing_of_a_comparison_without_prompts() -> None:
    d = np.array([[1.0, 2.0, 3.0, 4.0], [np.nan] * 4])
    assert np.isnan(multiplicity.max_t(d)[1])
