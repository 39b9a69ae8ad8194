"""Other components and attention: pictures are those of Diffusers called by hand, or one sentence says why not."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from diffusers.models.attention_dispatch import _AttentionBackendRegistry
from safetensors.torch import load_file, save_file
from tests import tiny_pipelines as tiny
from tests.by_hand import asked, by_hand, picture, refusal
from tests.shots import answers, ask
from tests.tiny_gguf import KINDS, write_gguf
from torchao.quantization import Float8WeightOnlyConfig

from teststrip.engines.diffusers import DiffusersEngine
from teststrip.records import Failure
from teststrip.testing.engine_contract import pixels_of

pytestmark = pytest.mark.filterwarnings("ignore")  # Diffusers and the packages of quantizations warn of their age


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Model folders by family, and a second Flux with other weights."""
    root = tmp_path_factory.mktemp("models")
    for family in ("flux", "sd15", "chroma", "sd3"):
        tiny.save(family, root / family)
    tiny.save("flux", root / "flux-2", seed=1)
    return root


def test_another_component_is_taken_from_a_folder_or_a_file(shelf, tmp_path) -> None:
    shot = asked(shelf, "flux")
    other = shelf / "flux-2"
    file = next((other / "transformer").glob("*.safetensors"))
    encoder = next((other / "text_encoder").glob("*.safetensors"))
    cases: list[tuple[dict[str, str], dict[str, Any]]] = [
        ({"vae": str(other / "vae")}, {"vae": (diffusers.AutoencoderKL, "vae")}),
        ({"transformer": str(file)}, {"transformer": (diffusers.FluxTransformer2DModel, "transformer")}),
        ({"transformer": str(other)}, {"transformer": (diffusers.FluxTransformer2DModel, "transformer")}),
        ({"text_encoder": str(encoder)}, {"text_encoder": (type(tiny.clip_encoder()), "text_encoder")}),
        (
            {"text_encoder_2": str(other / "text_encoder_2")},
            {"text_encoder_2": (type(tiny.t5_encoder(32)), "text_encoder_2")},
        ),
    ]
    seen = {picture(shot).facts["pixels"]}
    for options, parts in cases:
        answer = picture(shot, **options)
        loaded = {name: kind.from_pretrained(other, subfolder=place) for name, (kind, place) in parts.items()}
        assert np.array_equal(pixels_of(answer), by_hand(shot, **loaded)), options
        assert answer.facts["parts"] == options
        seen.add(answer.facts["pixels"])
    assert len(seen) == 5, "the transformer is the same from a file and from a folder, and all others differ"
    prints = [DiffusersEngine(device="cpu", **options).fingerprint(shot).facts["parts"] for options, _ in cases]
    assert len({str(one) for one in prints}) == 5


def test_both_ways_of_naming_weights_give_their_content_to_the_fingerprint_and_not_their_place(shelf, tmp_path) -> None:
    shot, file = asked(shelf, "flux"), next((shelf / "flux-2/transformer").glob("*.safetensors"))
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(file.read_bytes())
    facts = [DiffusersEngine(device="cpu", transformer=str(one)).fingerprint(shot).facts for one in (file, copy)]
    assert facts[0] == facts[1]
    tensors = load_file(copy)
    next(iter(tensors.values())).add_(1)
    save_file(tensors, copy)
    assert DiffusersEngine(device="cpu", transformer=str(copy)).fingerprint(shot).facts != facts[0]
    assert "parts" not in DiffusersEngine(device="cpu").fingerprint(shot).facts


@pytest.fixture(scope="module")
def packed(shelf: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The other Flux transformer as GGUF, by kind."""
    tensors = load_file(next((shelf / "flux-2/transformer").glob("*.safetensors")))
    place = tmp_path_factory.mktemp("gguf")
    return {
        kind.name: write_gguf(place / f"{kind.name}.gguf", tensors, kind)
        for kind in (KINDS.Q8_0, KINDS.Q4_0, KINDS.F16)
    }


def test_a_gguf_file_gives_the_picture_that_diffusers_makes_with_it(shelf, packed) -> None:
    shot, seen = asked(shelf, "flux"), set()
    for name, file in packed.items():
        answer = picture(shot, transformer=str(file))
        own = diffusers.FluxTransformer2DModel.from_single_file(
            str(file),
            config=str(shelf / "flux"),
            subfolder="transformer",
            quantization_config=diffusers.GGUFQuantizationConfig(compute_dtype=torch.float32),
            torch_dtype=torch.float32,
        )
        assert np.array_equal(pixels_of(answer), by_hand(shot, transformer=own)), name
        seen.add(answer.facts["pixels"])
    assert len(seen) == 3
    together = answers([shot, asked(shelf, "flux", seed=3)], transformer=str(packed["Q4_0"]), batch=2)
    difference = pixels_of(together[shot.id]).astype(int) - pixels_of(picture(shot, transformer=str(packed["Q4_0"])))
    assert np.abs(difference).max() <= 1


def as_published(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Z-Image's transformer in the names of its authors, as ComfyUI has it: one matrix for queries, keys and values."""
    ours = {"final_layer.": "all_final_layer.2-1.", "x_embedder.": "all_x_embedder.2-1."}
    ours |= {".attention.out.": ".attention.to_out.0.", ".k_norm.": ".norm_k.", ".q_norm.": ".norm_q."}
    found = {}
    for name, tensor in tensors.items():
        if re.search(r"\.to_[kv]\.", name):
            continue
        if ".to_q." in name:
            tensor = torch.cat([tensors[name.replace("to_q", one)] for one in ("to_q", "to_k", "to_v")])
        theirs = name.replace("to_q", "qkv")
        for published, diffusers_name in ours.items():
            theirs = theirs.replace(diffusers_name, published)
        found[f"model.diffusion_model.{theirs}"] = tensor.contiguous()
    return found


def test_a_file_in_the_names_of_its_authors_is_read_as_diffusers_reads_it(tmp_path) -> None:
    folder, other = (tiny.save("z_image", tmp_path / str(seed), seed=seed) for seed in (0, 1))
    tensors = as_published(load_file(next((other / "transformer").glob("*.safetensors"))))
    save_file(tensors, tmp_path / "published.safetensors")
    write_gguf(tmp_path / "published.gguf", tensors, KINDS.Q8_0)
    shot = ask(folder, height=32, width=32, max_sequence_length=64)
    kind = diffusers.ZImageTransformer2DModel
    whole = picture(shot, transformer=str(tmp_path / "published.safetensors"))
    own = kind.from_pretrained(other, subfolder="transformer")
    assert np.array_equal(pixels_of(whole), by_hand(shot, transformer=own))
    packed = picture(shot, transformer=str(tmp_path / "published.gguf"))
    read = kind.from_single_file(
        str(tmp_path / "published.gguf"),
        config=str(folder),
        subfolder="transformer",
        quantization_config=diffusers.GGUFQuantizationConfig(compute_dtype=torch.float32),
        torch_dtype=torch.float32,
    )
    assert np.array_equal(pixels_of(packed), by_hand(shot, transformer=read))
    for name in ("published.safetensors", "published.gguf"):
        assert DiffusersEngine(device="cpu", transformer=str(tmp_path / name)).rehearse(shot.settings) == ""


def test_a_folder_that_was_saved_quantized_is_loaded_as_it_was_saved(shelf, tmp_path) -> None:
    shot = asked(shelf, "flux")
    config = diffusers.TorchAoConfig(Float8WeightOnlyConfig())
    own = diffusers.FluxTransformer2DModel.from_pretrained(
        shelf / "flux", subfolder="transformer", quantization_config=config, torch_dtype=torch.float32
    )
    own.save_pretrained(tmp_path)
    answer = picture(shot, transformer=str(tmp_path))
    assert answer.facts["pixels"] == picture(shot, quantization="torchao-fp8").facts["pixels"]
    assert "quantized already" in refusal(shot, transformer=str(tmp_path), quantization="quanto-int8")


def test_every_thing_that_cannot_stand_in_is_one_sentence_that_names_the_option(shelf, packed, tmp_path) -> None:
    flux, sd15 = asked(shelf, "flux"), asked(shelf, "sd15")
    cut, fake, pickle = tmp_path / "cut.gguf", tmp_path / "fake.gguf", tmp_path / "weights.ckpt"
    cut.write_bytes(packed["Q8_0"].read_bytes()[:-200])
    fake.write_bytes(b"PK" * 100)
    pickle.write_bytes(b"\x80\x02")
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(next((shelf / "flux/vae").glob("*.safetensors")).read_bytes()[:-200])
    cases = [
        (flux, {"transformer": str(cut)}, "transformer: .*its end is missing"),
        (flux, {"transformer": str(fake)}, "transformer: .*no GGUF file"),
        (flux, {"vae": str(pickle)}, "vae: .*is a pickle"),
        (flux, {"vae": str(broken)}, "vae: .*its end is missing"),
        (flux, {"vae": str(shelf / "nowhere")}, "vae: .*is no folder, no file and no hub name"),
        (flux, {"unet": str(shelf / "sd15")}, "unet: FluxPipeline has no such part. It has: transformer, vae, text"),
        (flux, {"transformer": str(shelf / "sd3")}, "transformer: .*holds a SD3Transformer2DModel, and FluxPipeline"),
        (flux, {"vae": str(shelf / "sd15")}, "vae: .*does not fit .*its block_out_channels is 4 entries, not 2"),
        (sd15, {"vae": str(packed["Q8_0"])}, "vae: Diffusers reads .gguf files of denoisers alone"),
        (sd15, {"text_encoder": str(shelf / "sd3/text_encoder_3")}, "text_encoder: .*its model_type is t5, not clip"),
        (
            flux,
            {"transformer": str(packed["Q8_0"]), "quantization": "quanto-int8"},
            "quantization: the transformer is q",
        ),
        (flux, {"transformer": str(packed["Q8_0"]), "backend": "compile"}, "backend: 'compile' computes with plain"),
        (flux, {"quantization": "quanto-int3"}, "quantization: .*Did you mean 'quanto-int"),
        (flux, {"quantization": "torchao-int8", "dtype": "float16"}, "quantization: .*takes dtype = 'bfloat16', not"),
        (flux, {"quantization": "quanto-int8", "offload": "sequential"}, "quantization: offload = 'sequential'"),
        (flux, {"quantization": "quanto-int8", "backend": "openvino"}, "backend: 'openvino' computes with plain"),
        (
            asked(shelf, "flux", lora="x.safetensors"),
            {"quantization": "quanto-fp8"},
            "quantization: .*no lora on a Flux",
        ),
        (
            asked(shelf, "chroma", lora="x.safetensors"),
            {"quantization": "quanto-fp8"},
            "quantization: .*no lora on a Chroma",
        ),
        (flux, {"attention": "flexx"}, "attention: there is no 'flexx'. Did you mean 'flex'"),
        (flux, {"attention": "flash_hub"}, "attention: 'flash_hub' fetches code from the Hub, which is never run"),
        (flux, {"attention": "sage"}, "attention: 'sage' needs sageattention. Run: pip install sageattention"),
        (flux, {"attention": "_native_cudnn"}, "attention: '_native_cudnn' needs an NVIDIA GPU"),
        (sd15, {"attention": "flex"}, "attention: UNet2DConditionModel computes its attention in a way of its own"),
        (flux, {"cache": "first"}, "cache: there is no 'first'"),
        (flux, {"cache": "first_block 99"}, "cache: threshold of 'first_block' is a number from 0 to 10, not 99"),
        (flux, {"cache": "pab x"}, "cache: 'x' is no number"),
        (flux, {"cache": "first_block 0.1 2"}, "cache: 'first_block' takes at most 1 number"),
        (sd15, {"cache": "first_block"}, "cache: .*its denoiser UNet2DConditionModel takes no cache"),
        (asked(shelf, "chroma"), {"cache": "first_block"}, "cache: .*does not know the blocks of ChromaTransformer"),
        (asked(shelf, "chroma"), {"cache": "taylorseer"}, "cache: .*does not say which row it computes"),
        (asked(shelf, "chroma"), {"cache": "pab"}, "cache: .*guidance calls the denoiser twice a step"),
        (asked(shelf, "chroma"), {"cache": "magcache"}, "cache: .*Diffusers has those of FluxTransformer2DModel"),
        (flux, {"cache": "pab", "backend": "compile"}, "backend: 'compile' works on batches, and cache = 'pab'"),
    ]
    for shot, options, sentence in cases:
        said = refusal(shot, **options)
        assert re.match(sentence, said), (options, said)
        assert "\n" not in said


def test_a_file_of_another_family_is_found_out_without_reading_its_weights(shelf, packed) -> None:
    other = str(next((shelf / "sd3/transformer").glob("*.safetensors")))
    vae = str(next((shelf / "sd15/vae").glob("*.safetensors")))
    shot = asked(shelf, "flux")
    for options in ({"transformer": other}, {"vae": vae}):
        ((option, written),) = options.items()
        engine = DiffusersEngine(device="cpu", **options)
        engine.check(shot.settings)
        assert engine.rehearse(shot.settings).startswith(f"{option}: {written!r} does not fit: ")
        (failure,) = answers([shot], batch=1, **options).values()
        assert isinstance(failure, Failure), "the sentence is right: the file cannot be used"
    for options in (
        {"transformer": str(packed["Q4_0"])},
        {"vae": str(next((shelf / "flux-2/vae").glob("*.safetensors")))},
    ):
        assert DiffusersEngine(device="cpu", **options).rehearse(shot.settings) == ""


def test_an_attention_backend_is_put_on_one_model_and_no_other(shelf) -> None:
    shot = asked(shelf, "flux")
    before = _AttentionBackendRegistry.get_active_backend()[0]
    plain = picture(shot)
    for name in ("_native_math",):
        answer = picture(shot, attention=name)
        assert _AttentionBackendRegistry.get_active_backend()[0] == before
        own = diffusers.FluxTransformer2DModel.from_pretrained(shelf / "flux", subfolder="transformer")
        own.set_attention_backend(name)
        try:
            assert np.array_equal(pixels_of(answer), by_hand(shot, transformer=own))
        finally:
            _AttentionBackendRegistry.set_active_backend(before)
        assert answer.facts["attention"] == answer.fingerprint.facts["attention"] == name
        assert "said" not in answer.facts
    assert picture(shot).facts["pixels"] == plain.facts["pixels"]


def test_options_that_are_left_out_are_in_no_fingerprint_and_no_picture(shelf) -> None:
    answer = picture(asked(shelf, "flux"))
    changed = {"quantization", "attention", "cache", "parts"}
    assert not changed & (set(answer.facts) | set(answer.fingerprint.facts))
