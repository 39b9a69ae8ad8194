"""What `teststrip plan` can say about batching before anything is loaded."""

import pytest

from teststrip.diffusion import pipelines
from teststrip.diffusion.merging import why_alone


@pytest.mark.parametrize(
    "name",
    [
        "StableDiffusionPipeline",
        "StableDiffusionXLPipeline",
        "StableDiffusion3Pipeline",
        "FluxPipeline",
        "PixArtAlphaPipeline",
        "SanaPipeline",
        "IFPipeline",
        "QwenImagePipeline",
        "ZImagePipeline",
    ],
)
def test_nothing_speaks_against_merging_the_families_that_are_tested_merged(name):
    pipeline = pipelines.find(name)
    assert why_alone(pipeline, {}, "none") == ""
    assert "offload" in why_alone(pipeline, {}, "model")


def test_attention_for_one_call_is_known_beforehand():
    guided = pipelines.find("StableDiffusionPAGPipeline")
    assert "attention" in why_alone(guided, {}, "none")
    assert "attention" in why_alone(guided, {"pag_scale": 2.0}, "none")
    assert why_alone(guided, {"pag_scale": 0.0}, "none") == ""
