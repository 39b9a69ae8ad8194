"""Full-sized models with random weights, made on the device in the format that they compute in.

Sizes are those of the published models; the tokenizers are tiny, since words do not matter here. Nothing is read from a
disk or a network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import diffusers
import torch
import transformers
from bench.gpu.sections import Setup
from tests import tiny_pipelines as tiny

PUBLISHED = {"sd15": 859_520_964, "sdxl": 2_567_463_684, "flux": 11_901_408_320, "z_image": 6_154_908_736}
"""Parameters of the denoisers of Stable Diffusion 1.5 and XL, FLUX.1 dev and Z-Image."""

SCHEDULE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


@contextmanager
def made_on(device: torch.device | str, dtype: torch.dtype) -> Iterator[None]:
    """Within it weights are made on this device, in this format."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            yield
    finally:
        torch.set_default_dtype(before)


def whole(model: Any) -> Any:
    """The model, ready to compute: weights that came as whatever lay in memory are zeros."""
    for weight in model.parameters():
        if not weight.is_meta:
            weight.data.nan_to_num_(0.0, 0.0, 0.0).clamp_(-10, 10)
    return model.requires_grad_(requires_grad=False).eval()


def sd15_unet() -> Any:
    """Of Stable Diffusion 1.5."""
    return diffusers.UNet2DConditionModel(sample_size=64, cross_attention_dim=768)


def sdxl_unet() -> Any:
    """Of Stable Diffusion XL."""
    return diffusers.UNet2DConditionModel(
        sample_size=128,
        block_out_channels=(320, 640, 1280),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=2048,
        attention_head_dim=(5, 10, 20),
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=256,
        transformer_layers_per_block=(1, 2, 10),
        projection_class_embeddings_input_dim=2816,
    )


def flux_transformer() -> Any:
    """Of FLUX.1 dev, whose sizes are the defaults of the class."""
    return diffusers.FluxTransformer2DModel(guidance_embeds=True)


def z_image_transformer() -> Any:
    """Of Z-Image, whose sizes are the defaults of the class."""
    return diffusers.ZImageTransformer2DModel()


DENOISERS: dict[str, Callable[[], Any]] = {
    "sd15": sd15_unet,
    "sdxl": sdxl_unet,
    "flux": flux_transformer,
    "z_image": z_image_transformer,
}


def parameters(name: str) -> int:
    """How many weights a denoiser has, without making them."""
    with torch.device("meta"):
        return sum(weight.numel() for weight in DENOISERS[name]().parameters())


def denoiser(name: str, setup: Setup) -> Any:
    """A denoiser in bfloat16."""
    return setup.ready(_denoiser(name, setup.device))


def _denoiser(name: str, device: torch.device) -> Any:
    with made_on(device, torch.bfloat16):
        return whole(DENOISERS[name]())


def pipeline(name: str, setup: Setup) -> Any:
    """Stable Diffusion 1.5 or XL in bfloat16: text encoders, denoiser and decoder of full size."""
    with made_on(setup.device, torch.bfloat16):
        vae = whole(_decoder())
        large = whole(_clip(768, 12, 3072, projection=False))
        second = whole(_clip(1280, 32, 5120, projection=True)) if name == "sdxl" else None
    unet = _denoiser(name, setup.device)
    tokenizer = tiny.clip_tokenizer()
    if second is not None:
        pipe = diffusers.StableDiffusionXLPipeline(
            vae=vae,
            text_encoder=large,
            text_encoder_2=second,
            tokenizer=tokenizer,
            tokenizer_2=tiny.clip_tokenizer(),
            unet=unet,
            scheduler=diffusers.EulerDiscreteScheduler(**SCHEDULE),
            add_watermarker=False,
        )
    else:
        pipe = diffusers.StableDiffusionPipeline(
            vae=vae,
            text_encoder=large,
            tokenizer=tokenizer,
            unet=unet,
            scheduler=diffusers.DDIMScheduler(**SCHEDULE, steps_offset=1, clip_sample=False, set_alpha_to_one=False),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
    pipe.set_progress_bar_config(disable=True)
    return setup.ready(pipe)


def _decoder() -> Any:
    return diffusers.AutoencoderKL(
        block_out_channels=(128, 256, 512, 512),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=2,
        latent_channels=4,
        sample_size=512,
    )


def _clip(width: int, layers: int, inner: int, *, projection: bool) -> Any:
    last = len(tiny.clip_tokenizer()) - 1
    config = transformers.CLIPTextConfig(
        vocab_size=49408,
        hidden_size=width,
        intermediate_size=inner,
        num_hidden_layers=layers,
        num_attention_heads=width // 64,
        projection_dim=width,
        bos_token_id=last - 1,
        eos_token_id=last,
        pad_token_id=last,
    )
    return (transformers.CLIPTextModelWithProjection if projection else transformers.CLIPTextModel)(config)
