"""A score is called blind only where it surely cannot tell, and what is known to be bad comes from the study first."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.analysis.scored import study

import teststrip
from teststrip import analysis, plan
from teststrip.analysis.kinds import audit
from teststrip.analysis.numbers import columns
from teststrip.analysis.numbers.margin import margin_of
from teststrip.records import Card, Finding, LevelRef, Study

SCORE = Card("score", higher_is_better=True)
STEPS = {"num_inference_steps": (2.0, 8.0, 32.0)}
MARGIN = 0.5


def audited(table: dict[str, Any], axes: list[str], **given_: Any) -> list[Finding]:
    found = analysis.findings(table, {"score": SCORE}, axes=axes, margin={"score": MARGIN}, **given_)
    return [finding for finding in found if finding.kind == "audit"]


def outcomes(prompts: int, seeds: int, *, truth: float, studies: int, spread: float) -> list[str | None]:
    """The outcome of many audits of 2 steps against 32, which truly differ by `truth`."""
    draw = np.random.default_rng(prompts * 100 + seeds)
    layout = columns.read(study(prompts, seeds, STEPS), list(STEPS))
    found = []
    for _ in range(studies):
        heights = 2 * draw.standard_normal((prompts, 1, 1)) + draw.standard_normal((prompts, seeds, 1))
        own = spread * draw.standard_normal((prompts, 1, 3)) if prompts >= 6 else 0.0
        values = heights + own + spread * draw.standard_normal((prompts, seeds, 3))
        values[..., 0] += truth
        size = margin_of({"score": MARGIN}, "score", values)
        found += [one.outcome for one in audit.findings(layout, values, SCORE, size)]
    return found


SIZES = [(6, 1), (12, 2), (40, 1), (5, 6), (1, 8)]


@pytest.mark.parametrize(("prompts", "seeds"), SIZES)
def test_a_score_that_falls_by_the_margin_is_rarely_called_blind(prompts: int, seeds: int) -> None:
    found = outcomes(prompts, seeds, truth=-MARGIN, studies=300, spread=0.3)
    # 5 % and its 99 % Monte-Carlo bound at 300 studies.
    assert found.count("blind") / len(found) < 0.05 + 2.6 * (0.05 * 0.95 / 300) ** 0.5


@pytest.mark.parametrize(
    ("prompts", "seeds"),
    [pytest.param(*size, marks=[] if size in ((40, 1), (5, 6)) else pytest.mark.slow) for size in SIZES],
)
def test_a_score_that_sees_nothing_is_rarely_called_seeing_or_misled(prompts: int, seeds: int) -> None:
    found = outcomes(prompts, seeds, truth=0.0, studies=300, spread=1.0)
    wrong = found.count("sees") + found.count("misled")
    assert wrong / len(found) < 0.05 + 2.6 * (0.05 * 0.95 / 300) ** 0.5


@pytest.mark.parametrize(("prompts", "seeds"), [(20, 2), (60, 1), (5, 12)])
def test_with_power_each_truth_has_its_outcome(prompts: int, seeds: int) -> None:
    for truth, outcome in ((-2.0, "sees"), (2.0, "misled"), (0.0, "blind")):
        assert outcomes(prompts, seeds, truth=truth, studies=5, spread=0.15) == [outcome] * 5


@given(st.integers(1, 12), st.integers(1, 3), st.integers(0, 999))
@settings(max_examples=25, deadline=None)
def test_an_audit_without_power_forbids_nothing_and_is_told_among_the_limits(
    prompts: int, seeds: int, seed: int
) -> None:
    table = study(prompts, seeds, STEPS, seed=seed)
    made = analysis.recommend(table, SCORE, axes=list(STEPS), margin={"score": MARGIN})
    (found,) = audited(table, list(STEPS)) or [None]
    if found is None or found.outcome != "not tested yet":
        return
    assert made.outcome is None
    assert found.sentence.startswith("Score is not tested yet: on ")
    assert "recommends nothing" not in found.sentence
    assert made.choice is None or any("not tested yet" in limit for limit in made.limits)


@pytest.mark.parametrize("prompts", [8, 10, 12])
def test_an_untested_score_says_how_many_more_prompts_would_show_it(prompts: int) -> None:
    (found,) = audited(study(prompts, 1, STEPS, seed=0), list(STEPS))
    assert found.outcome == "not tested yet"
    assert found.more_prompts
    assert f"About {found.more_prompts:,} more prompts would show whether it sees a bad picture." in found.sentence


def test_a_few_prompts_with_many_seeds_are_tested_as_these_prompts() -> None:
    (found,) = audited(study(5, 6, STEPS, lambda c: -3.0 * (c[0] == 2.0)), list(STEPS))
    assert (found.outcome, found.scope) == ("sees", "these prompts")
    assert found.sentence.startswith("Score sees on these 5 prompts that steps 2 is bad: ")


def asked(engine: dict[str, Any] | None = None, **keys: Any) -> Study:
    axes = {"num_inference_steps": [2, 8, 30], "guidance_scale": [3.5, 10, 30]}
    return teststrip.Study(
        name="audit", prompts=["an owl"], axes=axes, **({"engine": engine} if engine else {}), **keys
    )


def bad(of: Study) -> list[str]:
    return [" ".join(f"{level.axis} {level.label}" for level in levels) for levels in audit.of_study(of)]


@pytest.mark.parametrize(
    ("model", "steps", "guidance"),
    [
        ("emoji", True, True),
        ("stable-diffusion-v1-5/stable-diffusion-v1-5", True, True),
        ("SG161222/HyperRealism_v3", True, True),
        ("black-forest-labs/FLUX.1-dev", True, False),
        ("black-forest-labs/FLUX.1-Fill-dev", True, False),
        ("black-forest-labs/FLUX.1-schnell", False, False),
        ("stabilityai/sdxl-turbo", False, False),
        ("ByteDance/SDXL-Lightning", False, False),
        ("SimianLuo/LCM_Dreamshaper_v7", False, False),
        ("ByteDance/Hyper-SD", False, False),
        ("loras/fast_4step.safetensors", False, False),
        ("checkpoints/after_16steps.safetensors", True, True),
    ],
)
def test_the_name_of_a_model_says_whether_few_steps_or_high_guidance_are_bad(
    model: str, steps: bool, guidance: bool
) -> None:
    axes = asked().axes
    found = [levels[0].axis for levels in audit.usual(axes, {model})]
    assert ("num_inference_steps" in found, "guidance_scale" in found) == (steps, guidance)


def test_a_lora_or_a_scheduler_made_for_few_steps_counts_as_well() -> None:
    assert bad(asked()) == ["num_inference_steps 2", "guidance_scale 30"]
    assert bad(asked(settings={"scheduler": "LCMScheduler"})) == []


def test_what_the_study_says_wins_over_what_is_usual() -> None:
    assert bad(asked(question={"known_bad": {"guidance_scale": [10, 30]}})) == [
        "guidance_scale 10",
        "guidance_scale 30",
    ]
    assert bad(asked(question={"known_bad": []})) == []
    both = asked(question={"known_bad": [{"steps": 2, "cfg": 30}, {"cfg": 10}]})
    assert bad(both) == ["num_inference_steps 2 guidance_scale 30", "guidance_scale 10"]


def test_what_is_known_to_be_bad_changes_no_picture() -> None:
    assert list(plan.of(asked(question={"known_bad": {"steps": 8}})).ids()) == list(plan.of(asked()).ids())


@pytest.mark.parametrize("fall", [1.5, 3.0])
def test_a_bad_combination_is_held_against_a_good_one_of_the_same_axes(fall: float) -> None:
    axes = {"guidance_scale": (3.0, 7.0), "num_inference_steps": (4.0, 8.0, 16.0)}
    table = study(12, 2, axes, lambda c: -fall * (c == (7.0, 4.0)))
    known = [(LevelRef("guidance_scale", 1, "7"), LevelRef("num_inference_steps", 0, "4"))]
    (found,) = audited(table, list(axes), known_bad=known)
    assert found.outcome == "sees"
    assert found.asked is not None
    assert found.asked.kind == "settings"
    assert found.sentence.startswith("Score sees that guidance 7, steps 4 is bad: ")
    assert found.sentence.endswith("against guidance 3, steps 16.")
    assert found.effect == pytest.approx(-fall, abs=0.5)


def test_bad_levels_are_never_held_against_bad_ones() -> None:
    axes = {"guidance_scale": (3.0, 7.0), "num_inference_steps": (4.0, 16.0)}
    guidance, steps = "guidance_scale", "num_inference_steps"
    low = (LevelRef(guidance, 0, "3"), LevelRef(steps, 0, "4"))
    high = (LevelRef(guidance, 1, "7"), LevelRef(steps, 1, "16"))
    assert audited(study(8, 1, axes), list(axes), known_bad=[low, high]) == []
