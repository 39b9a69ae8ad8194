"""Which schedulers fit is what Diffusers says; how often each calls the denoiser is counted in tests of the engine."""

from __future__ import annotations

import diffusers
import pytest

from teststrip.diffusion import schedulers


@pytest.mark.parametrize("own", ["DDIMScheduler", "PNDMScheduler", "EulerDiscreteScheduler", "UniPCMultistepScheduler"])
def test_what_diffusers_calls_compatible_is_accepted(own):
    kind = getattr(diffusers, own)
    theirs = {other.__name__ for other in kind.from_config({}).compatibles}
    ours = set(schedulers.alternatives(own))
    assert theirs - ours == {name for name in theirs if schedulers.OTHER_TASKS.search(name)}
    assert {"LCMScheduler", "TCDScheduler"} <= ours
    assert schedulers.alternatives(own)[0] == own


def test_flow_matching_and_noise_prediction_do_not_mix():
    flow = schedulers.alternatives("FlowMatchEulerDiscreteScheduler")
    assert flow[0] == "FlowMatchEulerDiscreteScheduler"
    assert not set(flow) & set(schedulers.alternatives("DDIMScheduler"))


def test_an_unknown_scheduler_has_no_alternative_but_itself():
    assert schedulers.alternatives("MyOwnScheduler") == ("MyOwnScheduler",)


@pytest.mark.parametrize("name", [n for n in schedulers.known() if hasattr(diffusers, n)])
def test_the_order_read_is_the_order_python_sees(name):
    assert schedulers.known()[name].order == getattr(getattr(diffusers, name), "order", 1)


def test_calls_of_well_known_schedulers():
    assert schedulers.calls("DDIMScheduler", 50, {}) == 50
    assert schedulers.calls("HeunDiscreteScheduler", 50, {}) == 99
    assert schedulers.calls("PNDMScheduler", 50, {"skip_prk_steps": True}) == 51


def test_an_image_says_that_its_configuration_makes_the_sampler_draw_noise() -> None:
    plain = diffusers.DPMSolverMultistepScheduler()
    assert schedulers.facts_of(plain) == {"scheduler": "DPMSolverMultistepScheduler"}
    noisy = diffusers.DPMSolverMultistepScheduler(algorithm_type="sde-dpmsolver++")
    assert schedulers.facts_of(noisy) == {"scheduler": "DPMSolverMultistepScheduler", "sampler_noise": True}
    flow = diffusers.FlowMatchEulerDiscreteScheduler(stochastic_sampling=True)
    assert schedulers.facts_of(flow)["sampler_noise"] is True
