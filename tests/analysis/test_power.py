"""What a design can see: the figures of the design notes, statsmodels' power, and simulation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from statsmodels.stats.power import TTestPower
from tests.analysis.scored import study

from teststrip.analysis.numbers import columns, effects
from teststrip.analysis.power import pilot, power, settle

DEFAULT = power.Variances()


@pytest.mark.parametrize(
    ("prompts", "replicates", "seen"), [(30, 1, 0.40), (50, 6, 0.16), (100, 1, 0.22), (200, 1, 0.15)]
)
def test_the_smallest_detectable_differences_are_those_of_the_design_notes(
    prompts: int, replicates: int, seen: float
) -> None:
    assert round(power.detectable(prompts, DEFAULT.of_difference(replicates)), 2) == seen


def test_the_first_design_of_this_project_would_see_two_thirds_of_a_seed_sd() -> None:
    assert power.detectable(5, DEFAULT.of_difference(6)) == pytest.approx(0.68, abs=0.02)


@pytest.mark.parametrize("prompts", [6, 12, 40, 150])
def test_power_is_statsmodels(prompts: int) -> None:
    theirs = TTestPower().power(0.4, prompts, 0.05)
    # SciPy 1.13, the lowest version, is 1.4e-8 and 1.1e-6 from later ones by its non-central t distribution.
    assert power.power_different(prompts, 0.4, 1.0) == pytest.approx(theirs, abs=2e-8)
    seen = TTestPower().solve_power(nobs=prompts, alpha=0.05 / 7, power=0.8)
    assert power.detectable(prompts, 1.0, contrasts=7) == pytest.approx(seen, rel=2e-6)


def test_the_chance_to_show_equality_is_that_of_the_design_notes() -> None:
    assert power.power_equivalent(5, 0.2, DEFAULT.of_difference(6)) == pytest.approx(0.02, abs=0.01)
    assert power.power_equivalent(100, 0.2, DEFAULT.of_difference(1)) == pytest.approx(0.66, abs=0.01)
    assert power.power_equivalent(200, 0.2, DEFAULT.of_difference(1)) == pytest.approx(0.96, abs=0.01)


def test_the_chance_to_show_equality_is_what_simulation_counts() -> None:
    from teststrip.analysis.numbers import intervals

    d = 0.9 * np.random.default_rng(0).standard_normal((20_000, 40)) + 0.05
    counted = (intervals.tost_p(d, 0.35) < 0.05).mean()
    assert power.power_equivalent(40, 0.35, 0.9, truth=0.05) == pytest.approx(counted, abs=0.012)


@pytest.mark.parametrize("prompts", [2, 3, 4, 5])
def test_fewer_than_six_prompts_have_no_power_at_all(prompts: int) -> None:
    assert power.power_different(prompts, 100.0, 1.0) == 0
    now = power.outlook(prompts, 6)
    assert now.detectable == math.inf
    assert now.equivalence == 0
    assert f"{prompts} prompts cannot settle anything" in power.explain(prompts, 6)[0]


def test_more_prompts_beat_more_seeds() -> None:
    better = power.better_split(10, 6)
    assert better is not None
    assert (better.prompts, better.replicates) == (60, 1)
    assert better.detectable < power.outlook(10, 6).detectable
    assert power.better_split(60, 1) is None


@pytest.mark.parametrize(
    ("margin", "sd", "truth", "contrasts", "within"),
    [
        (0.2, 0.76, 0.0, 1, 2),
        (0.2, 0.5, 0.1, 5, 2),
        (0.3, 0.4, 0.05, 11, 2),
        (0.5, 0.2, 0.0, 1, 1),
        (2.0, 0.5, 0.0, 3, 0),  # the fewest prompts suffice
        (0.2, 0.0, 0.1, 5, 0),  # no spread: one look is enough
        (0.2, 0.0, 0.3, 5, 0),
        (0.2, 0.5, 0.2, 5, 0),  # the truth is the margin: out of reach
        (0.2, 0.5, 0.4, 5, 0),
        (0.001, 1.0, 0.0, 5, 0),  # more prompts than a study has: out of reach
    ],
)
def test_the_fast_counts_of_needed_prompts_agree_with_the_exact_ones(
    margin: float, sd: float, truth: float, contrasts: int, within: int
) -> None:
    """A report asks `settle` of every pair; `plan` asks `power`, which needs no NumPy."""
    fast, exact = settle.needed_equivalent(margin, sd, truth=truth), power.needed_equivalent(margin, sd, truth=truth)
    assert fast == pytest.approx(exact, abs=within)
    for difference in (0.0, margin, truth, -margin):
        fast = settle.needed_different(difference, sd, contrasts=contrasts)
        assert fast == pytest.approx(power.needed_different(difference, sd, contrasts=contrasts), abs=within)
    for prompts in (1, 2, 3, 12, 400):
        fast_sd, exact_sd = settle.cautious(sd, prompts), power.cautious(sd, prompts)
        assert fast_sd == pytest.approx(exact_sd, rel=1e-9, nan_ok=True)


def test_no_number_of_prompts_shows_a_difference_of_zero_or_an_effect_outside_the_margin_equal() -> None:
    assert settle.needed_different(0.0, 1.0) == power.MANY
    assert settle.needed_equivalent(0.2, 1.0, truth=0.3) == power.MANY


def test_a_pilot_gives_back_the_variances_it_was_made_with() -> None:
    axes = {"guidance_scale": tuple(float(g) for g in range(1, 9))}
    table = study(400, 3, axes, interaction=0.3)
    found = pilot.variances(columns.read(table, list(axes)).values(table["score"]))
    assert found is not None
    assert found.residual == pytest.approx(0.5, abs=0.02)
    assert found.interaction == pytest.approx(0.3, abs=0.02)
    assert found.seed == pytest.approx(1.0, abs=0.03)
    assert found.source == "measured on 400 prompts × 3 seeds"


def test_a_small_pilot_is_called_one_and_nothing_is_none() -> None:
    axes = {"guidance_scale": (1.0, 3.0)}
    table = study(5, 2, axes)
    values = columns.read(table, list(axes)).values(table["score"])
    found = pilot.variances(values)
    assert found is not None
    assert "small for a pilot" in found.source
    assert pilot.variances(values[:1]) is None


@pytest.mark.parametrize(
    "axes",
    [
        {"guidance_scale": (6.0, 7.0, 8.0, 9.0), "num_inference_steps": (50.0, 100.0, 150.0, 200.0)},
        {"guidance_scale": (1.0, 7.0)},
        {"scheduler": ("DDIM", "Euler", "Heun"), "style": ("plain", "oil"), "num_inference_steps": (2.0, 8.0, 32.0)},
    ],
)
def test_plan_counts_the_comparisons_that_the_verdicts_correct_for(axes: Any) -> None:
    found = columns.read(study(6, 1, axes), list(axes))
    verdicts = sum(contrast.planned for contrast in effects.planned(found))
    assert power.planned_contrasts([(len(v), not isinstance(v[0], str)) for v in axes.values()]) == verdicts


def test_a_margin_in_score_units_is_turned_into_sd_once_its_score_is_measured() -> None:
    measured = power.Variances(1.0, 0.4, 2.0, "measured", metric="sharpness")
    in_units = power.explain(40, 2, margin={"sharpness": 0.6}, variances=measured)
    assert in_units == power.explain(40, 2, margin=0.3, variances=measured)
    unknown = power.explain(40, 2, margin={"sharpness": 0.6})
    assert unknown[:-1] == power.explain(40, 2, margin=0.2)
    assert unknown[-1] == "The study's margins are in score units: until those scores are measured ±0.2 SD stands in."
