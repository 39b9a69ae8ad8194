"""Contrasts are what NumPy's and statsmodels' regressions give, prompt by prompt."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.analysis.scored import study

from teststrip.analysis.numbers import columns, effects
from teststrip.analysis.numbers.effects import WeightedContrast
from teststrip.analysis.sentences import phrases

AXES = {"guidance_scale": (1.0, 3.0, 5.0, 7.5), "num_inference_steps": (2.0, 4.0, 8.0)}


def read(table: dict[str, list[object]], axes: object = None) -> tuple[columns.Layout, np.ndarray]:
    layout = columns.read(table, list(axes or AXES))
    return layout, layout.values(table["score"])


def contrast(layout: columns.Layout, kind: str, axis: str, *labels: str) -> WeightedContrast:
    """The planned contrast of this kind that begins with this axis; of a pair, the one of these two labels."""
    return next(
        one
        for one in effects.planned(layout)
        if one.kind == kind
        and one.asked.plus[0].axis == axis
        and labels in ((), (one.asked.plus[0].label, one.asked.minus[0].label))
    )


levels = st.lists(st.integers(1, 60), min_size=3, max_size=7, unique=True).map(sorted)


@settings(max_examples=25)
@given(levels, st.integers(0, 10_000))
def test_trend_and_bend_are_numpys_polynomial_fits(x: list[int], seed: int) -> None:
    at = np.array(x, dtype=float)
    y = np.random.default_rng(seed).standard_normal(at.size)
    slope, bend = effects.trend_weights(at), effects.bend_weights(at)
    assert slope @ y == pytest.approx(np.polyfit(at, y, 1)[0] * np.ptp(at), abs=1e-9 * np.abs(slope).sum())
    middle = np.array([at[0], (at[0] + at[-1]) / 2, at[-1]])
    low, centre, high = np.polyval(np.polyfit(at, y, 2), middle)
    # Numbers, 1e-8 of what goes in: three steps close together and one far off extrapolate wildly.
    assert bend @ y == pytest.approx(centre - (low + high) / 2, abs=1e-8 * np.abs(bend).sum())


@settings(max_examples=15)
@given(levels)
def test_weights_of_every_contrast_add_to_zero(x: list[int]) -> None:
    table = {"prompt": [0] * len(x), "steps": x, "score": [0.0] * len(x)}
    layout = columns.read(table, ["steps"])
    for one in effects.planned(layout):
        assert one.weights.sum() == pytest.approx(0, abs=1e-9)


def test_steps_that_double_are_seen_on_a_log_scale_and_guidance_is_not() -> None:
    assert effects.scale([2, 4, 8, 16, 32])[1]
    assert not effects.scale([1, 3, 5, 7.5, 12])[1]
    assert not effects.scale([50, 100, 150, 200])[1]
    assert not effects.scale([0, 1, 2])[1]


def test_a_pair_is_the_mean_over_seeds_and_other_axes_of_matched_differences() -> None:
    table = study(3, 2, AXES)
    layout, values = read(table)
    d, images = effects.per_prompt(values, layout, contrast(layout, "pair", "guidance_scale", "3", "1"))
    frame = pd.DataFrame(table)
    wide = frame.pivot_table(
        index=["prompt", "replicate", "num_inference_steps"], columns="guidance_scale", values="score"
    )
    by_hand = (wide[3.0] - wide[1.0]).groupby(level="prompt").mean()
    assert d == pytest.approx(by_hand.to_numpy(), abs=1e-12)
    assert images.tolist() == [12, 12, 12]


def test_a_pair_loses_only_the_incomplete_pairs() -> None:
    table = study(3, 2, AXES)
    layout, values = read(table)
    values[0, 0, layout.cells.index((1, 0))] = np.nan
    d, images = effects.per_prompt(values, layout, contrast(layout, "pair", "guidance_scale", "3", "1"))
    assert images.tolist() == [10, 12, 12]
    assert not np.isnan(d).any()
    values[0, :, :] = np.nan
    assert np.isnan(effects.per_prompt(values, layout, contrast(layout, "pair", "guidance_scale", "3", "1"))[0][0])


@pytest.mark.parametrize(
    ("kind", "axis"),
    [
        ("trend", "guidance_scale"),
        ("bend", "guidance_scale"),
        ("trend", "num_inference_steps"),
        ("interaction", "guidance_scale"),
    ],
)
def test_with_cells_missing_a_trend_is_statsmodels_least_squares_with_a_height_for_each_set(
    kind: str, axis: str
) -> None:
    table = study(2, 8, AXES, seed=4)
    layout, values = read(table)
    rng = np.random.default_rng(5)
    values[rng.random(values.shape) < 0.15] = np.nan
    one = contrast(layout, kind, axis)
    ours = effects.per_prompt(values, layout, one)[0]
    grid = layout.grid(one.axes)
    for p in range(2):
        rows = [
            {"y": values[p, r, grid[m, k]], "block": f"{r}-{m}", "level": f"{k:02}"}
            for r in range(8)
            for m in range(grid.shape[0])
            for k in range(grid.shape[1])
        ]
        fit = smf.ols("y ~ C(level) + C(block)", pd.DataFrame(rows).dropna()).fit()
        means = np.array([0.0, *(fit.params[f"C(level)[T.{k:02}]"] for k in range(1, grid.shape[1]))])
        assert ours[p] == pytest.approx(means @ one.weights, abs=1e-9)


def test_without_missing_cells_both_ways_give_the_same_number() -> None:
    layout, values = read(study(4, 2, AXES))
    for one in effects.planned(layout):
        sets = values[..., layout.grid(one.axes)].reshape(4, -1, one.weights.size)
        assert effects._intra_block(sets, one.weights)[0] == pytest.approx(
            effects.per_prompt(values, layout, one)[0], abs=1e-10
        )


def test_the_interaction_is_the_product_term_of_a_regression() -> None:
    table = study(1, 4, AXES, lambda c: 0.1 * float(c[0]) * np.log2(float(c[1])))
    layout, values = read(table)
    one = contrast(layout, "interaction", "guidance_scale")
    frame = pd.DataFrame(table)
    frame["x"], frame["z"] = frame.guidance_scale, np.log2(frame.num_inference_steps)
    slope = smf.ols("score ~ C(x) + C(z) + x:z + C(replicate)", frame).fit()
    # x:z is collinear with nothing once both main effects are free; ranges are 6.5 and 2.
    assert effects.per_prompt(values, layout, one)[0][0] == pytest.approx(slope.params["x:z"] * 6.5 * 2, rel=1e-9)


def test_left_out_combinations_leave_a_testable_interaction() -> None:
    table = study(6, 2, AXES, lambda c: 0.1 * float(c[0]) * np.log2(float(c[1])), interaction=0.0)
    keep = [
        not (g == 7.5 and s == 2) for g, s in zip(table["guidance_scale"], table["num_inference_steps"], strict=True)
    ]
    part = {name: [v for v, k in zip(column, keep, strict=True) if k] for name, column in table.items()}
    layout, values = read(part)
    one = contrast(layout, "interaction", "guidance_scale")
    assert one.weights[layout.grid(one.axes)[0] < 0] == pytest.approx(0)
    d = effects.per_prompt(values, layout, one)[0]
    assert d.mean() == pytest.approx(0.1 * 6.5 * 2, abs=0.5)


def test_words_are_compared_pair_by_pair_and_every_pair_is_planned() -> None:
    axes = {"scheduler": ("DDIM", "UniPC", "Heun")}
    layout, _ = read(study(2, 1, axes), axes)
    asked = effects.planned(layout)
    assert [phrases.contrast(c.asked) for c in asked] == [
        "UniPC against DDIM",
        "Heun against DDIM",
        "Heun against UniPC",
    ]
    assert all(c.planned for c in asked)
