"""Both scopes beyond single axes, and engines that do not give a picture again: what is said holds, and how often."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from tests.analysis.scored import study

from teststrip import analysis
from teststrip.analysis.advice import choice, costs
from teststrip.analysis.numbers import columns, effects, judging
from teststrip.analysis.numbers.arrays import Array
from teststrip.analysis.numbers.judging import Pairing
from teststrip.analysis.numbers.margin import Margin
from teststrip.records import Card, Finding, Scope

SCORE = {"score": Card("score", higher_is_better=True)}
SCOPES: tuple[Scope, ...] = ("these prompts", "prompts like these")
GRID = {"guidance_scale": (3.0, 7.0), "scheduler": ("a", "b")}
UNPAIRED = Pairing(paired=False)

designs = pytest.mark.parametrize(("prompts", "seeds"), [(1, 6), (2, 4), (5, 6), (20, 3)])


def judged(values: Array, levels: Sequence[float], scope: Scope, pairing: Pairing) -> judging.Judgement:
    """An axis with these levels, [..., prompts, seeds, levels]."""
    rows = [(p, r, x) for p in range(values.shape[-3]) for r in range(values.shape[-2]) for x in levels]
    table = dict(zip(("prompt", "replicate", "x"), map(list, zip(*rows, strict=True)), strict=True))
    layout = columns.read(table, ["x"])
    return judging.judge(values, layout, effects.planned(layout), 0.2, scope=scope, pairing=pairing)


@pytest.mark.parametrize("louder", [1.0, 3.0])
@designs
def test_without_seeds_in_common_the_interval_covers_what_is_true_of_these_prompts(
    prompts: int, seeds: int, louder: float
) -> None:
    """Each prompt answers in its own way, with no effect on average; the second setting scatters more."""
    rng = np.random.default_rng([prompts, seeds])
    own = 3 * rng.standard_normal((prompts, 2))
    own -= own.mean(axis=0)
    noise = rng.standard_normal((4_000, prompts, seeds, 2)) * np.array([1.0, louder])
    found = judged(own[:, None, :] + noise, (1.0, 2.0), "these prompts", UNPAIRED)
    covered = ((found.outer.low <= 0) & (found.outer.high >= 0)).mean()
    assert 0.93 <= covered <= 0.985
    assert (found.verdict == "different").mean() <= 0.06
    power = judged(own[:, None, :] + noise + np.array([0.0, 9.0]), (1.0, 2.0), "these prompts", UNPAIRED)
    assert (power.verdict == "different").mean() > 0.9


def shuffled(table: dict[str, list[Any]], rng: np.random.Generator) -> dict[str, list[Any]]:
    """The same scores, with the seeds of each prompt and setting dealt out anew."""
    cell = list(zip(table["prompt"], *(table[axis] for axis in GRID), strict=True))
    dealt = dict(table, replicate=list(table["replicate"]))
    for one in set(cell):
        rows = [i for i, other in enumerate(cell) if other == one]
        for i, j in zip(rows, rng.permutation(rows), strict=True):
            dealt["replicate"][i] = table["replicate"][j]
    return dealt


def told(found: Sequence[Finding]) -> list[Any]:
    """What findings about scores say, to nine digits; shares of missing pictures are another matter."""
    return [
        (
            f.kind,
            f.axis,
            f.scope,
            f.verdict,
            [[_near(x) for x in (r.effect, r.low, r.high, r.p)] for r in f.comparisons],
        )
        for f in found
        if f.kind != "missing"
    ]


def _near(x: float) -> float | str:
    return f"{x:.9e}" if abs(x) > 1e-9 else "0"


@settings(max_examples=10, deadline=None)
@given(st.sampled_from([(1, 8), (4, 4), (8, 3)]), st.integers(0, 99), st.sampled_from([0.0, 0.1]))
def test_which_seed_a_picture_has_says_nothing_where_seeds_do_not_give_it_again(
    design: tuple[int, int], seed: int, missing: float
) -> None:
    table = study(*design, GRID, lambda c: 0.5 * (c[0] == 7.0), seed=seed, missing=missing)
    other = shuffled(table, np.random.default_rng(seed))
    one, two = (
        analysis.findings(t, SCORE, axes=list(GRID), margin={"score": 0.4}, paired_seeds=False, outlook=False)
        for t in (table, other)
    )
    assert told(one) == told(two)
    first, second = (
        analysis.recommend(t, "score", axes=list(GRID), margin={"score": 0.4}, paired_seeds=False)
        for t in (table, other)
    )
    assert (first.choice and first.choice.label, first.settled, first.scope) == (
        second.choice and second.choice.label,
        second.settled,
        second.scope,
    )


def test_which_seed_a_picture_has_counts_where_seeds_give_it_again() -> None:
    table = study(4, 6, GRID, seed=3)
    one, two = (
        analysis.findings(t, SCORE, axes=list(GRID), outlook=False)
        for t in (table, shuffled(table, np.random.default_rng(3)))
    )
    assert told(one) != told(two)


def cells(found: Sequence[Finding], scope: Scope) -> Finding | None:
    return next((f for f in found if f.kind == "cells" and f.scope == scope), None)


@pytest.mark.parametrize(("prompts", "seeds"), [(1, 8), (4, 5), (8, 4)])
@pytest.mark.parametrize("paired", [True, False])
def test_whole_settings_are_compared_by_seeds_of_these_prompts_and_by_prompts_of_others(
    prompts: int, seeds: int, paired: bool
) -> None:
    table = study(prompts, seeds, GRID, lambda c: 3.0 * (c[0] == 7.0), seed=prompts)
    found = analysis.findings(table, SCORE, axes=list(GRID), margin={"score": 0.2}, paired_seeds=paired)
    here, wide = (cells(found, scope) for scope in SCOPES)
    assert here is not None
    assert here.verdict == "different"
    assert here.seeds == prompts * seeds
    assert wide is not None
    assert (wide.verdict == "insufficient design") == (prompts < 6)
    for one, other in zip(here.comparisons, wide.comparisons, strict=True):
        assert one.effect == pytest.approx(other.effect)
    if prompts == 1:
        layout = columns.read(table, list(GRID))
        values = layout.values(table["score"], "score")[0]
        best = int(np.argmax(values.mean(axis=0)))
        test = stats.ttest_rel if paired else lambda a, b: stats.ttest_ind(a, b, equal_var=False)
        wanted = {layout.levels(c): test(values[:, c], values[:, best]).pvalue for c in range(4) if c != best}
        assert {row.asked.plus: row.p for row in here.comparisons} == pytest.approx(wanted)


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize(("prompts", "seeds"), [(1, 8), (6, 2), (12, 3)])
def test_equal_settings_are_rarely_called_different_from_the_first_in_either_scope(
    prompts: int, seeds: int, paired: bool, scope: Scope
) -> None:
    wrong = 0
    for seed in range(60):
        table = study(prompts, seeds, GRID, seed=seed, interaction=0.0)
        found = analysis.findings(
            table, SCORE, axes=list(GRID), margin={"score": 1e-6}, paired_seeds=paired, scope=scope, outlook=False
        )
        one = cells(found, scope)
        assert one is not None
        wrong += any(row.verdict == "different" for row in one.comparisons)
    assert wrong <= stats.binom.ppf(0.999, 60, 0.05)


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize(("prompts", "seeds"), [(1, 8), (1, 60), (5, 6), (20, 3)])
def test_for_these_prompts_a_setting_that_is_worse_by_the_margin_is_rarely_recommended(
    prompts: int, seeds: int, paired: bool
) -> None:
    """One good and dear setting among cheap ones that are worse by a hair more than the margin on these prompts."""
    studies, rng = 200, np.random.default_rng([prompts, seeds])
    truth = np.array([-0.5001, -0.5001, -0.5001, 0.0])
    own = rng.standard_normal((prompts, 1, 4))
    own -= own.mean(axis=0)
    known = costs.Costs(np.array([1.0, 2.0, 3.0, 9.0]), np.zeros(4))
    wrong = settled = 0
    for _ in range(studies):
        values = truth + own + 0.5 * rng.standard_normal((prompts, seeds, 4))
        made = choice.choose(
            values,
            known,
            range(4),
            sign=1,
            margin=Margin(0.5, 0.0, "0.5", math.nan),
            scope="these prompts",
            pairing=Pairing(paired=paired),
        )
        wrong += made.settled and made.choice != 3
        settled += made.settled
    assert wrong <= stats.binom.ppf(0.999, studies, 0.05)
    assert settled > studies / 2 or seeds < 60


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize(("prompts", "seeds", "scope"), [(1, 30, 0), (4, 20, 0), (5, 10, 0), (12, 4, 1), (40, 2, 1)])
def test_the_recommendation_is_for_the_widest_prompts_that_the_design_can_speak_of(
    prompts: int, seeds: int, scope: int, paired: bool
) -> None:
    table = study(prompts, seeds, GRID, lambda c: 4.0 * (c[0] == 7.0) + 4.0 * (c[1] == "b"), seed=prompts)
    found = analysis.recommend(table, "score", axes=list(GRID), margin={"score": 0.5}, paired_seeds=paired)
    assert found.settled
    assert found.scope == SCOPES[scope]
    assert found.choice is not None
    assert dict(found.choice.levels) == {"guidance_scale": "7", "scheduler": "b"}


@settings(max_examples=100, deadline=None)
@given(
    st.integers(1, 12),
    st.integers(1, 8),
    st.integers(2, 5),
    st.floats(0, 3),
    st.sampled_from(["measured", "0 or 1", "missing"]),
    st.sampled_from(SCOPES),
    st.sampled_from([Pairing(), Pairing(shared=True), UNPAIRED]),
    st.integers(0, 999),
)
def test_no_interval_excludes_zero_where_the_corrected_p_does_not(
    prompts: int, seeds: int, levels: int, slope: float, kind: str, scope: Scope, pairing: Pairing, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((8, prompts, seeds, levels)) + slope * np.arange(levels)
    if kind == "0 or 1":
        values = (values > slope).astype(float)
    if kind == "missing":
        values[rng.random(values.shape) < 0.2] = np.nan
    found = judged(values, [2.0 * k + 1 for k in range(levels)], scope, pairing)
    excludes = (found.outer.low > 0) | (found.outer.high < 0)
    assert not (excludes & (found.family >= 0.05)).any()
