"""The analysis held against a diffusion model whose truth is known."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats
from tests.analysis import toy_diffusion as toy

from teststrip import analysis
from teststrip.analysis.kinds.knee import knees
from teststrip.analysis.numbers import columns, effects, judging, margin
from teststrip.records import Card

STEPS = (8, 16, 32, 64, 1024)
DISTANCE = Card("distance", arity=2, higher_is_better=False)


def convergence_study(sampler: Callable[..., Any], **words: str) -> dict[str, list[Any]]:
    """6 prompts × 4 seeds × five numbers of steps; the distance of each picture to its own at the most steps."""
    whole, each = toy.everything(6)
    table: dict[str, list[Any]] = {"prompt": [], "replicate": [], "num_inference_steps": [], "distance": []}
    table |= {name: [] for name in words}
    for p, one in enumerate(each):
        noise = toy.start(range(100 * p, 100 * p + 4))
        pictures = {steps: sampler(toy.Model(one, whole), noise, steps) for steps in STEPS}
        for steps, picture in pictures.items():
            for r, gap in enumerate(np.linalg.norm(picture - pictures[STEPS[-1]], axis=1)):
                row = (p, r, steps, float(gap), *words.values())
                for name, value in zip(table, row, strict=True):
                    table[name].append(value)
    return table


def slope_of(table: dict[str, list[Any]]) -> float:
    layout = columns.read(table, ["num_inference_steps"])
    values = layout.values(table["distance"])
    distance = np.median(values, axis=1)
    return knees(distance, STEPS).slope


def noisy(model: toy.Model, x: toy.Array, steps: int) -> toy.Array:
    return toy.ancestral(model, x, steps, np.random.default_rng(steps))


def test_ddim_converges_with_first_order() -> None:
    assert slope_of(convergence_study(toy.ddim)) == pytest.approx(-1.0, abs=0.15)


def test_dpm_2m_converges_faster_than_order_one_and_a_half() -> None:
    assert slope_of(convergence_study(toy.dpm_2m)) < -1.4


def test_a_deterministic_sampler_gets_a_knee_and_shares() -> None:
    (finding,) = analysis.findings(convergence_study(toy.dpm_2m), {"distance": DISTANCE}, axes=["num_inference_steps"])
    assert finding.kind == "convergence"
    assert finding.effect in STEPS[:-1]
    shares = [row.effect for row in finding.comparisons]
    assert shares == sorted(shares)
    assert "steps in the middle prompt" in finding.sentence


def test_an_ancestral_sampler_is_refused_by_name() -> None:
    table = convergence_study(toy.ddim, scheduler="EulerAncestralDiscreteScheduler")
    (finding,) = analysis.findings(table, {"distance": DISTANCE}, axes=["num_inference_steps", "scheduler"])
    assert finding.verdict == "insufficient design"
    assert math.isnan(finding.effect)
    assert finding.sentence.startswith("Paired convergence is not defined here")
    (again,) = analysis.findings(
        table, {"distance": DISTANCE}, axes=["num_inference_steps"], settings={"scheduler": "DDIMScheduler", "eta": 1.0}
    )
    assert "eta 1" in again.sentence


def test_an_ancestral_sampler_with_an_innocent_name_is_refused_by_its_distances() -> None:
    (finding,) = analysis.findings(convergence_study(noisy), {"distance": DISTANCE}, axes=["num_inference_steps"])
    assert finding.sentence.startswith("Paired convergence is not defined here: distances hardly shrink")


def test_ancestral_distances_are_as_large_as_to_another_seed() -> None:
    whole, each = toy.everything()
    model, noise = toy.Model(each[0], whole), toy.start(range(400))
    coarse, fine = noisy(model, noise, 32), noisy(model, noise, 64)
    same_seed = np.median(np.linalg.norm(coarse - fine, axis=1))
    other_seed = np.median(np.linalg.norm(fine - np.roll(fine, 1, axis=0), axis=1))
    assert same_seed > 0.6 * other_seed


def test_a_null_study_is_not_called_different_more_often_than_promised() -> None:
    """Four levels of a setting that does nothing but draw other noise, 400 studies."""
    studies, prompts, seeds, levels = 400, 8, 2, 4
    whole, each = toy.everything(prompts)
    rng = np.random.default_rng(3)
    shape = (studies, prompts, seeds, levels)
    score = np.empty(shape)
    for p, one in enumerate(each):
        count = studies * seeds
        noise = toy.SIGMA_MAX * rng.standard_normal((count, 1, 2)).repeat(levels, axis=1).reshape(-1, 2)
        picture = toy.ancestral(toy.Model(one, whole), noise, 12, rng)
        gap = np.linalg.norm(picture[:, None, :] - one.centres[one.weights > 0], axis=2).min(axis=1)
        score[:, p] = -gap.reshape(studies, seeds, levels)
    table: dict[str, list[Any]] = {"prompt": [], "replicate": [], "knob": []}
    for p in range(prompts):
        for r in range(seeds):
            for k in range(levels):
                for name, value in zip(table, (p, r, float(k)), strict=True):
                    table[name].append(value)
    layout = columns.read(table, ["knob"])
    sd, se = margin.sd_of_seeds(score)
    judged = judging.judge(score, layout, effects.planned(layout), 0.2 * sd, 0.2 * se)
    wrong = int((judged.verdict == "different").any(axis=-1).sum())
    assert wrong <= stats.binom.ppf(0.999, studies, 0.05)


GUIDANCE = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0)


def best_guidance(world_of: Callable[[toy.World, toy.World], toy.World], classes: int = 12) -> tuple[float, float]:
    """The best guidance as a study of 60 pictures a cell finds it, and as 1,800 pictures know it."""
    whole, each = toy.everything(classes)
    table: dict[str, list[Any]] = {"prompt": [], "guidance_scale": [], "distance": [], "denoiser_calls": []}
    truth = dict.fromkeys(GUIDANCE, 0.0)
    for p, one in enumerate(each):
        for guidance in GUIDANCE:
            model = toy.Model(world_of(whole, one), world_of(whole, whole), guidance)
            picture = toy.dpm_2m(model, toy.start(range(1000 * p, 1000 * p + 210)), 12)
            truth[guidance] += toy.frechet(picture[60:], one)
            row = (p, guidance, toy.frechet(picture[:60], one), 32)
            for name, value in zip(table, row, strict=True):
                table[name].append(value)
    info = Card("distance", higher_is_better=False, arity=None)
    made = analysis.recommend(table, info, axes=["guidance_scale"])
    assert made.choice is not None
    return float(made.choice.levels[0][1]), min(truth, key=truth.__getitem__)


def test_the_best_guidance_of_an_imperfect_model_is_found_within_one_step() -> None:
    found, truth = best_guidance(toy.blurred)
    assert truth > 1
    assert abs(GUIDANCE.index(found) - GUIDANCE.index(truth)) <= 1


def test_the_exact_model_needs_no_guidance() -> None:
    found, truth = best_guidance(lambda _whole, one: one)
    assert (found, truth) == (1.0, 1.0)
