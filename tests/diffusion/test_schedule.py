"""The schedules that `plan` reckons with are those of Diffusers' own classes, all of them; and what is said of each."""

from __future__ import annotations

import importlib.util
import inspect
import json
import re
from typing import Any

import diffusers
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from teststrip import vocabulary
from teststrip.diffusion import schedule, schedulers
from teststrip.weights import places

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning"),  # KDPM2 gives tensors to NumPy.
    pytest.mark.filterwarnings("ignore:Should have t:UserWarning"),  # torchsde rounds its times.
]
SPACINGS = ("leading", "trailing", "linspace")
COUNTS = (1, 2, 3, 4, 7, 20, 36, 50, 64, 99, 150, 200, 333, 500)
SLOW = ("KDPM2", "DPMSolverSDE", "LMS")
"""Beginnings of the names of classes that loop in Python."""
PLAIN = {"num_train_timesteps": 1000, "steps_offset": 1, "skip_prk_steps": True}
TIMED = [name for name, kind in schedulers.known().items() if kind.spacing and not schedulers.OTHER_TASKS.search(name)]
STEPPED = [name for name in TIMED if not schedulers.known()[name].distilled]
IN_SIGMAS = [
    (name, key)
    for name in STEPPED
    for key in schedule.IN_SIGMAS
    if key in inspect.signature(getattr(diffusers, name)).parameters
]
"""Classes and the configuration that makes each of them space its steps by noise levels."""
CHOOSABLE = sorted(
    {*schedulers.alternatives("DDIMScheduler"), *schedulers.alternatives("FlowMatchEulerDiscreteScheduler")}
)


def real(name: str, steps: int, **config: Any) -> Any:
    """The scheduler class itself, with its times set."""
    needed = schedulers.NEEDS.get(name)
    if needed and importlib.util.find_spec(needed) is None:
        pytest.skip(f"{name} needs {needed}")
    made = getattr(diffusers, name).from_config({**PLAIN, **config})
    made.set_timesteps(steps)
    return made


def own_times(scheduler: Any) -> list[float]:
    """The times at which steps begin, without those in the middle of a step."""
    times = [float(time) for time in scheduler.timesteps]
    times = times[:1] + times[2::2] if type(scheduler).__name__.startswith(("KDPM2", "DPMSolverSDE")) else times
    return list(dict.fromkeys(times))


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("name", STEPPED)
def test_the_times_of_each_class_are_those_that_diffusers_sets(name, spacing):
    for steps in COUNTS[:8] if name.startswith(SLOW) else COUNTS:
        found = schedule.schedule(name, steps, {**PLAIN, "timestep_spacing": spacing})
        assert found is not None
        theirs = own_times(real(name, steps, timestep_spacing=spacing))
        assert list(dict.fromkeys(found.times)) == pytest.approx(theirs, abs=1e-3), (name, spacing, steps)


@pytest.mark.parametrize("name", [name for name in TIMED if schedulers.known()[name].distilled])
def test_the_times_of_distilled_classes_are_those_that_diffusers_sets(name):
    for steps in [steps for steps in COUNTS if steps <= 50]:
        found = schedule.schedule(name, steps, PLAIN)
        assert found is not None
        assert list(found.times) == own_times(real(name, steps)), (name, steps)


@pytest.mark.parametrize(("name", "key"), IN_SIGMAS)
def test_where_noise_levels_space_the_steps_their_begin_is_still_the_classes_own(name, key):
    for steps in (10, 50) if name.startswith(SLOW) else (10, 50, 150):
        config: dict[str, Any] = {key: True, "timestep_spacing": "leading"}
        theirs = own_times(real(name, steps, **config))
        found = schedule.schedule(name, steps, {**PLAIN, **config})
        if found is None:
            assert theirs[0] >= 990, "silence is right where a class begins at the end of all noise"
        else:
            assert found.times[0] == pytest.approx(theirs[0], abs=1)
            assert not found.uneven


@pytest.mark.parametrize("name", [name for name in CHOOSABLE if not schedulers.known()[name].spacing])
def test_a_class_of_which_nothing_is_said_begins_at_the_end_of_all_noise(name):
    for steps in (4, 20, 50, 150):
        assert schedule.schedule(name, steps, PLAIN) is None
        made = real(name, steps)
        # The times of EDM are logarithms of noise levels.
        assert made.timesteps[0] >= 990 or made.sigmas[0] == pytest.approx(made.config.sigma_max)


def rest(name: str, steps: int, spacing: str) -> float:
    """What a run leaves of pure noise, or changes of a picture, where the model is always right.

    A scheduler whose steps end where the next one begins leaves nothing.
    """
    scheduler = real(name, steps, timestep_spacing=spacing, clip_sample=False, prediction_type="epsilon")
    noisy = bool(vocabulary.noise({"scheduler": name}))
    first = scheduler.timesteps[0]
    level = float(scheduler.alphas_cumprod[int(first)])
    widens = name == "LMSDiscreteScheduler" or float(scheduler.init_noise_sigma) > 1.5
    if noisy:  # A picture so large that what the sampler draws does not count, and no noise to be found in it.
        start, told = 1e6 if widens else level**0.5 * 1e6, 0.0
    else:
        start, told = float(scheduler.sigmas[0]) if widens else (1 - level) ** 0.5, 1.0
    sample = torch.full((1, 1, 4, 4), start, dtype=torch.float64)
    for time in scheduler.timesteps:
        scheduler.scale_model_input(sample, time)  # Some classes warn where a pipeline forgets to call this.
        sample = scheduler.step(torch.full_like(sample, told), time, sample, return_dict=False)[0]
    return abs(float(sample.mean()) / 1e6 - 1) if noisy else abs(float(sample.mean()))


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("name", TIMED)
def test_steps_that_go_back_by_another_amount_leave_noise_and_no_others_do(name, spacing):
    few = schedulers.known()[name].distilled or name.startswith(SLOW)
    for steps in (10, 36) if few else (10, 36, 50, 60, 150):
        found = schedule.schedule(name, steps, {**PLAIN, "timestep_spacing": spacing})
        assert found is not None
        left = rest(name, steps, spacing)
        # 0.01: the noise of the first training time, which PNDM and DEIS leave in every picture.
        assert left < (0.011 if found.stride is None else 0.05) or found.drifts, (name, spacing, steps, left)
        assert left > 0.03 or not found.drifts, (name, spacing, steps, left)


def said(name: str, steps: int, **config: Any) -> list[str]:
    return list(schedule.remarks(name, steps, {**PLAIN, **config}))


def test_the_grid_of_the_first_study_holds_one_number_of_steps_that_is_another():
    path = places.place("emoji", "model_index.json").path / "scheduler" / "scheduler_config.json"
    config = json.loads(path.read_text("utf-8"))
    found = {steps: list(schedule.remarks(config["_class_name"], steps, config)) for steps in (50, 100, 150, 200)}
    assert [steps for steps, words in found.items() if words] == [150]
    assert found[150] == [
        (
            "will not get the 150 steps of DDIM that were asked for: each step goes back 6 of 1,000 training times, "
            "while the times are 6.66 apart, so each step leaves noise that the next one does not expect. "
            "Take 125 or 200 steps"
        )
    ]


def test_a_schedule_that_leaves_out_the_noisiest_times_says_where_it_begins():
    (text,) = said("EulerDiscreteScheduler", 150, timestep_spacing="leading")
    assert "begin at time 895 of 999" in text
    assert text.endswith(
        'Take 125 or 200 steps, or a copy of the model with "timestep_spacing": "trailing" in '
        "scheduler/scheduler_config.json"
    )
    assert said("EulerDiscreteScheduler", 150, timestep_spacing="trailing") == []


@given(
    st.sampled_from(STEPPED),
    st.integers(1, 1000),
    st.sampled_from(SPACINGS),
    st.sampled_from([1000, 500]),
)
def test_the_remedy_of_every_schedule_is_a_schedule_of_which_nothing_is_said(name, steps, spacing, train):
    config = {"timestep_spacing": spacing, "num_train_timesteps": train}
    for text in said(name, steps, **config):
        for count in re.findall(r"[\d,]+", (re.findall(r"Take ([\d,]+(?: or [\d,]+)?) steps", text) or [""])[0]):
            assert not any("not get" in other for other in said(name, int(count.replace(",", "")), **config))
        if '"trailing"' in text:
            config["timestep_spacing"] = "trailing"
            assert not any("not get" in other for other in said(name, steps, **config))


@given(st.sampled_from(STEPPED), st.sampled_from([1, 2, 4, 5, 8, 10, 20, 25, 40, 50, 100, 125, 200, 250]))
def test_nothing_is_said_of_trailing_steps_that_divide_the_training_times(name, steps):
    assert not any("not get" in text for text in said(name, steps, timestep_spacing="trailing"))


def test_steps_that_take_other_calls_say_how_many():
    assert said("HeunDiscreteScheduler", 50, timestep_spacing="trailing") == [
        "will take 99 calls of the model for 50 steps of Heun: compare by denoiser_calls, not by steps"
    ]
    assert said("PNDMScheduler", 50, timestep_spacing="leading") == []


def test_steps_between_those_of_a_distillation_are_uneven():
    (text,) = said("LCMScheduler", 30)
    assert "some steps go back 20 training times and others 40" in text
    assert said("LCMScheduler", 4) == said("LCMScheduler", 25) == []


def test_nothing_is_said_where_the_configuration_is_not_known():
    assert list(schedule.remarks("DDIMScheduler", 150, {})) == []
    assert list(schedule.remarks("MyOwnScheduler", 150, PLAIN)) == []
