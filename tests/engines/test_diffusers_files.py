"""Weights that come as one file: a LoRA over a model, and a whole model in the layout that its authors published."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from diffusers.utils import convert_state_dict_to_diffusers
from peft import LoraConfig, get_peft_model_state_dict
from safetensors.torch import save_file
from tests import tiny_pipelines as tiny
from tests.shots import answers, ask

from teststrip.diffusion import adapting, loading, shooting
from teststrip.diffusion.loras import MOST_LORAS, Lora
from teststrip.diffusion.models import find
from teststrip.engines.diffusers import DiffusersEngine
from teststrip.errors import StudyError
from teststrip.records import Failure, Render
from teststrip.testing.engine_contract import pixels_of


def random_lora(place, seed):
    """A LoRA of random weights, written as training scripts write it."""
    pipe = tiny.build("sd15")
    torch.manual_seed(seed)
    pipe.unet.add_adapter(LoraConfig(r=4, target_modules=["to_q", "to_k", "to_v"], init_lora_weights=False))
    layers = convert_state_dict_to_diffusers(get_peft_model_state_dict(pipe.unet))
    StableDiffusionPipeline.save_lora_weights(place, unet_lora_layers=layers)
    return place / "pytorch_lora_weights.safetensors"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny.save("sd15", tmp_path_factory.mktemp("sd15"))


@pytest.fixture(scope="module")
def lora(tmp_path_factory):
    return random_lora(tmp_path_factory.mktemp("lora"), 5)


def test_a_lora_that_comes_after_none_is_on_as_in_a_fresh_engine(folder, lora, tmp_path):
    """Layers that were switched off stay so for a LoRA that is loaded later, unless they are switched on."""
    second = str(random_lora(tmp_path, 6))
    alone = next(DiffusersEngine(device="cpu", batch=1).render([ask(folder, lora=second)]))
    engine = DiffusersEngine(device="cpu", batch=1)
    first, none, after = (next(engine.render([ask(folder, lora=one)])) for one in (str(lora), None, second))
    assert after.facts["pixels"] == alone.facts["pixels"]
    assert len({one.facts["pixels"] for one in (first, none, after)}) == 3


def test_a_lora_is_put_on_at_its_scale_and_taken_off_again(folder, lora):
    engine = DiffusersEngine(device="cpu", batch=1)
    asked = [
        {},
        {"lora": str(lora)},
        {"lora": str(lora), "lora_scale": 0.5},
        {"lora": str(lora), "lora_scale": 0.0},
        {},
    ]
    plain, full, half, none, again = (next(engine.render([ask(folder, **settings)])) for settings in asked)
    assert all(isinstance(answer, Render) for answer in (plain, full, half, none, again))
    assert plain.facts["pixels"] == again.facts["pixels"] == none.facts["pixels"]
    assert len({answer.facts["pixels"] for answer in (plain, full, half)}) == 3
    assert plain.fingerprint.facts["lora"] is None
    assert len(full.fingerprint.facts["lora"]) == 64

    direct = StableDiffusionPipeline.from_pretrained(folder, local_files_only=True)
    direct.set_progress_bar_config(disable=True)
    direct.load_lora_weights(lora.parent, weight_name=lora.name, adapter_name="it")
    direct.set_adapters(["it"], [0.5])
    image = direct("an owl", num_inference_steps=2, guidance_scale=5.0, generator=torch.Generator().manual_seed(11))
    assert np.array_equal(pixels_of(half), np.asarray(image.images[0]))


def test_a_lora_of_another_model_is_refused_by_name(folder, tmp_path):
    file = tmp_path / "other.safetensors"
    save_file({"unet.nowhere.lora_A.weight": torch.zeros(4, 3), "unet.nowhere.lora_B.weight": torch.zeros(3, 4)}, file)
    engine = DiffusersEngine(device="cpu", batch=1)
    with pytest.raises(StudyError, match="does not fit"):
        engine.check(ask(folder, lora=str(file)).settings)
    (answer,) = engine.render([ask(folder, lora=str(file))])
    assert isinstance(answer, Failure)
    assert "does not fit" in answer.text


@pytest.mark.parametrize("batch", [1, 4])
def test_what_cannot_be_loaded_fails_its_own_shots_and_the_others_are_made(folder, lora, tmp_path, batch):
    bad = tmp_path / "bad.safetensors"
    save_file({"unet.nowhere.lora_A.weight": torch.zeros(4, 3), "unet.nowhere.lora_B.weight": torch.zeros(3, 4)}, bad)
    cut = tmp_path / "cut"
    shutil.copytree(folder, cut)
    (cut / "unet/diffusion_pytorch_model.safetensors").write_bytes(b"\2\0\0\0\0\0\0\0{}")
    places = [(folder, {}), (folder, {"lora": str(bad)}), (cut, {}), (folder, {"lora": str(lora)})]
    places.append((tmp_path / "gone", {}))
    shots = [ask(model, seed=seed, **more) for seed in (1, 2) for model, more in places]
    found = answers(shots, batch=batch)
    assert len(found) == len(shots)
    for shot, (model, more) in zip(shots, places * 2, strict=True):
        answer = found[shot.id]
        if model != folder or more.get("lora") == str(bad):
            assert isinstance(answer, Failure)
            assert (answer.reason, answer.retryable) == ("error", True)
            assert str(bad) in answer.text or str(model) in answer.text
        else:
            alone = answers([shot], batch=batch)[shot.id]
            assert answer.facts["pixels"] == alone.facts["pixels"]


def as_published(pipe):
    """The tensors of a Stable Diffusion 1 pipeline under the names of its authors (CompVis)."""
    unet = [
        ("time_embed.0.", "time_embedding.linear_1."),
        ("time_embed.2.", "time_embedding.linear_2."),
        ("input_blocks.0.0.", "conv_in."),
        ("out.0.", "conv_norm_out."),
        ("out.2.", "conv_out."),
        ("middle_block.1.", "mid_block.attentions.0."),
        ("middle_block.0.", "mid_block.resnets.0."),
        ("middle_block.2.", "mid_block.resnets.1."),
    ]
    for i in range(4):
        for j in range(3):
            unet.append((f"input_blocks.{3 * i + j + 1}.0.", f"down_blocks.{i}.resnets.{j}."))
            unet.append((f"input_blocks.{3 * i + j + 1}.1.", f"down_blocks.{i}.attentions.{j}."))
            unet.append((f"output_blocks.{3 * i + j}.0.", f"up_blocks.{i}.resnets.{j}."))
            unet.append((f"output_blocks.{3 * i + j}.1.", f"up_blocks.{i}.attentions.{j}."))
        unet.append((f"input_blocks.{3 * i + 3}.0.op.", f"down_blocks.{i}.downsamplers.0.conv."))
        unet.append((f"output_blocks.{3 * i + 2}.{1 if i == 0 else 2}.", f"up_blocks.{i}.upsamplers.0."))
    inner = [
        ("in_layers.0.", "norm1."),
        ("in_layers.2.", "conv1."),
        ("out_layers.0.", "norm2."),
        ("out_layers.3.", "conv2."),
        ("emb_layers.1.", "time_emb_proj."),
        ("skip_connection.", "conv_shortcut."),
    ]
    vae = [
        ("norm_out.", "conv_norm_out."),
        ("mid.attn_1.", "mid_block.attentions.0."),
        ("nin_shortcut.", "conv_shortcut."),
    ]
    vae += [(f"mid.block_{i + 1}.", f"mid_block.resnets.{i}.") for i in range(2)]
    for i in range(4):
        vae += [(f"down.{i}.block.{j}.", f"down_blocks.{i}.resnets.{j}.") for j in range(3)]
        vae += [(f"up.{3 - i}.block.{j}.", f"up_blocks.{i}.resnets.{j}.") for j in range(3)]
        vae += [(f"down.{i}.downsample.", f"down_blocks.{i}.downsamplers.0.")]
        vae += [(f"up.{3 - i}.upsample.", f"up_blocks.{i}.upsamplers.0.")]
    attention = [
        ("norm.", "group_norm."),
        ("q.", "to_q."),
        ("k.", "to_k."),
        ("v.", "to_v."),
        ("proj_out.", "to_out.0."),
    ]

    def renamed(name, table):
        for theirs, ours in table:
            name = name.replace(ours, theirs)
        return name

    tensors = {}
    for name, value in pipe.unet.state_dict().items():
        table = inner if "resnets" in name else []
        tensors["model.diffusion_model." + renamed(renamed(name, table), unet)] = value
    for name, value in pipe.vae.state_dict().items():
        attended = "attentions" in name
        square = attended and value.ndim == 2
        new = renamed(renamed(name, attention) if attended else name, vae)
        tensors["first_stage_model." + new] = value[:, :, None, None] if square else value
    for name, value in pipe.text_encoder.state_dict().items():
        prefix = "" if name.startswith("text_model.") else "text_model."
        tensors["cond_stage_model.transformer." + prefix + name] = value
    return {name: value.contiguous().clone() for name, value in tensors.items()}


def test_a_single_file_makes_the_pictures_of_its_folder(folder, tmp_path):
    file = tmp_path / "model.safetensors"
    save_file(as_published(tiny.build("sd15")), file)
    engine = DiffusersEngine(device="cpu", batch=1, config=str(folder))
    (from_file,) = engine.render([ask(file)])
    (from_folder,) = engine.render([ask(folder)])
    assert isinstance(from_file, Render), from_file
    assert from_file.facts["pixels"] == from_folder.facts["pixels"]
    assert len(from_file.fingerprint.facts["weights"]["file"]) == 64


def test_loras_leave_the_memory_and_come_back_with_the_same_pictures(folder, lora, tmp_path):
    copies = [tmp_path / f"lora{number}.safetensors" for number in range(6)]
    for copied in copies:
        copied.write_bytes(lora.read_bytes())
    loaded = loading.load(
        find(str(folder)), device="cpu", dtype="float32", variant=None, offload="none", safety_checker=True
    )
    call = {"prompt": "an owl", "num_inference_steps": 2, "output_type": "np"}
    pictures = []
    for one in [*copies, copies[0]]:
        adapting.adapt(loaded, [Lora(str(one))])
        on = {name for names in loaded.pipe.get_list_adapters().values() for name in names}
        assert len(on) <= MOST_LORAS
        assert on == set(loaded.adapters.values())
        pictures.append(shooting.expose(loaded.pipe, call, 1, shooting.scheduler(loaded.pipe, {}))[0])
    assert all(np.array_equal(picture, pictures[0]) for picture in pictures)
    adapting.adapt(loaded, [])
    bare = shooting.expose(loaded.pipe, call, 1, shooting.scheduler(loaded.pipe, {}))[0]
    assert not np.array_equal(bare, pictures[0])


@pytest.mark.parametrize("family", ["sd15", "flux"])
def test_a_folder_with_half_precision_files_alone_needs_no_word_about_it(tmp_path, family):
    pipe = tiny.build(family).to(torch.float16)
    pipe.save_pretrained(tmp_path / "m", variant="fp16")
    assert not [file for file in (tmp_path / "m").rglob("*.safetensors") if ".fp16" not in file.name]
    answer = next(DiffusersEngine(device="cpu", batch=1).render([ask(tmp_path / "m")]))
    assert isinstance(answer, Render), answer
