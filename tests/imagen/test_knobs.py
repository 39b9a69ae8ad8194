"""What settings mean for each stage, what they cost, and which of them change nothing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teststrip.errors import StudyError
from teststrip.imagen import knobs
from teststrip.imagen.knobs import Sampler

TWO = Sampler((64, 256), (250, 100), (True, False), 0.95, 0.2, guided=True)
ONE = Sampler((64,), (250,), (True,), 0.95, 0.2, guided=True)
UNGUIDED = Sampler((64,), (250,), (True,), 0.95, 0.2, guided=False)


def test_a_model_does_what_it_does_where_no_setting_says_otherwise() -> None:
    assert knobs.asked({}, TWO) == {
        "cond_scale": [1.0, 1.0],
        "timesteps": [250, 100],
        "dynamic_thresholding": [True, False],
        "dynamic_thresholding_percentile": 0.95,
        "cfg_remove_parallel_component": True,
        "cfg_keep_parallel_frac": 0.0,
        "lowres_sample_noise_level": 0.2,
        "stop_at_unet_number": 2,
    }


def test_a_stage_of_its_own_comes_before_all_stages() -> None:
    settings = {"timesteps": 10, "timesteps_2": 5, "cond_scale_1": 3.0, "dynamic_thresholding_1": False}
    call = knobs.asked(settings, TWO)
    assert call["timesteps"] == [10, 5]
    assert call["cond_scale"] == [3.0, 1.0]
    assert call["dynamic_thresholding"] == [False, False]
    assert knobs.calls(settings, TWO) == 25


@given(steps=st.tuples(st.integers(1, 999), st.integers(1, 999)), scale=st.floats(0, 100), last=st.integers(1, 2))
def test_a_guided_step_costs_two_forwards_and_a_stage_that_is_left_out_none(
    steps: tuple[int, int], scale: float, last: int
) -> None:
    settings = {"timesteps_1": steps[0], "timesteps_2": steps[1], "cond_scale": scale, "stop_at_unet_number": last}
    assert knobs.calls(settings, TWO) == sum(steps[:last]) * (1 if scale == 1 else 2)
    assert knobs.side(settings, TWO) == TWO.sizes[last - 1]


@pytest.mark.parametrize(
    ("settings", "own", "said"),
    [
        ({"timesteps_3": 5}, TWO, "timesteps_3: there is no such stage. The model has 2 stages (64, 256 pixels)"),
        ({"cond_scale_2": 2.0}, ONE, "cond_scale_2: there is no such stage. The model has 1 stage (64 pixels)"),
        ({"stop_at_unet_number": 3}, TWO, "stop_at_unet_number: there is no stage 3"),
        ({"cond_scale": 2.0}, UNGUIDED, "cannot be guided. Write cond_scale = 1"),
    ],
)
def test_what_a_model_cannot_do_is_an_error(settings: dict[str, Any], own: Sampler, said: str) -> None:
    with pytest.raises(StudyError) as caught:
        knobs.check(settings, own)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "own", "said"),
    [
        ({}, TWO, ""),
        ({"timesteps": 5, "cond_scale": 2.0, "cfg_keep_parallel_frac": 0.5}, TWO, ""),
        ({"timesteps_2": 5, "stop_at_unet_number": 1}, TWO, "do not heed timesteps_2: they stop at stage 1"),
        ({"timesteps": 5, "timesteps_1": 5, "timesteps_2": 5}, TWO, "do not heed timesteps: each stage has its own"),
        (
            {"dynamic_thresholding": False, "dynamic_thresholding_percentile": 0.5},
            TWO,
            "do not heed dynamic_thresholding_percentile: dynamic_thresholding is off",
        ),
        ({"lowres_sample_noise_level": 0.5}, ONE, "do not heed lowres_sample_noise_level: they have one stage"),
        ({"cfg_keep_parallel_frac": 0.5}, TWO, "do not heed cfg_keep_parallel_frac: cond_scale is 1"),
        (
            {"cond_scale": 2.0, "cfg_keep_parallel_frac": 0.5, "cfg_remove_parallel_component": False},
            TWO,
            "do not heed cfg_keep_parallel_frac: cfg_remove_parallel_component is off",
        ),
    ],
)
def test_what_changes_nothing_is_said(settings: dict[str, Any], own: Sampler, said: str) -> None:
    assert "\n".join(knobs.unheeded(settings, own)).startswith(said)
    assert bool(list(knobs.unheeded(settings, own))) == bool(said)
