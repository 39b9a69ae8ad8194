"""Which guiders a pipeline can have, with which options, and what is said of the others; how many rows they take."""

from __future__ import annotations

import inspect

import diffusers
import pytest
from diffusers import guiders as theirs

from teststrip.diffusion import guiders, pipelines
from teststrip.errors import StudyError

SDXL, QWEN = "StableDiffusionXLPipeline", "QwenImagePipeline"
APG = {"guider": "AdaptiveProjectedGuidance"}
ZERO = {"guider": "ClassifierFreeZeroStarGuidance"}


def test_what_is_known_without_diffusers_is_what_its_guiders_have() -> None:
    known = {f"guider.{one}": kind for kind, some in guiders.WELL_KNOWN.items() for one in some.split()}
    assert known == {name: option.kind for name, option in guiders.every().items()}


@pytest.mark.parametrize("name", guiders.names())
def test_options_and_defaults_are_those_of_the_constructor(name):
    arguments = inspect.signature(getattr(theirs, name).__init__).parameters
    for option in guiders.of(name).values():
        assert arguments[option.name.removeprefix("guider.")].default == option.default
        assert option.doc
        assert option.name in guiders.every()
    left_out = arguments.keys() - {option.removeprefix("guider.") for option in guiders.of(name)}
    assert left_out <= {"self", "guidance_scale", "enabled", "adaptive_projected_guidance_norm_dim"}


def test_each_family_has_a_modular_form_with_a_guider():
    for pipeline, (modular, scale) in guiders.FAMILIES.items():
        assert scale in pipelines.find(pipeline).knobs
        assert "guider" in getattr(diffusers, modular)().component_names


def check(pipeline, settings, config=lambda _, __: None, offload="none"):
    guiders.check(settings, pipelines.find(pipeline), config, offload=offload)


REFUSED = [
    ("StableDiffusionPipeline", APG, "StableDiffusionPipeline has none .* Flux2KleinPipeline, QwenImagePipeline"),
    ("StableDiffusion3Pipeline", APG, "StableDiffusion3Pipeline has none"),
    (SDXL, {"guider": "AdaptiveProjectedGuidence"}, "no guider 'AdaptiveProjectedGuidence'. Did you mean"),
    (SDXL, {"guider": "SkipLayerGuidance"}, "no guider 'SkipLayerGuidance'"),
    (SDXL, {**APG, "guider.alpha": 3.0}, "guider.alpha: AdaptiveProjectedGuidance has no option 'alpha'"),
    (SDXL, {"guider.alpha": 3.0}, 'guider.alpha: no guider is set .* Write guider = "MagnitudeAwareGuidance"'),
    (SDXL, {**APG, "guider.start": 0.8, "guider.stop": 0.4}, "guider.start: 0.8 is no part of the steps before"),
    (SDXL, {**APG, "guidance_stop": 0.4}, r"guidance_stop: a guider has shares of its own. Write guider\.stop"),
    (SDXL, {**APG, "clip_skip": 1}, "clip_skip: a call with a guider does not take it"),
    (SDXL, {**APG, "guidance_rescale": 0.7}, "guidance_rescale: a call with a guider does not take it"),
    (SDXL, {**APG, "schedule": "ays"}, "schedule: a call with a guider takes a number of steps"),
    (SDXL, {"guider": "MagnitudeAwareGuidance"}, "measures rows of tokens"),
    (QWEN, ZERO, "divides by the size of its answer.* Write guider.zero_init_steps = 0"),
]


@pytest.mark.parametrize(("pipeline", "settings", "why"), REFUSED)
def test_a_guider_that_cannot_be_had_is_refused_with_the_reason(pipeline, settings, why):
    with pytest.raises(StudyError, match=why):
        check(pipeline, settings)


def test_what_a_guider_can_have_is_accepted():
    check(SDXL, {**APG, "guider.eta": 0.0, "guider.start": 0.1, "negative_prompt": "an ugly car", "width": 64})
    check(QWEN, {**ZERO, "guider.zero_init_steps": 0})
    check("StableDiffusionPipeline", {"guider": None, "guider.eta": None})


def test_a_distilled_model_and_a_model_that_moves_have_no_guider():
    with pytest.raises(StudyError, match="has none with this model"):
        check("Flux2KleinPipeline", APG, config=lambda part, key: key == "is_distilled")
    with pytest.raises(StudyError, match="Leave offload out"):
        check(SDXL, APG, offload="model")


def test_a_scheduler_that_takes_other_calls_than_steps_is_refused():
    guiders.check_steps(APG, ("EulerDiscreteScheduler", 10, {}))
    guiders.check_steps({}, ("HeunDiscreteScheduler", 10, {}))
    with pytest.raises(StudyError, match="takes 19 calls for 10 steps"):
        guiders.check_steps(APG, ("HeunDiscreteScheduler", 10, {}))


@pytest.mark.parametrize("name", guiders.names())
@pytest.mark.parametrize("settings", [{}, {"guider.start": 0.3, "guider.stop": 0.8}, {"guidance_scale": 1.0}], ids=str)
def test_the_rows_foretold_are_those_that_the_guider_asks_for(name, settings):
    asked = {"guider": name, "guidance_scale": 5.0, **settings}
    guider = getattr(theirs, name)(guidance_scale=asked["guidance_scale"], **guiders.options(asked))
    rows = 0
    for step in range(7):
        guider.set_state(step=step, num_inference_steps=7, timestep=None)
        rows += guider.num_conditions
    assert guiders.rows(asked, pipelines.find(SDXL), 7) == rows
