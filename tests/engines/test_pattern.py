"""The engine without weights behaves like a model where tests and newcomers need it to."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from teststrip.engines.pattern import SCHEDULERS, PatternEngine, draw
from teststrip.errors import EngineError, StudyError
from teststrip.records import EngineRef, Failure, Render, Shot
from teststrip.testing.engine_contract import EngineContract, pixels_of

REF = EngineRef("pattern")


class TestPatternKeepsTheContract(EngineContract):
    @pytest.fixture
    def engine(self):
        return PatternEngine()

    @pytest.fixture
    def ref(self):
        return REF

    @pytest.fixture
    def knobs(self):
        return {"width": 24, "height": 16, "num_inference_steps": 20, "guidance_scale": 7.5}


def picture(**changes):
    asked = {
        "prompt": "an owl",
        "negative_prompt": "",
        "seed": 7,
        "guidance_scale": 7.5,
        "steps": 50,
        "scheduler": "DDIMScheduler",
        "size": (48, 64),
    }
    return draw(**(asked | changes))


def distance(a, b):
    return float(np.sqrt(np.mean((a.astype(float) - b.astype(float)) ** 2)))


def shot(**settings):
    return Shot(REF, {"prompt": "an owl", "seed": 1, "width": 8, "height": 8} | settings)


def test_the_pixels_are_the_same_on_every_machine():
    seen = hashlib.sha256(
        b"".join(
            picture(scheduler=scheduler, steps=steps, negative_prompt=negative).tobytes()
            for scheduler in SCHEDULERS
            for steps in (1, 7, 50)
            for negative in ("", "fog")
        )
    )
    assert seen.hexdigest() == "9d797033049c8205ab8b6c3550c15015b311d78d80250d1de9842ae23dd2433e"


@given(
    width=st.integers(1, 70),
    height=st.integers(1, 70),
    seed=st.integers(0, 2**32 - 1),
    guidance=st.floats(0, 100),
    steps=st.integers(1, 1000),
    prompt=st.text(max_size=20),
    scheduler=st.sampled_from(SCHEDULERS),
)
def test_any_size_and_setting_gives_a_picture(width, height, seed, guidance, steps, prompt, scheduler):
    drawn = picture(
        size=(height, width), seed=seed, guidance_scale=guidance, steps=steps, prompt=prompt, scheduler=scheduler
    )
    assert drawn.shape == (height, width, 3)
    assert drawn.dtype == np.uint8


@pytest.mark.parametrize(("scheduler", "order"), [("DDIMScheduler", 1), ("DPMSolverMultistepScheduler", 2)])
def test_noise_falls_with_the_order_of_the_scheduler(scheduler, order):
    end = picture(scheduler=scheduler, steps=1000)
    far, near = (distance(picture(scheduler=scheduler, steps=n), end) for n in (8, 16))
    assert np.log2(far / near) == pytest.approx(order, abs=0.15)


def test_an_ancestral_scheduler_never_settles():
    def step(scheduler):
        return distance(picture(scheduler=scheduler, steps=900), picture(scheduler=scheduler, steps=901))

    assert step("EulerAncestralDiscreteScheduler") > 5 > 0.5 > step("DDIMScheduler")


def test_guidance_brings_contrast_and_at_last_clips():
    spread = [picture(guidance_scale=g, steps=200).std() for g in (1, 3, 7.5, 15)]
    assert spread == sorted(spread)
    clipped = [np.isin(picture(guidance_scale=g, steps=200), (0, 255)).mean() for g in (3, 7.5, 40)]
    assert clipped[0] == 0
    assert clipped[2] > 0.3


def test_guidance_makes_the_seeds_alike():
    def apart(guidance):
        a, b = (picture(guidance_scale=guidance, seed=seed, steps=1000) for seed in (1, 2))
        return distance(a, b) / a.std()

    assert apart(100) < apart(1)


def test_eta_is_a_dead_axis():
    a, b = PatternEngine().render([shot(eta=0.0), shot(eta=1.0)])
    assert np.array_equal(pixels_of(a), pixels_of(b))


def test_every_other_setting_changes_the_picture():
    engine = PatternEngine()
    changes = {
        "prompt": "a cat",
        "negative_prompt": "fog",
        "seed": 2,
        "guidance_scale": 3.0,
        "num_inference_steps": 5,
        "scheduler": SCHEDULERS[1],
        "width": 9,
        "height": 9,
    }
    assert set(changes) == set(engine.settings) - {"eta"}
    (plain,) = engine.render([shot()])
    for name, value in changes.items():
        (changed,) = engine.render([shot(**{name: value})])
        assert changed.data != plain.data, name


def test_chosen_shots_fail_with_the_reason_asked_for():
    engine = PatternEngine(fail="guidance_scale=9; refused: seed=3, prompt=an owl;nan:num_inference_steps=7")
    answers = list(
        engine.render(
            [
                shot(guidance_scale=9.0),
                shot(seed=3),
                shot(seed=3, prompt="a cat"),
                shot(num_inference_steps=7),
                shot(),
            ]
        )
    )
    assert [a.reason if isinstance(a, Failure) else "" for a in answers] == ["error", "refused", "", "nan", ""]
    assert [a.retryable for a in answers if isinstance(a, Failure)] == [True, False, True]


def test_a_default_can_be_what_fails():
    (answer,) = PatternEngine(fail="guidance_scale=7.5").render([shot()])
    assert isinstance(answer, Failure)


def test_a_share_of_the_shots_fails_the_same_ones_each_time():
    shots = [shot(seed=seed) for seed in range(400)]
    engine = PatternEngine(fail_share=0.1)
    first, second = ([a.shot.seed for a in engine.render(shots) if isinstance(a, Failure)] for _ in range(2))
    assert first == second
    assert 20 < len(first) < 60


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("guidance=9", "cannot read 'guidance=9'. Write setting=value"),
        ("seed", "cannot read 'seed'"),
        ("refuse: seed=1", "unknown reason 'refuse'. Did you mean 'refused'?"),
    ],
)
def test_an_unreadable_fail_option_says_how_to_write_it(text, message):
    with pytest.raises(EngineError, match=message.replace("?", r"\?").replace(".", r"\.")):
        PatternEngine(fail=text)


def test_a_picture_too_large_to_read_again_is_refused():
    with pytest.raises(StudyError, match="above 64,000,000 pixels"):
        PatternEngine().check({"width": 8192, "height": 8192})


def test_cost_is_spent_and_recorded():
    (answer,) = PatternEngine(seconds=0.02, spin=0.01).render([shot()])
    assert isinstance(answer, Render)
    assert answer.seconds >= 0.03


def test_guidance_doubles_the_calls():
    engine = PatternEngine()
    assert engine.calls({"num_inference_steps": 50, "guidance_scale": 1.0}) == 50
    assert engine.calls({"num_inference_steps": 50, "guidance_scale": 7.5}) == 100
