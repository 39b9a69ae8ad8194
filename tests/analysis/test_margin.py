"""The margin and the seed SD it is counted in."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from hypothesis import given
from hypothesis import strategies as st
from tests.analysis.scored import study

from teststrip.analysis.numbers import columns, effects, margin

AXES = {"guidance_scale": (3.0, 7.0)}


def values_of(prompts: int, replicates: int, seed: int = 0) -> np.ndarray:
    table = study(prompts, replicates, AXES, seed=seed)
    return columns.read(table, list(AXES)).values(table["score"])


def test_the_seed_sd_is_the_residual_of_an_analysis_of_variance() -> None:
    """The middle one of the cells' residuals, each by an analysis of variance of its own."""
    axes = {"guidance_scale": (3.0, 5.0, 7.0)}
    table = study(9, 4, axes)
    frame = pd.DataFrame(table)
    residuals = [
        np.sqrt(smf.ols("score ~ C(prompt)", frame[frame.guidance_scale == g]).fit().mse_resid)
        for g in axes["guidance_scale"]
    ]
    sd, _ = margin.sd_of_seeds(columns.read(table, list(axes)).values(table["score"]))
    assert float(sd) == pytest.approx(np.median(residuals), rel=1e-9)


@pytest.mark.parametrize("cells", [3, 4, 5, 8])
@pytest.mark.parametrize("times", [0.01, 10, 1000])
def test_levels_where_everything_falls_apart_do_not_move_the_seed_sd(cells: int, times: float) -> None:
    rng = np.random.default_rng(cells)
    values = rng.standard_normal((200, 20, 3, cells))
    values[..., : (cells - 1) // 2] *= times
    sd, se = margin.sd_of_seeds(values)
    assert 0.85 <= float(sd.mean()) <= 1.15
    assert float(se.mean()) < 0.2


@pytest.mark.parametrize("still", [1, 2, 3, 4])
def test_cells_in_which_seeds_never_differ_leave_a_number(still: int) -> None:
    values = np.random.default_rng(still).standard_normal((12, 3, 4))
    values[..., :still] = 7.0
    sd, se = margin.sd_of_seeds(values)
    assert np.isfinite([sd, se]).all()
    assert (float(sd) == 0.0) == (still >= 3)


@given(st.integers(1, 6), st.integers(2, 4), st.integers(1, 6), st.data())
def test_cells_without_seeds_to_compare_have_no_say(prompts: int, seeds: int, cells: int, data: st.DataObject) -> None:
    values = np.random.default_rng(prompts).standard_normal((prompts, seeds, cells))
    gone = data.draw(st.sets(st.integers(0, cells - 1), max_size=cells - 1))
    kept = [cell for cell in range(cells) if cell not in gone]
    holed = values.copy()
    holed[:, 1:, sorted(gone)] = np.nan
    for holes, whole in zip(margin.sd_of_seeds(holed), margin.sd_of_seeds(values[..., kept]), strict=True):
        assert float(holes) == pytest.approx(float(whole))


def test_the_error_of_the_seed_sd_is_what_repetition_shows() -> None:
    rng = np.random.default_rng(1)
    luck = rng.standard_normal((4000, 30, 2, 1))
    for cells, shared, near in ((1, 0.0, 0.05), (2, 0.0, 0.05), (3, 1.0, 0.05), (5, 0.9, 0.1), (8, 0.75, 0.25)):
        own = rng.standard_normal((4000, 30, 2, cells))
        sd, se = margin.sd_of_seeds(np.sqrt(shared) * luck + np.sqrt(1 - shared) * own)
        # Of many cells the middle one scatters less than any single cell: the error is told too large, never too small.
        assert 0.92 <= float(se.mean()) / float(sd.std()) <= 1 + near + 0.05 * cells * (1 - shared)
        assert float(sd.mean()) == pytest.approx(1.0, abs=0.015)


def test_missing_values_do_not_move_the_seed_sd_beyond_their_number() -> None:
    values = values_of(200, 3)
    whole, _ = margin.sd_of_seeds(values)
    values[np.random.default_rng(2).random(values.shape) < 0.2] = np.nan
    holed, _ = margin.sd_of_seeds(values)
    assert float(holed) == pytest.approx(float(whole), rel=0.08)


def test_with_one_seed_the_stand_in_is_the_sd_of_a_difference_by_root_two() -> None:
    values = values_of(40, 1)
    difference = values[:, 0, 0] - values[:, 0, 1]
    made = margin.margin_of(0.2, "score", values)
    assert made.seed_sd == pytest.approx(difference.std(ddof=1) / np.sqrt(2), rel=1e-9)
    assert "stands in" in made.note


def test_a_known_seed_sd_is_taken_as_exact() -> None:
    made = margin.margin_of(0.2, "score", values_of(40, 1), seed_sd=2.0)
    assert (made.value, made.se, made.note) == (0.4, 0.0, "")


def test_on_balanced_data_a_mixed_model_estimates_the_same_difference() -> None:
    table = study(12, 2, AXES)
    layout = columns.read(table, list(AXES))
    (one,) = effects.planned(layout)
    ours = effects.per_prompt(layout.values(table["score"]), layout, one)[0].mean()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # statsmodels' own remarks on convergence
        fit = smf.mixedlm("score ~ C(guidance_scale)", pd.DataFrame(table), groups="prompt").fit()
    assert ours == pytest.approx(fit.fe_params.iloc[1], rel=1e-9)
