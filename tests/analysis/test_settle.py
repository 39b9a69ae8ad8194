"""As many more prompts as the report names bring the verdict that it names, in four studies of five."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from teststrip.analysis.numbers import columns, effects, judging, samples, verdicts
from teststrip.analysis.numbers.columns import Layout
from teststrip.analysis.power import settle, spread

MARGIN = 0.2


def layout(levels: int) -> Layout:
    table = {"prompt": ["p"] * levels, "guidance_scale": [float(level) for level in range(1, levels + 1)]}
    return columns.read(table, ["guidance_scale"])


def drawn(rng: np.random.Generator, prompts: int, levels: int, truth: Any = 0.0, *, loud: Any = 1.0) -> Any:
    """A study [prompts, 2 seeds, levels] of the usual spread; `loud` makes the pictures of a level scatter more."""
    own, shot = rng.standard_normal((prompts, 1, levels)), rng.standard_normal((prompts, 2, levels))
    return truth + 0.2 * own + 0.5 * loud * shot


def judged(values: Any) -> tuple[str, settle.Open]:
    """The verdict on the axis, and the question as it stands."""
    here = layout(values.shape[-1])
    contrasts = effects.planned(here)
    found = judging.judge(values, here, contrasts, MARGIN)
    pairs = np.array([contrast.kind == "pair" for contrast in contrasts])
    planned = np.array([contrast.planned for contrast in contrasts])
    weights = np.array([contrast.weights for contrast in contrasts])
    verdict = str(verdicts.of_axis(found.verdict[pairs], found.verdict[planned]))
    return verdict, settle.Open(found.differences, weights, pairs, planned, found.size, MARGIN)


def kept(levels: int, pilots: int, truth: str, *, loud: Any = 1.0) -> float:
    """The share of undecided pilots with a number of which the promise comes true."""
    rng, hits = np.random.default_rng(levels), []
    for _ in range(pilots):
        pilot = drawn(rng, 12, levels, loud=loud)
        verdict, question = judged(pilot)
        if verdict != "inconclusive":
            continue
        if truth == "equal" and (more := settle.if_equal(question)):
            hits.append(judged(np.concatenate([pilot, drawn(rng, more, levels, loud=loud)]))[0] == "equivalent")
        if truth == "as seen" and (more := settle.if_as_seen(question)):
            hits.append(judged(drawn(rng, 12 + more, levels, pilot.mean(axis=(0, 1)), loud=loud))[0] == "different")
    assert len(hits) > pilots / 10
    return float(np.mean(hits))


@pytest.mark.parametrize(("levels", "truth"), [(2, "equal"), (4, "equal"), (4, "as seen")])
def test_more_prompts_bring_what_was_promised(levels: int, truth: str) -> None:
    assert kept(levels, 100, truth) == pytest.approx(0.8, abs=0.13)  # 0.05, and two standard errors


@pytest.mark.slow
@pytest.mark.parametrize("truth", ["equal", "as seen"])
@pytest.mark.parametrize(("levels", "loud"), [(2, 1), (4, 1), (8, 1), (4, np.array([3, 1, 1, 1]))])
def test_more_prompts_bring_what_was_promised_in_four_studies_of_five(levels: int, truth: str, loud: Any) -> None:
    assert kept(levels, 1_000, truth, loud=loud) == pytest.approx(0.8, abs=0.06)


def test_a_truth_that_is_inside_the_margin_is_never_promised_as_a_difference() -> None:
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((12, 2, 2))
    noise -= noise.mean(axis=(0, 1))
    for effect, within_reach in ((0.0, False), (0.05, False), (0.6, True)):
        question = judged(noise + np.array([0.0, effect]))[1]
        assert (settle.if_as_seen(question) is not None) is within_reach


def test_more_than_a_study_can_have_is_not_within_reach() -> None:
    question = judged(drawn(np.random.default_rng(1), 12, 4))[1]
    assert settle.if_equal(replace(question, margin=0.01)) is None
    numbers = [settle.if_equal(replace(question, margin=size)) or settle.REACH for size in (0.1, 0.2, 0.4)]
    assert numbers == sorted(numbers, reverse=True)
    assert settle.if_equal(question) == settle.if_equal(replace(question))  # the same draws each time


@pytest.mark.parametrize("levels", [2, 4, 8])
def test_a_question_is_reckoned_in_the_time_of_a_report_with_dozens(levels: int) -> None:
    question = judged(drawn(np.random.default_rng(1), 12, levels))[1]
    settle.if_equal(question)  # the draws are made once
    began = time.process_time()
    for _ in range(3):
        settle.if_equal(replace(question))
    assert (time.process_time() - began) / 3 < 0.2  # 0.02 to 0.05 s on an idle core


@pytest.mark.parametrize("alike", [True, False])
def test_the_spread_of_few_prompts_is_drawn_together_only_where_it_looks_alike(alike: bool) -> None:
    """Eight levels of twelve prompts: the largest of 28 variances is told near the truth, alike or not."""
    here = layout(8)
    pairs = [contrast for contrast in effects.planned(here) if contrast.kind == "pair"]
    weights = np.array([contrast.weights for contrast in pairs])
    sd = np.ones(8) if alike else np.array([6.0, *[1.0] * 7])
    truth = weights**2 @ sd**2
    rng, told, plain = np.random.default_rng(3), [], []
    for _ in range(60):
        differences = weights @ (sd[:, None] * rng.standard_normal((8, 12)))
        found = spread.of_contrasts(differences, weights)
        told.append((found.root**2).sum(axis=1).max())
        plain.append(differences.var(axis=1, ddof=1).max())
    assert np.mean(told) == pytest.approx(truth.max(), rel=0.3)
    assert np.mean(told) < np.mean(plain)
    assert spread.of_contrasts(differences, weights).root.shape == (28, 7)


def test_degrees_of_freedom_are_those_of_prompts_or_of_satterthwaite() -> None:
    question = judged(drawn(np.random.default_rng(1), 12, 2))[1]
    np.testing.assert_allclose(question.degrees(np.array([6.0, 40.0])), [5.0, 39.0])
    rng = np.random.default_rng(2)
    for prompts, seeds in ((5, 3), (8, 6)):
        one = replace(question, blocks=prompts)
        satterthwaite = samples.over_seeds(rng.standard_normal((4_000, prompts, seeds))).degrees.mean()
        assert float(one.degrees(np.array(prompts * seeds))) == pytest.approx(satterthwaite, rel=0.06)


def test_paired_seeds_as_units_have_the_mean_over_prompts_and_the_scatter_within() -> None:
    rng = np.random.default_rng(4)
    differences = 5 * rng.standard_normal((1, 6, 1)) + rng.standard_normal((1, 6, 40))
    units, blocks = settle.of_seeds(differences, shared_seeds=False)
    assert (units.shape, blocks) == ((1, 240), 6)
    assert units.mean() == pytest.approx(differences.mean())
    assert stats.tstd(units[0]) == pytest.approx(1.0, abs=0.15)
    assert settle.of_seeds(differences, shared_seeds=True)[0].shape == (1, 40)
