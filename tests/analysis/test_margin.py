"""The margin and the seed SD it is counted in."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from tests.analysis.scored import study

from teststrip.analysis.numbers import columns, effects, margin

AXES = {"guidance_scale": (3.0, 7.0)}


def values_of(prompts: int, replicates: int, seed: int = 0) -> np.ndarray:
    table = study(prompts, replicates, AXES, seed=seed)
    return columns.read(table, list(AXES)).values(table["score"])


def test_the_seed_sd_is_the_residual_of_an_analysis_of_variance() -> None:
    table = study(9, 4, AXES)
    frame = pd.DataFrame(table)
    fit = smf.ols("score ~ C(prompt) * C(guidance_scale)", frame).fit()
    sd, _ = margin.pooled_seed_sd(values_of(9, 4))
    assert float(sd) == pytest.approx(np.sqrt(fit.mse_resid), rel=1e-9)


def test_the_error_of_the_seed_sd_is_what_repetition_shows() -> None:
    rng = np.random.default_rng(1)
    values = rng.standard_normal((4000, 30, 2, 3))
    sd, se = margin.pooled_seed_sd(values)
    assert float(se.mean()) == pytest.approx(float(sd.std()), rel=0.05)
    assert float(sd.mean()) == pytest.approx(1.0, abs=0.01)


def test_missing_values_do_not_move_the_seed_sd_beyond_their_number() -> None:
    values = values_of(200, 3)
    whole, _ = margin.pooled_seed_sd(values)
    values[np.random.default_rng(2).random(values.shape) < 0.2] = np.nan
    holed, _ = margin.pooled_seed_sd(values)
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
