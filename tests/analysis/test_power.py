"""What a design can see: the figures of the design notes, statsmodels' power, and simulation."""

from __future__ import annotations

import math
import random
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.power import TTestPower
from tests.analysis.scored import study

from teststrip import analysis, plan
from teststrip.analysis.numbers import columns, effects
from teststrip.analysis.power import explained, outlook, pilot, power, settle
from teststrip.analysis.power.explained import Design, explain
from teststrip.records import Axis, Level, Prompt, Question, Study

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


@pytest.mark.parametrize("prompts", [2, 3, 4, 5])
def test_fewer_than_six_prompts_have_no_power_at_all(prompts: int) -> None:
    design = Design(prompts, 6)
    assert power.power_different(prompts, 100.0, 1.0) == 0
    assert design.detectable() == math.inf
    assert design.equal(2).chance(prompts) == 0
    assert f"{prompts} prompts cannot settle anything" in explain(design)[0]


@settings(max_examples=20)
@given(st.integers(6, 60), st.integers(2, 12), st.floats(0.1, 1.0), st.floats(0.0, 0.6), st.booleans())
def test_more_prompts_beat_more_seeds_only_where_they_see_more(
    prompts: int, seeds: int, residual: float, own: float, in_units: bool
) -> None:
    """The sentence stands exactly where the same images see smaller differences and show equality more often."""
    variances = power.Variances(residual, own, max(residual, 1.0), metric="score" if in_units else "")
    design = Design(prompts, seeds, margin={"score": 0.2} if in_units else 0.2, variances=variances)
    said = [line for line in explain(design) if "more prompts beat more seeds" in line]
    least = 1 if in_units else 2
    if seeds <= least:
        assert not said
        return
    other = replace(design, prompts=prompts * seeds // least, replicates=least)
    now, then = (each.equal(2).chance(each.prompts) for each in (design, other))
    clearly = other.detectable() < explained.WORTH * design.detectable()
    assert bool(said) == (clearly and then >= now)


def test_needed_prompts_for_a_difference_are_those_of_statsmodels() -> None:
    for difference, contrasts in ((0.3, 1), (0.5, 5), (1.5, 11)):
        theirs = TTestPower().solve_power(effect_size=difference, alpha=0.05 / contrasts, power=0.8)
        assert settle.needed_different(difference, 1.0, contrasts=contrasts) == max(math.ceil(theirs), 6)
    assert settle.needed_different(0.0, 1.0) == power.MANY


@given(st.floats(0.01, 10), st.integers(2, 400))
def test_the_cautious_spread_is_the_upper_bound_of_a_chi_square_interval(sd: float, prompts: int) -> None:
    theirs = sd * math.sqrt((prompts - 1) / stats.chi2.ppf(0.2, prompts - 1))
    assert settle.cautious(sd, prompts) == pytest.approx(theirs, rel=1e-9)


def test_a_pilot_gives_back_the_variances_it_was_made_with() -> None:
    axes = {"guidance_scale": tuple(float(g) for g in range(1, 9))}
    table = study(400, 3, axes, interaction=0.3)
    found = pilot.variances(columns.read(table, list(axes)).values(table["score"]))
    assert found is not None
    assert found.residual == pytest.approx(0.5, abs=0.02)
    assert found.interaction == pytest.approx(0.3, abs=0.02)
    assert found.seed == pytest.approx(1.0, abs=0.03)
    assert found.source == "measured on 400 prompts × 3 seeds"
    # Eight settings that scatter alike have seven directions; the seeds of a prompt are nearly one sample.
    assert found.degrees == pytest.approx(7 * 399, rel=0.1)
    assert found.seed_degrees == pytest.approx(800 / (0.75**2 + (1 - 0.75**2) * 0.18), rel=0.1)


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
    in_units = Design(40, 2, margin={"sharpness": 0.6}, variances=measured)
    assert in_units.size == Design(40, 2, margin=0.3, variances=measured).size
    assert in_units.in_units
    assert not replace(in_units, margin={"contrast": 0.6}).in_units
    unknown = explain(Design(40, 2, margin={"sharpness": 0.6}))
    assert unknown[-1] == "The study's margins are in score units: until those scores are measured ±0.2 SD stands in."


@pytest.mark.parametrize("margin", [0.02, 0.05, 0.1, 0.2, 0.5])
@pytest.mark.parametrize("prompts", [2, 6, 30])
def test_a_plan_never_names_more_prompts_than_are_within_reach(prompts: int, margin: float) -> None:
    said = " ".join(explain(Design(prompts, 2, margin=margin)))
    asked = [int(number.replace(",", "")) for number in re.findall(r"about ([\d,]+) prompts", said)]
    assert all(number - prompts <= power.REACH * 1.01 for number in asked)  # rounded up to three digits
    assert ("within reach" in said) == (margin <= 0.02)


@pytest.mark.parametrize(("prompts", "replicates"), [(1, 12), (5, 4)])
@pytest.mark.parametrize("paired", [True, False])
def test_what_plan_says_of_these_prompts_the_judge_finds_whether_or_not_seeds_are_pairs(
    prompts: int, replicates: int, paired: bool
) -> None:
    asked = Study(
        "small",
        tuple(Prompt(str(i), str(i)) for i in range(prompts)),
        replicates,
        axes=(Axis("cell", "linked", (Level("a", {}), Level("b", {}))),),
        question=Question(scope="these prompts"),
    )
    (said,) = outlook.of_study(asked, plan.of(asked).cells, paired_seeds=paired)
    assert f"{prompts * replicates} {'paired seeds' if paired else 'pictures of each'}" in said
    least = float(re.findall(r"a difference of (\d+\.\d\d) SD", said)[0])
    rng, hits, studies = random.Random(7), 0, 120
    for _ in range(studies):
        table: dict[str, list[Any]] = {"prompt": [], "replicate": [], "cell": [], "score": []}
        for prompt in range(prompts):
            luck = [rng.gauss(0, math.sqrt(0.75)) for _ in range(replicates)]
            for cell, replicate in ((c, r) for c in (0, 1) for r in range(replicates)):
                shared = luck[replicate] if paired else rng.gauss(0, math.sqrt(0.75))
                row = (prompt, replicate, "ab"[cell], 3 * prompt + shared + rng.gauss(0, 0.5) + least * cell)
                for column, value in zip(table.values(), row, strict=True):
                    column.append(value)
        (found, *_) = analysis.findings(
            table, ["score"], axes=["cell"], paired_seeds=paired, scope="these prompts", outlook=False
        )
        hits += found.verdict == "different"
    assert 0.68 < hits / studies < 0.92
