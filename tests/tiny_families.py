"""Further families of real classes, made tiny: their text encoders and tokenizers too, built without a network.

    pixart, pixart_sigma        T5, learned variance; sizes off their table without `use_resolution_binning` alone
    sana, sana_sprint           Gemma 2, linear attention, an autoencoder of their own; Sprint is made for two steps
    lumina2                     Gemma 2, refiners of text and picture
    auraflow, chroma            UMT5 and T5, flow matching
    flux2_klein                 layers of Qwen 3 as text, normalised latents in patches
    qwen_image                  Qwen 2.5 VL as text encoder, an autoencoder of videos
    z_image                     Qwen 3, lists of pictures
    hidream                     two CLIPs, T5 and every layer of a Llama; experts chosen token by token
    cascade                     two models in a row, neither a unet nor a transformer
    sdxl_turbo, lcm             distilled: few steps with fresh noise; guidance as an input

`tests.tiny_pipelines` builds and saves them by name.
"""

from __future__ import annotations

from typing import Any

import diffusers
import torch
import transformers
from diffusers.pipelines.stable_cascade.pipeline_stable_cascade import PaellaVQModel
from tokenizers import AddedToken

from tests import tiny_pipelines as tiny

SIDE = 32
"""Of the pictures of most families."""

SIDES = {"lcm": 64, "cascade": 128, "hidream": 256}
"""Of the others; Stable Cascade knows sizes in steps of 42 pixels, and HiDream makes every picture as large."""
WIDTH = 32
CHAT = "{% for message in messages %}<|im_start|>{{ message.content }}<|im_end|>{% endfor %}"
FLOW = "FlowMatchEulerDiscreteScheduler"
DISCRETE = {"beta_start": 0.0001, "beta_end": 0.02, "beta_schedule": "linear"}


def gemma_tokenizer() -> transformers.GemmaTokenizer:
    """Characters as tokens, in Gemma's format."""
    words = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "▁", *(chr(code) for code in range(33, 127)), "\n"]
    return transformers.GemmaTokenizer(vocab={word: number for number, word in enumerate(words)}, merges=[])


def qwen_tokenizer() -> transformers.Qwen2Tokenizer:
    """Bytes as tokens, in Qwen's format, with a chat template."""
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    tokenizer = transformers.Qwen2Tokenizer(
        vocab={word: number for number, word in enumerate([*tiny.LETTERS, *special])}, merges=[], model_max_length=512
    )
    tokenizer.add_tokens([AddedToken(word, special=True) for word in special], special_tokens=True)
    tokenizer.chat_template = CHAT
    return tokenizer


def gemma() -> transformers.Gemma2Model:
    config = transformers.Gemma2Config(
        vocab_size=len(gemma_tokenizer()),
        hidden_size=WIDTH,
        intermediate_size=2 * WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=8,
    )
    return transformers.Gemma2Model(config).eval()


def _qwen3(layers: int, width: int) -> transformers.Qwen3Config:
    return transformers.Qwen3Config(
        vocab_size=len(qwen_tokenizer()),
        hidden_size=width,
        intermediate_size=width,
        num_hidden_layers=layers,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=8,
        max_position_embeddings=1024,
    )


def _flow(**config: Any) -> Any:
    return diffusers.FlowMatchEulerDiscreteScheduler(**config)


def _pixart_parts() -> dict[str, Any]:
    transformer = diffusers.PixArtTransformer2DModel(
        sample_size=16,
        num_layers=2,
        attention_head_dim=8,
        num_attention_heads=4,
        caption_channels=WIDTH,
        cross_attention_dim=32,
        norm_num_groups=8,
        use_additional_conditions=False,
    )
    return {
        "tokenizer": tiny.t5_tokenizer(),
        "text_encoder": tiny.t5_encoder(WIDTH),
        "vae": tiny.autoencoder(2, sample_size=SIDE),
        "transformer": tiny.lively(transformer),
        "scheduler": diffusers.DPMSolverMultistepScheduler(**DISCRETE),
    }


def _sana_parts(**of_transformer: Any) -> dict[str, Any]:
    transformer = diffusers.SanaTransformer2DModel(
        in_channels=4,
        out_channels=4,
        num_layers=2,
        num_attention_heads=4,
        attention_head_dim=8,
        num_cross_attention_heads=4,
        cross_attention_head_dim=8,
        cross_attention_dim=32,
        caption_channels=WIDTH,
        sample_size=16,
        **of_transformer,
    )
    vae = diffusers.AutoencoderDC(
        latent_channels=4,
        attention_head_dim=8,
        encoder_block_types=("ResBlock", "EfficientViTBlock"),
        decoder_block_types=("ResBlock", "EfficientViTBlock"),
        encoder_block_out_channels=(16, 16),
        decoder_block_out_channels=(16, 16),
        encoder_layers_per_block=(1, 1),
        decoder_layers_per_block=(1, 1),
        encoder_qkv_multiscales=((), (5,)),
        decoder_qkv_multiscales=((), (5,)),
        scaling_factor=0.4,
    )
    text = {"tokenizer": gemma_tokenizer(), "text_encoder": gemma()}
    return text | {"vae": vae.eval(), "transformer": tiny.lively(transformer)}


def _pixart() -> Any:
    return diffusers.PixArtAlphaPipeline(**_pixart_parts())


def _pixart_sigma() -> Any:
    return diffusers.PixArtSigmaPipeline(**_pixart_parts())


def _sana() -> Any:
    scheduler = diffusers.DPMSolverMultistepScheduler(
        use_flow_sigmas=True, prediction_type="flow_prediction", flow_shift=3.0
    )
    return diffusers.SanaPipeline(**_sana_parts(), scheduler=scheduler)


def _sana_sprint() -> Any:
    parts = _sana_parts(guidance_embeds=True, qk_norm="rms_norm_across_heads")
    return diffusers.SanaSprintPipeline(**parts, scheduler=diffusers.SCMScheduler())


def _lumina2() -> Any:
    transformer = diffusers.Lumina2Transformer2DModel(
        sample_size=16,
        in_channels=4,
        hidden_size=WIDTH,
        num_layers=1,
        num_refiner_layers=1,
        num_attention_heads=2,
        num_kv_heads=2,
        multiple_of=16,
        axes_dim_rope=(8, 4, 4),
        cap_feat_dim=WIDTH,
    )
    return diffusers.Lumina2Pipeline(
        transformer=tiny.lively(transformer),
        scheduler=_flow(),
        vae=tiny.autoencoder(4, sample_size=SIDE, shift_factor=0.06, scaling_factor=1.5),
        text_encoder=gemma(),
        tokenizer=gemma_tokenizer(),
    )


def _auraflow() -> Any:
    config = transformers.UMT5Config(
        vocab_size=len(tiny.t5_tokenizer()), d_model=WIDTH, d_kv=8, d_ff=2 * WIDTH, num_layers=1, num_heads=4
    )
    transformer = diffusers.AuraFlowTransformer2DModel(
        sample_size=16,
        num_mmdit_layers=1,
        num_single_dit_layers=1,
        attention_head_dim=8,
        num_attention_heads=4,
        caption_projection_dim=32,
        joint_attention_dim=WIDTH,
        pos_embed_max_size=256,
    )
    return diffusers.AuraFlowPipeline(
        tokenizer=tiny.t5_tokenizer(),
        text_encoder=transformers.UMT5EncoderModel(config).eval(),
        vae=tiny.autoencoder(2, sample_size=SIDE),
        transformer=tiny.lively(transformer),
        scheduler=_flow(),
    )


def _chroma() -> Any:
    transformer = diffusers.ChromaTransformer2DModel(
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=WIDTH,
        axes_dims_rope=(4, 4, 8),
        approximator_hidden_dim=32,
        approximator_layers=1,
    )
    return diffusers.ChromaPipeline(
        scheduler=_flow(),
        vae=tiny.autoencoder(2, sample_size=SIDE, use_quant_conv=False, use_post_quant_conv=False, shift_factor=0.1),
        text_encoder=tiny.t5_encoder(WIDTH),
        tokenizer=tiny.t5_tokenizer(),
        transformer=tiny.lively(transformer),
    )


def _flux2_klein() -> Any:
    transformer = diffusers.Flux2Transformer2DModel(
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=3 * 8,
        timestep_guidance_channels=32,
        axes_dims_rope=(4, 4, 4, 4),
        guidance_embeds=False,
    )
    vae = diffusers.AutoencoderKLFlux2(
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(16, 16),
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=8,
        sample_size=SIDE,
    )
    return diffusers.Flux2KleinPipeline(
        scheduler=_flow(use_dynamic_shifting=True),
        vae=vae.eval(),
        text_encoder=transformers.Qwen3ForCausalLM(_qwen3(28, 8)).eval(),  # its layers 9, 18 and 27 are the text
        tokenizer=qwen_tokenizer(),
        transformer=tiny.lively(transformer),
    )


def _qwen_image() -> Any:
    config = transformers.Qwen2_5_VLConfig(
        text_config={
            "vocab_size": len(qwen_tokenizer()),
            "hidden_size": WIDTH,
            "intermediate_size": WIDTH,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "rope_scaling": {"mrope_section": [2, 3, 3], "rope_type": "default", "type": "default"},
            "bos_token_id": None,
            "eos_token_id": None,
        },
        vision_config={"depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "out_hidden_size": 32},
    )
    transformer = diffusers.QwenImageTransformer2DModel(
        in_channels=16,
        out_channels=4,
        num_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=WIDTH,
        axes_dims_rope=(4, 6, 6),
    )
    vae = diffusers.AutoencoderKLQwenImage(
        base_dim=8,
        z_dim=4,
        dim_mult=[1, 1],
        num_res_blocks=1,
        temperal_downsample=[False],
        latents_mean=[0.0] * 4,
        latents_std=[1.0] * 4,
    )
    return diffusers.QwenImagePipeline(
        scheduler=_flow(use_dynamic_shifting=True),
        vae=vae.eval(),
        text_encoder=transformers.Qwen2_5_VLForConditionalGeneration(config).eval(),
        tokenizer=qwen_tokenizer(),
        transformer=tiny.lively(transformer),
    )


def _z_image() -> Any:
    transformer = diffusers.ZImageTransformer2DModel(
        in_channels=4,
        dim=WIDTH,
        n_layers=1,
        n_refiner_layers=1,
        n_heads=2,
        n_kv_heads=2,
        cap_feat_dim=WIDTH,
        axes_dims=[8, 4, 4],
        axes_lens=[256, 32, 32],
    )
    for pad in (transformer.x_pad_token, transformer.cap_pad_token):  # they come as whatever lay in memory
        pad.data.fill_(1.0)
    return diffusers.ZImagePipeline(
        scheduler=_flow(shift=3.0),
        vae=tiny.autoencoder(2, sample_size=SIDE, shift_factor=0.1, scaling_factor=0.5),
        text_encoder=transformers.Qwen3Model(_qwen3(2, WIDTH)).eval(),
        tokenizer=qwen_tokenizer(),
        transformer=tiny.lively(transformer),
    )


def _hidream() -> Any:
    """Two CLIPs, T5 and every layer of a Llama as text; experts chosen token by token."""
    llama = transformers.LlamaConfig(
        vocab_size=len(qwen_tokenizer()),
        hidden_size=WIDTH,
        intermediate_size=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=1024,
    )
    tokenizer = qwen_tokenizer()
    tokenizer.pad_token = "<|endoftext|>"  # HiDream asks for it by itself
    transformer = diffusers.HiDreamImageTransformer2DModel(
        patch_size=2,
        in_channels=4,
        out_channels=4,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=8,
        num_attention_heads=4,
        caption_channels=[WIDTH, WIDTH],
        text_emb_dim=2 * WIDTH,
        num_routed_experts=4,
        num_activated_experts=2,
        axes_dims_rope=(4, 2, 2),
        max_resolution=(32, 32),
        llama_layers=(0, 1),
    )
    for gate in (one for one in transformer.modules() if type(one).__name__ == "MoEGate"):
        torch.nn.init.normal_(gate.weight)  # it comes as whatever lay in memory
    return diffusers.HiDreamImagePipeline(
        scheduler=_flow(shift=3.0),
        vae=tiny.autoencoder(2, sample_size=SIDE, shift_factor=0.1, scaling_factor=0.5),
        text_encoder=tiny.clip_encoder(projection=True),
        tokenizer=tiny.clip_tokenizer(),
        text_encoder_2=tiny.clip_encoder(projection=True),
        tokenizer_2=tiny.clip_tokenizer(),
        text_encoder_3=tiny.t5_encoder(WIDTH),
        tokenizer_3=tiny.t5_tokenizer(),
        text_encoder_4=transformers.LlamaForCausalLM(llama).eval(),
        tokenizer_4=tokenizer,
        transformer=tiny.lively(transformer),
    )


def _cascade() -> Any:
    plain = ("SDCascadeResBlock", "SDCascadeTimestepBlock")
    prior = diffusers.StableCascadeUNet(
        conditioning_dim=WIDTH,
        block_out_channels=(32, 32),
        num_attention_heads=(2, 2),
        down_num_layers_per_block=(1, 1),
        up_num_layers_per_block=(1, 1),
        clip_text_in_channels=WIDTH,
        clip_text_pooled_in_channels=WIDTH,
        clip_image_in_channels=WIDTH,
        switch_level=(False,),
    )
    decoder = diffusers.StableCascadeUNet(
        in_channels=4,
        out_channels=4,
        conditioning_dim=WIDTH,
        block_out_channels=(16, 32),
        num_attention_heads=(-1, 2),
        down_num_layers_per_block=(1, 1),
        up_num_layers_per_block=(1, 1),
        block_types_per_layer=(plain, (*plain, "SDCascadeAttnBlock")),
        clip_text_pooled_in_channels=WIDTH,
        effnet_in_channels=16,
        patch_size=2,
    )
    return diffusers.StableCascadeCombinedPipeline(
        tokenizer=tiny.clip_tokenizer(),
        text_encoder=tiny.clip_encoder(projection=True),
        decoder=tiny.lively(decoder),
        scheduler=diffusers.DDPMWuerstchenScheduler(),
        vqgan=PaellaVQModel(levels=2, bottleneck_blocks=1, embed_dim=16, latent_channels=4, num_vq_embeddings=8).eval(),
        prior_prior=tiny.lively(prior),
        prior_text_encoder=tiny.clip_encoder(projection=True),
        prior_tokenizer=tiny.clip_tokenizer(),
        prior_scheduler=diffusers.DDPMWuerstchenScheduler(),
    )


def _sdxl_turbo() -> Any:
    pipe = tiny.build("sdxl")
    config = pipe.scheduler.config | {"timestep_spacing": "trailing"}
    pipe.register_modules(scheduler=diffusers.EulerAncestralDiscreteScheduler.from_config(config))
    return pipe


def _lcm() -> Any:
    parts = tiny.stable_diffusion_parts(attention_head_dim=2, time_cond_proj_dim=16)
    scheduler = diffusers.LCMScheduler(**tiny.noise_schedule())
    return diffusers.LatentConsistencyModelPipeline(**parts, scheduler=scheduler)


BUILDERS = {
    "pixart": _pixart,
    "pixart_sigma": _pixart_sigma,
    "sana": _sana,
    "sana_sprint": _sana_sprint,
    "lumina2": _lumina2,
    "auraflow": _auraflow,
    "chroma": _chroma,
    "flux2_klein": _flux2_klein,
    "qwen_image": _qwen_image,
    "z_image": _z_image,
    "hidream": _hidream,
    "cascade": _cascade,
    "sdxl_turbo": _sdxl_turbo,
    "lcm": _lcm,
}

SCHEDULER = {
    "pixart": "DPMSolverMultistepScheduler",
    "pixart_sigma": "DPMSolverMultistepScheduler",
    "sana": "DPMSolverMultistepScheduler",
    "sana_sprint": "SCMScheduler",
    "lumina2": FLOW,
    "auraflow": FLOW,
    "chroma": FLOW,
    "flux2_klein": FLOW,
    "qwen_image": FLOW,
    "z_image": FLOW,
    "hidream": FLOW,
    "cascade": "DDPMWuerstchenScheduler",
    "sdxl_turbo": "EulerAncestralDiscreteScheduler",
    "lcm": "LCMScheduler",
}
"""The class of each family's own scheduler."""

SHORT = {"max_sequence_length": 64}
ASKED: dict[str, dict[str, Any]] = {
    "pixart": {"use_resolution_binning": False, **SHORT},
    "pixart_sigma": {"use_resolution_binning": False, **SHORT},
    "sana": {"use_resolution_binning": False},
    "sana_sprint": {"use_resolution_binning": False, "intermediate_timesteps": "none"},
    "lumina2": {},
    "auraflow": SHORT,
    "chroma": SHORT,
    "flux2_klein": SHORT,
    "qwen_image": {"negative_prompt": ""},
    "z_image": SHORT,
    "hidream": SHORT,
    "cascade": {"prior_num_inference_steps": 2, "guidance_scale": None},
    "sdxl_turbo": {"guidance_scale": 0.0},
    "lcm": {},
}
"""What a study of each family sets beside its size; Lumina 2 and Qwen-Image begin with a long text of their own."""
