"""Power without NumPy gives SciPy's numbers."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from teststrip.analysis.power import student

DEGREES = st.integers(5, 400)


@given(st.floats(0.5, 0.9999), DEGREES)
def test_quantiles_agree_with_scipy(p: float, degrees: int) -> None:
    assert student.quantile(p, degrees) == pytest.approx(special.stdtrit(degrees, p), abs=1e-9)


@given(st.floats(1e-6, 1 - 1e-6), st.integers(5, 1_000) | st.integers(1_000, 10**7))
def test_quantiles_of_large_designs_agree_with_scipy(p: float, degrees: int) -> None:
    assert student.quantile(p, degrees) == pytest.approx(special.stdtrit(degrees, p), abs=1e-9)


@given(st.floats(-5, 8), DEGREES, st.floats(0, 6))
def test_noncentral_t_agrees_with_scipy(t: float, degrees: int, shift: float) -> None:
    assert student.noncentral_cdf(t, degrees, shift) == pytest.approx(stats.nct.cdf(t, degrees, shift), abs=1e-9)


@given(st.floats(0.01, 0.99), DEGREES)
def test_the_spread_of_a_sample_sd_agrees_with_scipy(p: float, degrees: int) -> None:
    assert student.spread_quantile(p, degrees) ** 2 * degrees == pytest.approx(stats.chi2.ppf(p, degrees), rel=1e-9)
    assert sum(weight for _, weight in student.spread(degrees)) == pytest.approx(1, abs=1e-9)


@given(st.floats(0.0, 9.0), st.integers(2, 12))
def test_the_range_of_normals_agrees_with_scipy(width: float, count: int) -> None:
    assert student.range_cdf(width, count) == pytest.approx(stats.studentized_range.cdf(width, count, np.inf), abs=1e-5)


@pytest.mark.parametrize("degrees", [5, 11, 40, 400])
def test_few_panels_give_the_integral_of_many(degrees: int) -> None:
    few, many = (
        sum(weight * student.normal_cdf(3 - 2 * s) for s, weight in student.spread(degrees, panels))
        for panels in (60, student.PANELS)
    )
    assert few == pytest.approx(many, abs=1e-6)


@given(
    st.floats(-1e4, 1e4),
    st.sampled_from([math.atan, math.erf, lambda x: x, lambda x: x**3 + x, lambda x: max(x, -1.0)]),
)
def test_a_root_is_found_wherever_a_function_rises_through_zero_and_in_few_steps(
    at: float, rises: Callable[[float], float]
) -> None:
    asked: list[float] = []

    def shifted(x: float) -> float:
        asked.append(x)
        return rises(x - at)

    assert student.root(shifted, -1e5, 1e5) == pytest.approx(at, rel=1e-12, abs=1e-12)
    assert len(asked) <= 60  # bisection takes 65; most of these are spent on the way to where the function bends
    assert student.root(shifted, at + 1, 1e5) == at + 1
    assert student.root(shifted, -1e5, at - 1) == at - 1
