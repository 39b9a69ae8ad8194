"""Pipelines of the real classes, made tiny, with random weights: text encoders and tokenizers and all.

`build(family)` gives a pipeline in memory; `save(family, folder)` writes it as a model folder. Families:

    sd15    the shape of Stable Diffusion 1.5 (four levels, two layers a block), narrow; 64 px
    sdxl    two text encoders, added size conditions; 32 px
    sd3     three text encoders, joint attention, flow matching; 32 px
    flux    packed latents, distilled guidance; 32 px

and those of `tests.tiny_families`.

The weights are drawn under a fixed seed, so each call gives the same model. Pictures are noise with structure, and
every setting changes them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    DiffusionPipeline,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from tokenizers.pre_tokenizers import ByteLevel
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
)

FAMILIES = ("sd15", "sd21", "sdxl", "sd3", "flux")
DENOISER = {"sd15": "unet", "sd21": "unet", "sdxl": "unet", "sd3": "transformer", "flux": "transformer"}
SIDE = {"sd15": 64, "sd21": 64, "sdxl": 32, "sd3": 32, "flux": 32}
SCHEDULER = {
    "sd15": "DDIMScheduler",
    "sd21": "DDIMScheduler",
    "sdxl": "EulerDiscreteScheduler",
    "sd3": "FlowMatchEulerDiscreteScheduler",
    "flux": "FlowMatchEulerDiscreteScheduler",
}
"""The class of each family's own scheduler."""

WIDTH = 32
"""Of all text encoders."""

LETTERS = sorted(ByteLevel.alphabet())


def build(family: str, seed: int = 0) -> DiffusionPipeline:
    """A pipeline in memory, float32, silent."""
    from tests import tiny_families  # which is built of parts of this module

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        builders = {"sd15": _sd15, "sd21": _sd21, "sdxl": _sdxl, "sd3": _sd3, "flux": _flux, **tiny_families.BUILDERS}
        pipe = builders[family]()
    pipe.set_progress_bar_config(disable=True)
    return pipe


def save(family: str, folder: Path, seed: int = 0) -> Path:
    """The pipeline as a model folder; gives back the folder."""
    build(family, seed).save_pretrained(folder)
    return folder


def clip_tokenizer(length: int = 77) -> CLIPTokenizer:
    """Bytes as tokens, and a few merges, in CLIP's format."""
    merges = [("o", "w"), ("a", "t</w>"), ("ow", "l</w>")]
    words = [*LETTERS, *(letter + "</w>" for letter in LETTERS), *(a + b for a, b in merges)]
    words += ["<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(
        vocab={word: number for number, word in enumerate(words)}, merges=merges, model_max_length=length
    )


def clip_encoder(*, projection: bool = False) -> CLIPTextModel | CLIPTextModelWithProjection:
    """Two layers that fit `clip_tokenizer`."""
    size = len(clip_tokenizer())
    config = CLIPTextConfig(
        vocab_size=size,
        hidden_size=WIDTH,
        intermediate_size=2 * WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        projection_dim=WIDTH,
        max_position_embeddings=77,
        bos_token_id=size - 2,
        eos_token_id=size - 1,
        pad_token_id=size - 1,
    )
    return (CLIPTextModelWithProjection(config) if projection else CLIPTextModel(config)).eval()


def t5_tokenizer() -> T5Tokenizer:
    """Bytes and words as pieces, in T5's format."""
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0), ("▁an", -1.5), ("▁owl", -1.5)]
    pieces += [(chr(code), -4.0) for code in range(33, 127)]
    return T5Tokenizer(vocab=pieces, extra_ids=0, model_max_length=77)


def t5_encoder(width: int) -> T5EncoderModel:
    """One layer that fits `t5_tokenizer`."""
    return T5EncoderModel(
        T5Config(
            vocab_size=len(t5_tokenizer()),
            d_model=width,
            d_kv=8,
            d_ff=2 * width,
            num_layers=1,
            num_heads=4,
            pad_token_id=0,
            eos_token_id=1,
        )
    ).eval()


def autoencoder(levels: int, channels: int = 4, **config: Any) -> AutoencoderKL:
    """Halves the side `levels - 1` times."""
    return AutoencoderKL(
        block_out_channels=(16,) * levels,
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        latent_channels=channels,
        norm_num_groups=8,
        layers_per_block=1,
        **config,
    ).eval()


def lively(module: torch.nn.Module) -> torch.nn.Module:
    """Random models answer next to nothing; a larger last layer makes their answer matter to the picture."""
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.ndim > 1:
                parameter.mul_(1.5)
    return module.eval()


def noise_schedule() -> dict[str, Any]:
    """Of Stable Diffusion."""
    return {
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "steps_offset": 1,
        "clip_sample": False,
        "set_alpha_to_one": False,
    }


def _sd15() -> StableDiffusionPipeline:
    return _stable_diffusion(DDIMScheduler(**noise_schedule()), attention_head_dim=2)


def _sd21() -> StableDiffusionPipeline:
    """What parts version 2 from 1: velocities, linear projections, heads that differ from level to level."""
    scheduler = DDIMScheduler(**noise_schedule(), prediction_type="v_prediction")
    return _stable_diffusion(scheduler, attention_head_dim=(2, 2, 4, 4), use_linear_projection=True)


def _stable_diffusion(scheduler: DDIMScheduler, **of_unet: object) -> StableDiffusionPipeline:
    return StableDiffusionPipeline(**stable_diffusion_parts(**of_unet), scheduler=scheduler)


def stable_diffusion_parts(**of_unet: object) -> dict[str, Any]:
    """All of Stable Diffusion but its scheduler."""
    unet = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(16, 16, 32, 32),
        layers_per_block=2,
        cross_attention_dim=WIDTH,
        norm_num_groups=8,
        **of_unet,
    )
    return {
        "vae": autoencoder(4, sample_size=64),
        "text_encoder": clip_encoder(),
        "tokenizer": clip_tokenizer(),
        "unet": lively(unet),
        "safety_checker": None,
        "feature_extractor": None,
        "requires_safety_checker": False,
    }


def _sdxl() -> StableDiffusionXLPipeline:
    unet = UNet2DConditionModel(
        sample_size=16,
        layers_per_block=1,
        block_out_channels=(16, 32),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=2 * WIDTH,
        attention_head_dim=(2, 4),
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        transformer_layers_per_block=(1, 2),
        projection_class_embeddings_input_dim=6 * 8 + WIDTH,
        norm_num_groups=8,
    )
    return StableDiffusionXLPipeline(
        vae=autoencoder(2, sample_size=32),
        text_encoder=clip_encoder(),
        text_encoder_2=clip_encoder(projection=True),
        tokenizer=clip_tokenizer(),
        tokenizer_2=clip_tokenizer(),
        unet=lively(unet),
        scheduler=EulerDiscreteScheduler(**{k: v for k, v in noise_schedule().items() if k.startswith("beta")}),
    )


def _sd3() -> StableDiffusion3Pipeline:
    transformer = SD3Transformer2DModel(
        sample_size=16,
        patch_size=2,
        in_channels=4,
        num_layers=2,
        attention_head_dim=8,
        num_attention_heads=4,
        joint_attention_dim=2 * WIDTH,
        caption_projection_dim=32,
        pooled_projection_dim=2 * WIDTH,
        out_channels=4,
    )
    return StableDiffusion3Pipeline(
        transformer=lively(transformer),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=autoencoder(2, sample_size=32, shift_factor=0.06, scaling_factor=1.5),
        text_encoder=clip_encoder(projection=True),
        tokenizer=clip_tokenizer(),
        text_encoder_2=clip_encoder(projection=True),
        tokenizer_2=clip_tokenizer(),
        text_encoder_3=t5_encoder(2 * WIDTH),
        tokenizer_3=t5_tokenizer(),
    )


def _flux() -> FluxPipeline:
    transformer = FluxTransformer2DModel(
        patch_size=1,
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=WIDTH,
        pooled_projection_dim=WIDTH,
        axes_dims_rope=(4, 4, 8),
        guidance_embeds=True,
    )
    return FluxPipeline(
        transformer=lively(transformer),
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        vae=autoencoder(2, sample_size=32, use_quant_conv=False, use_post_quant_conv=False, shift_factor=0.1),
        text_encoder=clip_encoder(),
        tokenizer=clip_tokenizer(),
        text_encoder_2=t5_encoder(WIDTH),
        tokenizer_2=t5_tokenizer(),
    )
