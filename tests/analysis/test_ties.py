"""Scores of few values: what counting promises, by enumeration of everything that can be seen, and where it ends."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import special, stats

from teststrip.analysis.numbers import columns, effects, judging, samples, ties
from teststrip.analysis.numbers.arrays import Array
from teststrip.analysis.numbers.ties import Tally
from teststrip.records import Scope

ALPHA = 0.05
ENUMERATED = 0.055
"""What the design promises of scores of 0 or 1; a score interval is no exact one."""
SIZES = (6, 7, 8, 9, 10, 12, 15, 20, 25, 30, 40, 50, 60, 80, 120)
MARGINS = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5)
QUANTILE = float(stats.norm.ppf(1 - ALPHA))


def counts(pairs: int) -> tuple[Array, Array]:
    """Everything that can be seen: how many pairs go up, and how many down."""
    up, down = np.divmod(np.arange((pairs + 1) ** 2), pairs + 1)
    there = up + down <= pairs
    return up[there].astype(float), down[there].astype(float)


def chances(up: Array, down: Array, pairs: int, rise: float, fall: float) -> Array:
    """The chance of each count where a pair goes up with chance `rise` and down with chance `fall`."""
    rest = pairs - up - down
    ways = special.gammaln(pairs + 1) - sum(special.gammaln(n + 1) for n in (up, down, rest))
    stay = max(1 - rise - fall, 0.0)
    found: Array = np.exp(ways + special.xlogy(up, rise) + special.xlogy(down, fall) + special.xlogy(rest, stay))
    return found


def counted(up: Array | float, down: Array | float, pairs: float, size: float = 1.0) -> Tally:
    up, down = np.broadcast_arrays(np.asarray(up, dtype=float), np.asarray(down, dtype=float))
    return Tally(np.ones(up.shape, dtype=bool), np.full(up.shape, size), up, down, np.full(up.shape, float(pairs)))


def truths(margin: float) -> list[tuple[float, float]]:
    """Chances to rise and to fall whose difference is the margin or just beyond it."""
    return [
        (far + fall, fall)
        for far in (margin, 1.2 * margin)
        for fall in np.linspace(0, max((1 - far) / 2, 0), 12)
        if far + 2 * fall <= 1
    ]


@pytest.mark.parametrize("margin", MARGINS)
@pytest.mark.parametrize("pairs", SIZES)
def test_a_difference_as_large_as_the_margin_is_called_smaller_in_at_most_one_study_of_twenty(
    pairs: int, margin: float
) -> None:
    up, down = counts(pairs)
    below = ties.bound(up, down, np.full(up.shape, float(pairs)), QUANTILE) < margin
    for rise, fall in truths(margin):
        chance = chances(up, down, pairs, rise, fall)
        assert chance.sum() == pytest.approx(1.0)
        assert chance[below].sum() <= ENUMERATED


@pytest.mark.parametrize("pairs", SIZES)
def test_an_interval_of_counts_covers_every_truth(pairs: int) -> None:
    up, down = counts(pairs)
    one = counted(up, down, pairs, 3.0)
    middle = 3.0 * (up - down) / pairs
    nothing = samples.Interval(middle, middle, middle, middle, middle)
    found = one.widened(nothing, 0.95)
    for rise, fall in itertools.product(np.linspace(0, 1, 21), repeat=2):
        if rise + fall <= 1:
            truth = 3.0 * (rise - fall)
            covered = (found.low <= truth + 1e-9) & (found.high >= truth - 1e-9)
            assert chances(up, down, pairs, rise, fall)[covered].sum() >= 1 - ENUMERATED


@pytest.mark.parametrize("pairs", SIZES)
def test_settings_that_are_equally_good_are_rarely_called_different(pairs: int) -> None:
    up, down = counts(pairs)
    wrong = counted(up, down, pairs).p < ALPHA
    for chance in np.linspace(0, 0.5, 26):
        assert chances(up, down, pairs, chance, chance)[wrong].sum() <= ALPHA


@given(st.integers(0, 300), st.integers(0, 300), st.integers(0, 300))
def test_p_is_scipys_binomial_test(up: int, down: int, tied: int) -> None:
    second = stats.binomtest(up, up + down).pvalue if up + down else 1.0
    assert counted(up, down, up + down + tied).p == pytest.approx(second, rel=1e-9)


@pytest.mark.parametrize("pairs", SIZES)
@pytest.mark.parametrize("size", [1.0, 0.25])
def test_not_worse_by_the_margin_is_said_exactly_where_the_bound_leaves_the_margin_out(pairs: int, size: float) -> None:
    up, down = counts(pairs)
    lost = size * ties.bound(down, up, np.full(up.shape, float(pairs)), QUANTILE)
    for margin in MARGINS:
        p = counted(up, down, pairs, size).not_below_p(-margin * size)
        clear = np.abs(lost - margin * size) > 1e-9
        np.testing.assert_array_equal((p < ALPHA)[clear], (lost < margin * size)[clear])


@given(st.floats(0, 40), st.floats(0, 40), st.floats(0, 40), st.floats(0.1, 3))
def test_the_bound_lies_above_what_was_seen_and_grows_with_what_goes_up(
    up: float, down: float, tied: float, quantile: float
) -> None:
    pairs = np.asarray(up + down + tied + 1.0)
    here, more, less = (
        ties.bound(np.asarray(a), np.asarray(b), pairs, quantile)
        for a, b in ((up, down), (up + 1, down), (up, down + 1))
    )
    assert (up - down) / pairs - 1e-9 <= here <= 1
    assert more >= here - 1e-9
    if up + down + 1 <= pairs:
        assert less <= here + 1e-9
    assert ties.bound(np.asarray(up), np.asarray(down), pairs, quantile + 1) >= here - 1e-9


def judged(values: Array, margin: float, scope: Scope, **more: bool) -> judging.Judgement:
    """Two levels [..., prompts, seeds, 2]."""
    rows = [(p, r, level) for p in range(values.shape[-3]) for r in range(values.shape[-2]) for level in (1.0, 2.0)]
    table = dict(zip(("prompt", "replicate", "x"), map(list, zip(*rows, strict=True)), strict=True))
    layout = columns.read(table, ["x"])
    pairing = judging.Pairing(**more)
    return judging.judge(values, layout, effects.planned(layout), margin, scope=scope, pairing=pairing)


@given(
    scope=st.sampled_from([judging.HERE, judging.WIDE]),
    prompts=st.integers(6, 80),
    seeds=st.integers(1, 6),
    step=st.sampled_from([1.0, 0.5, 4.0]),
    values=st.sampled_from([2, 3, 5, 8]),
    share=st.floats(0.02, 0.6),
    data=st.data(),
)
def test_nearly_all_ties_are_no_equality_where_a_difference_could_have_stayed_hidden(
    scope: Scope, prompts: int, seeds: int, step: float, values: int, share: float, data: st.DataObject
) -> None:
    """Ratings in both settings alike but for a few pairs: a truth at the margin would show no more than these."""
    rng = np.random.default_rng(data.draw(st.integers(0, 999)))
    # Two scores a value are what makes it a scale.
    scores = rng.permuted(np.resize(np.arange(values), prompts * seeds)).reshape(prompts, seeds, 1) * step
    pairs = np.concatenate([scores, scores], axis=-1)
    changed = data.draw(st.integers(0, min(2, prompts)))
    pairs[:changed, 0, 1] = np.where(pairs[:changed, 0, 1] > 0, pairs[:changed, 0, 1] - step, step)
    # Ties alone do not show that the seeds of a prompt are independent; a pair that changed alone does.
    units = prompts if scope == judging.WIDE and not changed else prompts * seeds
    hidden = stats.binom.cdf(0, units, min(share, 1.0))
    found = judged(pairs, share * step, scope)
    if hidden > ALPHA:
        assert found.verdict[0] != "equivalent"
    if hidden < ALPHA / 10 and not changed:
        assert found.verdict[0] == "equivalent" or found.sample.nominal[0] < 5


STUDIES = 2_000
LIMIT = float(stats.binom.ppf(0.999, STUDIES, ALPHA)) / STUDIES
"""More errors than this are not luck when one study in twenty may be wrong."""


def wrongly_alike(values: Array, margin: float, scope: Scope, **more: bool) -> float:
    """The share of studies that are told that the settings are alike; of a single score nothing is told."""
    several = values.max(axis=(-3, -2, -1)) > values.min(axis=(-3, -2, -1))
    return float(((judged(values, margin, scope, **more).verdict[:, 0] == "equivalent") & several).mean())


def rated(rng: np.random.Generator, prompts: int, seeds: int, fall: float, *, own: float, values: int) -> Array:
    """Studies [studies, prompts, seeds, 2] of a scale; a pair falls by a step with chance `fall`, more in some prompts.

    Args:
        rng: draws.
        prompts, seeds: how many.
        fall: over prompts, on average.
        own: how unlike prompts are: 0 = all alike, 1 = a prompt falls always or never.
        values: of the scale.
    """
    base = rng.integers(1, values, (STUDIES, prompts, 1)) * np.ones((1, 1, seeds), dtype=int)
    if own:
        chance = rng.beta(fall * (1 - own) / own, (1 - fall) * (1 - own) / own, (STUDIES, prompts, 1))
    else:
        chance = np.full((STUDIES, prompts, 1), fall)
    return np.stack([base, base - (rng.random(base.shape) < chance)], axis=-1).astype(float)


@pytest.mark.parametrize("values", [2, 5])
@pytest.mark.parametrize("own", [0.0, 0.3, 0.9])
@pytest.mark.parametrize(("prompts", "seeds"), [(10, 1), (10, 4), (30, 1), (30, 3), (80, 2)])
@pytest.mark.parametrize("margin", [0.1, 0.2])
def test_prompts_that_lose_by_the_margin_are_rarely_called_alike(
    prompts: int, seeds: int, own: float, values: int, margin: float
) -> None:
    rng = np.random.default_rng([prompts, seeds, int(10 * own), values])
    drawn = rated(rng, prompts, seeds, margin, own=own, values=values)
    assert wrongly_alike(drawn, margin, judging.WIDE) <= LIMIT


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize(("prompts", "seeds"), [(1, 10), (1, 60), (5, 6), (20, 3)])
@pytest.mark.parametrize("margin", [0.05, 0.2])
def test_seeds_that_lose_by_the_margin_are_rarely_called_alike_on_these_prompts(
    prompts: int, seeds: int, margin: float, shared: bool
) -> None:
    rng = np.random.default_rng([prompts, seeds, int(100 * margin)])
    chance = np.linspace(0.5, 1.5, prompts) * margin if prompts > 1 else np.array([margin])
    before = np.ones((STUDIES, prompts, seeds))
    after = before - (rng.random(before.shape) < chance[:, None])
    assert wrongly_alike(np.stack([before, after], axis=-1), margin, judging.HERE, shared=shared) <= LIMIT


@given(
    arrays.arrays(
        float,
        st.tuples(st.integers(6, 12), st.integers(1, 3), st.just(2)),
        elements=st.floats(-9, 9).map(lambda x: round(x, 6)),
        unique=True,
    ),
    st.sampled_from([judging.HERE, judging.WIDE]),
)
def test_a_score_that_is_measured_is_not_counted(values: Array, scope: Scope) -> None:
    found = judged(values, 1.0, scope)
    plain = samples.interval(found.sample, 0.90)
    assert ties.step_of(values) == 0
    np.testing.assert_array_equal(found.p, samples.t_p(found.sample))
    np.testing.assert_array_equal([found.inner.low, found.inner.high], [plain.low, plain.high])


@given(
    arrays.arrays(float, st.tuples(st.integers(1, 9), st.integers(1, 4)), elements=st.sampled_from([-1.0, 0.0, 1.0])),
    st.sampled_from([0.5, 1.0, 30.0]),
)
def test_one_pair_a_prompt_is_counted_in_whole_pairs_and_several_never_as_more_than_there_are(
    differences: Array, step: float
) -> None:
    each = ties.tally(differences.reshape(1, -1, 1) * step, np.asarray(step))
    assert (each.up[0], each.down[0]) == pytest.approx(((differences > 0).sum(), (differences < 0).sum()))
    assert each.pairs[0] == pytest.approx(differences.size)
    together = ties.tally(differences[None] * step, np.asarray(step))
    assert differences.shape[0] - 1e-9 <= together.pairs[0] <= differences.size + 1e-9
    assert together.size * (together.up - together.down) == pytest.approx(differences.mean() * step * together.pairs)


@pytest.mark.parametrize("pairs", [10, 30, 120, 600])
@pytest.mark.parametrize("margin", MARGINS)
def test_ties_alone_are_equality_only_where_a_difference_would_have_shown(pairs: int, margin: float) -> None:
    bound = float(ties.bound(np.asarray(0.0), np.asarray(0.0), np.asarray(float(pairs)), QUANTILE))
    if bound < margin:
        assert math.pow(1 - margin, pairs) <= ALPHA
