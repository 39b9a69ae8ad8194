"""What is read from source is what Python itself would say, and the guidance rule is the pipeline's own."""

from __future__ import annotations

import inspect
import subprocess
import sys

import diffusers
import pytest

from teststrip.diffusion import pipelines

SOME = (
    "StableDiffusionPipeline",
    "StableDiffusionXLPipeline",
    "StableDiffusion3Pipeline",
    "FluxPipeline",
    "PixArtSigmaPipeline",
    "SanaPipeline",
    "QwenImagePipeline",
    "ChromaPipeline",
    "AuraFlowPipeline",
    "LatentConsistencyModelPipeline",
    "HunyuanDiTPipeline",
    "Lumina2Pipeline",
    "ZImagePipeline",
)
TYPES = {"float": (float, int), "int": int, "str": str, "bool": bool}


def rows(name, config=lambda component, key: None, **settings):
    return pipelines.find(name).rows(settings, config)


@pytest.mark.parametrize("name", SOME)
def test_knobs_are_arguments_with_the_defaults_that_python_sees(name):
    arguments = inspect.signature(getattr(diffusers, name).__call__).parameters
    knobs = pipelines.find(name).knobs
    assert {"prompt", "num_inference_steps", "guidance_scale"} <= set(knobs)
    for knob in knobs.values():
        default = arguments[knob.name].default
        assert knob.default == (None if default is inspect.Parameter.empty else default), knob.name
        assert default is None or isinstance(default, TYPES[knob.kind]), knob.name
        assert knob.doc.endswith("."), knob.name


@pytest.mark.parametrize("name", SOME)
def test_no_tensor_callback_or_format_is_a_knob(name):
    knobs = set(pipelines.find(name).knobs)
    assert not {k for k in knobs if k.endswith("_embeds") or k.startswith("callback") or k == "latents"}
    assert not knobs & {"generator", "output_type", "return_dict", "num_images_per_prompt", "timesteps", "sigmas"}


def test_a_knob_has_the_kind_and_bounds_of_its_meaning():
    knobs = pipelines.find("StableDiffusionPipeline").knobs
    kinds = {name: knob.kind for name, knob in knobs.items()}
    assert kinds == {
        "prompt": "str",
        "negative_prompt": "str",
        "height": "int",
        "width": "int",
        "num_inference_steps": "int",
        "guidance_scale": "float",
        "eta": "float",
        "guidance_rescale": "float",
        "clip_skip": "int",
    }
    assert (knobs["num_inference_steps"].low, knobs["num_inference_steps"].high) == (1, 1000)
    assert (knobs["guidance_scale"].low, knobs["eta"].high) == (0, 1)
    assert knobs["width"].optional


def test_a_knob_that_is_not_well_known_brings_the_sentence_of_its_docstring():
    knob = pipelines.find("StableDiffusion3Pipeline").knobs["skip_layer_guidance_stop"]
    assert knob.doc.startswith("The step at which the guidance for the layers")


def test_all_knobs_together_leave_the_defaults_to_each_pipeline():
    knobs = pipelines.knobs()
    assert set(pipelines.WELL_KNOWN) <= set(knobs)
    assert {"prompt_2", "skip_layer_guidance_scale", "system_prompt"} <= set(knobs)
    assert all(knob.default is None for knob in knobs.values())


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("StableDiffusionImg2ImgPipeline", "it takes image"),
        ("StableDiffusionInpaintPipeline", "it takes image"),
        ("StableDiffusionXLControlNetPipeline", "it takes image"),
        ("StableVideoDiffusionPipeline", "it takes no prompt"),
        ("WanPipeline", "it makes videos"),
    ],
)
def test_a_pipeline_that_wants_more_than_a_text_says_what(name, why):
    assert pipelines.find(name).unfit == why


@pytest.mark.parametrize("name", [*SOME, "FluxKontextPipeline", "Flux2Pipeline", "KandinskyV22CombinedPipeline"])
def test_a_pipeline_of_text_to_image_is_fit(name):
    assert pipelines.find(name).unfit == ""


def test_an_unknown_class_is_not_found():
    assert pipelines.find("NoSuchPipeline") is None
    assert pipelines.find("os; import os") is None


def test_guidance_doubles_rows_where_the_pipeline_says_so():
    assert [rows("StableDiffusionPipeline", guidance_scale=g) for g in (0.0, 1.0, 1.01, 7.5)] == [1, 1, 2, 2]
    assert rows("StableDiffusionPipeline") == 2  # its default is 7.5
    assert rows("StableDiffusion3Pipeline", guidance_scale=1.0) == 1


def test_distilled_guidance_does_not_double():
    assert rows("FluxPipeline", guidance_scale=7.5) == 1
    assert rows("LatentConsistencyModelPipeline", guidance_scale=8.5) == 1

    def distilled(component, key):
        return 256 if (component, key) == ("unet", "time_cond_proj_dim") else None

    assert rows("StableDiffusionPipeline", distilled, guidance_scale=7.5) == 1


def test_real_guidance_of_flux_needs_a_negative_prompt():
    assert rows("FluxPipeline", true_cfg_scale=4.0) == 1
    assert rows("FluxPipeline", true_cfg_scale=4.0, negative_prompt="fog") == 2
    assert rows("FluxPipeline", true_cfg_scale=1.0, negative_prompt="fog") == 1


def test_perturbed_attention_brings_one_row_more():
    assert rows("StableDiffusionPAGPipeline", guidance_scale=7.0, pag_scale=3.0) == 3
    assert rows("StableDiffusionPAGPipeline", guidance_scale=1.0, pag_scale=3.0) == 2
    assert rows("StableDiffusionPAGPipeline", guidance_scale=7.0, pag_scale=0.0) == 2


def test_reading_imports_neither_torch_nor_diffusers():
    code = (
        "import sys; from teststrip.engines.diffusers import DiffusersEngine; e = DiffusersEngine();"
        "e.settings; from teststrip.diffusion import schedulers; schedulers.alternatives('DDIMScheduler');"
        "print(sorted({'torch', 'diffusers', 'transformers', 'numpy', 'PIL'} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
