"""The four kinds of sample against second sources, in simulation, and by laws that hold for each of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats
from statsmodels.formula.api import mixedlm
from statsmodels.stats.anova import anova_lm

from teststrip.analysis.numbers import columns, effects, judging, samples
from teststrip.analysis.numbers.arrays import Array, mean
from teststrip.analysis.numbers.samples import Sample
from teststrip.records import Scope

STUDIES = 4_000
FIELDS = ("mean", "se", "degrees", "prompts", "seeds", "nominal")


def paired(rule: Callable[..., Sample], **more: Any) -> Callable[[Array], Sample]:
    """A rule for differences as one for the pictures [..., prompts, seeds, 2] of two settings."""
    return lambda values: rule(values[..., 1] - values[..., 0], **more)


def _over_prompts(values: Array) -> Sample:
    return samples.over_prompts(mean(values[..., 1] - values[..., 0], -1))


def _unpaired(values: Array) -> Sample:
    count = (~np.isnan(values)).sum(axis=-2)
    middle = mean(values, -2)
    variance = np.nansum((values - middle[..., None, :]) ** 2, axis=-2) / np.maximum(count - 1, 1)
    able = (count >= samples.LEAST_SEEDS).all(axis=-1, keepdims=True)
    return samples.unpaired(middle, variance, count, np.where(able, np.array([-1.0, 1.0]), 0.0))


RULES: dict[str, Callable[[Array], Sample]] = {
    "over prompts": _over_prompts,
    "over seeds": paired(samples.over_seeds),
    "over shared seeds": paired(samples.over_seeds, shared_seeds=True),
    "over both": paired(samples.over_both),
    "unpaired": _unpaired,
}
rules = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)

scores = st.one_of(st.floats(-50, 50).map(lambda x: round(x, 3)), st.just(np.nan))
pictures = arrays.arrays(
    float, st.tuples(st.integers(1, 6), st.integers(1, 5), st.just(2)), elements=scores, fill=st.nothing()
)


def alike(one: Sample, other: Sample, *, times: float = 1.0, shift: float = 0.0) -> None:
    """The second sample is the first one in other units."""
    np.testing.assert_allclose(other.mean, one.mean * times + shift, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(other.se, one.se * abs(times), rtol=1e-6, atol=1e-6)
    for field in ("prompts", "seeds", "nominal"):
        np.testing.assert_array_equal(getattr(other, field), getattr(one, field))
    clear = np.nan_to_num(one.se) > 1e-6
    np.testing.assert_allclose(other.degrees[clear], one.degrees[clear], rtol=1e-5)


@pytest.mark.parametrize(("prompts", "seeds"), [(6, 1), (12, 1), (9, 3), (40, 2)])
def test_over_prompts_it_is_scipys_paired_t_test(prompts: int, seeds: int) -> None:
    values = np.random.default_rng([prompts, seeds]).standard_normal((prompts, seeds, 2))
    found = _over_prompts(values)
    second = stats.ttest_rel(values[..., 1].mean(axis=1), values[..., 0].mean(axis=1))
    ends, here = second.confidence_interval(0.9), samples.interval(found, 0.9)
    assert samples.t_p(found) == pytest.approx(second.pvalue)
    assert (here.low, here.high) == pytest.approx((ends.low, ends.high))


@pytest.mark.parametrize(("few", "many", "times"), [(6, 6, 1.0), (4, 9, 3.0), (9, 4, 0.2), (2, 30, 1.0)])
def test_one_prompt_unpaired_is_scipys_welch_test(few: int, many: int, times: float) -> None:
    rng = np.random.default_rng([few, many])
    values = np.full((1, max(few, many), 2), np.nan)
    values[0, :few, 0], values[0, :many, 1] = rng.standard_normal(few), times * rng.standard_normal(many) + 0.5
    found = _unpaired(values)
    second = stats.ttest_ind(values[0, :many, 1], values[0, :few, 0], equal_var=False)
    ends, here = second.confidence_interval(0.95), samples.interval(found)
    assert found.degrees == pytest.approx(second.df)
    assert samples.t_p(found) == pytest.approx(second.pvalue)
    assert (here.low, here.high) == pytest.approx((ends.low, ends.high))


@pytest.mark.parametrize(("prompts", "seeds"), [(2, 4), (5, 3), (8, 6)])
@pytest.mark.parametrize("gone", [0.0, 0.15])
def test_of_fixed_prompts_the_error_is_statsmodels_robust_one(prompts: int, seeds: int, gone: float) -> None:
    """A mean for each cell, errors by HC2, which lets each cell have a variance of its own; then the contrast."""
    rng = np.random.default_rng([prompts, seeds, int(100 * gone)])
    values = rng.standard_normal((prompts, seeds, 2)) * rng.uniform(0.5, 3, (prompts, 1, 2))
    values[:, 2:][rng.random((prompts, seeds - 2, 2)) < gone] = np.nan
    p, _, c = (place.ravel() for place in np.indices(values.shape))
    _agrees(_unpaired(values), values.ravel(), 2 * p + c, np.tile([-1.0, 1.0], prompts) / prompts)
    differences = values[..., 1] - values[..., 0]
    p, _ = (place.ravel() for place in np.indices(differences.shape))
    _agrees(samples.over_seeds(differences), differences.ravel(), p, np.ones(prompts) / prompts)


def _agrees(found: Sample, y: Array, group: Array, weights: Array) -> None:
    there = ~np.isnan(y)
    second = sm.OLS(y[there], np.eye(weights.size)[group[there]]).fit(cov_type="HC2").t_test(weights)
    assert found.mean == pytest.approx(second.effect[0])
    assert found.se == pytest.approx(second.sd[0, 0])


@pytest.mark.parametrize(("prompts", "seeds"), [(2, 4), (5, 3), (8, 6)])
def test_unpaired_cells_that_scatter_alike_are_statsmodels_fixed_effects(prompts: int, seeds: int) -> None:
    rng = np.random.default_rng([prompts, seeds])
    one = rng.standard_normal(seeds)
    means = rng.standard_normal((prompts, 2))
    values = np.stack([rng.permutation(one) + m for m in means.ravel()]).reshape(prompts, 2, seeds).swapaxes(1, 2)
    found = _unpaired(values)
    p, _, c = (place.ravel() for place in np.indices(values.shape))
    second = sm.OLS(values.ravel(), np.eye(2 * prompts)[2 * p + c]).fit()
    contrast = second.t_test(np.tile([-1.0, 1.0], prompts) / prompts)
    assert found.degrees == pytest.approx(second.df_resid)
    assert samples.t_p(found) == pytest.approx(float(contrast.pvalue))


def crossed(rng: np.random.Generator, prompts: int, seeds: int, *, of_prompt: float, of_seed: float) -> Array:
    """Differences [prompts, seeds] of no mean effect in which rows and columns both have luck of their own."""
    rows, lines = rng.standard_normal((prompts, 1)), rng.standard_normal((1, seeds))
    return of_prompt * rows + of_seed * lines + rng.standard_normal((prompts, seeds))


@pytest.mark.parametrize(("prompts", "seeds"), [(6, 3), (10, 5), (30, 8)])
@pytest.mark.parametrize(("of_prompt", "of_seed"), [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)])
def test_over_both_the_error_is_never_below_that_of_a_crossed_anova(
    prompts: int, seeds: int, of_prompt: float, of_seed: float
) -> None:
    rng = np.random.default_rng([prompts, seeds])
    for _ in range(5):
        d = crossed(rng, prompts, seeds, of_prompt=of_prompt, of_seed=of_seed)
        table = _long(d)
        squares = anova_lm(sm.OLS.from_formula("y ~ C(p) + C(s)", table).fit())
        square = squares["sum_sq"] / squares["df"]
        anova = (square["C(p)"] + square["C(s)"] - square["Residual"]) / d.size
        found = samples.over_both(d)
        assert found.mean == pytest.approx(d.mean())
        assert found.se**2 >= anova * (1 - 1e-9)
        assert found.se**2 == pytest.approx(anova + square["Residual"] / d.size)


def _long(d: Array) -> pd.DataFrame:
    p, s = (place.ravel() for place in np.indices(d.shape))
    return pd.DataFrame({"y": d.ravel(), "p": p, "s": s, "all": np.zeros(d.size)})


@pytest.mark.parametrize(("prompts", "seeds"), [(6, 4), (12, 6)])
def test_over_both_the_error_is_that_of_a_mixed_model_and_the_scatter_of_a_picture(prompts: int, seeds: int) -> None:
    """REML by statsmodels, with prompts and seeds as crossed random effects that are both clearly there."""
    d = crossed(np.random.default_rng([prompts, seeds]), prompts, seeds, of_prompt=3.0, of_seed=3.0)
    parts = {"p": "0 + C(p)", "s": "0 + C(s)"}
    model = mixedlm("y ~ 1", _long(d), groups="all", re_formula="0", vc_formula=parts).fit(reml=True)
    found = samples.over_both(d)
    assert found.se > model.bse["Intercept"]
    assert found.se**2 == pytest.approx(model.bse["Intercept"] ** 2 + model.scale / d.size, rel=1e-2)


def judged(values: Array, *, scope: Scope = judging.WIDE, **more: bool) -> judging.Judgement:
    """Two levels [..., prompts, seeds, 2]."""
    rows = [(p, r, level) for p in range(values.shape[-3]) for r in range(values.shape[-2]) for level in (1.0, 2.0)]
    table = dict(zip(("prompt", "replicate", "x"), map(list, zip(*rows, strict=True)), strict=True))
    layout = columns.read(table, ["x"])
    return judging.judge(values, layout, effects.planned(layout), 1e-6, scope=scope, pairing=judging.Pairing(**more))


@pytest.mark.parametrize(("of_prompt", "of_seed"), [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 0.5)])
@pytest.mark.parametrize(("prompts", "seeds"), [(6, 3), (12, 3), (30, 3), (8, 5), (30, 5), (6, 8), (30, 8)])
def test_seeds_that_all_prompts_share_give_few_false_differences_about_prompts_like_these(
    prompts: int, seeds: int, of_prompt: float, of_seed: float
) -> None:
    rng = np.random.default_rng([prompts, seeds, int(10 * of_prompt), int(10 * of_seed)])
    values = np.zeros((STUDIES, prompts, seeds, 2))
    values[..., 1] = (
        of_prompt * rng.standard_normal((STUDIES, prompts, 1))
        + of_seed * rng.standard_normal((STUDIES, 1, seeds))
        + rng.standard_normal((STUDIES, prompts, seeds))
    )
    found = judged(values, shared=True)
    assert (found.verdict == "different").mean() <= 0.06
    if of_seed == 1.0 and prompts == 30:  # the same study taken for one with seeds of its own
        assert (judged(values[:400]).verdict == "different").mean() > 0.2


@pytest.mark.parametrize("prompts", [6, 12, 30])
def test_fewer_than_three_shared_seeds_settle_nothing_about_prompts_like_these(prompts: int) -> None:
    for seeds in (1, 2, 3, 4):
        values = np.random.default_rng([prompts, seeds]).standard_normal((prompts, seeds, 2)) + np.array([0.0, 90.0])
        verdict = judged(values, shared=True).verdict[0]
        assert (verdict == "insufficient design") == (seeds < samples.LEAST_SHARED_SEEDS)


@rules
@given(values=pictures, shift=st.integers(-20, 20), times=st.sampled_from([0.01, 0.5, 3.0, 1e4]))
def test_height_and_unit_of_a_score_do_not_count(
    rule: Callable[[Array], Sample], values: Array, shift: int, times: float
) -> None:
    alike(rule(values), rule(values + shift))
    alike(rule(values), rule(values * times), times=times)
    alike(rule(values), rule(values + shift * np.array([0.0, 1.0])), shift=shift)
    alike(rule(values), rule(values[..., ::-1]), times=-1.0)


@rules
@given(values=pictures, seed=st.integers(0, 99))
def test_the_order_of_prompts_and_seeds_does_not_count(
    rule: Callable[[Array], Sample], values: Array, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    moved = values[rng.permutation(values.shape[0])][:, rng.permutation(values.shape[1])]
    alike(rule(values), rule(moved))


@rules
@given(values=pictures, prompts=st.integers(0, 2), seeds=st.integers(0, 2))
def test_prompts_and_seeds_without_pictures_do_not_count(
    rule: Callable[[Array], Sample], values: Array, prompts: int, seeds: int
) -> None:
    alike(rule(values), rule(np.pad(values, ((0, prompts), (0, seeds), (0, 0)), constant_values=np.nan)))


@rules
@pytest.mark.parametrize(("prompts", "seeds"), [(1, 1), (1, 8), (6, 1), (6, 8), (30, 4)])
def test_settings_that_share_no_prompt_are_not_compared(
    rule: Callable[[Array], Sample], prompts: int, seeds: int
) -> None:
    values = np.random.default_rng(seeds).standard_normal((prompts, seeds, 2))
    values[..., 1] = np.nan
    found = rule(values)
    assert np.isnan([found.mean, found.se, samples.t_p(found), samples.interval(found).low]).all()
    assert found.prompts == found.seeds == 0


@pytest.mark.parametrize("scope", [judging.HERE, judging.WIDE])
@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("paired_seeds", [True, False])
@pytest.mark.parametrize(("prompts", "seeds"), [(1, 6), (6, 6), (30, 4)])
def test_a_level_without_pictures_gets_no_verdict_in_either_scope(
    scope: Scope, shared: bool, paired_seeds: bool, prompts: int, seeds: int
) -> None:
    values = np.random.default_rng(seeds).standard_normal((prompts, seeds, 2))
    values[..., 1] = np.nan
    found = judged(values, scope=scope, shared=shared, paired=paired_seeds)
    assert found.verdict[0] == "insufficient design"


@rules
@given(values=pictures, seed=st.integers(0, 99))
def test_many_studies_at_once_say_what_each_says_alone(
    rule: Callable[[Array], Sample], values: Array, seed: int
) -> None:
    gone = np.random.default_rng(seed).random(values.shape) < 0.2
    studies = np.stack([values, np.where(gone, np.nan, values), values * 2])
    together = rule(studies)
    for k, one in enumerate(studies):
        alone = rule(one)
        for field in FIELDS:
            np.testing.assert_allclose(getattr(together, field)[k], getattr(alone, field), rtol=1e-9)


@rules
@given(values=pictures, bound=st.floats(-60, 60), extra=st.sampled_from([0.0, 1.0]))
def test_an_interval_leaves_out_what_its_test_rejects(
    rule: Callable[[Array], Sample], values: Array, bound: float, extra: float
) -> None:
    found = rule(values)
    if np.isnan(found.se):
        assert np.isnan(samples.t_p(found))
        assert np.isnan(samples.one_sided_p(found, bound))
        return
    both, inner = samples.interval(found), samples.interval(found, 0.9, extra_se=extra)
    if min(abs(both.low - bound), abs(both.high - bound), abs(inner.low - bound)) > 1e-6:
        assert (samples.t_p(found, bound) < 0.05) == (not both.low <= bound <= both.high)
        assert (samples.one_sided_p(found, bound, extra_se=extra) < 0.05) == (inner.low > bound)
