"""Inpainting, ControlNets and IP-Adapters: pictures are those of a Diffusers call by hand, in any order of cells."""

from __future__ import annotations

import inspect
import warnings
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from safetensors.torch import save_file
from tests import tiny_pipelines as tiny
from tests.engines.test_diffusers_pictures import given, made, photos  # noqa: F401 - a fixture
from tests.shots import answers, ask

from teststrip.batching.streams import global_seed
from teststrip.engines.diffusers import DiffusersEngine
from teststrip.errors import StudyError
from teststrip.records import Render, Shot
from teststrip.testing.engine_contract import pixels_of

pytestmark = pytest.mark.filterwarnings("ignore:.*FluxPosEmbed:FutureWarning")  # of FluxControlNetModel itself

FAMILIES = ("sd15", "sdxl", "sd3", "flux")
INPAINT = {
    "sd15": "StableDiffusionInpaintPipeline",
    "sdxl": "StableDiffusionXLInpaintPipeline",
    "flux": "FluxInpaintPipeline",
}
CONTROL = {
    "sd15": ("StableDiffusionControlNetPipeline", "ControlNetModel"),
    "sdxl": ("StableDiffusionXLControlNetPipeline", "ControlNetModel"),
    "sd3": ("StableDiffusion3ControlNetPipeline", "SD3ControlNetModel"),
    "flux": ("FluxControlNetPipeline", "FluxControlNetModel"),
}


def lively(module: torch.nn.Module) -> torch.nn.Module:
    """A ControlNet or an adapter begins as zeros, which change nothing."""
    torch.manual_seed(3)
    with torch.no_grad():
        for parameter in module.parameters():
            if not parameter.any():
                parameter.normal_(std=0.3)
    return module.eval()


def control_of(pipe: Any, family: str) -> Any:
    kind = getattr(diffusers, CONTROL[family][1])
    if family in ("sd15", "sdxl"):
        halves = (16, 16, 32, 32) if family == "sd15" else (16, 32)  # as often as the autoencoder of the family
        return kind.from_unet(pipe.unet, conditioning_embedding_out_channels=halves)
    if family == "sd3":
        return kind.from_transformer(pipe.transformer, num_layers=1, num_extra_conditioning_channels=0)
    config = dict(pipe.transformer.config)
    return kind(**{name: config[name] for name in inspect.signature(kind).parameters if name in config})


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder of each family, and its ControlNet as "FAMILY control"."""
    root = tmp_path_factory.mktemp("models")
    found = {}
    for family in FAMILIES:
        pipe = tiny.build(family)
        pipe.save_pretrained(root / family)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            control = lively(control_of(pipe, family))
        control.save_pretrained(root / f"{family} control")
        found |= {family: root / family, f"{family} control": root / f"{family} control"}
    return found


def size(family: str) -> dict[str, int]:
    return {"height": tiny.SIDE[family], "width": tiny.SIDE[family]}


def by_hand(folder: Path, kind: str, shot: Shot, *, named: dict[str, str] | None = None, **parts: Any) -> np.ndarray:
    """The picture as a person makes it with Diffusers."""
    pipe = getattr(diffusers, kind).from_pretrained(folder, local_files_only=True, use_safetensors=True, **parts)
    return called(pipe, shot, named or {})


def called(pipe: Any, shot: Shot, named: dict[str, str]) -> np.ndarray:
    pipe.set_progress_bar_config(disable=True)
    opened = {named.get(name, name): Image.open(file).convert("RGB") for name, file in shot.files.items()}
    ours = ("seed", "model", "controlnet", "ip_adapter", "image_encoder", "ip_adapter_scale", *shot.files)
    own = {k: v for k, v in shot.settings.items() if k not in ours}
    torch.manual_seed(global_seed(shot.seed))  # the pipeline of SD3 encodes what it follows without its generator
    return np.asarray(pipe(**own, **opened, generator=torch.Generator("cpu").manual_seed(shot.seed)).images[0])


def inpainted(models, photos, family: str, **settings: Any) -> Shot:  # noqa: F811
    shot = ask(models[family], **{"num_inference_steps": 4, "strength": 0.8, **size(family), **settings})
    side = tiny.SIDE[family]
    return given(shot, image=photos / f"owl{side}.png", mask_image=photos / f"mask{side}.png")


def controlled(models, photos, family: str, photo: str = "owl", **settings: Any) -> Shot:  # noqa: F811
    own = {"num_inference_steps": 3, "controlnet": str(models[f"{family} control"]), **size(family)}
    shot = ask(models[family], **{**own, "controlnet_conditioning_scale": 0.8, **settings})
    return given(shot, control_image=photos / f"{photo}{tiny.SIDE[family]}.png")


@pytest.mark.parametrize("family", INPAINT)  # that of Stable Diffusion 3 refuses the four channels of the tiny one
def test_a_picture_that_is_painted_in_is_the_one_that_diffusers_makes(models, photos, family) -> None:  # noqa: F811
    shots = [inpainted(models, photos, family, strength=strength) for strength in (0.8, 1.0)]
    alone = made(shots[0], batch=1)
    assert np.array_equal(pixels_of(alone), by_hand(models[family], INPAINT[family], shots[0]))
    assert alone.facts["denoiser_calls"] == DiffusersEngine(device="cpu").calls(shots[0].settings)
    together = answers(shots, batch=4)[shots[0].id]
    assert isinstance(together, Render), together
    assert np.abs(pixels_of(together).astype(int) - pixels_of(alone).astype(int)).max() <= 1


@pytest.mark.parametrize("family", FAMILIES)
def test_a_controlled_picture_is_the_one_that_diffusers_makes(models, photos, family) -> None:  # noqa: F811
    kind, net = CONTROL[family]
    net = getattr(diffusers, net).from_pretrained(models[f"{family} control"])
    shots = [controlled(models, photos, family, controlnet_conditioning_scale=s) for s in (0.8, 0.2)]
    alone = made(shots[0], batch=1)
    named = {"control_image": "image"} if family in ("sd15", "sdxl") else {}
    assert np.array_equal(pixels_of(alone), by_hand(models[family], kind, shots[0], controlnet=net, named=named))
    assert alone.facts["denoiser_calls"] == DiffusersEngine(device="cpu").calls(shots[0].settings)
    together = answers(shots, batch=4)
    for shot in shots:
        answer = together[shot.id]
        assert isinstance(answer, Render), answer
        assert answer.facts.get("alone") is None
        assert np.abs(pixels_of(answer).astype(int) - pixels_of(made(shot, batch=1)).astype(int)).max() <= 1
    first, second = (pixels_of(together[shot.id]) for shot in shots)
    assert not np.array_equal(first, second), "a ControlNet that changes nothing shows nothing"


def adapter_of(unet: Any, file: Path, reads: int = tiny.WIDTH) -> Path:
    """An IP-Adapter for a denoiser, as Diffusers' own tests build one."""
    own = unet.config
    torch.manual_seed(5)
    sides = {"mid_block": own.block_out_channels[-1]}
    for i, side in enumerate(own.block_out_channels):
        sides |= {f"down_blocks.{i}": side, f"up_blocks.{len(own.block_out_channels) - 1 - i}": side}
    tensors, place = {}, 1
    for name in unet.attn_processors:
        if "attn2" in name:
            side = next(side for block, side in sides.items() if name.startswith(block))
            for what in ("to_k_ip", "to_v_ip"):
                tensors[f"ip_adapter.{place}.{what}.weight"] = torch.randn(side, own.cross_attention_dim)
            place += 2
    tensors["image_proj.proj.weight"] = torch.randn(4 * own.cross_attention_dim, reads)
    tensors["image_proj.proj.bias"] = torch.zeros(4 * own.cross_attention_dim)
    tensors["image_proj.norm.weight"] = torch.ones(own.cross_attention_dim)
    tensors["image_proj.norm.bias"] = torch.zeros(own.cross_attention_dim)
    save_file(tensors, file)
    return file


@pytest.fixture(scope="module")
def seeing(models: dict[str, Path]) -> dict[str, str]:
    """Settings of an IP-Adapter for sd15, with its encoder."""
    root = models["sd15"].parent
    config = transformers.CLIPVisionConfig(
        hidden_size=32,
        projection_dim=tiny.WIDTH,
        intermediate_size=37,
        num_hidden_layers=2,
        num_attention_heads=4,
        image_size=32,
        patch_size=8,
    )
    transformers.CLIPVisionModelWithProjection(config).save_pretrained(root / "encoder")
    file = adapter_of(tiny.build("sd15").unet, root / "adapter.safetensors")
    return {"ip_adapter": str(file), "image_encoder": str(root / "encoder")}


def seen(models, seeing, photos, photo: str = "owl", **settings: Any) -> Shot:  # noqa: F811
    shot = ask(models["sd15"], **{"num_inference_steps": 3, **size("sd15"), **seeing, **settings})
    return given(shot, ip_adapter_image=photos / f"{photo}64.png")


def test_a_picture_by_an_ip_adapter_is_the_one_that_diffusers_makes(models, seeing, photos) -> None:  # noqa: F811
    shots = [
        seen(models, seeing, photos, photo, ip_adapter_scale=scale) for scale in (0.7, 0.1) for photo in ("owl", "cat")
    ]
    together = answers(shots, batch=4)
    encoder = transformers.CLIPVisionModelWithProjection.from_pretrained(seeing["image_encoder"])
    for shot in shots:
        pipe = diffusers.StableDiffusionPipeline.from_pretrained(models["sd15"], image_encoder=encoder)
        pipe.load_ip_adapter(
            str(models["sd15"].parent),
            subfolder="",
            weight_name="adapter.safetensors",
            image_encoder_folder=None,
        )
        pipe.set_ip_adapter_scale(shot.settings["ip_adapter_scale"])
        hand, alone, batched = called(pipe, shot, {}), made(shot, batch=1), together[shot.id]
        assert np.array_equal(pixels_of(alone), hand)
        assert alone.facts["denoiser_calls"] == DiffusersEngine(device="cpu").calls(shot.settings)
        assert isinstance(batched, Render), batched
        assert np.abs(pixels_of(batched).astype(int) - hand.astype(int)).max() <= 1
    assert len({pixels_of(together[shot.id]).tobytes() for shot in shots}) == len(shots)


def test_nothing_leaks_from_one_cell_into_another(models, seeing, photos) -> None:  # noqa: F811
    text = ask(models["sd15"], num_inference_steps=3, **size("sd15"))
    shots = [
        text,
        seen(models, seeing, photos, ip_adapter_scale=0.9),
        controlled(models, photos, "sd15"),
        seen(models, seeing, photos, ip_adapter_scale=0.1),
        Shot(text.engine, {**text.settings, "seed": 4}),
        inpainted(models, photos, "sd15"),
    ]
    fresh = {shot.id: pixels_of(made(shot, batch=1)) for shot in shots}
    for order in (shots, shots[::-1]):
        for key, answer in answers(order, batch=1, keep=2).items():
            assert isinstance(answer, Render), answer
            assert np.array_equal(pixels_of(answer), fresh[key])


def test_what_is_added_is_in_the_fingerprint_by_its_bytes(models, seeing, photos) -> None:  # noqa: F811
    engine = DiffusersEngine(device="cpu")
    text = engine.fingerprint(ask(models["sd15"])).facts
    with_net = engine.fingerprint(controlled(models, photos, "sd15")).facts
    with_adapter = engine.fingerprint(seen(models, seeing, photos)).facts
    assert not {"controlnet", "ip_adapter", "image_encoder"} & set(text)
    assert set(with_net["controlnet"]) == {"config.json", "diffusion_pytorch_model.safetensors"}
    assert len(with_adapter["ip_adapter"]) == 64
    assert "model.safetensors" in with_adapter["image_encoder"]
    assert (text["pipeline"], with_net["pipeline"]) == ("StableDiffusionPipeline", "StableDiffusionControlNetPipeline")


def test_what_cannot_be_added_is_said_before_anything_is_loaded(models, seeing, photos, tmp_path) -> None:  # noqa: F811
    def objection(shot: Shot, **settings: Any) -> str:
        with pytest.raises(StudyError) as raised:
            DiffusersEngine(device="cpu").check({**shot.settings, **settings})
        return str(raised.value)

    net, adapter = controlled(models, photos, "sd15"), seen(models, seeing, photos)
    for shot in (net, adapter):
        DiffusersEngine(device="cpu").check(shot.settings)
    assert "holds no config.json" in objection(net, controlnet=str(tmp_path))
    assert "which is no ControlNet" in objection(net, controlnet=seeing["image_encoder"])
    said = objection(net, controlnet=str(models["flux control"]))
    assert said.endswith("is a FluxControlNetModel; StableDiffusionControlNetPipeline takes ControlNetModel")
    assert "its cross_attention_dim is 64, the model's 32" in objection(net, controlnet=str(models["sdxl control"]))
    assert objection(net, control_image=None) == 'controlnet: needs prompts with control_image = "..."'
    assert objection(net, control_guidance_start=0.6, control_guidance_end=0.5) == (
        "control_guidance_start: 0.6 must be below control_guidance_end, which is 0.5"
    )
    assert "is no .safetensors file" in objection(adapter, ip_adapter="nowhere.safetensors")
    assert "holds no IP-Adapter" in objection(adapter, ip_adapter=str(next(models["sd15"].glob("unet/*.safetensors"))))
    assert "needs the encoder that it was trained with" in objection(adapter, image_encoder=None)
    assert "which is no image encoder" in objection(adapter, image_encoder=str(models["sd15 control"]))
    other = adapter_of(tiny.build("sdxl").unet, tmp_path / "other.safetensors")
    assert "it writes 64 numbers, the model reads 32" in objection(adapter, ip_adapter=str(other))
    other = adapter_of(tiny.build("sd15").unet, tmp_path / "wide.safetensors", reads=48)
    assert "reads 48 numbers of a picture and not 32" in objection(adapter, ip_adapter=str(other))
    assert objection(ask(models["sd15"]), ip_adapter_scale=0.5).startswith("ip_adapter_scale: belongs to an IP-Adapter")
