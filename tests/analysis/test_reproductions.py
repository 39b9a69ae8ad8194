"""Each wrong conclusion that a review once found, as a law of its kind; COVERED says which tests hold it.

Where another file tests the whole kind already, its test is named here and not repeated.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.analysis.scored import study

from teststrip import analysis
from teststrip.analysis.numbers import columns, effects
from teststrip.records import Card, Finding

SCORE = {"score": Card("score", higher_is_better=True)}
HERE = "test_reproductions"

COVERED: Mapping[str, Sequence[tuple[str, str]]] = {
    "R1 an excluded combination": (
        ("test_best_simulated", "test_an_excluded_or_half_refused_combination_does_not_mislead"),
        ("test_means", "test_an_excluded_combination_leaves_level_cell_and_sentence_where_they_were"),
        (HERE, "test_a_sentence_about_an_axis_is_not_moved_by_a_bad_combination_that_was_excluded"),
    ),
    "R2 a plan that promises too much": (
        ("test_equality", "test_four_studies_of_five_are_given_equality_at_the_prompts_that_plan_names"),
        ("test_within", "test_the_difference_that_plan_promises_is_found_in_four_studies_of_five"),
    ),
    "R3 an interaction without a linear part": (
        ("test_best_simulated", "test_an_interaction_without_a_linear_part_does_not_mislead"),
        (HERE, "test_axes_are_independent_only_where_every_double_difference_is_inside_the_margin"),
        (HERE, "test_an_interaction_that_no_straight_line_sees_is_never_called_none"),
    ),
    "R4 axes that cross over": (
        ("test_prompts_alone", "test_a_cross_over_of_two_axes_is_no_plain_equivalence"),
        (HERE, "test_a_cross_over_is_told_wherever_an_axis_is_alike_on_average"),
    ),
    "R5 prompts that answer in opposite ways": (
        ("test_prompts_alone", "test_prompts_that_answer_in_opposite_ways_are_alike_on_average_only"),
        ("test_prompts_alone", "test_one_seed_a_prompt_never_shows_that_single_prompts_are_alike"),
    ),
    "R6 no scatter at all": (
        ("test_ties", "test_nearly_all_ties_are_no_equality_where_a_difference_could_have_stayed_hidden"),
        (HERE, "test_scores_that_never_differ_are_no_proof_from_few_prompts"),
        (HERE, "test_refusals_that_fall_on_all_levels_alike_are_no_proof_from_few_prompts"),
    ),
    "R7 a level that few prompts have": (
        ("test_means", "test_a_level_made_for_a_few_prompts_is_shown_and_not_spoken_of"),
        (HERE, "test_a_level_that_few_prompts_have_is_in_no_sentence_and_no_comparison"),
    ),
    "R9 a fitted line told as a change": (
        ("test_headlines", "test_a_score_is_said_to_rise_or_fall_only_where_no_step_is_surely_against_it"),
        ("test_headlines", "test_a_jump_is_told_by_its_height_and_not_by_a_fitted_line"),
    ),
    "R10 a broken level that widens the margin": (
        ("test_margin", "test_levels_where_everything_falls_apart_do_not_move_the_seed_sd"),
        (HERE, "test_a_broken_level_makes_no_difference_small"),
    ),
    "R11 an audit without power": (
        ("test_audit", "test_a_score_that_falls_by_the_margin_is_rarely_called_blind"),
        ("test_audit", "test_an_audit_without_power_forbids_nothing_and_is_told_among_the_limits"),
    ),
    "R13 pictures that still change": (
        ("test_order_of_steps", "test_where_nothing_converged_pictures_still_change_and_the_end_is_not_known"),
    ),
    "R15 scores that are missing where they would be bad": (
        ("test_missing", "test_a_difference_that_missing_scores_make_is_never_told_without_them"),
        (HERE, "test_a_worst_case_stands_beside_a_difference_of_what_was_left"),
    ),
    "R17 tiny and constant scores": (
        ("test_headlines", "test_the_size_of_a_score_never_makes_nonsense_of_its_numbers"),
        ("test_headlines", "test_a_score_without_scatter_gets_its_finding"),
    ),
}


@pytest.mark.parametrize(("file", "test"), sorted({one for tests in COVERED.values() for one in tests}))
def test_every_test_that_the_table_names_exists(file: str, test: str) -> None:
    tree = ast.parse((Path(__file__).parent / f"{file}.py").read_text())
    assert test in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_law_of_this_file_is_in_the_table() -> None:
    tree = ast.parse(Path(__file__).read_text())
    own = {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}
    named = {test for tests in COVERED.values() for file, test in tests if file == HERE}
    assert own - named == {"test_every_test_that_the_table_names_exists", "test_every_law_of_this_file_is_in_the_table"}


def conclude(table: Mapping[str, Any], axes: Mapping[str, Any], margin: float, kind: str = "axis") -> list[Finding]:
    found = analysis.findings(
        table, SCORE, axes=list(axes), margin={"score": margin}, scope="prompts like these", outlook=False
    )
    return [finding for finding in found if finding.kind == kind]


def only(table: Mapping[str, Sequence[Any]], keep: Callable[[dict[str, Any]], bool]) -> dict[str, list[Any]]:
    """The rows that are kept."""
    rows = [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]
    return {name: [row[name] for row in rows if keep(row)] for name in table}


@pytest.mark.parametrize("prompts", [12, 40, 100])
@pytest.mark.parametrize("harm", [1.0, 3.0, 10.0])
def test_a_sentence_about_an_axis_is_not_moved_by_a_bad_combination_that_was_excluded(
    prompts: int, harm: float
) -> None:
    """Guidance does nothing, few steps do harm, and guidance 12 was never made with few steps."""
    axes = {"guidance_scale": (3.0, 7.0, 12.0), "num_inference_steps": (4.0, 30.0)}
    table = study(prompts, 2, axes, lambda c: -harm * (c[1] == 4.0), seed=prompts, interaction=0.0)
    kept = only(table, lambda row: (row["guidance_scale"], row["num_inference_steps"]) != (12.0, 4.0))
    guidance, steps = conclude(kept, axes, 0.5)
    assert all(abs(row.effect) < 0.5 for row in guidance.comparisons)
    assert guidance.verdict != "different"
    assert steps.verdict == "different"
    assert steps.effect == pytest.approx(harm, abs=0.4)
    assert np.ptp([level.mean for level in guidance.levels]) < 0.5


GRID: dict[str, tuple[float, ...]] = {
    "guidance_scale": (1.0, 4.0, 7.0),
    "num_inference_steps": (4.0, 8.0, 16.0, 32.0),
}


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.floats(-1, 1), min_size=12, max_size=12),
    st.sampled_from([20, 60, 150]),
    st.sampled_from([0.0, 0.1, 0.5, 1.0]),
)
def test_axes_are_independent_only_where_every_double_difference_is_inside_the_margin(
    truth: list[float], prompts: int, size: float
) -> None:
    place = {
        cell: k for k, cell in enumerate((g, s) for g in GRID["guidance_scale"] for s in GRID["num_inference_steps"])
    }
    table = study(prompts, 2, GRID, lambda c: size * truth[place[float(c[0]), float(c[1])]], interaction=0.0)
    (found,) = conclude(table, GRID, 0.6, "interaction")
    if found.verdict != "equivalent":
        return
    layout = columns.read(table, list(GRID))
    values = layout.values(table["score"], "score")
    doubles = effects.double_differences(layout, (0, 1), values)
    assert len(doubles) == 18
    for double in doubles:
        assert abs(effects.per_prompt(values, layout, double)[0].mean()) < 0.6
    assert "every one of 18 double differences" in found.method


@pytest.mark.parametrize("prompts", [20, 60, 200])
@pytest.mark.parametrize("size", [0.9, 3.0])
def test_an_interaction_that_no_straight_line_sees_is_never_called_none(prompts: int, size: float) -> None:
    """Only the middle guidance turns what steps do around, so the fitted change along guidance is none."""
    turn = dict(zip(GRID["num_inference_steps"], (1, 1 / 3, -1 / 3, -1), strict=True))
    for seed in range(4):
        table = study(prompts, 2, GRID, lambda c: size * turn[float(c[1])] * (c[0] == 4.0), seed=seed, interaction=0.0)
        (found,) = conclude(table, GRID, 0.6, "interaction")
        assert found.verdict != "equivalent"
        assert "does not depend" not in found.sentence
        for axis in conclude(table, GRID, 0.6):
            assert axis.on_average or axis.verdict != "equivalent"


@pytest.mark.parametrize("prompts", [40, 120])
@pytest.mark.parametrize("size", [0.8, 5.0])
def test_a_cross_over_is_told_wherever_an_axis_is_alike_on_average(prompts: int, size: float) -> None:
    axes = {"guidance_scale": (1.0, 7.0), "num_inference_steps": (4.0, 32.0)}
    alike = 0
    for seed in range(4):
        table = study(prompts, 2, axes, lambda c: size * ((c[0] == 7.0) == (c[1] == 4.0)), seed=seed, interaction=0.0)
        (together,) = conclude(table, axes, 0.3, "interaction")
        assert together.verdict == "different"
        for found in conclude(table, axes, 0.3):
            if found.verdict == "equivalent":
                alike += 1
                assert found.on_average
                assert "on average" in found.sentence
                assert [abs(row.effect) > 0.3 for row in found.simple] == [True, True]
    assert alike >= 4  # else nothing was tested


@pytest.mark.parametrize("prompts", [6, 8, 10, 15, 20])
@pytest.mark.parametrize("margin", [0.05, 0.1])
def test_scores_that_never_differ_are_no_proof_from_few_prompts(prompts: int, margin: float) -> None:
    axes = {"guidance_scale": (3.0, 7.0)}
    for seeds in (1, 2, 5):
        table = study(prompts, seeds, axes)
        table["score"] = [float(int(prompt[1:]) % 3 > 0) for prompt in table["prompt"]]
        (found,) = conclude(table, axes, margin)
        assert found.verdict != "equivalent"


@pytest.mark.parametrize("prompts", [7, 10, 20, 40])
@pytest.mark.parametrize("refused", [1, 3])
def test_refusals_that_fall_on_all_levels_alike_are_no_proof_from_few_prompts(prompts: int, refused: int) -> None:
    """A share within 5 points of another takes some 60 prompts to show, however equal the shares are."""
    axes = {"guidance_scale": (3.0, 7.0)}
    table = study(prompts, 1, axes)
    gone = [int(prompt[1:]) < refused for prompt in table["prompt"]]
    table["score"] = [None if g else s for g, s in zip(gone, table["score"], strict=True)]
    table["missing"] = ["refused" if g else None for g in gone]
    (found,) = conclude(table, axes, 0.5, "missing")
    assert found.verdict != "equivalent"
    assert "does not depend" not in found.sentence


@settings(max_examples=20, deadline=None)
@given(st.sampled_from([12, 40, 150]), st.floats(0.01, 0.6), st.floats(-50, 50), st.integers(0, 2))
def test_a_level_that_few_prompts_have_is_in_no_sentence_and_no_comparison(
    prompts: int, share: float, truth: float, which: int
) -> None:
    axes = {"guidance_scale": (3.0, 7.0, 30.0)}
    rare, few = axes["guidance_scale"][which], max(1, int(share * prompts))
    table = study(prompts, 2, axes, lambda c: truth * (c[0] == rare))
    kept = only(table, lambda row: row["guidance_scale"] != rare or int(row["prompt"][1:]) < few)
    (found,) = conclude(kept, axes, 0.3)
    levels = {ref.label for row in found.comparisons for ref in (*row.asked.plus, *row.asked.minus)}
    assert levels == {f"{level:g}" for level in axes["guidance_scale"] if level != rare}
    assert any(f"{rare:g} rests on {few} of {prompts} prompts" in limit for limit in found.limits)


@pytest.mark.parametrize("prompts", [20, 80])
@pytest.mark.parametrize("times", [16.0, 200.0])
@pytest.mark.parametrize("broken", [1, 2])
def test_a_broken_level_makes_no_difference_small(prompts: int, times: float, broken: int) -> None:
    """Levels of which one or two fall apart: what counts as small is still what another seed does to the others."""
    steps = (2.0, 4.0, 8.0, 16.0, 32.0, 64.0)[2 - broken :]
    axes = {"num_inference_steps": steps}
    rng = np.random.default_rng(prompts)
    table = study(prompts, 2, axes, lambda c: -0.6 * (c[0] == 8.0), seed=prompts, interaction=0.0)
    bad = steps[:broken]
    table["score"] = [
        score - 3 + times * rng.standard_normal() * 0.5 if level in bad else score
        for score, level in zip(table["score"], table["num_inference_steps"], strict=True)
    ]
    found = analysis.findings(table, SCORE, axes=list(axes), scope="prompts like these", outlook=False)[0]
    assert found.margin < 0.3
    told = {row.contrast: row.verdict for row in found.comparisons}
    assert told["16 against 8"] != "equivalent"
    assert found.verdict != "equivalent"
    best = analysis.recommend(table, "score", axes=list(axes))
    assert best.choice is None or not best.settled or best.choice.label not in ("2", "4", "8")


@pytest.mark.parametrize(("prompts", "seeds"), [(40, 1), (40, 2), (120, 1)])
def test_a_worst_case_stands_beside_a_difference_of_what_was_left(prompts: int, seeds: int) -> None:
    """Nothing differs, but of one level the worse pictures have no score."""
    axes = {"guidance_scale": (3.0, 15.0)}
    told = 0
    for seed in range(6):
        rng = np.random.default_rng([prompts, seeds, seed])
        table = study(prompts, seeds, axes, seed=seed, interaction=0.0)
        own = rng.standard_normal(len(table["score"]))
        height = {key: 3 * rng.standard_normal() for key in zip(table["prompt"], table["replicate"], strict=True)}
        table["score"] = [
            None if g == 15.0 and o < 0 else height[p, r] + o
            for p, r, g, o in zip(table["prompt"], table["replicate"], table["guidance_scale"], own, strict=True)
        ]
        (found,) = conclude(table, axes, 0.2)
        if found.verdict == "different":
            told += 1
            assert "What is missing surely depends on guidance" in found.sentence
            assert any(limit.startswith("The missing ones alone could turn this") for limit in found.limits)
    assert told >= 3  # else nothing was tested
