"""Built-in graphs of text to image, by the family of the model.

Source: the nodes of ComfyUI 0.3.64 (nodes.py, comfy_extras/nodes_flux.py, nodes_sd3.py, nodes_model_advanced.py); the
names of text encoders and VAEs, and the values where a study says nothing, are those of ComfyUI's own templates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from teststrip.comfy.workflows import Place, Workflow

CHECKPOINT: Final = ("CheckpointLoaderSimple", "ckpt_name")
DIFFUSION_MODEL: Final = ("UNETLoader", "unet_name")
"""The nodes that load a model in one file and one without its text encoder and VAE, and the inputs that name it."""


@dataclass(frozen=True, slots=True)
class Family:
    """What the graphs of models of one kind have in common.

    Attributes:
        name: as a study names it.
        side: width and height where a study says none.
        multiple: of which width and height must be.
        steps: where a study says none.
        cfg: guidance of the sampler where a study says none.
        sampler: where a study says none.
        spacing: where a study says none.
        encoders: files of text encoders; empty where they are always in the checkpoint.
        kind: of the text encoders, as their loader calls it.
        vae: the file of the VAE.
        shift: of the noise levels, where the family sets one.
        distilled: the guidance that the model reads as a number, where it reads one.
    """

    name: str
    side: int
    multiple: int = 16
    steps: int = 20
    cfg: float = 1.0
    sampler: str = "euler"
    spacing: str = "simple"
    encoders: tuple[str, ...] = ()
    kind: str = ""
    vae: str = ""
    shift: float | None = None
    distilled: float | None = None

    @property
    def guidance(self) -> str:
        """The name of the sampler's guidance, as Diffusers' pipeline of the family calls it."""
        return "true_cfg_scale" if self.name in ("flux", "qwen-image") else "guidance_scale"


FAMILIES: Final[Mapping[str, Family]] = {
    one.name: one
    for one in (
        Family("sd15", 512, 8, cfg=8.0, spacing="normal"),
        Family("sdxl", 1024, 8, cfg=8.0, spacing="normal"),
        Family(
            "flux",
            1024,
            encoders=("clip_l.safetensors", "t5xxl_fp16.safetensors"),
            kind="flux",
            vae="ae.safetensors",
            distilled=3.5,
        ),
        Family(
            "z-image",
            1024,
            steps=8,
            sampler="res_multistep",
            encoders=("qwen_3_4b.safetensors",),
            kind="lumina2",
            vae="ae.safetensors",
            shift=3.0,
        ),
        Family(
            "qwen-image",
            1328,
            cfg=2.5,
            encoders=("qwen_2.5_vl_7b_fp8_scaled.safetensors",),
            kind="qwen_image",
            vae="qwen_image_vae.safetensors",
            shift=3.1,
        ),
    )
}


def build(family: Family, *, whole: bool, own_vae: bool) -> Workflow:
    """The graph of a family.

    Args:
        family: of the model.
        whole: the model's file holds text encoders and VAE, too.
        own_vae: a study names a VAE for a model in one file.
    """
    nodes = _loaders(family, whole=whole, own_vae=own_vae)
    places = _model_places(family, nodes)
    clip = ["model", 1] if whole else ["encoder", 0]
    vae = ["vae", 0] if "vae" in nodes else ["model", 2]
    nodes["positive"] = _node("CLIPTextEncode", text="", clip=clip)
    nodes["negative"] = _node("CLIPTextEncode", text="", clip=clip)
    model, positive = ["model", 0], ["positive", 0]
    if family.shift is not None:
        nodes["shifted"] = _node("ModelSamplingAuraFlow", shift=family.shift, model=model)
        model, places["shift"] = ["shifted", 0], (Place("shifted", "shift"),)
    if family.distilled is not None:
        nodes["guided"] = _node("FluxGuidance", guidance=family.distilled, conditioning=positive)
        positive, places["guidance_scale"] = ["guided", 0], (Place("guided", "guidance"),)
    empty = "EmptyLatentImage" if family.multiple == 8 else "EmptySD3LatentImage"
    nodes["latent"] = _node(empty, width=family.side, height=family.side, batch_size=1)
    nodes["sampler"] = _node(
        "KSampler",
        seed=0,
        steps=family.steps,
        cfg=family.cfg,
        sampler_name=family.sampler,
        scheduler=family.spacing,
        denoise=1.0,
        model=model,
        positive=positive,
        negative=["negative", 0],
        latent_image=["latent", 0],
    )
    nodes["picture"] = _node("VAEDecode", samples=["sampler", 0], vae=vae)
    nodes["saved"] = _node("SaveImage", filename_prefix="", images=["picture", 0])
    places |= {
        "prompt": (Place("positive", "text"),),
        "negative_prompt": (Place("negative", "text"),),
        "seed": (Place("sampler", "seed"),),
        "num_inference_steps": (Place("sampler", "steps"),),
        family.guidance: (Place("sampler", "cfg"),),
        "scheduler": (Place("sampler", "sampler_name"),),
        "spacing": (Place("sampler", "scheduler"),),
        "width": (Place("latent", "width"),),
        "height": (Place("latent", "height"),),
    }
    return Workflow(nodes, places, "saved", {name: node["class_type"] for name, node in nodes.items()})


def names(family: Family) -> list[str]:
    """The settings of a family, whether its model is one file or not."""
    places = build(family, whole=not family.encoders, own_vae=True).places
    return list(places)


def _loaders(family: Family, *, whole: bool, own_vae: bool) -> dict[str, dict[str, Any]]:
    if whole:
        nodes = {"model": _node(CHECKPOINT[0], ckpt_name="")}
        return nodes | ({"vae": _node("VAELoader", vae_name="")} if own_vae else {})
    nodes = {"model": _node(DIFFUSION_MODEL[0], unet_name="", weight_dtype="default")}
    if len(family.encoders) == 1:
        nodes["encoder"] = _node("CLIPLoader", clip_name=family.encoders[0], type=family.kind)
    else:
        first, second = family.encoders
        nodes["encoder"] = _node("DualCLIPLoader", clip_name1=first, clip_name2=second, type=family.kind)
    return nodes | {"vae": _node("VAELoader", vae_name=family.vae)}


def _model_places(family: Family, nodes: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[Place, ...]]:
    """The places of the names of files."""
    wanted = {
        "model": ("ckpt_name", "unet_name"),
        "vae": ("vae_name",),
        "text_encoder": ("clip_name", "clip_name1"),
        "text_encoder_2": ("clip_name2",),
    }
    return {
        setting: (Place(name, key),)
        for setting, keys in wanted.items()
        for name, node in nodes.items()
        for key in keys
        if key in node["inputs"]
    }


def _node(kind: str, **inputs: object) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}
