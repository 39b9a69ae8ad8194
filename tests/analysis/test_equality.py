"""What `plan` promises about equality is what the verdicts do: the chance without NumPy against judged studies."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from teststrip import plan, study
from teststrip.analysis.numbers import columns, effects, judging, margin
from teststrip.analysis.power import explained, outlook
from teststrip.analysis.power.equality import Asked, margin_error
from teststrip.analysis.power.power import MANY, Variances

SPREADS = (Variances(), Variances(residual=0.8, interaction=0.0), Variances(residual=0.2, interaction=0.4))


def drawn(rng: np.random.Generator, shape: tuple[int, int, int, int], spread: Variances) -> Any:
    """Studies [studies, prompts, seeds, levels] in which all levels are equal."""
    studies, prompts, seeds, levels = shape
    luck = math.sqrt(spread.seed**2 - spread.residual**2)
    values = luck * rng.standard_normal((studies, prompts, seeds, 1)) + spread.residual * rng.standard_normal(shape)
    return values + spread.interaction * rng.standard_normal((studies, prompts, 1, levels))


def found_equal(shape: tuple[int, int, int, int], spread: Variances, size: float, *, in_units: bool) -> float:
    """The share of studies in which every pair of levels is judged equivalent."""
    table = {"prompt": ["p"] * shape[-1], "guidance_scale": [float(level) for level in range(1, shape[-1] + 1)]}
    layout = columns.read(table, ["guidance_scale"])
    pairs = [one for one in effects.planned(layout) if one.kind == "pair"]
    rng, hits, done = np.random.default_rng(shape), 0, 0
    while done < shape[0]:
        values = drawn(rng, (min(100, shape[0] - done), *shape[1:]), spread)
        sd, se = (1.0, 0.0) if in_units else margin.sd_of_seeds(values)
        judged = judging.judge(values, layout, pairs, size * sd, size * se)
        hits += int((judged.verdict == "equivalent").all(axis=-1).sum())
        done += len(values)
    return hits / shape[0]


def promised(levels: int, seeds: int, spread: Variances, size: float, *, in_units: bool) -> tuple[Asked, int]:
    """What `plan` reckons with, and the prompts that it names."""
    design = explained.Design(
        6,
        seeds,
        (("guidance_scale", levels),),
        cells=levels,
        margin={"score": size} if in_units else size,
        variances=Variances(spread.residual, spread.interaction, spread.seed, metric="score" if in_units else ""),
    )
    asked = design.equal(levels)
    assert asked is not None
    return asked, asked.needed()


CASES = [(2, 2, 0.3, False), (4, 1, 0.4, True), (8, 3, 0.3, False)]
MANY_CASES = [
    (k, r, m, u) for k in (2, 4, 8) for r in (1, 2, 3) for m in (0.2, 0.4) for u in (True, False) if u or r > 1
]


@pytest.mark.parametrize(("levels", "seeds", "size", "in_units"), CASES)
@pytest.mark.parametrize(("prompts", "within"), [(1.0, 0.06), (0.6, 0.12)])
def test_the_chance_to_show_equality_is_what_the_verdicts_do(
    levels: int, seeds: int, size: float, in_units: bool, prompts: float, within: float
) -> None:
    """Three standard errors of 500 studies; where the chance is low, the pairs' separate errors cost some points."""
    asked, needed = promised(levels, seeds, Variances(), size, in_units=in_units)
    count = round(prompts * needed)
    found = found_equal((500, count, seeds, levels), Variances(), size, in_units=in_units)
    assert found == pytest.approx(asked.chance(count), abs=within)


@pytest.mark.slow
@pytest.mark.parametrize(("levels", "seeds", "size", "in_units"), MANY_CASES)
@pytest.mark.parametrize("spread", SPREADS)
def test_four_studies_of_five_are_given_equality_at_the_prompts_that_plan_names(
    levels: int, seeds: int, size: float, in_units: bool, spread: Variances
) -> None:
    asked, needed = promised(levels, seeds, spread, size, in_units=in_units)
    if needed > 1_000:
        pytest.skip("more prompts than a test should draw")
    found = found_equal((2_000, needed, seeds, levels), spread, size, in_units=in_units)
    assert 0.76 <= found <= max(0.84, asked.chance(needed) + 0.03)  # the fewest prompts may do better


@pytest.mark.parametrize(("degrees", "levels"), [(5, 2), (11, 2), (11, 8), pytest.param(60, 4, marks=pytest.mark.slow)])
def test_prompts_named_from_a_pilot_are_enough_in_four_studies_of_five_on_average(degrees: int, levels: int) -> None:
    """The pilot sees a spread that is off by its own luck; the study then has the true one."""
    truth = Asked(levels, 0.2, 0.6)
    lucks = np.sqrt(stats.chi2.ppf((np.arange(24) + 0.5) / 24, degrees) / degrees)
    chances = [truth.chance(Asked(levels, 0.2, 0.6 * float(u), degrees=degrees).needed()) for u in lucks]
    assert np.mean(chances) == pytest.approx(0.8, abs=0.04)
    careless = [truth.chance(Asked(levels, 0.2, 0.6 * float(u)).needed()) for u in lucks]
    assert np.mean(chances) > np.mean(careless)


def test_the_range_that_is_told_holds_four_of_five_pilots() -> None:
    seen = Asked(4, 0.2, 0.6, degrees=33)
    needed = seen.needed()
    low, high = seen.likely(needed)
    lucks = np.sqrt(np.random.default_rng(1).chisquare(33, 200) / 33)
    inside = [low <= seen.chance(needed, float(u)) <= high for u in lucks]
    assert np.mean(inside) == pytest.approx(0.8, abs=0.08)


@pytest.mark.parametrize(("seeds", "cells"), [(2, 2), (2, 8), (3, 4), (6, 16)])
def test_the_error_of_a_margin_in_sd_is_that_of_a_median_over_cells(seeds: int, cells: int) -> None:
    prompts = 60
    values = drawn(np.random.default_rng(seeds * cells), (600, prompts, seeds, cells), Variances())
    squares = ((values - values.mean(axis=2, keepdims=True)) ** 2).sum(axis=(1, 2)) / (prompts * (seeds - 1))
    medians = np.median(np.sqrt(squares), axis=-1)
    told = margin_error(seeds, cells, Variances().shared) / math.sqrt(prompts)
    assert medians.std() / medians.mean() == pytest.approx(told, rel=0.12)


def test_more_levels_and_smaller_margins_take_more_prompts_and_no_spread_takes_the_fewest() -> None:
    by_levels = [Asked(levels, 0.2, 0.6).needed() for levels in (2, 3, 4, 8, 16)]
    assert by_levels == sorted(set(by_levels))
    by_margin = [Asked(4, size, 0.6).needed() for size in (0.5, 0.3, 0.2, 0.1)]
    assert by_margin == sorted(set(by_margin))
    assert Asked(4, 0.2, 0.0).needed() == 6
    assert Asked(4, 0.0001, 1.0).needed() == MANY


def planned(axes: dict[str, list[Any]], seeds: int, size: Any, spread: Variances | None = None) -> str:
    asked = study.study(
        name="promise",
        prompts=[f"prompt {i}" for i in range(8)],
        replicates=seeds,
        engine={"name": "pattern"},
        axes=axes,
        question={"metrics": ["sharpness"], "margin": size},
    )
    return "\n".join(outlook.of_study(asked, plan.of(asked).cells, spread))


def test_with_one_seed_and_a_margin_in_sd_nothing_is_promised_about_equality() -> None:
    axes = {"guidance_scale": [1.0, 3.0, 7.0]}
    silent = planned(axes, 1, 0.2)
    assert "give two seeds, or a margin in score units" in silent
    assert "are equal in 80 %" not in silent
    for seeds, size in ((2, 0.2), (1, {"sharpness": 0.2})):
        said = planned(axes, seeds, size)
        assert "To show that the 3 levels of guidance are equal in 80 % of studies: about" in said
        assert "give two seeds" not in said


def test_the_axis_that_is_hardest_to_show_equal_is_the_one_that_is_named() -> None:
    wide = planned({"guidance_scale": [1.0, 3.0], "num_inference_steps": [5, 10, 20, 40, 50]}, 2, 0.2)
    assert "the 5 levels of steps are equal" in wide
    alone = planned({"guidance_scale": [1.0, 3.0]}, 2, 0.2)
    assert "the 2 levels of guidance are equal" in alone


def test_what_a_pilot_leaves_open_is_told() -> None:
    axes = {"guidance_scale": [1.0, 3.0, 7.0]}
    sure = Variances(metric="sharpness")
    unsure = Variances(metric="sharpness", degrees=22, seed_degrees=11)
    assert "with what is known of the spread, between" not in planned(axes, 2, 0.2, sure)
    assert "with what is known of the spread, between" in planned(axes, 2, 0.2, unsure)
