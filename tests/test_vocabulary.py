"""The words are those of the tools they come from, and the samplers that draw noise are those that do."""

from __future__ import annotations

import inspect
import re

import pytest

from teststrip import vocabulary
from teststrip.diffusion import schedulers
from teststrip.engines.diffusers import DiffusersEngine

CALM = (
    "DDIMScheduler",
    "DEISMultistepScheduler",
    "DPMSolverMultistepScheduler",
    "EulerDiscreteScheduler",
    "FlowMatchEulerDiscreteScheduler",
    "HeunDiscreteScheduler",
    "LMSDiscreteScheduler",
    "PNDMScheduler",
    "UniPCMultistepScheduler",
    *("DDIM", "DPM++ 2M Karras", "DPM adaptive", "Euler", "Heun", "PLMS", "UniPC"),
    *("dpm_2", "dpmpp_2m", "euler", "euler_cfg_pp", "heunpp2", "ipndm", "k_lms", "res_multistep", "uni_pc_bh2"),
)
NOISY = (
    *("DPM++ 2M SDE Karras", "DPM++ 2S a Karras", "DPM++ 3M SDE", "DPM2 a", "Euler a", "LCM", "Restart", "TCD"),
    *("K_DPM_2_ANCESTRAL", "ddpm", "dpmpp_2s_ancestral", "dpmpp_sde_gpu", "er_sde", "euler_ancestral_cfg_pp"),
    *("k_dpm_2_a", "k_euler_a", "sa_solver", "seeds_2"),
)


@pytest.mark.parametrize("name", CALM)
def test_samplers_that_only_follow_their_start_are_not_taken_for_noisy(name: str) -> None:
    assert vocabulary.noise({"scheduler": name}) == vocabulary.noise({}, {"scheduler": name}) == ""


@pytest.mark.parametrize("name", NOISY)
def test_samplers_that_draw_noise_are_known_as_web_uis_spell_them(name: str) -> None:
    assert vocabulary.noise({"sampler": name}) == vocabulary.noise({}, {"scheduler": name}) == name


def stepped(name: str, seed: int) -> object:
    """A picture after four steps of a scheduler as it is by default; the seed is that of the noise drawn on the way."""
    import diffusers
    import torch

    torch.manual_seed(seed)
    scheduler = getattr(diffusers, name)()
    scheduler.set_timesteps(6)
    x = torch.linspace(-1, 1, 3 * 8 * 8).reshape(1, 3, 8, 8)
    for time in scheduler.timesteps[:4]:
        x = scheduler.step(0.3 * torch.tanh(x), time, x)[0]
    return x


def draws(name: str) -> bool:
    """Whether the source of a scheduler draws noise while it steps, even where only its configuration asks for it."""
    import diffusers

    methods = inspect.getmembers(getattr(diffusers, name), inspect.isfunction)
    return any(re.search("randn|noise_sampler", inspect.getsource(one)) for key, one in methods if "step" in key)


@pytest.mark.filterwarnings("ignore")  # schedulers warn of what a pipeline does for them
@pytest.mark.torch
@pytest.mark.parametrize("name", schedulers.known())
def test_each_scheduler_of_diffusers_that_draws_noise_by_default_is_known_as_noisy(name: str) -> None:
    diffusers = pytest.importorskip("diffusers")
    torch = pytest.importorskip("torch")
    if not hasattr(diffusers, name):
        pytest.skip("Diffusers does not hand it out")
    noisy = bool(vocabulary.noise({"scheduler": name}))
    try:
        first, second = stepped(name, 0), stepped(name, 1)
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError):
        # Made for one task, with arguments of its own: what its source draws must be known.
        assert noisy or not draws(name), f"{name} draws noise. Add it to vocabulary.NOISY"
    else:
        assert noisy is not torch.equal(first, second), f"{name}: see vocabulary.NOISY"


@pytest.mark.parametrize("name", ["DDIMScheduler", "DDIMParallelScheduler"])
def test_eta_makes_ddim_noisy_and_leaves_alone_who_ignores_it(name: str) -> None:
    assert vocabulary.noise({"scheduler": name, "eta": 0.5}) == f"{name} (eta 0.5)"
    assert vocabulary.noise({"scheduler": name, "eta": 0.0}) == ""
    assert vocabulary.noise({"scheduler": "EulerDiscreteScheduler", "eta": 1.0}) == ""


@pytest.mark.torch
def test_a_sampler_made_noisy_by_its_configuration_is_known_by_what_the_engine_says() -> None:
    diffusers = pytest.importorskip("diffusers")
    for scheduler in (
        diffusers.DPMSolverMultistepScheduler(algorithm_type="sde-dpmsolver++"),
        diffusers.FlowMatchEulerDiscreteScheduler(stochastic_sampling=True),
    ):
        name = type(scheduler).__name__
        assert vocabulary.noise({}, schedulers.facts_of(scheduler)) == f"{name} (as it is configured)"
        assert vocabulary.noise({}, schedulers.facts_of(type(scheduler)())) == ""


def test_other_tools_words_mean_settings_that_there_are() -> None:
    settings = DiffusersEngine().settings
    assert set(vocabulary.SYNONYMS.values()) <= set(settings)
    assert set(vocabulary.PARAMETERS) <= set(settings)
    assert not set(vocabulary.SYNONYMS) & set(settings)


def test_each_sampler_with_a_name_in_a1111_is_a_class_of_diffusers() -> None:
    assert set(vocabulary.SAMPLERS) <= set(schedulers.known())
    assert len(set(vocabulary.SAMPLERS.values())) == len(vocabulary.SAMPLERS)


def test_a_name_in_another_tools_spelling_draws_noise_exactly_where_the_class_does() -> None:
    for scheduler, name in vocabulary.SAMPLERS.items():
        assert bool(vocabulary.noise({"scheduler": name})) is bool(vocabulary.noise({"scheduler": scheduler})), name
