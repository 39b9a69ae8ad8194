"""Level means: least squares within sets, the same number as a second source, and unmoved by what is missing."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import statsmodels.api as statsmodels
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.analysis.scored import study

from teststrip import analysis
from teststrip.analysis.kinds import cells
from teststrip.analysis.numbers import columns, means
from teststrip.records import Card

Array = NDArray[np.float64]


def grid_of(rows: int, levels: int) -> NDArray[np.intp]:
    return np.arange(rows * levels).reshape(rows, levels)


def connected(present: NDArray[np.bool_]) -> bool:
    """Whether the filled cells of a table [rows, columns] fix all differences of columns and rows."""
    rows, columns_ = present.shape
    design = np.hstack([np.eye(rows)[np.nonzero(present)[0]], np.eye(columns_)[np.nonzero(present)[1]]])
    return bool(np.linalg.matrix_rank(design) == rows + columns_ - 1)


@st.composite
def additive(draw: st.DrawFn) -> tuple[Array, Array, NDArray[np.intp]]:
    """Scores that are sums of a block, a level and a combination of the other axes; whole, and with gaps."""
    prompts, seeds, others, levels = (draw(st.integers(low, 4)) for low in (2, 1, 1, 2))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    whole = 5 * rng.standard_normal((prompts, seeds, 1, 1)) + rng.standard_normal((others, 1))
    whole = (whole + 2 * rng.standard_normal(levels)).reshape(prompts, seeds, -1)
    gone = rng.random(whole.shape) < draw(st.floats(0, 0.6))
    gone |= rng.random(whole.shape[-1]) < draw(st.floats(0, 0.4))  # excluded everywhere
    gone |= (rng.random(whole.shape[-1]) < 0.3) & (rng.random((prompts, 1, 1)) < 0.5)  # refused for some prompts
    return whole, np.where(gone, np.nan, whole), grid_of(others, levels)


@given(additive())
def test_a_combination_that_is_taken_out_of_an_additive_table_moves_no_level(case):
    whole, gappy, grid = case
    kept = ~np.isnan(gappy)
    sets = kept[..., grid]  # [P, R, M, K]
    blocks = sets.any(axis=-1).reshape(-1, grid.shape[0])
    assume(connected(sets.reshape(-1, grid.shape[1])[sets.any(axis=-1).ravel()]) and connected(blocks))
    full, told = means.of_levels(whole, grid), means.of_levels(gappy, grid)
    assert told.levels == pytest.approx(full.levels, abs=1e-8)
    assert told.by_prompt[sets.any(axis=(1, 2))] == pytest.approx(
        np.broadcast_to(full.levels, told.by_prompt.shape)[sets.any(axis=(1, 2))], abs=1e-8
    )


@given(additive())
def test_a_complete_table_gives_plain_means(case):
    rng = np.random.default_rng(case[0].size)
    values = case[0] + rng.standard_normal(case[0].shape)
    told = means.of_levels(values, case[2])
    assert told.levels == pytest.approx(values[..., case[2]].mean(axis=(0, 1, 2)), abs=1e-9)


@given(additive(), st.integers(0, 99))
def test_differences_of_levels_are_those_of_a_regression_with_a_dummy_for_each_set(case, seed):
    _, gappy, grid = case
    values = gappy + np.random.default_rng(seed).standard_normal(gappy.shape)
    sets = values[..., grid].reshape(-1, grid.shape[1])
    present = ~np.isnan(sets)
    sets, present = sets[present.any(axis=1)], present[present.any(axis=1)]
    assume(len(sets) and connected(present))
    which, level = np.nonzero(present)
    design = np.hstack([np.eye(len(sets))[which], np.eye(grid.shape[1])[level][:, 1:]])
    fitted = statsmodels.OLS(sets[present], design).fit().params[len(sets) :]
    told = means.of_levels(values, grid).levels
    assert told[1:] - told[0] == pytest.approx(fitted, abs=1e-7)


def test_levels_that_share_no_set_stand_at_their_own_plain_means():
    values = np.array([[[1.0, np.nan], [np.nan, 5.0]], [[2.0, np.nan], [np.nan, 7.0]]])
    assert means.of_levels(values, grid_of(1, 2)).levels == pytest.approx([1.5, 6.0])
    assert np.isnan(means.of_levels(values[:, :1], grid_of(1, 2)).levels[1])


@pytest.mark.parametrize("prompts", [10, 40, 150])
def test_an_excluded_combination_leaves_level_cell_and_sentence_where_they_were(prompts):
    axes = {"guidance_scale": (3.0, 7.0, 12.0), "num_inference_steps": (4.0, 30.0)}
    table = study(prompts, 1, axes, lambda c: {3.0: 0, 7.0: 0, 12.0: -1}[c[0]] - 3 * (c[1] == 4.0))
    kept = [cell != (12.0, 4.0) for cell in zip(*(table[a] for a in axes), strict=True)]
    told = {}
    for name, rows in (
        ("whole", table),
        ("excluded", {k: list(itertools.compress(v, kept)) for k, v in table.items()}),
    ):
        layout = columns.read(rows, list(axes))
        values = layout.values(rows["score"])
        told[name] = [point.mean for axis in (0, 1) for point in cells.levels(values, layout, axis)]
    # A mean over pictures would raise 12 by half of what steps do: 1.5.
    assert told["excluded"] == pytest.approx(told["whole"], abs=1.5 / prompts**0.5)


# Few prompts


@pytest.mark.parametrize("few", [1, 2, 3, 5])
@pytest.mark.parametrize("prompts", [20, 40, 150])
def test_a_level_made_for_a_few_prompts_is_shown_and_not_spoken_of(few, prompts):
    axes = {"guidance_scale": (3.0, 7.0, 30.0)}
    table = study(prompts, 2, axes, lambda c: -50.0 * (c[0] == 30.0), interaction=0.0)
    kept = [g < 30 or int(p[1:]) < few for p, g in zip(table["prompt"], table["guidance_scale"], strict=True)]
    few_rows = {name: list(itertools.compress(column, kept)) for name, column in table.items()}
    without = {
        name: [v for v, g in zip(c, table["guidance_scale"], strict=True) if g < 30] for name, c in table.items()
    }
    card = {"score": Card("score", higher_is_better=True)}
    told, alone = (analysis.findings(t, card, axes=list(axes), margin={"score": 0.5})[0] for t in (few_rows, without))
    assert (told.verdict, told.sentence) == (alone.verdict, alone.sentence)
    assert [level.prompts for level in told.levels] == [prompts, prompts, few]
    assert f"30 rests on {few} of {prompts} prompts: shown, never compared or recommended." in told.limits


@pytest.mark.parametrize("few", [1, 2, 5, 12])
def test_a_poor_setting_changes_nothing_that_is_said_of_the_others(few):
    axes = {"guidance_scale": (3.0, 7.0, 12.0), "num_inference_steps": (4.0, 8.0)}
    table = study(24, 1, axes, lambda c: 0.3 * (c[1] == 8.0))
    cell = list(zip(table["guidance_scale"], table["num_inference_steps"], strict=True))
    found = []
    for shown in (few, 0):
        kept = [c != (12.0, 8.0) or int(p[1:]) < shown for p, c in zip(table["prompt"], cell, strict=True)]
        rows = {name: list(itertools.compress(column, kept)) for name, column in table.items()}
        made = analysis.findings(rows, {"score": Card("score", higher_is_better=True)}, axes=list(axes))
        found.append(next(finding for finding in made if finding.kind == "cells"))
    told, without = found
    assert [row.contrast for row in told.comparisons] == [row.contrast for row in without.comparisons]
    assert [row.p_family for row in told.comparisons] == [row.p_family for row in without.comparisons]
    assert told.verdict == without.verdict
    assert len(told.levels) == len(without.levels) + 1


@given(st.lists(st.integers(0, 40), min_size=2, max_size=6))
def test_a_level_is_judged_when_it_has_three_quarters_of_the_prompts_of_the_best_covered(counts):
    values = np.where(np.arange(40)[:, None, None] < np.array(counts), 1.0, np.nan)
    told = means.enough(values, np.arange(len(counts))[None, :])
    assert told.tolist() == [count > 0 and 4 * count >= 3 * max(counts) for count in counts]


@given(st.sampled_from([(1, 8), (4, 3), (12, 1)]), st.integers(0, 50))
def test_the_points_of_an_interaction_plot_are_the_means_of_their_combinations(
    size: tuple[int, int], seed: int
) -> None:
    axes = {"scheduler": ("DDIM", "Euler", "UniPC"), "num_inference_steps": (4.0, 8.0, 16.0, 32.0)}
    table = study(*size, axes, lambda cell: float(cell[1]), seed=seed)
    found = [one for one in analysis.findings(table, ["score"], axes=list(axes)) if one.kind == "interaction"]
    assert found
    scores = np.array(table["score"])
    for one in found:
        assert [(curve.axis, curve.by) for curve in one.curves] == [("num_inference_steps", "scheduler")] * 3
        for curve in one.curves:
            for point in curve.points:
                chosen = np.array(table["scheduler"]) == curve.label
                chosen &= np.array(table["num_inference_steps"]) == point.x
                assert point.mean == pytest.approx(scores[chosen].mean())
                if one.scope == "these prompts" or size[0] > 1:
                    assert point.low < point.mean < point.high
