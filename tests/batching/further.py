"""Further families as tiny real models, whose calls take random embeddings in the place of texts.

Merged: PixArt (a diffusion transformer), Sana (linear attention, its own autoencoder), DeepFloyd IF (pixels, no
decoder), Qwen-Image (two calls a step, texts of different lengths, a video autoencoder), Z-Image and its Omni pipeline
(lists with one entry a row; of Omni nested lists).
Not merged: perturbed-attention guidance (attention processors for one call).
"""

from __future__ import annotations

from typing import Any

import diffusers
import torch
from tests import tiny_families
from tests.tiny_pipelines import autoencoder

from teststrip.batching import Call

MERGED = ("pixart", "sana", "if", "qwen", "zimage", "omni")
SHARED = {"pixart": "pixart", "sana": "sana", "qwen": "qwen_image", "zimage": "z_image"}
"""Families that `tests.tiny_families` builds, by their names there."""


def build(family: str) -> Any:
    """A pipeline in memory."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        pipe = tiny_families.BUILDERS[SHARED[family]]() if family in SHARED else globals()[f"_{family}"]()
    for part in pipe.components.values():
        if isinstance(part, torch.nn.Module):
            part.eval()
            with torch.no_grad():
                for weight in part.parameters():
                    if weight.ndim == 1:
                        continue
                    torch.nn.init.normal_(weight, std=1.5 / weight[0].numel() ** 0.5)
    return pipe


def call(family: str, guidance: float, steps: int, text: int, seed: int) -> Call:
    """A call whose key says all about it; the text is a number."""
    asked = TEXTS[family](text) | {"num_inference_steps": steps, "output_type": "pt"}
    asked["true_cfg_scale" if family == "qwen" else "guidance_scale"] = guidance
    return Call((family, guidance, steps, text, seed), asked, seed, length=steps)


def _drawn(text: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(text))


def _pixart_text(text: int) -> dict[str, Any]:
    mask = torch.ones(1, 12, dtype=torch.int64)
    mask[:, 8 + text :] = 0
    embeds = {"prompt_embeds": _drawn(text, 1, 12, 32), "negative_prompt_embeds": _drawn(9, 1, 12, 32)}
    masks = {"prompt_attention_mask": mask, "negative_prompt_attention_mask": mask}
    size = {"height": 32, "width": 32, "use_resolution_binning": False}
    return embeds | masks | size | {"negative_prompt": None}


def _if_text(text: int) -> dict[str, Any]:
    return {"prompt_embeds": _drawn(text, 1, 12, 32), "negative_prompt_embeds": _drawn(9, 1, 12, 32)}


def _qwen_text(text: int) -> dict[str, Any]:
    embeds = {"prompt_embeds": _drawn(text, 1, 8 + text, 32), "negative_prompt_embeds": _drawn(9, 1, 6, 32)}
    masks = {
        "prompt_embeds_mask": torch.ones(1, 8 + text, dtype=torch.int64),
        "negative_prompt_embeds_mask": torch.ones(1, 6, dtype=torch.int64),
    }
    return embeds | masks | {"height": 32, "width": 32}


def _zimage_text(text: int) -> dict[str, Any]:
    embeds = {"prompt_embeds": [_drawn(text, 8 + text, 32)], "negative_prompt_embeds": [_drawn(9, 6, 32)]}
    return embeds | {"height": 32, "width": 32}


def _omni_text(text: int) -> dict[str, Any]:
    embeds = {"prompt_embeds": [[_drawn(text, 8 + text, 32)]], "negative_prompt_embeds": [[_drawn(9, 6, 32)]]}
    return embeds | {"height": 32, "width": 32}


def _pag_text(text: int) -> dict[str, Any]:
    embeds = {"prompt_embeds": _drawn(text, 1, 12, 32), "negative_prompt_embeds": _drawn(9, 1, 12, 32)}
    return embeds | {"pag_scale": 2.0, "height": 32, "width": 32}


TEXTS = {
    "pixart": _pixart_text,
    "sana": _pixart_text,
    "if": _if_text,
    "qwen": _qwen_text,
    "zimage": _zimage_text,
    "omni": _omni_text,
    "pag": _pag_text,
}


def _if() -> Any:
    unet = diffusers.UNet2DConditionModel(
        sample_size=16,
        layers_per_block=1,
        block_out_channels=(16, 32),
        down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
        in_channels=3,
        out_channels=6,
        cross_attention_dim=32,
        encoder_hid_dim=32,
        attention_head_dim=8,
        addition_embed_type="text",
        addition_embed_type_num_heads=2,
        cross_attention_norm="group_norm",
        resnet_time_scale_shift="scale_shift",
        act_fn="gelu",
        norm_num_groups=8,
    )
    return diffusers.IFPipeline(
        unet=unet,
        scheduler=diffusers.DDPMScheduler(**tiny_families.DISCRETE, variance_type="learned_range", thresholding=True),
        text_encoder=None,
        tokenizer=None,
        safety_checker=None,
        feature_extractor=None,
        watermarker=None,
        requires_safety_checker=False,
    )


def _omni() -> Any:
    plain = tiny_families.BUILDERS["z_image"]()
    transformer = diffusers.ZImageTransformer2DModel.from_config(plain.transformer.config, siglip_feat_dim=16)
    for pad in (transformer.x_pad_token, transformer.cap_pad_token, transformer.siglip_pad_token):
        pad.data.fill_(1.0)
    parts = {**plain.components, "transformer": transformer}
    return diffusers.ZImageOmniPipeline(**parts, siglip=None, siglip_processor=None)


def _pag() -> Any:
    unet = diffusers.UNet2DConditionModel(
        sample_size=16,
        layers_per_block=1,
        block_out_channels=(16, 32),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=32,
        attention_head_dim=4,
        norm_num_groups=8,
    )
    return diffusers.StableDiffusionPAGPipeline(
        unet=unet,
        vae=autoencoder(2, sample_size=32),
        scheduler=diffusers.DDIMScheduler(steps_offset=1, clip_sample=False),
        text_encoder=None,
        tokenizer=None,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
