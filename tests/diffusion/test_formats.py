"""The number format that `dtype = "auto"` stands for."""

import pytest

from teststrip.diffusion.loading import resolved_dtype
from teststrip.diffusion.models import Model

UNET = {"unet": ["diffusers", "UNet2DConditionModel"]}
TRANSFORMER = {"transformer": ["diffusers", "FluxTransformer2DModel"]}
CASCADE = {"prior_prior": ["stable_cascade", "StableCascadeUNet"], "decoder": ["stable_cascade", "StableCascadeUNet"]}


@pytest.mark.parametrize(
    ("pipeline", "index", "half"),
    [
        ("StableDiffusionPipeline", UNET, "float16"),
        ("FluxPipeline", TRANSFORMER, "bfloat16"),
        ("StableCascadeCombinedPipeline", CASCADE, "bfloat16"),
        # A single file lists no parts, so the class says what they are.
        ("StableDiffusionXLPipeline", None, "float16"),
        ("FluxPipeline", None, "bfloat16"),
        ("StableDiffusion3Pipeline", None, "bfloat16"),
    ],
)
def test_u_nets_compute_in_float16_and_other_denoisers_in_bfloat16_off_the_processor(pipeline, index, half):
    model = Model("a model", pipeline, ("", {}), index=index)
    assert {resolved_dtype("auto", device, model) for device in ("cuda", "mps")} == {half}
    assert resolved_dtype("auto", "cpu", model) == "float32"
    assert resolved_dtype("float32", "cuda", model) == "float32"
